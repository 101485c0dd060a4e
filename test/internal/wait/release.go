package wait

import (
	"context"
	"fmt"

	"holograph/test/doctor/check"
	"holograph/test/doctor/description"
	"holograph/test/internal/kube"
)

// Chain returns all links, from the renderer's pods to the autoscaler. Which of
// them a release has, and which metrics must arrive, the release says itself.
func Chain(r kube.Release) []Condition { return From(r, check.RendererPods) }

// From returns the links of Chain from one on, for a release whose earlier ones
// cannot be looked at from here.
func From(r kube.Release, first check.Link) []Condition {
	var chain []Condition
	reached := false
	for _, link := range check.All() {
		reached = reached || link.Name == first.Name
		// An autoscaler at its maximum is no broken loop.
		if reached && link.Name != check.Headroom.Name {
			chain = append(chain, condition(r, link))
		}
	}
	return chain
}

// PodsReady is met when every renderer pod is Ready and there are as many as the
// Deployment wants.
func PodsReady(r kube.Release) Condition { return condition(r, check.RendererPods) }

// condition waits for a link to hold, or not to be on the release's path.
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

// Replicas is met when the HPA wants, and the Deployment has Ready, exactly that
// many pods.
func Replicas(r kube.Release, want int32) Condition {
	return Condition{Name: fmt.Sprintf("%d desired and Ready replicas", want), Unmet: func(ctx context.Context) error {
		return replicas(ctx, r, func(n int32) bool { return n == want })
	}}
}

// ReplicasAtLeast is met when the HPA wants, and the Deployment has Ready, that
// many pods or more.
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
