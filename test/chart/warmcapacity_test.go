package chart_test

import (
	"context"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"helm.sh/helm/v3/pkg/kube"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	schedulingv1 "k8s.io/api/scheduling/v1"
	"k8s.io/cli-runtime/pkg/resource"
	"k8s.io/client-go/kubernetes/fake"
	"sigs.k8s.io/yaml"

	"holograph/test/internal/chart"
	"holograph/test/internal/connections"
)

// refusalsOfWarmCapacity are the cases of warm capacity that would keep no room, or the same room twice.
var refusalsOfWarmCapacity = map[string]refusal{
	"room that no pod would take": {
		`{autoscaling: {enabled: false}, warmCapacity: {capacityBuffer: {pods: 3}}}`,
		`warmCapacity.capacityBuffer.pods: must be 0 where autoscaling.enabled is false (got 3), because no autoscaler adds a pod that would take that room: write 0.`},
	"placeholders and a buffer": {
		`warmCapacity: {placeholders: {pods: 2}, capacityBuffer: {pods: 3}}`,
		`warmCapacity.capacityBuffer.pods: must be 0 with warmCapacity.placeholders.pods (got 3), because both would keep room for the same pods: write 0 for the placeholders where your node autoscaler has CapacityBuffers, and 0 here where it does not.`},
	"placeholders of another's workload": {
		`{renderer: {enabled: false, metrics: {container: frames, port: 9102}}, autoscaling: {target: {name: frames, podLabels: {app: frames}}}, warmCapacity: {placeholders: {pods: 2}}}`,
		`warmCapacity.placeholders.pods: must be 0 where renderer.enabled is false (got 2), because the values do not say what the workload's pods request: write 0, or warmCapacity.capacityBuffer.pods, which takes it from the workload.`},
	"placeholders that claim devices": {
		`{renderer: {resourceClaims: [{name: gpu, resourceClaimTemplateName: gpu}]}, warmCapacity: {placeholders: {pods: 2}}}`,
		`warmCapacity.placeholders.pods: must be 0 with renderer.resourceClaims (got 2), because the scheduler does not remove a pod for the device that it has claimed, and placeholders would keep the devices from the renderers: write 0, and keep pods ready with autoscaling.headroom.`},
	"placeholders that request nothing": {
		`{renderer: {resources: {requests: null, limits: null}}, warmCapacity: {placeholders: {pods: 2}}}`,
		`warmCapacity.placeholders.pods: must be 0 where the renderer's containers request nothing (got 2), because a placeholder would keep no room: write renderer.resources.requests.`},
	"placeholders of the renderer's priority": {
		`{renderer: {priorityClassName: frames}, warmCapacity: {placeholders: {pods: 2, priorityClassName: frames}}}`,
		`warmCapacity.placeholders.priorityClassName: must be a class below that of the renderer (got frames), because a pod takes the room of pods of a lower priority only: write a class of a negative value, or leave it empty.`},
	"pre-pulled images of another's workload": {
		`{renderer: {enabled: false, metrics: {container: frames, port: 9102}}, autoscaling: {target: {name: frames, podLabels: {app: frames}}}, warmCapacity: {prePull: {enabled: true}}}`,
		`warmCapacity.prePull.enabled: must be false where renderer.enabled is false (got true), because the values do not say which images the workload's pods have: write false.`},
	"pre-pulled images that are never pulled": {
		`{renderer: {image: {pullPolicy: Never}}, warmCapacity: {prePull: {enabled: true}}}`,
		`warmCapacity.prePull.enabled: must be false with renderer.image.pullPolicy Never (got true), because nodes then pull nothing: write false, or another pull policy.`},
}

// sidecars are a renderer's pod with containers of every kind.
const sidecars = `renderer: {
  extraContainers: [{name: exporter, image: "ghcr.io/acme/exporter:1", resources: {requests: {cpu: 50m}, limits: {memory: 64Mi}}}, {name: quiet, image: "ghcr.io/acme/exporter:1"}],
  initContainers: [{name: scenes, image: "ghcr.io/acme/scenes:1", imagePullPolicy: Always, resources: {requests: {cpu: 10m}}}, {name: proxy, image: "ghcr.io/acme/proxy:1", restartPolicy: Always, resources: {requests: {cpu: 20m}}}]}`

