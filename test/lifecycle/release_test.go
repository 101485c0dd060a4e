package lifecycle

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"holograph/ci/program"
	"holograph/test/internal/harness"
	"holograph/test/internal/kube"
	"holograph/test/internal/load"
	"holograph/test/internal/wait"
)

// withEachHelm tells the story once with every Helm that the chart is for. Helm 3
// patches objects, Helm 4 applies them on the server, so that what one leaves alone
// the other may reset.
func withEachHelm(t *testing.T, story func(s *harness.Story, helm program.Program)) {
	for _, helm := range []program.Program{program.Helm, program.Helm4} {
		t.Run(helm.Name, func(t *testing.T) {
			story(begin(t, helm), helm)
		})
	}
}

// studio is the release of which Holograph is only a part.
func studio(client *kube.Client) kube.Release {
	// A release whose name holds the chart's names the chart's objects by itself alone.
	return kube.Release{Client: client, Namespace: "studio", Name: "studio-holograph"}
}

// begin begins a story in a cluster without a release, whatever the story before
// left: a cluster has one custom metrics API.
func begin(t *testing.T, helm program.Program) *harness.Story {
	s := harness.New(t)
	s.UseHelm(helm)
	own := s.Release
	for _, release := range []kube.Release{studio(own.Client), own} {
		s.Release = release
		s.Uninstall()
		s.WaitFor(time.Minute, s.NothingLeft())
	}
	return s
}

// minReplicas is the chart's default autoscaling.minReplicas.
const minReplicas = 2

// upgradePods is the load of the story in the worth of one pod: it needs more than the
// minimum, so that a reset of the replicas would be seen.
const upgradePods = 2.5

// storyTimeout is how long the load goes on where the story does not end it: it does
// after 45 s on an idle machine.
const storyTimeout = 5 * time.Minute

// A release is installed, upgraded and rolled back under load, which keeps the
// replicas that the autoscaler chose and answers every frame, and leaves nothing
// behind when it goes.
func TestRelease(t *testing.T) {
	withEachHelm(t, func(s *harness.Story, _ program.Program) {
		s.Step("publish the chart in a registry, signed")
		address := registry(s)
		chart := publish(s, address)

		s.Step("install it from there")
		checkout := s.Chart
		s.Chart = chart.reference
		require.NoError(s, s.Upgrade(harness.Upgrade{Examples: []string{"local"}, Flags: chart.flags}))
		s.Chart = checkout
		s.WaitFor(2*time.Minute, wait.Chain(s.Release)...)
		printed, err := s.HelmTest()
		require.NoError(s, err, printed)
		assert.Contains(s, printed, "Every link holds.")
		pod := s.MeasurePod()

		s.Step("ask for more than the minimum of pods can render")
		rate := upgradePods * pod.FramesPerSecond()
		d := s.Drive(pod.Budget, load.Stage{FramesPerSecond: rate}, load.Stage{FramesPerSecond: rate, Duration: storyTimeout})
		s.WaitFor(time.Minute, wait.ReplicasAtLeast(s.Release, minReplicas+1))
		lowest := s.LowestReplicas()

		s.Step("upgrade to a new version of the renderer's pods")
		s.UpgradeWith(map[string]string{"renderer.podAnnotations.story": "upgrade"}, "local")
		s.WaitFor(time.Minute, annotated(s.Release, "upgrade"), wait.PodsReady(s.Release))

		s.Step("roll back to the version before")
		s.Rollback()
		s.WaitFor(time.Minute, annotated(s.Release, ""), wait.PodsReady(s.Release))

		assert.Greater(s, lowest(), int32(minReplicas), "the fewest replicas wanted meanwhile")
		summary := s.Cut(d)
		assert.Zero(s, summary.Failed, "frames without an answer")
		assert.Zero(s, summary.NeverStarted, "frames that the load could not start")
		assert.Positive(s, summary.InBudget)

		s.Step("uninstall")
		require.Contains(s, strings.Join(s.Belongings(), "\n"), "APIService", "the survey must see cluster-scoped objects")
		s.Uninstall()
		s.WaitFor(time.Minute, s.NothingLeft())
	})
}

// annotated is met when the Deployment's pods carry the story's annotation.
func annotated(r kube.Release, want string) wait.Condition {
	return wait.Condition{Name: fmt.Sprintf("pods annotated %q", want), Unmet: func(ctx context.Context) error {
		deployment, err := r.Deployment(ctx)
		if err != nil {
			return err
		}
		if got := deployment.Spec.Template.Annotations["story"]; got != want {
			return fmt.Errorf("they are annotated %q", got)
		}
		return nil
	}}
}

