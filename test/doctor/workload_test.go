package main

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"holograph/test/doctor/description"
	"holograph/test/doctor/report"
)

// ofAWorkload returns a cluster whose release scales the StatefulSet stream in place of the chart's renderer.
func ofAWorkload(t *testing.T) *cluster {
	t.Helper()
	return ofAWorkloadWith(t, "")
}

// ofAWorkloadWith is ofAWorkload with more values.
func ofAWorkloadWith(t *testing.T, values string) *cluster {
	t.Helper()
	c := healthy(t, `
renderer: {enabled: false, metrics: {container: renderer, port: 8080}}
autoscaling: {target: {kind: StatefulSet, name: stream, podLabels: {app: stream}}}
`+values)
	c.workloads = map[string]any{"statefulsets/stream": workload(2, 2)}
	for _, name := range []string{"stream-0", "stream-1"} {
		pod := &corev1.Pod{
			ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: namespace, Labels: map[string]string{"app": "stream"}, CreationTimestamp: started},
			Status: corev1.PodStatus{
				Phase: corev1.PodRunning, PodIP: "10.1.0." + strings.TrimPrefix(name, "stream-"),
				Conditions:        []corev1.PodCondition{{Type: corev1.PodReady, Status: corev1.ConditionTrue}},
				ContainerStatuses: []corev1.ContainerStatus{{Name: "renderer", Ready: true, State: corev1.ContainerState{Running: &corev1.ContainerStateRunning{}}}},
			},
		}
		c.pods = append(c.pods, pod)
		c.measure(pod)
	}
	return c
}

// workload is what the API server has of a StatefulSet or a Rollout.
func workload(wanted, ready int) map[string]any {
	return map[string]any{
		"apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": map[string]any{"name": "stream"},
		// Argo writes this number as a text, and Kubernetes as a number.
		"spec": map[string]any{"replicas": wanted}, "status": map[string]any{"readyReplicas": ready, "observedGeneration": "7"},
	}
}

// TestAWorkloadOfOnesOwn: the doctor walks the path of a workload that is no Deployment, and names what is wrong with it.
func TestAWorkloadOfOnesOwn(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		wrong         func(*cluster)
		cause, remedy string
	}{
		"nothing": {func(*cluster) {}, "", ""},
		"an evicted pod": {func(c *cluster) {
			c.pods = append(c.pods, &corev1.Pod{
				ObjectMeta: metav1.ObjectMeta{Name: "stream-evicted", Namespace: namespace, Labels: map[string]string{"app": "stream"}},
				Status:     corev1.PodStatus{Phase: corev1.PodFailed, Reason: "Evicted"},
			})
		}, "", ""},
		"a pod of a new version that is not Ready": {func(c *cluster) {
			c.workloads["statefulsets/stream"].(map[string]any)["status"].(map[string]any)["replicas"] = 3
			c.pods = append(c.pods, &corev1.Pod{
				ObjectMeta: metav1.ObjectMeta{Name: "stream-new", Namespace: namespace, Labels: map[string]string{"app": "stream"}},
				Status:     corev1.PodStatus{Phase: corev1.PodPending},
			})
		}, "2 of 2 pods of StatefulSet stream are Ready; stream-new: it is Pending", "see kubectl --namespace holograph describe pod stream-new"},
		"no workload": {func(c *cluster) { c.workloads = nil }, "namespace holograph has no StatefulSet stream",
			"install it, or write under autoscaling.target which workload is scaled, and run " + upgrade},
		"scaled to nothing": {func(c *cluster) { c.workloads["statefulsets/stream"] = workload(0, 0) }, "StatefulSet stream is scaled to 0 pods",
			"scale it up, which no autoscaler does from 0: kubectl --namespace holograph scale statefulsets stream --replicas=1"},
		"a pod that is not Ready": {func(c *cluster) {
			c.workloads["statefulsets/stream"] = workload(2, 1)
			c.pod("stream-1").Status.Conditions = []corev1.PodCondition{{Type: corev1.PodScheduled, Status: corev1.ConditionFalse, Message: "0/1 nodes are available."}}
		}, "1 of 2 pods of StatefulSet stream are Ready; stream-1: 0/1 nodes are available.",
			"make room on the nodes, or let the pods ask for less (resources, nodeSelector, affinity, tolerations)"},
		"labels of other pods": {func(c *cluster) {
			for _, pod := range c.pods {
				delete(pod.Labels, "app")
			}
		}, "StatefulSet stream has 2 Ready pods of the 2 that it wants, and 0 pods have the labels app=stream",
			"see kubectl --namespace holograph describe statefulsets stream, and compare autoscaling.target.podLabels with its pods' labels"},
		"labels of other pods too": {func(c *cluster) {
			c.selectBy("tier", "front")
			c.pods = append(c.pods, &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "cache-0", Namespace: namespace, Labels: map[string]string{"app": "stream"}}})
		}, "the autoscaler asks for metrics of the pods that StatefulSet stream selects by app=stream,tier=front (stream-0, stream-1), and the release takes those with app=stream for its renderers (cache-0, stream-0, stream-1)",
			"write under autoscaling.target.podLabels the labels of its selector, and run " + upgrade},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := ofAWorkload(t)
			test.wrong(c)
			found := examine(t, c)
			if test.cause == "" {
				require.Equal(t, report.Holds, found.Verdict, "the verdict on a workload that is as it should be:\n%s", found.Text())
				return
			}
			fault{link: "renderer-pods", cause: test.cause, remedy: test.remedy}.found(t, found)
		})
	}
}

