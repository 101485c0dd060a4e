// Package check looks at each link of the path from a late frame to a new pod,
// and says of one that is broken why, and how to fix it. It only reads.
package check

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"holograph/test/doctor/description"
	"holograph/test/internal/kube"
)

// Link is one link of the path.
type Link struct {
	// Name names the link in reports.
	Name string
	// Holds says what is so while the link holds; it completes "waited for".
	Holds string

	on   func(description.Path) bool
	look func(context.Context, subject) (finding string, err error)
}

// subject is what a link looks at.
type subject struct {
	*kube.Client
	description.Path
}

// On reports whether the link is on a release's path: a release that KEDA scales
// needs no adapter.
func (l Link) On(p description.Path) bool { return l.on == nil || l.on(p) }

// Check returns what was found of a link that holds. The error of one that does
// not is a *Broken, that of one that could not be looked at an *Unseen. All of it
// may be shown to anyone.
func (l Link) Check(ctx context.Context, c *kube.Client, p description.Path) (finding string, err error) {
	finding, err = l.look(ctx, subject{c, p})
	var broken *Broken
	var unseen *Unseen
	switch {
	case err == nil:
		return c.Shown(finding), nil
	case ctx.Err() != nil:
		unseen = OutOfTime(err)
	case errors.As(err, &broken):
		return "", &Broken{Cause: c.Shown(broken.Cause), Remedy: c.ShownAdvice(broken.Remedy)}
	case !errors.As(err, &unseen):
		unseen = Unread(err)
	}
	return "", &Unseen{Cause: c.Shown(unseen.Cause), Remedy: c.ShownAdvice(unseen.Remedy)}
}

// Broken says why a link does not hold, and what to do.
type Broken struct {
	Cause, Remedy string
}

// Error returns the cause.
func (b *Broken) Error() string { return b.Cause }

// Unseen says why a link could not be looked at, so that nobody knows whether it
// holds, and what to do.
type Unseen struct {
	Cause, Remedy string
}

// Error returns the cause.
func (u *Unseen) Error() string { return u.Cause }

// All returns every link, in order from the renderers to the replicas. Fix the first
// broken one: the links after it depend on it.
func All() []Link {
	return []Link{
		RendererPods, RendererMetrics, Prometheus, Targets, Series,
		AdapterRule, AdapterPods, ScaledObject, APIService, Discovery, Values,
		Autoscaler, Headroom,
	}
}

// broken returns a remedy, and a cause that is formatted with the arguments.
func broken(remedy, cause string, args ...any) error {
	return &Broken{Cause: fmt.Sprintf(cause, args...), Remedy: remedy}
}

// kubectl is a command for the release's namespace.
func (s subject) kubectl(format string, args ...any) string {
	return "kubectl --namespace " + s.Namespace + " " + fmt.Sprintf(format, args...)
}

// helm is a command for the release. Its namespace need not be that of its objects.
func (s subject) helm(command string, after ...string) string {
	return strings.Join(slices.Concat([]string{"helm", command, s.Release}, after, []string{"--namespace", s.ReleaseNamespace}), " ")
}

// upgrade is the command that writes the release's objects anew.
func (s subject) upgrade() string {
	return s.helm("upgrade", "<chart>") + ", with the chart and the values that it was installed with"
}
