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
	"holograph/test/internal/chart"
	"holograph/test/internal/harness"
	"holograph/test/internal/kube"
	"holograph/test/internal/load"
	"holograph/test/internal/wait"
)

// withEachHelm runs the story once with each Helm that the chart supports. Helm 3 patches objects and Helm 4 applies them
// on the server, so that one may reset a field that the other leaves alone.
func withEachHelm(t *testing.T, story func(s *harness.Story, helm program.Program)) {
	for _, helm := range []program.Program{program.Helm, program.Helm4} {
		t.Run(helm.Name, func(t *testing.T) {
			story(begin(t, helm), helm)
		})
	}
}

// studio is the release of a chart of which Holograph is a dependency.
func studio(client *kube.Client) kube.Release {
	// The names of the chart's objects are the release's name and the component's if the release's name contains the
	// chart's.
	return kube.Release{Client: client, Namespace: "studio", Name: "studio-holograph"}
}

// begin begins a story in a cluster without releases: a cluster has one custom metrics API, so that a release of the story
// before would be in the way.
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

// upgradePods is the load of the story in units of what one pod renders. It takes more pods than the minimum, so that a
// reset of the replicas would be seen.
const upgradePods = 2.5

// storyTimeout is longer than the story needs its load, which it ends after 45 s on an idle machine.
const storyTimeout = 5 * time.Minute

// TestRelease: what `make publish` pushed to a registry installs on a node that holds none of it. An upgrade and a rollback
// under load keep the replicas that the autoscaler chose, and every frame is answered. An uninstalled release leaves no
// object behind. Without the registry, the chart of the checkout says before it is installed that its image is nowhere.
func TestRelease(t *testing.T) {
	withEachHelm(t, func(s *harness.Story, _ program.Program) {
		s.Step("publish the images and the signed chart, and leave neither image in the node")
		address := registry(s)
		release := publish(s, address)
		s.ServeToNode(address)
		s.TakeFromNode(ownImages(s)...)

		s.Step("install it from there")
		checkout := s.Chart
		s.Chart = release.reference
		require.NoError(s, s.Upgrade(harness.Upgrade{Examples: []string{"local"}, Flags: release.flags}))
		s.Chart = release.archive
		s.WaitFor(2*time.Minute, wait.Chain(s.Release)...)
		pulled(s, chart.Renderer, release.images[chart.Renderer])
		printed, err := s.HelmTest()
		require.NoError(s, err, printed)
		assert.Contains(s, printed, "Every link holds.")
		pulled(s, chart.Doctor, release.images[chart.Doctor])
		pod := s.MeasurePod()

		s.Step("ask for more frames than the minimum of pods can render")
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

		assert.Greater(s, lowest(), int32(minReplicas), "lowest replicas during the upgrade and the rollback")
		summary := s.Cut(d)
		assert.Zero(s, summary.Failed, "frames without an answer")
		assert.Zero(s, summary.NeverStarted, "frames that the load could not start")
		assert.Positive(s, summary.InBudget, "frames in budget")

		s.Step("uninstall")
		require.Contains(s, strings.Join(s.Objects(), "\n"), "APIService", "objects of the release: those without a namespace must be among them, or NothingLeft proves too little")
		s.Uninstall()
		s.WaitFor(time.Minute, s.NothingLeft())

		s.Step("install the checkout's chart, whose image no registry and no node has")
		_, err = s.Helm("install", s.Release.Name, checkout)
		assert.ErrorContains(s, err, "renderer.image.repository: must name an image that nodes can pull or hold", "an image that is nowhere must be refused before anything is installed")
		s.WaitFor(time.Minute, s.NothingLeft())
	})
}

// annotated is met when the story's annotation in the Deployment's pod template has that value.
func annotated(r kube.Release, want string) wait.Condition {
	return wait.Condition{Name: fmt.Sprintf("the pod template's annotation to be %q", want), Unmet: func(ctx context.Context) error {
		deployment, err := r.Deployment(ctx)
		if err != nil {
			return err
		}
		if got := deployment.Spec.Template.Annotations["story"]; got != want {
			return fmt.Errorf("it is %q", got)
		}
		return nil
	}}
}

// TestFromHelm3ToHelm4: Helm 4 upgrades a release that Helm 3 installed, whose objects Helm 4 has not applied itself, and
// rolls it back to the revision of Helm 3. The replicas stay those that the autoscaler chose.
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

	s.Step("roll back twice, the second time to Helm 3's revision")
	s.Rollback()
	s.WaitFor(time.Minute, annotated(s.Release, "upgrade"), wait.PodsReady(s.Release))
	_, err := s.Helm("rollback", s.Release.Name, "1", "--wait", "--timeout=2m")
	require.NoError(s, err)
	s.WaitFor(time.Minute, annotated(s.Release, ""), wait.PodsReady(s.Release))
	s.WaitFor(time.Minute, wait.Chain(s.Release)...)
	assert.EqualValues(s, minReplicas+1, lowest(), "lowest replicas during the upgrades and the rollbacks")

	s.Uninstall()
	s.WaitFor(time.Minute, s.NothingLeft())
}

// TestAutoscalingSwitched: autoscaling can be switched on in a release that runs, every upgrade after that leaves the
// replicas to the autoscaler, and it can be switched off again.
func TestAutoscalingSwitched(t *testing.T) {
	withEachHelm(t, func(s *harness.Story, helm program.Program) {
		s.Step("install four pods without an autoscaler")
		s.UpgradeWith(map[string]string{"autoscaling.enabled": "false", "renderer.replicaCount": "4"}, "local")
		lowest := s.LowestReplicas()

		s.Step("switch autoscaling on")
		on := map[string]string{
			// No frame is rendered in this story, so that the autoscaler would scale down.
			"autoscaling.behavior.scaleDown.stabilizationWindowSeconds": "3600",
		}
		s.UpgradeWith(on, "local")
		s.WaitFor(2*time.Minute, wait.Chain(s.Release)...)

		s.Step("upgrade before the autoscaler has ever scaled")
		s.UpgradeWith(on, "local")
		assert.EqualValues(s, 4, lowest(), "lowest replicas while autoscaling was switched on")

		s.Step("have the autoscaler scale, and upgrade again and again")
		on["autoscaling.maxReplicas"] = "3"
		s.UpgradeWith(on, "local")
		s.WaitFor(time.Minute, wait.Replicas(s.Release, 3))
		lowest = s.LowestReplicas()
		s.UpgradeWith(on, "local")
		s.UpgradeWith(on, "local")
		assert.EqualValues(s, 3, lowest(), "lowest replicas during the upgrades")

		s.Step("switch autoscaling off")
		off := harness.Upgrade{
			Examples: []string{"local"},
			Set:      map[string]string{"autoscaling.enabled": "false", "renderer.replicaCount": "2"},
		}
		if helm.Name == program.Helm4.Name {
			assert.ErrorContains(s, s.Upgrade(off), `conflict with "kube-controller-manager" with subresource "scale"`, "Helm 4 must not change replicas that the autoscaler owns, as the chart's README says")
			off.Flags = []string{"--force-conflicts"}
		}
		require.NoError(s, s.Upgrade(off))
		ctx, cancel := s.Within(time.Minute)
		defer cancel()
		deployment, err := s.Release.Deployment(ctx)
		require.NoError(s, err)
		assert.EqualValues(s, 2, *deployment.Spec.Replicas, "replicas after autoscaling was switched off")
	})
}
