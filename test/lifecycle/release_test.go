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

// withEachHelm runs the story once with each version of Helm that the chart supports. Helm 3 patches objects, and Helm 4
// applies them on the server, so one may reset a field that the other does not change.
func withEachHelm(t *testing.T, story func(s *harness.Story, helm program.Program)) {
	for _, helm := range []program.Program{program.Helm, program.Helm4} {
		t.Run(helm.Name, func(t *testing.T) {
			story(begin(t, helm), helm)
		})
	}
}

// studio is the release of a chart that has Holograph as a dependency.
func studio(client *kube.Client) kube.Release {
	// If the name of a release contains that of the chart, the names of its objects begin with the name of the release alone.
	return kube.Release{Client: client, Namespace: "studio", Name: "studio-holograph"}
}

// begin begins a story in a cluster without releases. A cluster has one custom metrics API, so the release of an earlier
// story would keep the next one from being installed.
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

// upgradePods is the load of the story in units of what one pod renders. It needs more pods than the minimum. Otherwise the
// story would not notice an upgrade that resets the replicas to the minimum.
const upgradePods = 2.5

// storyTimeout is longer than the story needs its load, which is 45 s on an idle machine.
const storyTimeout = 5 * time.Minute

// TestRelease: a chart that `make publish` pushed to a registry installs on a node that has none of its images. An upgrade
// and a rollback under load keep the replicas that the autoscaler chose, and every frame gets an answer. An uninstalled
// release leaves no object behind. Helm refuses to install the chart of the checkout where no registry and no node has its
// image.
func TestRelease(t *testing.T) {
	withEachHelm(t, func(s *harness.Story, _ program.Program) {
		s.Step("publish the images and the signed chart, and remove both images from the node")
		address := registry(s)
		release := publish(s, address)
		s.ServeToNode(address)
		s.TakeFromNode(ownImages(s)...)

		s.Step("install it from there")
		checkout := s.Chart
		s.Chart = release.reference
		require.NoError(s, s.Upgrade(harness.Upgrade{Examples: []string{"local"}, Flags: release.flags,
			Set: map[string]string{"warmCapacity.prePull.enabled": "true"}}))
		s.Chart = release.archive
		s.WaitFor(2*time.Minute, append(wait.Chain(s.Release), prePulled(s, release.images[chart.Renderer]))...)
		pulled(s, chart.Renderer, release.images[chart.Renderer])
		s.HelmTestPasses()
		pulled(s, chart.Doctor, release.images[chart.Doctor])
		pod := s.MeasurePod()

		s.Step("ask for more frames than the minimum number of pods can render")
		rate := upgradePods * pod.FramesPerSecond()
		d := s.Drive(pod.Budget, load.Steady(rate, storyTimeout))
		s.WaitFor(time.Minute, wait.ReplicasAtLeast(s.Release, minReplicas+1))
		lowest := s.LowestReplicas()

		s.Step("upgrade to a new version of the renderer's pods")
		s.UpgradeWith(map[string]string{"renderer.podAnnotations.story": "upgrade"}, "local")
		s.WaitFor(time.Minute, annotated(s.Release, "upgrade"), wait.PodsReady(s.Release))

		s.Step("roll back to the version before the upgrade")
		s.Rollback()
		s.WaitFor(time.Minute, annotated(s.Release, ""), wait.PodsReady(s.Release))

		assert.Greater(s, lowest(), int32(minReplicas), "lowest replicas during the upgrade and the rollback")
		summary := s.Cut(d)
		assert.Zero(s, summary.Failed, "frames without an answer")
		assert.Zero(s, summary.NeverStarted, "frames that the load could not start")
		assert.Positive(s, summary.InBudget, "frames in budget")

		s.Step("uninstall")
		require.Contains(s, strings.Join(s.Objects(), "\n"), "APIService", "objects of the release: without those of the whole cluster NothingLeft would prove too little")
		s.Uninstall()
		s.WaitFor(time.Minute, s.NothingLeft())

		s.Step("the chart of the checkout is refused: no registry and no node has its image")
		_, err := s.Helm("install", s.Release.Name, checkout)
		assert.ErrorContains(s, err, "renderer.image.repository: must name an image that nodes can pull or hold", "error of helm install, which must refuse an image that is in no registry and in no node")
		s.WaitFor(time.Minute, s.NothingLeft())
	})
}

// prePulled is met when a pod that runs nothing of the image has it mounted.
func prePulled(s *harness.Story, image string) wait.Condition {
	return wait.Condition{Name: "the pre-pull pod to have the renderer's image", Unmet: func(context.Context) error {
		pods := s.PodsOf(chart.PrePull)
		if len(pods) != 1 {
			return fmt.Errorf("there are %d pods on the one node", len(pods))
		}
		if source := pods[0].Spec.Volumes[0].Image; source == nil || source.Reference != image {
			return fmt.Errorf("it mounts %v, want %s", source, image)
		}
		if !kube.Ready(pods[0]) {
			return fmt.Errorf("%s is not Ready: %v", pods[0].Name, pods[0].Status.ContainerStatuses)
		}
		return nil
	}}
}

// annotated is met when the annotation "story" of the Deployment's pod template has that value.
func annotated(r kube.Release, want string) wait.Condition {
	return wait.Condition{Name: fmt.Sprintf("the pod template's annotation to be %q", want), Unmet: func(ctx context.Context) error {
		deployment, err := r.Deployment(ctx)
		if err != nil {
			return err
		}
		if got := deployment.Spec.Template.Annotations["story"]; got != want {
			return fmt.Errorf("it is %q, want %q", got, want)
		}
		return nil
	}}
}

// TestFromHelm3ToHelm4: Helm 4 upgrades a release that Helm 3 installed, and rolls it back to the revision of Helm 3. The
// replicas stay those that the autoscaler chose.
func TestFromHelm3ToHelm4(t *testing.T) {
	s := begin(t, program.Helm)
	s.Step("install with Helm 3, and wait until the autoscaler has scaled")
	set := map[string]string{"autoscaling.minReplicas": fmt.Sprint(minReplicas + 1)}
	s.UpgradeWith(set, "local")
	s.WaitFor(2*time.Minute, append(wait.Chain(s.Release), wait.Replicas(s.Release, minReplicas+1))...)
	lowest := s.LowestReplicas()

	s.Step("upgrade with Helm 4")
	s.UseHelm(program.Helm4)
	set["renderer.podAnnotations.story"] = "upgrade"
	s.UpgradeWith(set, "local")
	s.WaitFor(time.Minute, annotated(s.Release, "upgrade"), wait.PodsReady(s.Release))

	s.Step("switch to server-side apply")
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
			// Without load the autoscaler would scale down.
			"autoscaling.behavior.scaleDown.stabilizationWindowSeconds": "3600",
		}
		s.UpgradeWith(on, "local")
		s.WaitFor(2*time.Minute, wait.Chain(s.Release)...)

		s.Step("upgrade before the autoscaler has ever scaled")
		s.UpgradeWith(on, "local")
		assert.EqualValues(s, 4, lowest(), "lowest replicas while autoscaling was switched on")

		s.Step("lower the maximum so that the autoscaler scales, and upgrade twice")
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
			assert.ErrorContains(s, s.Upgrade(off), `conflict with "kube-controller-manager" with subresource "scale"`, "error of the upgrade: Helm 4 must not change replicas that the autoscaler owns, as the chart's README says")
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
