package chart_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"holograph/test/internal/chart"
)

// TestDisruptionBudgets: a drain of a node evicts one renderer at a time, and is never held up by a pod that is not ready.
func TestDisruptionBudgets(t *testing.T) {
	t.Parallel()
	budgets := func(values ...chart.Values) map[string]policyv1.PodDisruptionBudgetSpec {
		found := map[string]policyv1.PodDisruptionBudgetSpec{}
		for _, budget := range chart.Of[*policyv1.PodDisruptionBudget](t, chart.Render(t, values...)) {
			found[budget.Name] = budget.Spec
		}
		return found
	}
	defaults, two := budgets(), budgets(chart.Set("prometheusAdapter.replicaCount", 2))
	assert.Len(t, defaults, 1, "the budgets of a release with one adapter: a budget of a single pod would hold every drain up, or allow it to go all the same")
	require.Len(t, two, 2, "the budgets of a release with two adapters")
	for name, budget := range two {
		require.NotNil(t, budget.MaxUnavailable, "maxUnavailable of the budget %s", name)
		assert.Equal(t, 1, budget.MaxUnavailable.IntValue(), "how many pods of %s a drain may evict at once", name)
		assert.Nil(t, budget.MinAvailable, "minAvailable of %s: Kubernetes takes one of the two", name)
		require.NotNil(t, budget.UnhealthyPodEvictionPolicy, "unhealthyPodEvictionPolicy of %s is unset, which lets a pod that never gets ready hold a drain up", name)
		assert.Equal(t, policyv1.AlwaysAllow, *budget.UnhealthyPodEvictionPolicy, "unhealthyPodEvictionPolicy of %s: a pod that is not ready serves nobody", name)
	}
	share := budgets(chart.Parse(t, "renderer: {podDisruptionBudget: {maxUnavailable: null, minAvailable: 50%}}"))["holograph-renderer"]
	require.NotNil(t, share.MinAvailable)
	assert.Equal(t, "50%", share.MinAvailable.String())
	assert.Nil(t, share.MaxUnavailable)
}

// TestRollouts: an upgrade takes no pod away before its successor is ready, except a Prometheus whose database is on a
// volume: two cannot write to it.
func TestRollouts(t *testing.T) {
	t.Parallel()
	rendered := chart.Render(t)
	for component, why := range map[chart.Component]string{
		chart.Renderer:          "an upgrade under load would cost frames",
		chart.PrometheusAdapter: "the autoscaler is blind while no adapter answers",
		chart.Prometheus:        "an adapter that starts meanwhile waits 30 s for the address of the ended pod",
	} {
		strategy := rendered.Deployment(t, component).Spec.Strategy
		assert.Equal(t, appsv1.RollingUpdateDeploymentStrategyType, strategy.Type, "the strategy of %s: %s", component, why)
		require.NotNil(t, strategy.RollingUpdate)
		assert.Equal(t, "0", strategy.RollingUpdate.MaxUnavailable.String(), "maxUnavailable of %s: %s", component, why)
		assert.NotEqual(t, "0", strategy.RollingUpdate.MaxSurge.String(), "maxSurge of %s: with maxUnavailable 0 no pod could be replaced", component)
	}
	drain := rendered.Container(t, chart.Prometheus).Lifecycle
	require.NotNil(t, drain, "Prometheus ends while nodes still send new connections to it")
	assert.GreaterOrEqual(t, drain.PreStop.Sleep.Seconds, int64(5), "seconds that Prometheus answers after its successor is ready: kube-proxy takes 1 s, and more on a busy node")
	persistent := chart.Render(t, chart.Set("prometheus.persistence.enabled", true)).Deployment(t, chart.Prometheus).Spec
	assert.Equal(t, appsv1.RecreateDeploymentStrategyType, persistent.Strategy.Type, "the strategy of a Prometheus on a volume: two cannot write to it")
	for component, replicas := range map[chart.Component]int32{chart.Prometheus: 1, chart.PrometheusAdapter: 1, chart.KubeStateMetrics: 1} {
		assert.EqualValues(t, replicas, *rendered.Deployment(t, component).Spec.Replicas, "the replicas of %s", component)
	}

	two := chart.Render(t, chart.Set("prometheusAdapter.replicaCount", 2)).Deployment(t, chart.PrometheusAdapter).Spec
	assert.EqualValues(t, 2, *two.Replicas)
	assert.Equal(t, []string{"kubernetes.io/hostname"}, spreadOver(t, two), "what two adapters are spread over: one node's end must not take both")
	// The scheduler takes no notice of a node that lacks the label of one of a pod's constraints. With the zone among them, a
	// cluster without zones ran four renderers on one of two nodes.
	assert.Equal(t, []string{"kubernetes.io/hostname"}, spreadOver(t, rendered.Deployment(t, chart.Renderer).Spec), "what renderers are spread over: every node has this label")
	for _, selector := range []string{"", ", labelSelector: {}"} {
		written := chart.Render(t, chart.Parse(t, `renderer: {topologySpreadConstraints: [{maxSkew: 1, topologyKey: rack, whenUnsatisfiable: ScheduleAnyway`+selector+`}]}`))
		assert.Equal(t, []string{"rack"}, spreadOver(t, written.Deployment(t, chart.Renderer).Spec), "what renderers are spread over by an entry with %q: without a selector, Kubernetes counts no pod", selector)
	}
	production := chart.Render(t, chart.Example(t, "production")).Deployment(t, chart.Renderer).Spec
	assert.Equal(t, []string{"topology.kubernetes.io/zone", "kubernetes.io/hostname"}, spreadOver(t, production), "what renderers are spread over in production")
}