// placeholders returns the one StatefulSet of a rendering.
func placeholders(t *testing.T, values ...chart.Values) *appsv1.StatefulSet {
	t.Helper()
	sets := chart.Of[*appsv1.StatefulSet](t, chart.Render(t, append([]chart.Values{warm(t)}, values...)...))
	require.Len(t, sets, 1, "StatefulSets")
	return sets[0]
}

// prePull returns the one DaemonSet of a rendering.
func prePull(t *testing.T, values ...chart.Values) *appsv1.DaemonSet {
	t.Helper()
	sets := chart.Of[*appsv1.DaemonSet](t, chart.Render(t, append([]chart.Values{warm(t)}, values...)...))
	require.Len(t, sets, 1, "DaemonSets")
	return sets[0]
}

// TestPlaceholdersKeepTheRoomOfARenderer: a node that has room for a placeholder has room for a renderer pod.
func TestPlaceholdersKeepTheRoomOfARenderer(t *testing.T) {
	t.Parallel()
	for name, values := range map[string]chart.Values{
		"defaults": {},
		"gpu":      chart.Example(t, "gpu"),
		"sidecars": chart.Parse(t, sidecars),
		"an init container that needs more": chart.Parse(t, `renderer: {initContainers: [
			{name: proxy, image: proxy, restartPolicy: Always, resources: {requests: {cpu: 20m}}},
			{name: scenes, image: scenes, resources: {requests: {cpu: 3, memory: 16Mi}, limits: {nvidia.com/gpu: 1}}}]}`),
		"an init container alone": chart.Parse(t, `renderer: {resources: {requests: null, limits: null}, initContainers: [{name: scenes, image: scenes, resources: {requests: {cpu: 3}}}]}`),
		"resources of the pod":    chart.Parse(t, `renderer: {resources: {requests: null, limits: null}, extraPodSpec: {resources: {requests: {cpu: 2}, limits: {memory: 1Gi}}}}`),
		"elsewhere": chart.Parse(t, `{global: {nodeSelector: {pool: spot}, tolerations: [{key: spot, operator: Exists}]},
			renderer: {schedulerName: volcano, runtimeClassName: nvidia, affinity: {podAntiAffinity: {}}}}`),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			renderer := chart.Render(t, values).Deployment(t, chart.Renderer).Spec.Template.Spec
			placeholder := placeholders(t, values).Spec.Template.Spec
			assert.Equal(t, room(renderer), room(placeholder), "what a placeholder requests, want what a renderer pod requests")
			assert.Equal(t, renderer.Resources, placeholder.Resources, "what a placeholder requests as a whole")
			for _, container := range placeholder.InitContainers {
				assert.NotEqual(t, container.RestartPolicy == nil, len(container.Args) == 0, "whether pause ends at once in an init container, and only in one that must end")
			}
			assert.Equal(t, renderer.NodeSelector, placeholder.NodeSelector)
			assert.Equal(t, renderer.Tolerations, placeholder.Tolerations)
			assert.Equal(t, renderer.Affinity, placeholder.Affinity)
			assert.Equal(t, renderer.RuntimeClassName, placeholder.RuntimeClassName, "the runtime class, which may add an overhead")
			assert.Equal(t, renderer.SchedulerName, placeholder.SchedulerName, "the scheduler, which removes only pods that it knows")
		})
	}
}

// room is what the scheduler keeps on a node for a pod: all that runs at one time, of which the most counts. A limit without a
// request is one. An init container that does not end runs beside all that come after it.
func room(spec corev1.PodSpec) map[corev1.ResourceName]string {
	running, most := corev1.ResourceList{}, corev1.ResourceList{}
	with := func(container corev1.Container) corev1.ResourceList {
		sum := running.DeepCopy()
		requests := maps.Clone(container.Resources.Limits)
		if requests == nil {
			requests = corev1.ResourceList{}
		}
		maps.Copy(requests, container.Resources.Requests)
		for name, quantity := range requests {
			added := sum[name]
			added.Add(quantity)
			sum[name] = added
			if least := most[name]; added.Cmp(least) > 0 {
				most[name] = added
			}
		}
		return sum
	}
	for _, container := range spec.InitContainers {
		if sum := with(container); container.RestartPolicy != nil {
			running = sum
		}
	}
	for _, container := range spec.Containers {
		running = with(container)
	}
	texts := map[corev1.ResourceName]string{}
	for name, quantity := range most {
		texts[name] = quantity.String()
	}
	return texts
}

