package wait

import (
	"context"
	"fmt"

	"holograph/test/doctor/check"
	"holograph/test/doctor/description"
	"holograph/test/internal/kube"
)

// Chain returns a condition for each link from the renderer's pods to the autoscaler. The release's description says
// which links it has and which metrics must arrive.
func Chain(r kube.Release) []Condition { return From(r, check.RendererPods) }

// From returns the conditions of Chain from that link on, for a release whose earlier links cannot be seen from outside
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

// PodsReady is met when every renderer pod is Ready and there are as many as the
// Deployment wants.
func PodsReady(r kube.Release) Condition { return condition(r, check.RendererPods) }

// condition is met when the link holds, or is not on the release's path.
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

// Replicas is met when exactly that many replicas are desired by the HPA, and Ready in the Deployment.
func Replicas(r kube.Release, want int32) Condition {
	return Condition{Name: fmt.Sprintf("%d desired and Ready replicas", want), Unmet: func(ctx context.Context) error {
		return replicas(ctx, r, func(n int32) bool { return n == want })
	}}
}

// ReplicasAtLeast is met when that many replicas or more are desired by the HPA, and Ready in the Deployment.
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
		return fmt.Errorf("%d desired, %d Ready", desired, ready)
	}
	return nil
}