// spreadOver returns what the pods of a Deployment are spread over. Each constraint counts the Deployment's own pods, and
// keeps none from starting.
func spreadOver(t *testing.T, spec appsv1.DeploymentSpec) (keys []string) {
	t.Helper()
	for _, constraint := range spec.Template.Spec.TopologySpreadConstraints {
		keys = append(keys, constraint.TopologyKey)
		assert.EqualValues(t, 1, constraint.MaxSkew, "maxSkew over %s", constraint.TopologyKey)
		assert.Equal(t, corev1.ScheduleAnyway, constraint.WhenUnsatisfiable, "a cluster of one node or zone runs the chart too")
		require.NotNil(t, constraint.LabelSelector)
		assert.Equal(t, spec.Selector.MatchLabels, constraint.LabelSelector.MatchLabels, "the pods that are counted over %s", constraint.TopologyKey)
	}
	return keys
}

// TestRenderersDrain: a renderer that stops goes on serving until it is out of every list of endpoints, and has the time
// for it.
func TestRenderersDrain(t *testing.T) {
	t.Parallel()
	rendered := chart.Render(t)
	container := rendered.Container(t, chart.Renderer)
	require.NotNil(t, container.Lifecycle, "the renderer has no preStop hook: it would stop while frames still come")
	require.NotNil(t, container.Lifecycle.PreStop)
	require.NotNil(t, container.Lifecycle.PreStop.Sleep, "the preStop hook needs no program of the image")
	assert.EqualValues(t, 5, container.Lifecycle.PreStop.Sleep.Seconds, "seconds of the preStop hook, in which the pod leaves every list of endpoints")
	grace := rendered.Deployment(t, chart.Renderer).Spec.Template.Spec.TerminationGracePeriodSeconds
	require.NotNil(t, grace)
	assert.EqualValues(t, 30, *grace, "terminationGracePeriodSeconds: the hook, the renderer's own drain and a last frame fit into it")
	for _, variable := range container.Env {
		if variable.Name == "HOLOGRAPH_GRACE_PERIOD" {
			told, err := time.ParseDuration(variable.Value)
			require.NoError(t, err)
			assert.Equal(t, time.Duration(*grace-container.Lifecycle.PreStop.Sleep.Seconds)*time.Second, told, "the grace period that the renderer is told of, which begins after the hook")
			return
		}
	}
	assert.Fail(t, "the renderer is not told its grace period")
}