// TestPlaceholdersAreOfALowerPriority: a renderer pod may take the place of a placeholder at once, and a placeholder takes nobody's.
func TestPlaceholdersAreOfALowerPriority(t *testing.T) {
	t.Parallel()
	rendered := chart.Render(t, warm(t))
	classes := chart.Of[*schedulingv1.PriorityClass](t, rendered)
	require.Len(t, classes, 1, "priority classes")
	class := classes[0]
	assert.Equal(t, "holograph.holograph-placeholder", class.Name, "the name of the class, which must be unique in the cluster")
	assert.EqualValues(t, -10, class.Value, "the value: below 0, which pods without a class have, and not below -10, under which Cluster Autoscaler adds no nodes")
	assert.False(t, class.GlobalDefault, "the class is the default of every pod of the cluster, want it for the placeholders only")
	require.NotNil(t, class.PreemptionPolicy)
	assert.Equal(t, corev1.PreemptNever, *class.PreemptionPolicy)
	pod := placeholders(t).Spec.Template.Spec
	assert.Equal(t, class.Name, pod.PriorityClassName)
	assert.EqualValues(t, 0, *pod.TerminationGracePeriodSeconds, "seconds that a renderer pod waits for the end of a placeholder")
	assert.Empty(t, rendered.Deployment(t, chart.Renderer).Spec.Template.Spec.PriorityClassName)

	own := chart.Set("warmCapacity.placeholders.priorityClassName", "spare")
	assert.Empty(t, chart.Of[*schedulingv1.PriorityClass](t, chart.Render(t, warm(t), own)), "priority classes with one of the values: a team may have no right to create one")
	assert.Equal(t, "spare", placeholders(t, own).Spec.Template.Spec.PriorityClassName)
}

// TestHelmDoesNotWaitForPlaceholders asks Helm 3 whether it would wait for placeholders of which none has a node.
func TestHelmDoesNotWaitForPlaceholders(t *testing.T) {
	t.Parallel()
	waits := func(set *appsv1.StatefulSet) bool {
		set.Generation, set.Status = 1, appsv1.StatefulSetStatus{ObservedGeneration: 1, Replicas: 2}
		checker := kube.NewReadyChecker(fake.NewClientset(set), t.Logf)
		ready, err := checker.IsReady(context.Background(), &resource.Info{Namespace: set.Namespace, Name: set.Name, Object: set})
		require.NoError(t, err)
		return !ready
	}
	assert.False(t, waits(placeholders(t)), "`helm --wait` waits for placeholders that have no node")
	rolling := placeholders(t)
	rolling.Spec.UpdateStrategy.Type = appsv1.RollingUpdateStatefulSetStrategyType
	assert.True(t, waits(rolling), "Helm waits for another strategy: otherwise the test shows nothing")
}

// TestOtherPlaceholdersReplaceTheOld: another template makes another StatefulSet, because the strategy replaces no pods; and
// nothing else does.
func TestOtherPlaceholdersReplaceTheOld(t *testing.T) {
	t.Parallel()
	before := placeholders(t).Name
	assert.Regexp(t, `^holograph-placeholder-[0-9a-f]{5}$`, before)
	for key, value := range map[string]any{"renderer.resources.requests.cpu": "200m", "renderer.nodeSelector": map[string]any{"pool": "gpu"}, "warmCapacity.image.tag": "3.10.1"} {
		assert.NotEqual(t, before, placeholders(t, chart.Set(key, value)).Name, "the StatefulSet with another %s", key)
	}
	for key, value := range map[string]any{"warmCapacity.placeholders.pods": 5, "renderer.image.tag": "2", "warmCapacity.annotations.team": "graphics"} {
		assert.Equal(t, before, placeholders(t, chart.Set(key, value)).Name, "the StatefulSet with another %s", key)
	}
	names := map[string]bool{}
	for _, last := range []string{"a", "b"} {
		rendered := chart.RenderWith(t, chart.Options{Release: strings.Repeat("r", 42) + last, Values: []chart.Values{warm(t)}})
		set := chart.Of[*appsv1.StatefulSet](t, rendered)[0]
		assert.LessOrEqual(t, len(set.Name), 52, "characters of %s: with 11 more it is the value of a label", set.Name)
		names[set.Name] = true
	}
	assert.Len(t, names, 2, "the names of two releases, which end differently: %v", names)
}