// A release that Helm 3 installed is upgraded by Helm 4, which finds objects that it has not applied itself, and
// rolled back to what Helm 3 made; the replicas stay those that the autoscaler chose.
func TestFromHelm3ToHelm4(t *testing.T) {
	s := begin(t, program.Helm)
	s.Step("install with Helm 3, and have the autoscaler scale")
	set := map[string]string{"autoscaling.minReplicas": fmt.Sprint(minReplicas + 1)}
	s.UpgradeWith(set, "local")
	s.WaitFor(2*time.Minute, append(wait.Chain(s.Release), wait.Replicas(s.Release, minReplicas+1))...)
	lowest := s.LowestReplicas()

	s.Step("upgrade with Helm 4")
	s.UseHelm(program.Helm4)
	set["renderer.podAnnotations.story"] = "upgrade"
	s.UpgradeWith(set, "local")
	s.WaitFor(time.Minute, annotated(s.Release, "upgrade"), wait.PodsReady(s.Release))

	s.Step("let Helm 4 apply on the server from now on")
	set["renderer.podAnnotations.story"] = "server-side"
	require.NoError(s, s.Upgrade(harness.Upgrade{Examples: []string{"local"}, Set: set, Flags: []string{"--server-side=true"}}))
	s.WaitFor(time.Minute, annotated(s.Release, "server-side"), wait.PodsReady(s.Release))

	s.Step("roll back twice, to the revision of Helm 3's")
	s.Rollback()
	s.WaitFor(time.Minute, annotated(s.Release, "upgrade"), wait.PodsReady(s.Release))
	_, err := s.Helm("rollback", s.Release.Name, "1", "--wait", "--timeout=2m")
	require.NoError(s, err)
	s.WaitFor(time.Minute, annotated(s.Release, ""), wait.PodsReady(s.Release))
	s.WaitFor(time.Minute, wait.Chain(s.Release)...)
	assert.EqualValues(s, minReplicas+1, lowest(), "the fewest replicas wanted meanwhile")

	s.Uninstall()
	s.WaitFor(time.Minute, s.NothingLeft())
}

// Autoscaling can be switched on under running pods, and every upgrade after that
// leaves them to the autoscaler; it can be switched off again.
func TestAutoscalingSwitched(t *testing.T) {
	withEachHelm(t, func(s *harness.Story, helm program.Program) {
		s.Step("install four pods without an autoscaler")
		s.UpgradeWith(map[string]string{"autoscaling.enabled": "false", "renderer.replicaCount": "4"}, "local")
		lowest := s.LowestReplicas()

		s.Step("switch autoscaling on")
		on := map[string]string{
			// Nothing is rendered in this story, and the pods must not leave for that.
			"autoscaling.behavior.scaleDown.stabilizationWindowSeconds": "3600",
		}
		s.UpgradeWith(on, "local")
		s.WaitFor(2*time.Minute, wait.Chain(s.Release)...)

		s.Step("upgrade before the autoscaler has ever scaled")
		s.UpgradeWith(on, "local")
		assert.EqualValues(s, 4, lowest(), "the fewest replicas wanted meanwhile")

		s.Step("have the autoscaler scale, and upgrade again and again")
		on["autoscaling.maxReplicas"] = "3"
		s.UpgradeWith(on, "local")
		s.WaitFor(time.Minute, wait.Replicas(s.Release, 3))
		lowest = s.LowestReplicas()
		s.UpgradeWith(on, "local")
		s.UpgradeWith(on, "local")
		assert.EqualValues(s, 3, lowest(), "the fewest replicas wanted meanwhile")

		s.Step("switch autoscaling off")
		off := harness.Upgrade{
			Examples: []string{"local"},
			Set:      map[string]string{"autoscaling.enabled": "false", "renderer.replicaCount": "2"},
		}
		if helm.Name == program.Helm4.Name {
			assert.ErrorContains(s, s.Upgrade(off), `conflict with "kube-controller-manager" with subresource "scale"`, "the chart's README says that the number is the autoscaler's")
			off.Flags = []string{"--force-conflicts"}
		}
		require.NoError(s, s.Upgrade(off))
		ctx, cancel := s.Within(time.Minute)
		defer cancel()
		deployment, err := s.Release.Deployment(ctx)
		require.NoError(s, err)
		assert.EqualValues(s, 2, *deployment.Spec.Replicas)
	})
}