// TestAWorkloadThatIsNotScraped: the doctor names what a workload that the chart does not write needs to be a target. The
// chart refuses scrapeAnnotations.enabled there.
func TestAWorkloadThatIsNotScraped(t *testing.T) {
	t.Parallel()
	for name, fault := range map[string]fault{
		"by the embedded Prometheus": {
			cause: "Prometheus does not scrape pod stream-0, which is none of its targets",
			remedy: "let container renderer (renderer.metrics.container) of the pods declare port 8080 (renderer.metrics.port), and let the pods belong to StatefulSet stream " +
				"and have the labels app=stream (autoscaling.target.podLabels), or write there what they have, and run " + upgrade + "; " +
				"Prometheus' page /service-discovery says which of these a pod lacks: kubectl --namespace holograph port-forward deployment/holograph-prometheus 9090",
		},
		"by another Prometheus": {
			values: "prometheus: {enabled: false, url: http://holograph-prometheus.holograph.svc:9090}",
			cause:  "the Prometheus at http://holograph-prometheus.holograph.svc:9090 does not scrape pod stream-0, which is none of its targets",
			remedy: "let your Prometheus scrape the pods: podMonitor.enabled with the labels that it selects by, where container renderer must declare port 8080, " +
				"or prometheus.io/scrape, port and path in the pod template of StatefulSet stream; the Prometheus of another release does not find them",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := ofAWorkloadWith(t, fault.values)
			c.samples = nil
			fault.link = "targets"
			fault.found(t, examine(t, c))
		})
	}
}

// TestRemedyIsWhole: a remedy ends with a command, which long names do not cut off.
func TestRemedyIsWhole(t *testing.T) {
	t.Parallel()
	c := ofAWorkload(t)
	c.samples = nil
	long := strings.Repeat("stream-", 8) + "renders"
	describe := c.configMap("holograph-doctor")
	path := strings.NewReplacer("app=stream", "app.kubernetes.io/name="+long+",app.kubernetes.io/instance="+long+",app.kubernetes.io/component="+long,
		`name: "stream"`, `name: "`+long+`"`, `container: "renderer"`, `container: "`+long+`"`).Replace(describe.Data[description.File])
	describe.Data[description.File] = path
	labels := map[string]string{"app": "stream", "app.kubernetes.io/name": long, "app.kubernetes.io/instance": long, "app.kubernetes.io/component": long}
	for _, pod := range c.pods {
		if pod.Labels["app"] == "stream" {
			pod.Labels = labels
		}
	}
	c.workloads = map[string]any{"statefulsets/" + long: workload(2, 2)}
	found := examine(t, c).Broken()
	require.NotNil(t, found, "the broken link")
	require.Equal(t, "targets", found.Name, "the broken link: %s", found.Cause)
	command := "kubectl --namespace holograph port-forward deployment/holograph-prometheus 9090"
	require.True(t, strings.HasSuffix(found.Remedy, command), "the end of the remedy is %.200q, want %q: the reader types it", found.Remedy[max(0, len(found.Remedy)-200):], command)
}

// selectBy lets the StatefulSet select its pods by one more label.
func (c *cluster) selectBy(label, value string) {
	c.workloads["statefulsets/stream"].(map[string]any)["spec"].(map[string]any)["selector"] = map[string]any{"matchLabels": map[string]string{"app": "stream", label: value}}
	for _, pod := range c.pods {
		if pod.Labels["app"] == "stream" {
			pod.Labels[label] = value
		}
	}
}

// TestMetricsOfThePodsThatAreScaled: the metrics are asked for by the selector that the autoscaler uses, the workload's own.
func TestMetricsOfThePodsThatAreScaled(t *testing.T) {
	t.Parallel()
	c := ofAWorkload(t)
	c.selectBy("tier", "front")
	found := examine(t, c)
	require.Equal(t, report.Holds, found.Verdict, "the verdict on a workload that is as it should be:\n%s", found.Text())
	require.Equal(t, "app=stream,tier=front", c.asked, "the selector with which the metric of the pods is asked for")
	c = healthy(t, "")
	examine(t, c)
	require.Equal(t, "app.kubernetes.io/component=renderer,app.kubernetes.io/instance=holograph,app.kubernetes.io/name=holograph", c.asked,
		"the selector with which the metric of the chart's own pods is asked for")
}