// TestWarmCapacityIsRenderedAlikeWithoutACluster: what Argo CD renders is what Helm renders where the objects of an earlier release
// are, and Argo CD has no hook of Helm's to run.
func TestWarmCapacityIsRenderedAlikeWithoutACluster(t *testing.T) {
	t.Parallel()
	kinds := []string{"PriorityClass", "StatefulSet", "DaemonSet", "CapacityBuffer"}
	texts := func(rendered *chart.Rendered) map[string]string {
		found := map[string]string{}
		for _, object := range rendered.Objects {
			if slices.Contains(kinds, object.Kind()) {
				text, err := yaml.Marshal(object)
				require.NoError(t, err)
				found[object.Kind()] = string(text)
			}
		}
		return found
	}
	seen := map[string]bool{}
	for name, values := range map[string]chart.Values{"placeholders and images": warm(t), "a buffer": chart.Parse(t, "warmCapacity: {capacityBuffer: {pods: 2}}")} {
		alone := chart.Render(t, values)
		earlier := chart.Render(t, values, chart.Parse(t, "{warmCapacity: {annotations: {team: earlier}}, renderer: {image: {tag: earlier}}}"))
		want := texts(alone)
		assert.Equal(t, want, texts(chart.RenderWith(t, chart.Options{Values: []chart.Values{values}, Cluster: earlier.Objects})), "%s where the objects of an earlier release are", name)
		for kind, text := range want {
			seen[kind] = true
			assert.NotContains(t, text, "helm.sh/hook", "the %s of %s", kind, name)
		}
	}
	assert.Len(t, seen, len(kinds), "kinds that were compared: %v", seen)
}

// TestPrePullRunsNothingOfTheImages: each image of a renderer pod is mounted once, from where the renderer's nodes pull it, and
// only the image that waits runs.
func TestPrePullRunsNothingOfTheImages(t *testing.T) {
	t.Parallel()
	values := chart.Merge(chart.Parse(t, sidecars), chart.Parse(t, `{global: {imagePullSecrets: [{name: registry}]},
		renderer: {image: {registry: ghcr.io, repository: acme/renderer, tag: "2"}, runtimeClassName: nvidia, affinity: {nodeAffinity: {preferredDuringSchedulingIgnoredDuringExecution: []}, podAntiAffinity: {}}}}`))
	set := prePull(t, values)
	pod := set.Spec.Template.Spec
	require.Len(t, pod.Containers, 1)
	assert.Empty(t, pod.InitContainers)
	assert.Equal(t, "registry.k8s.io/pause:3.10", pod.Containers[0].Image)
	assert.Empty(t, pod.Containers[0].Command)
	pulled := map[string]corev1.PullPolicy{}
	mounted := map[string]bool{}
	for _, mount := range pod.Containers[0].VolumeMounts {
		mounted[mount.Name] = mount.ReadOnly
	}
	for _, volume := range pod.Volumes {
		require.NotNil(t, volume.Image, "volume %s", volume.Name)
		pulled[volume.Image.Reference] = volume.Image.PullPolicy
		assert.True(t, mounted[volume.Name], "%s is not mounted for reading: the kubelet removes an image that nothing uses", volume.Image.Reference)
	}
	assert.Len(t, pod.Volumes, len(pulled), "an image is there twice")
	assert.Equal(t, map[string]corev1.PullPolicy{
		"ghcr.io/acme/renderer:2": corev1.PullIfNotPresent, "ghcr.io/acme/exporter:1": "", "ghcr.io/acme/scenes:1": corev1.PullAlways, "ghcr.io/acme/proxy:1": "",
	}, pulled, "the images that are pulled, and when")
	renderer := chart.Render(t, values).Deployment(t, chart.Renderer).Spec.Template.Spec
	assert.Equal(t, renderer.ImagePullSecrets, pod.ImagePullSecrets)
	assert.Equal(t, renderer.RuntimeClassName, pod.RuntimeClassName, "the runtime class: nodes may keep images for each")
	assert.Nil(t, pod.Affinity.PodAntiAffinity, "a node with a renderer has the images, and the DaemonSet must not wait for it")
	assert.NotNil(t, pod.Affinity.NodeAffinity, "the node affinity, want that of the renderer: the images are for its nodes")
	assert.Empty(t, pod.PriorityClassName)
	for _, toleration := range pod.Tolerations {
		assert.Nil(t, toleration.TolerationSeconds, "the seconds of %v: the DaemonSet would make a pod anew on a lost node, again and again", toleration)
	}
	gpu := prePull(t, chart.Example(t, "gpu")).Spec.Template.Spec
	assert.Equal(t, "true", gpu.NodeSelector["nvidia.com/gpu.present"])
	assert.Contains(t, gpu.Tolerations, corev1.Toleration{Key: "nvidia.com/gpu", Operator: corev1.TolerationOpExists, Effect: corev1.TaintEffectNoSchedule})
	assert.NotContains(t, gpu.Containers[0].Resources.Limits, corev1.ResourceName("nvidia.com/gpu"), "a GPU that only waits")
}

