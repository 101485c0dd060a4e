// Package promise breaks things while load runs, measures what the chart does, and keeps what was measured in a record,
// docs/faults.json, of which it makes the page docs/faults.md. A folder of stories has a table of promises, which [Run]
// runs on its cluster and which [Check] compares with the record.
package promise

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"

	"holograph/ci/repo"
	"holograph/test/internal/harness"
	"holograph/test/internal/kube"
	"holograph/test/internal/load"
	"holograph/test/internal/wait"
)

// Subject is what a promise is about. The page has a part for each.
type Subject int

// The subjects, in the order of the page.
const (
	Prometheus Subject = iota + 1
	Adapter
	Data
	Renderer
	Node
	ControlPlane
	Operations
	Sessions
	Overload
)

// subjects are the titles of the page's parts.
var subjects = [...]string{
	Prometheus: "Prometheus is down", Adapter: "The metrics API or KEDA is down", Data: "The data are wrong",
	Renderer: "Renderers fail", Node: "Nodes fail", ControlPlane: "The control plane fails",
	Operations: "Operations", Sessions: "Viewers hold sessions", Overload: "More load than the maximum can bear",
}

// String returns the subject's title, or nothing, which [Check] refuses.
func (s Subject) String() string {
	if int(s) >= len(subjects) {
		return ""
	}
	return subjects[s]
}

// Promise is one row of the page: a fault, and what an operator can rely on when it happens.
type Promise struct {
	Subject Subject
	// Name is the subtest's, and the row's.
	Name string
	// Says is what an operator can rely on, and Fault what the story does to break it: a sentence each.
	Says, Fault string
	// Alerts are the alerts that fire meanwhile. Others may follow from the same fault. Where there are none, only alerts
	// about the load may fire.
	Alerts []string
	// Within is the time in which everything must work again, counted from the moment that the story passes to
	// [Experiment.Recovered].
	Within time.Duration
	// Keep breaks something and checks that the promise is kept. It calls [Experiment.Load] first.
	Keep func(e *Experiment)
}

// Capacity is how many frames a second a pod counts as able to render, with [Settings]. One of values-examples/local.yaml
// renders 15 to 23, depending on the machine and on what else runs there.
const Capacity = 8

// Settings returns these values and those that make the replicas follow from the load alone: demand is frames per second,
// divided by Capacity. A load for three pods is one on every machine then, and leaves them enough CPU to be in budget.
func Settings(values map[string]string) map[string]string {
	all := map[string]string{
		"signals.demand.offered.metric": "holograph_frames_total",
		"signals.demand.capacity.value": fmt.Sprint(Capacity),
	}
	maps.Copy(all, values)
	return all
}

// Run runs each promise of the table as a subtest of the story, with the load that it wants. A promise that is kept writes
// its row into the record, and the page.
func Run(s *harness.Story, table []Promise) {
	s.Helper()
	for _, p := range table {
		s.Run(p.Name, func(s *harness.Story) {
			e := &Experiment{Story: s, promise: p}
			p.Keep(e)
			e.finish()
			if s.Failed() {
				return
			}
			s.Logf("    %s", e.result)
			require.NoError(s, keep(row(folder(s.T), p, &e.result)))
		})
	}
}

// Experiment is the story of one promise: it sends load, breaks something, and measures what the chart does.
type Experiment struct {
	*harness.Story
	// Pod is what a renderer pod can do. Stages measures it, unless the promise has.
	Pod load.Pod
	// Before is how many replicas the autoscaler wanted when [Experiment.Inject] was called last.
	Before int32

	promise Promise
	drive   *load.Drive
	seen    func() seen
	result  Result
}

// Longest is how long a load goes on where the story does not end it.
const Longest = 10 * time.Minute

// Load sends as many frames as that many pods count as able to render, until the experiment ends.
func (e *Experiment) Load(pods float64) {
	e.Helper()
	e.Stages(load.Steady(pods*Capacity, Longest))
}

// Stages sends several loads, one after the other. Frames are counted until the experiment ends, so the last load must last until
// then.
func (e *Experiment) Stages(loads ...[]load.Stage) {
	e.Helper()
	if e.Pod.FrameCost == 0 {
		e.Pod = e.MeasurePod()
	}
	e.Send(load.Profile{Stages: slices.Concat(loads...), Budget: e.Pod.Budget})
}

// Send is Stages for any profile.
func (e *Experiment) Send(profile load.Profile) {
	e.Helper()
	e.drive = e.Offer(profile)
}

// settled is for how long the replicas must have been as many as the load needs: two decisions of the autoscaler.
const settled = 30 * time.Second

// Settle waits until the autoscaler reads every metric, and the replicas are as many as the load needs. Late frames on a busy
// machine may have added others, which are removed first.
func (e *Experiment) Settle(budget time.Duration, replicas int32) {
	e.Helper()
	e.WaitFor(budget, e.Reads(), e.Steady(replicas, settled))
}

