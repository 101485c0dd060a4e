package main

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"holograph/test/internal/guest"
	"holograph/test/internal/wait"
	"holograph/test/scale/fleet"
	"holograph/test/scale/result"
)

// manyOf returns the modes in which many autoscalers are measured. KEDA's cache changes what a call costs, and that is
// measured with one.
func manyOf(modes []fleet.Mode) []fleet.Mode {
	return slices.DeleteFunc(slices.Clone(modes), func(mode fleet.Mode) bool { return mode == fleet.CachedKEDA })
}

// many measures many autoscalers of fleets of ten pods.
func (r *runner) many(ctx context.Context, p plan, run *result.Run) error {
	modes := manyOf(p.modes)
	if len(modes) == 0 {
		return nil
	}
	if err := r.clear(ctx); err != nil {
		return err
	}
	made := 0
	for _, fleets := range p.autoscalers {
		pods := fleets * fleetPods
		r.say("%d autoscalers of %d pods.", fleets, fleetPods)
		t, err := render(fleet.Pods, fleetPods, 2*fleetPods)
		if err != nil {
			return err
		}
		if err := guest.Apply(ctx, r.client, t.Deployments(made, fleets)); err != nil {
			return err
		}
		made = fleets
		// The pods that are there share the load, so while others are created, an autoscaler would add pods to them.
		if err := r.offer(ctx, 0); err != nil {
			return err
		}
		for i, mode := range modes {
			if err := r.autoscale(ctx, mode, fleets, fleetPods, 2*fleetPods, adapterRateFor(p.autoscalers[len(p.autoscalers)-1])); err != nil {
				return err
			}
			if err := wait.For(ctx, within(pods), r.allReady(fleets)); err != nil {
				return fmt.Errorf("%d autoscalers, %s: %w", fleets, mode, err)
			}
			if i == 0 {
				if err := r.offer(ctx, share*float64(pods)); err != nil {
					return err
				}
			}
			// KEDA's operator takes up a ScaledObject a second.
			if err := wait.For(ctx, within(pods), r.active(fleets)); err != nil {
				return fmt.Errorf("%d autoscalers, %s: %w", fleets, mode, err)
			}
			if err := r.watch(ctx, mode, fleets, run); err != nil {
				return fmt.Errorf("%d autoscalers, %s: %w", fleets, mode, err)
			}
		}
		// The next number begins with the mode that the autoscalers have already.
		slices.Reverse(modes)
	}
	// The same with the default of the controller manager.
	if err := r.limitControllers(ctx, 0); err != nil {
		return err
	}
	// It has just started, with all decisions due at once.
	if err := wait.For(ctx, readyBudget, r.decided(2*made)); err != nil {
		return err
	}
	return r.watch(ctx, r.mode, made, run)
}

// adapterRateFor returns --client-qps for so many autoscalers, as the chart derives it for servedNamespaces: a request for each of
// two metrics in 15 s, twice, and at least 50.
func adapterRateFor(autoscalers int) int { return max(50, (2*2*autoscalers+14)/15) }

// decided is met when the controller manager has made that many decisions since its start.
func (r *runner) decided(decisions int) wait.Condition {
	return wait.Condition{Name: fmt.Sprintf("%d decisions since the start of the controller manager", decisions), Unmet: func(ctx context.Context) error {
		done, err := r.decisions(ctx)
		if err == nil && done.count < float64(decisions) {
			err = fmt.Errorf("it has made %.0f", done.count)
		}
		return err
	}}
}

// decisions returns what the HPA controller has done until now.
func (r *runner) decisions(ctx context.Context) (reconciliations, error) {
	metrics, err := r.controllerMetrics(ctx)
	if err != nil {
		return reconciliations{}, err
	}
	at := time.Now()
	done, err := parseReconciliations(metrics)
	done.at = at
	return done, err
}

// watch measures the autoscalers until each has decided as often as rounds says, and adds them to the run.
func (r *runner) watch(ctx context.Context, mode fleet.Mode, fleets int, run *result.Run) error {
	var seen []reconciliations
	u, after, err := r.window(ctx, func() error {
		return wait.For(ctx, within(fleets*fleetPods), wait.Condition{Name: fmt.Sprintf("%d decisions of each autoscaler", rounds), Every: metricsInterval, Unmet: func(ctx context.Context) error {
			now, err := r.decisions(ctx)
			if err != nil {
				return err
			}
			seen = append(seen, now)
			if made, want := now.count-seen[0].count, (rounds+0.5)*float64(fleets); made < want {
				return fmt.Errorf("%.0f of %.0f are made", made, want)
			}
			return nil
		}})
	})
	if err != nil {
		return err
	}
	done := seen[len(seen)-1].since(seen[0])
	m := result.Many{
		Mode: string(mode), Autoscalers: fleets, ControllerRate: r.rate, AdapterRate: r.adapterRate,
		Period: period(seen, fleets, rounds).Seconds(), Mean: done.seconds / done.count, P99: done.quantile(0.99),
		Failed: done.failed / done.count, Cores: u.cores, RSS: memory(after), Elsewhere: u.elsewhere,
	}
	run.Many = append(run.Many, m)
	limit := "its default"
	if r.rate > 0 {
		limit = strconv.Itoa(r.rate)
	}
	r.say("  %-11s  a decision every %.1f s, which takes %.0f ms; %.2f %% failed; controller manager at %s.", mode, m.Period, 1000*m.Mean, 100*m.Failed, limit)
	return nil
}

// allReady is met when each of the first so many fleets has its ten pods, all Ready.
func (r *runner) allReady(fleets int) wait.Condition {
	return wait.Condition{Name: fmt.Sprintf("%d fleets of %d Ready pods", fleets, fleetPods), Every: listInterval, Unmet: func(ctx context.Context) error {
		complete := 0
		for i := range min(fleets, fleet.Namespaces) {
			list, err := r.client.AppsV1().Deployments(fleet.Namespace(i)).List(ctx, metav1.ListOptions{})
			if err != nil {
				return err
			}
			for _, deployment := range list.Items {
				if deployment.Status.ReadyReplicas == fleetPods && deployment.Status.Replicas == fleetPods {
					complete++
				}
			}
		}
		if complete != fleets {
			return fmt.Errorf("there are %d", complete)
		}
		return nil
	}}
}