// TestWarmPodsAreConfined: both kinds of pods get no token and connect to nothing.
func TestWarmPodsAreConfined(t *testing.T) {
	t.Parallel()
	rendered := chart.Render(t, warm(t))
	cluster, of := clusterOf(t, rendered)
	for _, component := range []chart.Component{chart.Placeholder, chart.PrePull} {
		pod := pods(t, rendered)[string(component)].Spec
		assert.Equal(t, new(false), pod.AutomountServiceAccountToken, "the token of %s", component)
		assert.Equal(t, new(false), pod.EnableServiceLinks, "the variables of %s", component)
		end := of(component)
		require.NotNil(t, end, "the pod of %s", component)
		for _, port := range []int32{53, 443, 8080} {
			assert.NotEmpty(t, cluster.Forbidden(end, connections.Outside, port, corev1.ProtocolTCP), "%s may connect to port %d", component, port)
			assert.NotEmpty(t, cluster.Forbidden(connections.Outside, end, port, corev1.ProtocolTCP), "anyone may connect to port %d of %s", port, component)
		}
	}
	var policies []string
	for _, policy := range chart.Of[*networkingv1.NetworkPolicy](t, rendered) {
		policies = append(policies, policy.Name)
	}
	assert.Subset(t, policies, []string{"holograph-placeholder", "holograph-pre-pull"})
}

// TestCapacityBufferIsForTheWorkload: the room is for pods of what the autoscaler scales, the chart's renderer or another.
func TestCapacityBufferIsForTheWorkload(t *testing.T) {
	t.Parallel()
	buffer := chart.Set("warmCapacity.capacityBuffer.pods", 3)
	for name, test := range map[string]struct {
		values chart.Values
		want   map[string]any
	}{
		"renderer": {nil, map[string]any{"apiGroup": "apps", "kind": "Deployment", "name": "holograph-renderer"}},
		"another's": {chart.Parse(t, `{renderer: {enabled: false, metrics: {container: frames, port: 9102}}, autoscaling: {target: {kind: StatefulSet, name: stream, podLabels: {app: stream}}}}`),
			map[string]any{"apiGroup": "apps", "kind": "StatefulSet", "name": "stream"}},
	} {
		rendered := chart.Render(t, test.values, buffer)
		made := ofKind(rendered, "CapacityBuffer")["holograph-renderer"]
		require.NotNil(t, made, "CapacityBuffer for %s", name)
		assert.NoError(t, made.Validate(), name)
		assert.Equal(t, test.want, valueAt(t, made, "spec", "scalableRef"), "%s: whose pods the room is for", name)
		assert.EqualValues(t, 3, valueAt(t, made, "spec", "replicas"), name)
		assert.Empty(t, chart.Of[*appsv1.StatefulSet](t, rendered), "%s: the node autoscaler needs no pods", name)
	}
}

// TestNothingIsWarmByDefault: what the default keeps free, it does not pay for.
func TestNothingIsWarmByDefault(t *testing.T) {
	t.Parallel()
	rendered := chart.Render(t)
	assert.Empty(t, chart.Of[*appsv1.StatefulSet](t, rendered))
	assert.Empty(t, chart.Of[*appsv1.DaemonSet](t, rendered))
	assert.Empty(t, chart.Of[*schedulingv1.PriorityClass](t, rendered))
	assert.Empty(t, ofKind(rendered, "CapacityBuffer"))
}