// Inject applies the fault, as [harness.Story.Break] does, and begins to watch replicas and alerts. The returned function
// fixes the fault.
func (e *Experiment) Inject(fault harness.Fault) (fix func()) {
	e.Helper()
	e.Before = e.Wanted()
	if e.seen == nil {
		e.WaitFor(2*time.Minute, e.quiet())
		e.seen = watch(e.Story)
	}
	e.Step("%d replicas; %s", e.Before, e.promise.Fault)
	return e.Break(fault)
}

// quiet is met when no alert fires any more that an earlier fault has caused.
func (e *Experiment) quiet() wait.Condition {
	return wait.Condition{Name: "the alerts of earlier faults to end", Unmet: func(ctx context.Context) error {
		firing, err := e.Release.Query(ctx, `ALERTS{alertstate="firing"}`)
		for _, alert := range firing {
			if name := string(alert.Metric["alertname"]); name != alwaysFires && !ofLoad.MatchString(name) {
				return fmt.Errorf("%s fires", name)
			}
		}
		return err
	}}
}

// Wanted returns spec.replicas of the renderer's Deployment.
func (e *Experiment) Wanted() int32 {
	e.Helper()
	ctx, cancel := e.Within(time.Minute)
	defer cancel()
	deployment, err := e.Release.Deployment(ctx)
	require.NoError(e, err)
	return *deployment.Spec.Replicas
}

// Hold waits so long and fails as soon as the replicas are outside the bounds meanwhile.
func (e *Experiment) Hold(length time.Duration, lowest, highest int32) {
	e.Helper()
	begun := time.Now()
	e.WaitFor(length+time.Minute, wait.Condition{Name: fmt.Sprintf("%s to pass", length), Unmet: func(ctx context.Context) error {
		if deployment, err := e.Release.Deployment(ctx); err == nil {
			now := *deployment.Spec.Replicas
			require.GreaterOrEqual(e, now, lowest, "replicas %s after the fault: the load is still there", time.Since(begun).Round(time.Second))
			require.LessOrEqual(e, now, highest, "replicas %s after the fault: the load asks for no more", time.Since(begun).Round(time.Second))
		}
		if passed := time.Since(begun); passed < length {
			return fmt.Errorf("%s have passed", passed.Round(time.Second))
		}
		return nil
	}})
}

// Reads is met when the autoscaler's last decision was from values of all its metrics.
func (e *Experiment) Reads() wait.Condition {
	return wait.Condition{Name: "the autoscaler to read its metrics", Unmet: func(ctx context.Context) error { return reads(ctx, e.Story) }}
}

// Blind is met when the autoscaler's last decision failed for lack of values.
func (e *Experiment) Blind() wait.Condition {
	return wait.Condition{Name: "the autoscaler to be without values", Unmet: func(ctx context.Context) error {
		hpa, err := e.Release.HPA(ctx)
		if err != nil {
			return err
		}
		if active := kube.Condition(hpa, autoscalingv2.ScalingActive); active == nil || active.Status != corev1.ConditionFalse {
			return errors.New("it still scales")
		}
		return nil
	}}
}

// Alerted waits until the alerts of the promise fire.
func (e *Experiment) Alerted(budget time.Duration) {
	e.Helper()
	require.NotEmpty(e, e.promise.Alerts, "the promise's alerts")
	var all []wait.Condition
	for _, alert := range e.promise.Alerts {
		all = append(all, wait.Condition{Name: alert + " to fire", Unmet: func(ctx context.Context) error {
			_, found, err := e.Release.Scalar(ctx, fmt.Sprintf(`count(ALERTS{alertname=%q, alertstate="firing"})`, alert))
			if err == nil && !found {
				err = errors.New("it does not")
			}
			return err
		}})
	}
	e.WaitFor(budget, all...)
}

// Recovered waits until the autoscaler reads its metrics and the further conditions are met, and takes the time since then
// as the recovery. It must be within the promise's.
func (e *Experiment) Recovered(since time.Time, further ...wait.Condition) {
	e.Helper()
	e.WaitFor(e.promise.Within-time.Since(since), append([]wait.Condition{e.Reads()}, further...)...)
	e.result.Recovery = Seconds(time.Since(since))
}

// Note adds to the row what was measured beside the rest: a short sentence.
func (e *Experiment) Note(format string, args ...any) {
	e.result.Notes = append(e.result.Notes, fmt.Sprintf(format, args...))
}

// Counts ends the load and returns its counts, for a promise about frames. Without it they are only written down.
func (e *Experiment) Counts() load.Summary {
	e.Helper()
	summary := e.Cut(e.drive)
	e.drive = nil
	e.result.Frames = Frames{Offered: summary.Offered(), Late: summary.Late, Refused: summary.Refused, Lost: summary.Failed, Sent: summary.Sent}
	return summary
}

