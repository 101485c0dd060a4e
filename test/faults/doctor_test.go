package faults

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"holograph/test/doctor/report"
	"holograph/test/internal/harness"
	"holograph/test/internal/kube"
	"holograph/test/internal/load"
	"holograph/test/internal/wait"
)

const (
	// namedTime is for a fault to show: a rollout, a ConfigMap's way into a pod, a few
	// scrapes. The longest takes 15 s on an idle machine.
	namedTime = 90 * time.Second
	// mendedTime is for every link to hold again: a pod's start, two scrapes, a relist
	// and a decision of the autoscaler. The longest takes 30 s on an idle machine.
	mendedTime = 2 * time.Minute
)

// The names of what is broken.
const (
	renderer   = "holograph-renderer"
	prometheus = "holograph-prometheus"
	adapter    = "holograph-prometheus-adapter"
	doctor     = "holograph-doctor"
)

// fault is one broken link.
type fault struct {
	name string
	// wreck breaks the release and returns what undoes that.
	wreck func(ctx context.Context, r kube.Release) (mend func(context.Context) error, err error)
	// link is what the doctor must name, and says is in the cause that it gives.
	link, says string
}

// Each link is broken in turn, several of them in two ways. The doctor names it and no other, and finds all well
// once it is mended.
func TestDoctor(t *testing.T) {
	s := harness.New(t)
	s.Step("install the chart")
	// A fault that is looked for need not be waited for.
	s.UpgradeWith(map[string]string{"doctor.wait": "1s"}, "local")
	s.WaitFor(2*time.Minute, wait.Chain(s.Release)...)

	s.Step("nothing is broken, from outside and inside the cluster")
	s.WaitFor(namedTime, healthy(s.Release))
	printed, err := s.HelmTest()
	require.NoError(t, err, printed)
	assert.Contains(t, printed, "Every link holds.")

	for _, fault := range []fault{
		{"a renderer that does not become Ready", neverReady, "renderer-pods", "container renderer runs and does not pass its readiness probe"},
		{"a renderer at another port", otherPort, "renderer-metrics", "does not give its metrics at port 8080, path /metrics: "},
		{"Prometheus scaled to nothing", scaleToNothing(prometheus), "prometheus", "Deployment holograph-prometheus is scaled to 0 pods"},
		{"scrapes of a port where nobody listens", editScrapes("target_label: \"namespace\"\n", "target_label: \"namespace\"\n"+
			"      - source_labels: [__meta_kubernetes_pod_ip]\n        target_label: __address__\n        replacement: $1:9\n"),
			"targets", "connection refused"},
		{"scrapes under other labels", editScrapes("target_label: \"pod\"\n", "target_label: kubernetes_pod_name\n"), "series", `kubernetes_pod_name="holograph-renderer-`},
		{"the adapter scaled to nothing", scaleToNothing(adapter), "adapter-pods", "Deployment holograph-prometheus-adapter is scaled to 0 pods"},
		{"an APIService that points at nothing", misdirect, "api-service", "is not Available: ServiceNotFound"},
		{"an adapter that may not list pods", unbind(adapter), "values", "may not list pods in namespace holograph"},
		{"no autoscaler", deleteHPA, "autoscaler", "namespace holograph has no HorizontalPodAutoscaler holograph-renderer"},
	} {
		s.Step("%s", fault.name)
		mend := wreck(s, fault)
		expect(s, fault)
		mend()
		s.WaitFor(mendedTime, healthy(s.Release))
	}

	s.Step("a rule that is missing")
	restart, putBack := removeRule(s)
	expect(s, fault{link: "adapter-rule", says: "has 1 rules and none that gives holograph_demand"})
	restart()
	s.WaitFor(namedTime, unlisted(s.Release, "pods/holograph_demand"))

	s.Step("the rule is back, and the adapter has not read it")
	putBack()
	expect(s, fault{link: "discovery", says: "started before ConfigMap holograph/holograph-prometheus-adapter was last changed"})
	restart()
	s.WaitFor(mendedTime, healthy(s.Release))

	s.Step("an autoscaler that wants more than it may have")
	mend := wreck(s, fault{wreck: pin})
	d := s.Drive(time.Second, load.Stage{FramesPerSecond: 5}, load.Stage{FramesPerSecond: 5, Duration: loadTime})
	expect(s, fault{link: "headroom", says: "pinned at its maximum of 2 pods"})
	s.Cut(d)
	mend()
	s.WaitFor(mendedTime, healthy(s.Release))

	s.Step("an autoscaler that asks for another metric, seen by helm test")
	mend = wreck(s, fault{wreck: renameMetric})
	printed, err = s.HelmTest()
	require.Error(t, err, printed)
	assert.Contains(t, printed, "The first broken link is autoscaler.")
	assert.Contains(t, printed, "HPA holograph-renderer asks for frames, holograph_demand, and not for holograph_frames_over_budget_total, which is served")
	mend()

	s.Step("a doctor that may not look, seen by helm test")
	mend = wreck(s, fault{wreck: unbind(doctor)})
	printed, err = s.HelmTest()
	require.Error(t, err, printed)
	assert.Contains(t, printed, "The link renderer-pods could not be looked at, so nobody knows whether it holds.")
	assert.Contains(t, printed, "a permission is missing: ServiceAccount holograph/holograph-doctor may not get deployments of apps in namespace holograph")
	mend()
	s.WaitFor(mendedTime, healthy(s.Release))
	printed, err = s.HelmTest()
	require.NoError(t, err, printed)
}

