package wait

import (
	"context"
	"errors"
	"fmt"

	"holograph/test/doctor/check"
	"holograph/test/doctor/description"
	"holograph/test/internal/kube"
)

// Chain returns a condition for each link from the renderer's pods to the autoscaler. The description of the release says
// which links it has and which metrics it needs.
func Chain(r kube.Release) []Condition { return From(r, check.RendererPods) }

// From returns the conditions of Chain from that link on, for a release whose earlier links cannot be checked from outside
// the cluster.
func From(r kube.Release, first check.Link) []Condition {
	var chain []Condition
	reached := false
	for _, link := range check.All() {
		reached = reached || link.Name == first.Name
		// An autoscaler at its maximum still scales.
		if reached && link.Name != check.Headroom.Name {
			chain = append(chain, condition(r, link))
		}
	}
	return chain
}

// PodsReady is met when there are as many renderer pods as the Deployment wants, and each is Ready.
func PodsReady(r kube.Release) Condition { return condition(r, check.RendererPods) }

// condition is met when the link holds, or when the release does not have it.
func condition(r kube.Release, link check.Link) Condition {
	return Condition{Name: link.Holds, Unmet: func(ctx context.Context) error {
		p, err := description.Read(ctx, r.Client, r.Namespace, r.Name)
		if err != nil || !link.On(p) {
			return err
		}
		_, err = link.Check(ctx, r.Client, p)
		return err
	}}
}

// Answer is met when the release's Prometheus answers a query with a series at least.
func Answer(r kube.Release, query string) Condition {
	return Condition{Name: "an answer to " + query, Unmet: func(ctx context.Context) error {
		found, err := r.Query(ctx, query)
		if err == nil && len(found) == 0 {
			err = errors.New("there is none")
		}
		return err
	}}
}

// Replicas is met when the autoscaler wants exactly that many replicas, and as many are Ready.
func Replicas(r kube.Release, want int32) Condition {
	return Condition{Name: fmt.Sprintf("%d desired and Ready replicas", want), Unmet: func(ctx context.Context) error {
		return replicas(ctx, r, func(n int32) bool { return n == want })
	}}
}

// ReplicasAtLeast is met when the autoscaler wants that many replicas or more, and as many are Ready.
func ReplicasAtLeast(r kube.Release, want int32) Condition {
	return Condition{Name: fmt.Sprintf("at least %d desired and Ready replicas", want), Unmet: func(ctx context.Context) error {
		return replicas(ctx, r, func(n int32) bool { return n >= want })
	}}
}

func replicas(ctx context.Context, r kube.Release, enough func(int32) bool) error {
	hpa, err := r.HPA(ctx)
	if err != nil {
		return err
	}
	deployment, err := r.Deployment(ctx)
	if err != nil {
		return err
	}
	desired, ready := hpa.Status.DesiredReplicas, deployment.Status.ReadyReplicas
	if !enough(desired) || !enough(ready) {
		return fmt.Errorf("%d are desired and %d are Ready", desired, ready)
	}
	return nil
}