// TestManyPodsAreReplaced works out the table of docs/workloads.md from what is rendered: how long a rollout takes, and how long
// it takes until each pod was evicted once.
func TestManyPodsAreReplaced(t *testing.T) {
	t.Parallel()
	listed := rows(t, page(t, "workloads.md"), "values", "start of a pod", "rollout: 10 pods")
	for name, values := range map[string]chart.Values{"defaults": nil, "production.yaml": chart.Example(t, "production"), "gpu.yaml": chart.Example(t, "gpu")} {
		rendered := chart.Render(t, values)
		deployment := rendered.Deployment(t, chart.Renderer).Spec
		podStart := fmt.Sprint(chart.Merge(chart.Defaults(t), values)["autoscaling"].(map[string]any)["podStart"])
		start, err := time.ParseDuration(podStart)
		require.NoError(t, err)
		want := []string{name, podStart}
		for _, evicted := range []bool{false, true} {
			for _, pods := range []int{10, 100, 1000} {
				atOnce, each := 0, start
				if evicted {
					atOnce = scaled(t, budget(t, rendered).MaxUnavailable, pods, true)
				} else {
					update := deployment.Strategy.RollingUpdate
					// Kubernetes removes one pod where both would be none.
					atOnce = max(1, scaled(t, update.MaxSurge, pods, true)+scaled(t, update.MaxUnavailable, pods, false))
					each += time.Duration(deployment.MinReadySeconds) * time.Second
				}
				rounds := (pods + atOnce - 1) / atOnce
				want = append(want, short(time.Duration(rounds)*each))
			}
		}
		assert.Contains(t, listed, want, "the row of %s in docs/workloads.md", name)
	}
}

// budget returns the renderer's disruption budget.
func budget(t *testing.T, rendered *chart.Rendered) policyv1.PodDisruptionBudgetSpec {
	t.Helper()
	for _, budget := range chart.Of[*policyv1.PodDisruptionBudget](t, rendered) {
		if budget.Name == "holograph-renderer" {
			return budget.Spec
		}
	}
	require.FailNow(t, "the renderer has no disruption budget")
	return policyv1.PodDisruptionBudgetSpec{}
}

// scaled returns a number of pods that may be a share of all.
func scaled(t *testing.T, share *intstr.IntOrString, of int, up bool) int {
	t.Helper()
	n, err := intstr.GetScaledValueFromIntOrPercent(share, of, up)
	require.NoError(t, err)
	return n
}

// short writes a duration without the units that are zero at its end: 4h10m.
func short(d time.Duration) string {
	text := d.String()
	if strings.HasSuffix(text, "m0s") {
		text = strings.TrimSuffix(text, "0s")
	}
	if strings.HasSuffix(text, "h0m") {
		text = strings.TrimSuffix(text, "0m")
	}
	return text
}

// TestNewPodsAreSpread: in a rollout the new pods are spread among themselves. Counted with the old ones, they would be spread as the
// old ones leave room, and be uneven once those are gone.
func TestNewPodsAreSpread(t *testing.T) {
	t.Parallel()
	for _, constraint := range chart.Render(t).Deployment(t, chart.Renderer).Spec.Template.Spec.TopologySpreadConstraints {
		assert.Equal(t, []string{"pod-template-hash"}, constraint.MatchLabelKeys, "matchLabelKeys over %s: only pods of the same template are counted", constraint.TopologyKey)
	}
}

// TestPrometheusHasTimeToEnd: after its preStop hook, Prometheus writes the head of its database to disk.
func TestPrometheusHasTimeToEnd(t *testing.T) {
	t.Parallel()
	grace := chart.Render(t).Deployment(t, chart.Prometheus).Spec.Template.Spec.TerminationGracePeriodSeconds
	require.NotNil(t, grace, "terminationGracePeriodSeconds of Prometheus is unset, which is 30 s, want 60")
	assert.EqualValues(t, 60, *grace, "terminationGracePeriodSeconds of Prometheus: killed earlier, it replays its log when it starts again, and the autoscaler has no metric meanwhile")
}