// wreck breaks something and returns what mends it, at the story's end at the
// latest.
func wreck(s *harness.Story, fault fault) (mend func()) {
	s.Helper()
	ctx, cancel := s.Within(namedTime)
	defer cancel()
	undo, err := fault.wreck(ctx, s.Release)
	require.NoError(s, err)
	mended := false
	mend = func() {
		if mended {
			return
		}
		mended = true
		ctx, cancel := context.WithTimeout(context.Background(), namedTime)
		defer cancel()
		require.NoError(s, undo(ctx))
	}
	s.Cleanup(mend)
	return mend
}

// expect waits until the doctor names the fault, and checks what it says.
func expect(s *harness.Story, fault fault) {
	s.Helper()
	var broken *report.Link
	s.WaitFor(namedTime, wait.Condition{Name: "the doctor to name " + fault.link, Unmet: func(ctx context.Context) error {
		found := report.OfRelease(ctx, s.Release)
		broken = found.Broken()
		if unseen := found.Unseen(); unseen != nil {
			return fmt.Errorf("it could not look at %s: %s", unseen.Name, unseen.Cause)
		}
		if broken == nil {
			return errors.New("it finds nothing wrong")
		}
		if broken.Name != fault.link || !strings.Contains(broken.Cause, fault.says) {
			return fmt.Errorf("it names %s: %s", broken.Name, broken.Cause)
		}
		return nil
	}})
	s.Logf("    cause:  %s", broken.Cause)
	s.Logf("    remedy: %s", broken.Remedy)
	assert.NotEmpty(s, broken.Remedy)
}

// healthy is met when the doctor finds that every link holds.
func healthy(r kube.Release) wait.Condition {
	return wait.Condition{Name: "every link to hold", Unmet: func(ctx context.Context) error {
		found := report.OfRelease(ctx, r)
		if broken := found.Broken(); broken != nil {
			return fmt.Errorf("%s: %s", broken.Name, broken.Cause)
		}
		if unseen := found.Unseen(); unseen != nil {
			return fmt.Errorf("%s could not be looked at: %s", unseen.Name, unseen.Cause)
		}
		return nil
	}}
}

// unlisted is met when the custom metrics API no longer lists a metric.
func unlisted(r kube.Release, metric string) wait.Condition {
	return wait.Condition{Name: metric + " not to be listed", Unmet: func(ctx context.Context) error {
		listed, err := r.Metrics(ctx)
		if err == nil && slices.Contains(listed, metric) {
			err = errors.New("it is listed")
		}
		return err
	}}
}