// finish ends the load and the watches, and completes the result.
func (e *Experiment) finish() {
	e.Helper()
	require.NotNil(e, e.seen, "the experiment had no fault: call Inject")
	if e.drive != nil {
		e.Counts()
	}
	assert.Positive(e, e.result.Frames.Sent, "frames sent while the fault lasted")
	saw := e.seen()
	e.result.Date = time.Now().UTC().Format(time.DateOnly)
	e.result.Before, e.result.Lowest, e.result.Highest = e.Before, saw.lowest, saw.highest
	e.result.Alerts = saw.alerts
	assert.NoError(e, alarm(e.promise.Alerts, saw.alerts))
}

// ofLoad matches the alerts that tell of the load and not of the fault: late frames, and a fleet that has followed the loads
// of one promise after the other.
var ofLoad = regexp.MustCompile("^Holograph(ErrorBudgetBurn.*|AutoscalerFlapping)$")

// alarm compares the alerts of a promise with those that fired.
func alarm(promised, fired []string) error {
	for _, alert := range promised {
		if !slices.Contains(fired, alert) {
			return fmt.Errorf("the alerts that fired are %q, want %s among them", fired, alert)
		}
	}
	for _, alert := range fired {
		if len(promised) == 0 && !ofLoad.MatchString(alert) {
			return fmt.Errorf("the alerts that fired are %q, want none but those about the load", fired)
		}
	}
	return nil
}

func reads(ctx context.Context, s *harness.Story) error {
	hpa, err := s.Release.HPA(ctx)
	if err != nil {
		return err
	}
	if active := kube.Condition(hpa, autoscalingv2.ScalingActive); active == nil || active.Status != corev1.ConditionTrue {
		return fmt.Errorf("its condition ScalingActive is %v", active)
	}
	// A metric that could not be read has an entry without a type.
	for i, current := range hpa.Status.CurrentMetrics {
		if current.Type == "" {
			return fmt.Errorf("metric %d of %d has no value", i+1, len(hpa.Status.CurrentMetrics))
		}
	}
	if len(hpa.Status.CurrentMetrics) != len(hpa.Spec.Metrics) {
		return fmt.Errorf("it has values of %d of %d metrics", len(hpa.Status.CurrentMetrics), len(hpa.Spec.Metrics))
	}
	return nil
}

// Steady is met when exactly that many replicas have been wanted and Ready for so long.
func (e *Experiment) Steady(replicas int32, length time.Duration) wait.Condition {
	since := time.Now()
	return wait.Condition{Name: fmt.Sprintf("%d replicas to be steady for %s", replicas, length), Unmet: func(ctx context.Context) error {
		deployment, err := e.Release.Deployment(ctx)
		if err != nil {
			return err
		}
		now := *deployment.Spec.Replicas
		if now != replicas || deployment.Status.ReadyReplicas != now {
			since = time.Now()
		}
		if time.Since(since) < length {
			return fmt.Errorf("they are %d, %d of them Ready", now, deployment.Status.ReadyReplicas)
		}
		return nil
	}}
}

// seen is what an experiment saw.
type seen struct {
	lowest, highest int32
	alerts          []string
}

// alwaysFires is no news.
const alwaysFires = "HolographWatchdog"

// watch begins to look at replicas and alerts. The returned function ends that. What cannot be read is left out, as while
// the API server or Prometheus is down.
func watch(s *harness.Story) func() seen {
	ctx, stop := context.WithCancel(s.Context())
	result := make(chan seen, 1)
	go func() {
		saw := seen{lowest: math.MaxInt32}
		for looks := 0; ; looks++ {
			if deployment, err := s.Release.Deployment(ctx); err == nil {
				saw.lowest = min(saw.lowest, *deployment.Spec.Replicas)
				saw.highest = max(saw.highest, *deployment.Spec.Replicas)
			}
			// Rules are evaluated every few seconds.
			if looks%10 == 0 {
				brief, cancel := context.WithTimeout(ctx, 2*time.Second)
				firing, _ := s.Release.Query(brief, `ALERTS{alertstate="firing"}`)
				cancel()
				for _, alert := range firing {
					if name := string(alert.Metric["alertname"]); name != alwaysFires && !slices.Contains(saw.alerts, name) {
						saw.alerts = append(saw.alerts, name)
					}
				}
			}
			select {
			case <-ctx.Done():
				result <- saw
				return
			case <-time.After(500 * time.Millisecond):
			}
		}
	}()
	return func() seen {
		stop()
		saw := <-result
		require.Positive(s, saw.highest, "the replicas are unknown: the Deployment was never read")
		slices.Sort(saw.alerts)
		return saw
	}
}

// folder is that of the package whose test runs, from the repository's root.
func folder(t *testing.T) string {
	t.Helper()
	root, err := repo.Root()
	require.NoError(t, err)
	here, err := os.Getwd()
	require.NoError(t, err)
	path, err := filepath.Rel(root, here)
	require.NoError(t, err)
	return filepath.ToSlash(path)
}

func (r Result) String() string {
	return strings.Join([]string{"replicas " + r.replicas(), "frames " + r.Frames.String(), "alerts " + strings.Join(r.Alerts, ", "), "recovery " + r.Recovery.String()}, "; ")
}
