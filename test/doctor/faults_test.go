package main

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	apiregistrationv1 "k8s.io/kube-aggregator/pkg/apis/apiregistration/v1"
	"sigs.k8s.io/yaml"

	"holograph/test/doctor/check"
	"holograph/test/doctor/description"
	"holograph/test/doctor/report"
	"holograph/test/internal/chart"
)

// fault is one thing that is wrong, and what the doctor must say about it.
type fault struct {
	values string
	// wrong adds the fault to a healthy cluster.
	wrong         func(t *testing.T, c *cluster)
	link          string
	cause, remedy string
	// unseen says that the doctor could not look at the link, so that it does not know whether it holds.
	unseen bool
}

const upgrade = "helm upgrade holograph <chart> --namespace holograph, with the chart and the values that it was installed with"

// firstScrape is the remedy where Prometheus has had no time to scrape a pod, at the default interval.
const firstScrape = "wait, as a first scrape ends up to 40s after the pod is Ready and Prometheus has started"

// hpaCondition sets one condition of the HPA.
func hpaCondition(kind autoscalingv2.HorizontalPodAutoscalerConditionType, status corev1.ConditionStatus, reason, message string) func(*testing.T, *cluster) {
	return func(_ *testing.T, c *cluster) {
		conditions := c.hpas["holograph-renderer"].Status.Conditions
		for i := range conditions {
			if conditions[i].Type == kind {
				conditions[i].Status, conditions[i].Reason, conditions[i].Message = status, reason, message
			}
		}
	}
}

// notReady makes a pod of a Deployment not Ready, with that state of its container.
func notReady(deployment, pod string, state corev1.ContainerState) func(*testing.T, *cluster) {
	return func(_ *testing.T, c *cluster) {
		c.deployments[deployment].Status.ReadyReplicas--
		status := &c.pod(pod).Status
		status.Conditions[0].Status = corev1.ConditionFalse
		status.ContainerStatuses[0].Ready = false
		status.ContainerStatuses[0].State = state
	}
}

// notReadyBy makes a renderer pod not Ready, which is otherwise as the function leaves it.
func notReadyBy(change func(*corev1.Pod)) func(*testing.T, *cluster) {
	return func(_ *testing.T, c *cluster) {
		c.deployments["holograph-renderer"].Status.ReadyReplicas--
		pod := c.pod("holograph-renderer-0")
		pod.Status.Conditions[0].Status = corev1.ConditionFalse
		change(pod)
	}
}

// initContainers gives a pod two of them, of which the first has ended as it should.
func initContainers(second corev1.ContainerState) func(*corev1.Pod) {
	return func(pod *corev1.Pod) {
		pod.Spec.InitContainers = []corev1.Container{{Name: "fonts"}, {Name: "models"}}
		pod.Status.InitContainerStatuses = []corev1.ContainerStatus{
			{Name: "fonts", Ready: true, State: corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{Reason: "Completed"}}},
			{Name: "models", State: second},
		}
		pod.Status.ContainerStatuses[0].State = corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: "PodInitializing"}}
	}
}

func unscheduled(reason, message string) func(*corev1.Pod) {
	return func(pod *corev1.Pod) {
		pod.Status = corev1.PodStatus{
			Phase:      corev1.PodPending,
			Conditions: []corev1.PodCondition{{Type: corev1.PodScheduled, Status: corev1.ConditionFalse, Reason: reason, Message: message}},
		}
	}
}

func evicted(pod *corev1.Pod) {
	pod.Status = corev1.PodStatus{Phase: corev1.PodFailed, Reason: "Evicted", Message: "The node was low on resource: memory."}
}

func scaledToNothing(deployment string) func(*testing.T, *cluster) {
	return func(_ *testing.T, c *cluster) {
		d := c.deployments[deployment]
		*d.Spec.Replicas = 0
		d.Status = appsv1.DeploymentStatus{}
	}
}

func unavailable(service, reason, message string) func(*testing.T, *cluster) {
	return func(_ *testing.T, c *cluster) {
		c.apiServices[service].Status.Conditions = []apiregistrationv1.APIServiceCondition{
			{Type: apiregistrationv1.Available, Status: apiregistrationv1.ConditionFalse, Reason: reason, Message: message},
		}
	}
}

// targetDown makes the last scrape of one renderer fail, with that error.
func targetDown(why string) func(*testing.T, *cluster) {
	return func(_ *testing.T, c *cluster) {
		c.targetError = why
		for i := range c.samples {
			if c.samples[i].name == "up" && c.samples[i].labels["pod"] == "holograph-renderer-1" {
				c.samples[i].value = "0"
			}
		}
	}
}

var faults = map[string]fault{
	"no Deployment": {
		wrong:  func(_ *testing.T, c *cluster) { delete(c.deployments, "holograph-renderer") },
		link:   "renderer-pods",
		cause:  "namespace holograph has no Deployment holograph-renderer",
		remedy: "run " + upgrade,
	},
	"scaled to nothing": {
		wrong:  scaledToNothing("holograph-renderer"),
		link:   "renderer-pods",
		cause:  "Deployment holograph-renderer is scaled to 0 pods",
		remedy: "scale it up, which no autoscaler does from 0: kubectl --namespace holograph scale deployment holograph-renderer --replicas=1",
	},
	"scaled to nothing by its autoscaler": {
		values: `autoscaling: {minReplicas: 0, metrics: [{type: External, external: {metric: {name: waiting}, target: {type: AverageValue, averageValue: "10"}}}]}`,
		wrong:  scaledToNothing("holograph-renderer"),
		link:   "renderer-pods",
		cause:  "Deployment holograph-renderer is scaled to 0 pods, as its autoscaler may, and without pods nothing else can be checked",
		remedy: "ask again when a pod runs: have the autoscaler start one, or run kubectl --namespace holograph scale deployment holograph-renderer --replicas=1",
	},
	"controller manager away": {
		wrong:  func(_ *testing.T, c *cluster) { c.deployments["holograph-renderer"].Generation = 2 },
		link:   "renderer-pods",
		cause:  "Deployment holograph-renderer: its generation 2 is not observed yet",
		remedy: "wait for the controller manager, or see kubectl --namespace holograph describe deployment holograph-renderer",
	},
	"quota": {
		wrong: func(_ *testing.T, c *cluster) {
			status := &c.deployments["holograph-renderer"].Status
			status.ReadyReplicas = 0
			status.Conditions = []appsv1.DeploymentCondition{{Type: appsv1.DeploymentReplicaFailure, Status: corev1.ConditionTrue, Message: "exceeded quota: frames"}}
		},
		link:   "renderer-pods",
		cause:  "Deployment holograph-renderer cannot create its pods: exceeded quota: frames",
		remedy: "let the namespace take the pods (quota, Pod Security, admission), then see kubectl --namespace holograph describe deployment holograph-renderer",
	},
	"no room": {
		wrong: func(_ *testing.T, c *cluster) {
			c.deployments["holograph-renderer"].Status.ReadyReplicas = 1
			c.pod("holograph-renderer-1").Status = corev1.PodStatus{
				Phase:      corev1.PodPending,
				Conditions: []corev1.PodCondition{{Type: corev1.PodScheduled, Status: corev1.ConditionFalse, Message: "0/1 nodes are available: 1 Insufficient cpu."}},
			}
		},
		link:   "renderer-pods",
		cause:  "1 of 2 pods of Deployment holograph-renderer are Ready; holograph-renderer-1: 0/1 nodes are available: 1 Insufficient cpu.",
		remedy: "make room on the nodes, or let the pods ask for less (resources, nodeSelector, affinity, tolerations)",
	},
	"no image": {
		wrong: notReady("holograph-renderer", "holograph-renderer-0", corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: "ImagePullBackOff", Message: "Back-off pulling image"}}),
		link:  "renderer-pods",
		cause: "1 of 2 pods of Deployment holograph-renderer are Ready; holograph-renderer-0: container renderer: ImagePullBackOff: Back-off pulling image",
		remedy: "load the image localhost/holograph-renderer:0.1.0 into the nodes or push it to where they pull from, " +
			"or name another (image.repository, tag)",
	},
	"crash": {
		wrong:  notReady("holograph-renderer", "holograph-renderer-0", corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: "CrashLoopBackOff", Message: "back-off 10s"}}),
		link:   "renderer-pods",
		cause:  "1 of 2 pods of Deployment holograph-renderer are Ready; holograph-renderer-0: container renderer ends again and again: back-off 10s",
		remedy: "read its log: kubectl --namespace holograph logs holograph-renderer-0 --container renderer --previous",
	},
	"probe": {
		wrong: notReady("holograph-renderer", "holograph-renderer-0", corev1.ContainerState{Running: &corev1.ContainerStateRunning{}}),
		link:  "renderer-pods",
		cause: "1 of 2 pods of Deployment holograph-renderer are Ready; holograph-renderer-0: container renderer runs and does not pass its readiness probe",
		remedy: "read its log: kubectl --namespace holograph logs holograph-renderer-0 --container renderer, " +
			"and see what the probe gets: kubectl --namespace holograph describe pod holograph-renderer-0",
	},
	"starting": {
		wrong:  notReady("holograph-renderer", "holograph-renderer-0", corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: "ContainerCreating"}}),
		link:   "renderer-pods",
		cause:  "1 of 2 pods of Deployment holograph-renderer are Ready; holograph-renderer-0: container renderer: ContainerCreating",
		remedy: "see kubectl --namespace holograph describe pod holograph-renderer-0",
	},
	// The log of a container that the kernel has killed ends without a word.
	"crash for want of memory": {
		wrong: func(t *testing.T, c *cluster) {
			notReady("holograph-renderer", "holograph-renderer-0", corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: "CrashLoopBackOff", Message: "back-off 10s"}})(t, c)
			c.pod("holograph-renderer-0").Status.ContainerStatuses[0].LastTerminationState.Terminated = &corev1.ContainerStateTerminated{ExitCode: 137, Reason: "OOMKilled"}
		},
		link:   "renderer-pods",
		cause:  "1 of 2 pods of Deployment holograph-renderer are Ready; holograph-renderer-0: container renderer ends again and again, last with exit code 137 (OOMKilled): back-off 10s",
		remedy: "let it have more memory (resources.limits.memory)",
	},
	"crash just now": {
		wrong:  notReady("holograph-renderer", "holograph-renderer-0", corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{ExitCode: 2, Reason: "Error"}}),
		link:   "renderer-pods",
		cause:  "1 of 2 pods of Deployment holograph-renderer are Ready; holograph-renderer-0: container renderer has ended with exit code 2",
		remedy: "read its log: kubectl --namespace holograph logs holograph-renderer-0 --container renderer",
	},
	"init container that runs": {
		wrong:  notReadyBy(initContainers(corev1.ContainerState{Running: &corev1.ContainerStateRunning{}})),
		link:   "renderer-pods",
		cause:  "1 of 2 pods of Deployment holograph-renderer are Ready; holograph-renderer-0: init container models runs, and the others wait for its end",
		remedy: "read its log: kubectl --namespace holograph logs holograph-renderer-0 --container models",
	},
	"init container that fails": {
		wrong:  notReadyBy(initContainers(corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{ExitCode: 1, Reason: "Error"}})),
		link:   "renderer-pods",
		cause:  "1 of 2 pods of Deployment holograph-renderer are Ready; holograph-renderer-0: container models has ended with exit code 1",
		remedy: "read its log: kubectl --namespace holograph logs holograph-renderer-0 --container models",
	},
	"sidecar that is not Ready": {
		wrong: notReadyBy(func(pod *corev1.Pod) {
			initContainers(corev1.ContainerState{Running: &corev1.ContainerStateRunning{}})(pod)
			always := corev1.ContainerRestartPolicyAlways
			pod.Spec.InitContainers[1].RestartPolicy = &always
		}),
		link:  "renderer-pods",
		cause: "1 of 2 pods of Deployment holograph-renderer are Ready; holograph-renderer-0: container models runs and does not pass its readiness probe",
		remedy: "read its log: kubectl --namespace holograph logs holograph-renderer-0 --container models, " +
			"and see what the probe gets: kubectl --namespace holograph describe pod holograph-renderer-0",
	},
	"readiness gate": {
		wrong: notReadyBy(func(pod *corev1.Pod) {
			pod.Status.Conditions[0].Message = `the status of pod readiness gate "example.com/attached" is not "True", but False`
		}),
		link:   "renderer-pods",
		cause:  `1 of 2 pods of Deployment holograph-renderer are Ready; holograph-renderer-0: the status of pod readiness gate "example.com/attached" is not "True", but False`,
		remedy: "see kubectl --namespace holograph describe pod holograph-renderer-0",
	},
	"node away": {
		wrong:  notReadyBy(func(pod *corev1.Pod) { pod.Spec.NodeName = "node-7" }),
		link:   "renderer-pods",
		cause:  "1 of 2 pods of Deployment holograph-renderer are Ready; holograph-renderer-0: its containers were Ready when its node last reported",
		remedy: "see whether the node is Ready: kubectl get node node-7",
	},
	"no room where its volume is": {
		wrong: notReadyBy(unscheduled("Unschedulable", "0/3 nodes are available: 1 Insufficient cpu, 2 node(s) didn't match PersistentVolume's node affinity.")),
		link:  "renderer-pods",
		cause: "1 of 2 pods of Deployment holograph-renderer are Ready; holograph-renderer-0: 0/3 nodes are available: 1 Insufficient cpu, 2 node(s) didn't match PersistentVolume's node affinity.",
		remedy: "see what its volume waits for, or on which nodes it can be: kubectl --namespace holograph describe persistentvolumeclaims; " +
			"make room on the nodes, or let the pods ask for less (resources, nodeSelector, affinity, tolerations)",
	},
	"no volume": {
		wrong:  notReadyBy(unscheduled("Unschedulable", "0/3 nodes are available: pod has unbound immediate PersistentVolumeClaims.")),
		link:   "renderer-pods",
		cause:  "1 of 2 pods of Deployment holograph-renderer are Ready; holograph-renderer-0: 0/3 nodes are available: pod has unbound immediate PersistentVolumeClaims.",
		remedy: "see what its volume waits for, or on which nodes it can be: kubectl --namespace holograph describe persistentvolumeclaims",
	},
	"no device": {
		wrong:  notReadyBy(unscheduled("Unschedulable", "0/3 nodes are available: 3 cannot allocate all claims.")),
		link:   "renderer-pods",
		cause:  "1 of 2 pods of Deployment holograph-renderer are Ready; holograph-renderer-0: 0/3 nodes are available: 3 cannot allocate all claims.",
		remedy: "see what its claim for devices waits for: kubectl --namespace holograph describe resourceclaims",
	},
	"scheduling gate": {
		wrong:  notReadyBy(unscheduled(corev1.PodReasonSchedulingGated, "Scheduling is blocked due to non-empty scheduling gates")),
		link:   "renderer-pods",
		cause:  "1 of 2 pods of Deployment holograph-renderer are Ready; holograph-renderer-0: Scheduling is blocked due to non-empty scheduling gates",
		remedy: "wait for who removes its scheduling gates, such as a queue; kubectl --namespace holograph describe pod holograph-renderer-0 names them",
	},
	// An evicted pod remains in the list until its owner is deleted or there are thousands.
	"no room for the pod in place of an evicted one": {
		wrong: func(t *testing.T, c *cluster) {
			notReadyBy(evicted)(t, c)
			next := c.pod("holograph-renderer-0").DeepCopy()
			next.Name = "holograph-renderer-2"
			unscheduled("Unschedulable", "0/3 nodes are available: 3 Insufficient cpu.")(next)
			c.pods = append(c.pods, next)
		},
		link:   "renderer-pods",
		cause:  "1 of 2 pods of Deployment holograph-renderer are Ready; holograph-renderer-2: 0/3 nodes are available: 3 Insufficient cpu.",
		remedy: "make room on the nodes, or let the pods ask for less (resources, nodeSelector, affinity, tolerations)",
	},
	"pod that its node refuses": {
		wrong:  notReadyBy(evicted),
		link:   "renderer-pods",
		cause:  "1 of 2 pods of Deployment holograph-renderer are Ready; holograph-renderer-0: it is Failed: Evicted: The node was low on resource: memory.",
		remedy: "see kubectl --namespace holograph describe pod holograph-renderer-0",
	},
	"rollout": {
		wrong:  func(_ *testing.T, c *cluster) { c.deployments["holograph-renderer"].Status.UpdatedReplicas = 1 },
		link:   "renderer-pods",
		cause:  "Deployment holograph-renderer is being rolled out: of 2 pods wanted 1 are of the newest version and 2 are Ready, with 2 in all",
		remedy: "wait for it: kubectl --namespace holograph rollout status deployment holograph-renderer",
	},
	"paused rollout": {
		wrong: func(_ *testing.T, c *cluster) {
			c.deployments["holograph-renderer"].Spec.Paused = true
			c.deployments["holograph-renderer"].Status.UpdatedReplicas = 0
		},
		link:   "renderer-pods",
		cause:  "the rollout of Deployment holograph-renderer is paused: of 2 pods wanted 0 are of the newest version",
		remedy: "when the reason for that is over, let it go on: kubectl --namespace holograph rollout resume deployment holograph-renderer",
	},
	"metrics elsewhere": {
		wrong:  func(_ *testing.T, c *cluster) { c.exported["holograph-renderer-1"] = "" },
		link:   "renderer-metrics",
		cause:  "pod holograph-renderer-1 does not give its metrics at port 8080, path /metrics: it answers 404 Not Found",
		remedy: "write under renderer.metrics where the renderer exports its metrics; a NetworkPolicy may be in the way too",
	},
	"counter under another name": {
		wrong: func(_ *testing.T, c *cluster) {
			c.exported["holograph-renderer-1"] = strings.ReplaceAll(c.exported["holograph-renderer-1"], "frames_over_budget_total", "late_frames_total")
		},
		link:   "renderer-metrics",
		cause:  "pod holograph-renderer-1 exports no holograph_frames_over_budget_total at port 8080, path /metrics",
		remedy: "let the renderer export it from its start, or write the name that it has under signals.overruns.name",
	},
	"more series than are read": {
		wrong: func(_ *testing.T, c *cluster) {
			c.exported["holograph-renderer-1"] = strings.Repeat("holograph_frames_over_budget_total 0\n", 10_001)
		},
		link: "renderer-metrics",
		cause: "it could not be looked at: pod holograph/holograph-renderer-1, through the API server answers with " +
			"more than 10000 series of holograph_frames_over_budget_total, which is more than is read of one answer",
		remedy: "let the renderer export less: of a pod's metrics the doctor reads 1 MiB, the default of prometheus.scrapeLimits.bodySize",
		unseen: true,
	},
	"no capacity": {
		wrong: func(_ *testing.T, c *cluster) {
			c.exported["holograph-renderer-0"] = strings.ReplaceAll(c.exported["holograph-renderer-0"], "holograph_cpu_capacity_cores 1\n", "")
		},
		link:   "renderer-metrics",
		cause:  "pod holograph-renderer-0 exports no holograph_cpu_capacity_cores at port 8080, path /metrics",
		remedy: "let the renderer export it from its start, or write the name that it has under signals.demand.capacity.metric",
	},
	"Prometheus scaled to nothing": {
		wrong:  scaledToNothing("holograph-prometheus"),
		link:   "prometheus",
		cause:  "Deployment holograph-prometheus is scaled to 0 pods",
		remedy: "scale it up: kubectl --namespace holograph scale deployment holograph-prometheus --replicas=1",
	},
	"Prometheus without endpoints": {
		wrong: func(_ *testing.T, c *cluster) {
			c.prometheusDown = &metav1.Status{Code: http.StatusServiceUnavailable, Message: `no endpoints available for service "holograph-prometheus"`}
		},
		link:   "prometheus",
		cause:  `http://holograph-prometheus.holograph.svc:9090 does not answer queries: no endpoints available for service "holograph-prometheus"`,
		remedy: "read its log: kubectl --namespace holograph logs deployment/holograph-prometheus",
	},
	"another Prometheus away": {
		values: "prometheus: {enabled: false, url: http://127.0.0.1:1/team}",
		wrong:  func(*testing.T, *cluster) {},
		link:   "prometheus",
		cause:  "http://127.0.0.1:1/team does not answer queries: dial tcp 127.0.0.1:1: connect: connection refused",
		remedy: "let the cluster reach your Prometheus, or write its URL under prometheus.url",
	},
	"another Prometheus that asks for a token": {
		values: `prometheus: {enabled: false, url: "https://127.0.0.1:1", auth: {basicAuth: {existingSecret: login}}}`,
		wrong:  func(*testing.T, *cluster) {},
		link:   "prometheus",
		cause:  "https://127.0.0.1:1 does not answer queries: it wants credentials that are files of the doctor's pod: file does not exist",
		remedy: "run helm test holograph --namespace holograph, whose pod has the credentials, or name a URL that needs none with --prometheus",
		unseen: true,
	},
	"another Prometheus whose Service has no selector": {
		values: `prometheus: {enabled: false, url: "http://shared.holograph.svc:9090", auth: {basicAuth: {existingSecret: login}}}`,
		wrong: func(_ *testing.T, c *cluster) {
			c.services = append(c.services, &corev1.Service{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "shared"}, Spec: corev1.ServiceSpec{Ports: []corev1.ServicePort{{Port: 9090}}}})
			c.secrets = append(c.secrets, &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "login"}, Data: map[string][]byte{"authorization": []byte("Basic login")}})
		},
		link:   "prometheus",
		cause:  "http://shared.holograph.svc:9090 does not answer queries: service holograph/shared has no selector, so no pod is known whose port could be forwarded",
		remedy: "run helm test holograph --namespace holograph, whose pod has the credentials, or name a URL that needs none with --prometheus",
		unseen: true,
	},
	"no target yet": {
		wrong:  func(_ *testing.T, c *cluster) { c.samples, c.now = nil, started.Add(39*time.Second) },
		link:   "targets",
		cause:  "Prometheus does not scrape pod holograph-renderer-0, which is none of its targets",
		remedy: firstScrape,
	},
	"no target yet of a Prometheus that has just started": {
		wrong: func(_ *testing.T, c *cluster) {
			c.samples, c.prometheusStarted = nil, c.now.Add(-39*time.Second)
		},
		link:   "targets",
		cause:  "Prometheus does not scrape pod holograph-renderer-0, which is none of its targets",
		remedy: firstScrape,
	},
	"target that was scraped before it was Ready": {
		wrong: func(t *testing.T, c *cluster) {
			targetDown("connection refused")(t, c)
			c.now = started.Add(39 * time.Second)
		},
		link:   "targets",
		cause:  "Prometheus' scrape of pod holograph-renderer-1 at http://10.0.4.1:8080/metrics fails: connection refused",
		remedy: firstScrape,
	},
	"no target": {
		wrong: func(_ *testing.T, c *cluster) {
			c.samples, c.now, c.prometheusStarted = nil, started.Add(40*time.Second), started.Time
		},
		link:  "targets",
		cause: "Prometheus does not scrape pod holograph-renderer-0, which is none of its targets",
		remedy: "run " + upgrade + "; if that changes nothing, see what it says of its discovery: " +
			"kubectl --namespace holograph logs deployment/holograph-prometheus",
	},
	"no target of another Prometheus": {
		values: "prometheus: {enabled: false, url: http://holograph-prometheus.holograph.svc:9090}",
		wrong:  func(_ *testing.T, c *cluster) { c.samples = nil },
		link:   "targets",
		cause:  "the Prometheus at http://holograph-prometheus.holograph.svc:9090 does not scrape pod holograph-renderer-0, which is none of its targets",
		remedy: "let your Prometheus scrape the renderer's pods: podMonitor.enabled with the labels that it selects by, or scrapeAnnotations.enabled; " +
			"if it is another release's, list holograph in that release's servedNamespaces",
	},
	"target down": {
		wrong: targetDown("connection refused"),
		link:  "targets",
		cause: "Prometheus' scrape of pod holograph-renderer-1 at http://10.0.4.1:8080/metrics fails: connection refused",
		remedy: "let it scrape port 8080, path /metrics (renderer.metrics), and let its NetworkPolicy and the pods' allow that; " +
			"what is embedded is written anew by " + upgrade,
	},
	"redirect that is not followed": {
		wrong:  targetDown("server returned HTTP status 307 Temporary Redirect"),
		link:   "targets",
		cause:  "Prometheus' scrape of pod holograph-renderer-1 at http://10.0.4.1:8080/metrics fails: server returned HTTP status 307 Temporary Redirect",
		remedy: "write under renderer.metrics.path the path to which the renderer redirects, because a Prometheus that serves other namespaces follows no redirect",
	},
	"more samples than a scrape may bring": {
		wrong:  targetDown("sample limit exceeded"),
		link:   "targets",
		cause:  "Prometheus' scrape of pod holograph-renderer-1 at http://10.0.4.1:8080/metrics fails: sample limit exceeded",
		remedy: "let the renderer export less, above all fewer values of its labels, or raise prometheus.scrapeLimits and run " + upgrade,
	},
	"labels of other names": {
		wrong: func(_ *testing.T, c *cluster) {
			c.relabel(func(labels map[string]string) {
				if pod, named := labels["pod"]; named {
					labels["kubernetes_pod_name"] = pod
					delete(labels, "pod")
				}
			})
		},
		link: "series",
		cause: `Prometheus has holograph_frames_over_budget_total of pod holograph-renderer-0 under other labels: ` +
			`{container="renderer", instance="10.0.4.0:8080", kubernetes_pod_name="holograph-renderer-0", namespace="holograph"}, without pod="holograph-renderer-0"`,
		remedy: "write under signals.labels the names that your Prometheus uses, or let its relabelling set these; what is embedded is written anew by " + upgrade,
	},
	"no container label": {
		wrong: func(_ *testing.T, c *cluster) {
			c.relabel(func(labels map[string]string) { delete(labels, "container") })
		},
		link: "series",
		cause: `Prometheus has holograph_frames_over_budget_total of pod holograph-renderer-0 under other labels: ` +
			`{instance="10.0.4.0:8080", namespace="holograph", pod="holograph-renderer-0"}, without container="renderer"`,
		remedy: "write under signals.labels the names that your Prometheus uses, or let its relabelling set these; what is embedded is written anew by " + upgrade,
	},
	"dropped series": {
		wrong: func(_ *testing.T, c *cluster) { c.forget("holograph_cpu_capacity_cores", "holograph-renderer-1") },
		link:  "series",
		cause: "Prometheus scrapes pod holograph-renderer-1 and has no holograph_cpu_capacity_cores of it",
		remedy: "see whether Prometheus scrapes another path or port of the pod, stores its names with dots in place of underscores (metric_name_escaping_scheme), or drops the series (metric_relabel_configs, sample_limit); " +
			"what is embedded is written anew by " + upgrade,
	},
	"old samples": {
		wrong: func(_ *testing.T, c *cluster) {
			for i := range c.samples {
				c.samples[i].age = 46 * time.Second
			}
		},
		link:   "series",
		cause:  "Prometheus' last sample of holograph_frames_over_budget_total of pod holograph-renderer-0 is 46s old, at a scrape interval of 15s",
		remedy: "see whether Prometheus keeps up: its log, its memory, its disk, its clock",
	},
	"no rules": {
		wrong: func(_ *testing.T, c *cluster) {
			c.configMaps = slices.DeleteFunc(c.configMaps, func(config *corev1.ConfigMap) bool { return config.Name == "holograph-prometheus-adapter" })
		},
		link:   "adapter-rule",
		cause:  "namespace holograph has no ConfigMap holograph-prometheus-adapter, which holds the adapter's rules",
		remedy: "run " + upgrade,
	},
	"rule removed": {
		wrong: func(t *testing.T, c *cluster) {
			c.edit(t, func(rules []map[string]any) []map[string]any { return rules[:1] })
		},
		link:   "adapter-rule",
		cause:  "ConfigMap holograph/holograph-prometheus-adapter has 1 rules and none that gives holograph_demand",
		remedy: "run " + upgrade + "; then restart the adapter, which reads its rules only when it starts",
	},
	"rule overruled": {
		wrong: func(t *testing.T, c *cluster) {
			c.edit(t, func(rules []map[string]any) []map[string]any {
				return append(rules, map[string]any{
					"name": rules[1]["name"], "seriesQuery": rules[1]["seriesQuery"], "seriesFilters": rules[1]["seriesFilters"],
					"resources": rules[1]["resources"], "metricsQuery": "sum(holograph_demand)",
				})
			})
		},
		link:   "adapter-rule",
		cause:  "ConfigMap holograph/holograph-prometheus-adapter gives holograph_demand by another rule than this release's: it differs in metricsQuery",
		remedy: "run " + upgrade + "; a rule of another team must not give the same name",
	},
	"rules that are no YAML": {
		wrong: func(_ *testing.T, c *cluster) {
			c.configMap("holograph-prometheus-adapter").Data["config.yaml"] = "rules"
		},
		link: "adapter-rule",
		cause: "ConfigMap holograph/holograph-prometheus-adapter: config.yaml is not YAML: error unmarshaling JSON: while decoding JSON: " +
			"json: cannot unmarshal string into Go value of type struct { Rules []map[string]interface {} \"json:\\\"rules\\\"\" }",
		remedy: "run " + upgrade,
	},
	"adapter scaled to nothing": {
		wrong: scaledToNothing("holograph-prometheus-adapter"),
		link:  "adapter-pods",
		cause: "Deployment holograph-prometheus-adapter is scaled to 0 pods",
		remedy: "if prometheusAdapter.replicaCount is 0, write 1 or more and run " + upgrade + "; otherwise scale it to that number, because the next helm upgrade may end in a conflict over another one: " +
			"kubectl --namespace holograph scale deployment holograph-prometheus-adapter --replicas=<number>",
	},
	"renderers without an autoscaler scaled to nothing": {
		values: "autoscaling: {enabled: false}",
		wrong:  scaledToNothing("holograph-renderer"),
		link:   "renderer-pods",
		cause:  "Deployment holograph-renderer is scaled to 0 pods",
		remedy: "if renderer.replicaCount is 0, write 1 or more and run " + upgrade + "; otherwise scale it to that number, because the next helm upgrade may end in a conflict over another one: " +
			"kubectl --namespace holograph scale deployment holograph-renderer --replicas=<number>",
	},
	"adapter with an older configuration": {
		wrong: func(_ *testing.T, c *cluster) {
			pod := c.pod("holograph-prometheus-adapter-0")
			pod.Annotations = map[string]string{"checksum/config": "older"}
		},
		link: "adapter-pods",
		cause: "the adapter's pod holograph-prometheus-adapter-0 started with another configuration than this release's, " +
			"and it reads its rules only when it starts",
		remedy: "wait for its rollout, or see what delays it: kubectl --namespace holograph rollout status deployment holograph-prometheus-adapter",
	},
	// The pod that serves is not the one that says what is wrong.
	"adapter that does not start with its configuration": {
		wrong: func(_ *testing.T, c *cluster) {
			before := c.pod("holograph-prometheus-adapter-0")
			next := before.DeepCopy()
			before.Annotations = nil
			next.Name = "holograph-prometheus-adapter-9"
			next.Status.Conditions[0].Status = corev1.ConditionFalse
			next.Status.ContainerStatuses[0].Ready = false
			next.Status.ContainerStatuses[0].State = corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: "CrashLoopBackOff", Message: "back-off 10s"}}
			c.pods = append(c.pods, next)
		},
		link: "adapter-pods",
		cause: "the adapter's pod holograph-prometheus-adapter-0 started with another configuration than this release's, and it reads its rules only when it starts; " +
			"pod holograph-prometheus-adapter-9, which replaces it, is not Ready: container prometheus-adapter ends again and again: back-off 10s",
		remedy: "read its log: kubectl --namespace holograph logs holograph-prometheus-adapter-9 --container prometheus-adapter --previous",
	},
	"no APIService": {
		wrong:  func(_ *testing.T, c *cluster) { c.apiServices = nil },
		link:   "api-service",
		cause:  "none is registered of v1beta1.custom.metrics.k8s.io, v1beta2.custom.metrics.k8s.io",
		remedy: "run " + upgrade,
	},
	"APIService without endpoints": {
		wrong: unavailable("v1beta2.custom.metrics.k8s.io", "MissingEndpoints", "endpoints have no addresses"),
		link:  "api-service",
		cause: "v1beta2.custom.metrics.k8s.io is not Available: MissingEndpoints: endpoints have no addresses",
		remedy: "see to Service holograph/holograph-prometheus-adapter and the pods behind it: " +
			"kubectl --namespace holograph get service,endpointslices,pods",
	},
	"APIService behind a firewall": {
		wrong: unavailable("v1beta1.custom.metrics.k8s.io", "FailedDiscoveryCheck", "context deadline exceeded"),
		link:  "api-service",
		cause: "v1beta1.custom.metrics.k8s.io is not Available: FailedDiscoveryCheck: context deadline exceeded",
		remedy: "let the control plane reach the pods of Service holograph/holograph-prometheus-adapter (firewall, NetworkPolicy) " +
			"and trust their certificate (caBundle), and read their log",
	},
	"APIService that points at nothing": {
		wrong: func(t *testing.T, c *cluster) {
			unavailable("v1beta1.custom.metrics.k8s.io", "ServiceNotFound", "service/gone is not present")(t, c)
			c.apiServices["v1beta1.custom.metrics.k8s.io"].Spec.Service.Name = "gone"
		},
		link:  "api-service",
		cause: "v1beta1.custom.metrics.k8s.io is not Available: ServiceNotFound: service/gone is not present",
		remedy: "it points at Service holograph/gone, this release's adapter is holograph/holograph-prometheus-adapter: run " + upgrade +
			"; where another adapter is to serve it, set prometheusAdapter.enabled=false and give that one the rules",
	},
	"APIService of another adapter": {
		wrong: func(_ *testing.T, c *cluster) {
			c.apiServices["v1beta1.custom.metrics.k8s.io"].Spec.Service.Namespace = "monitoring"
		},
		link: "api-service",
		cause: "v1beta1.custom.metrics.k8s.io is served by Service monitoring/holograph-prometheus-adapter " +
			"and not by this release's holograph/holograph-prometheus-adapter",
		remedy: "run " + upgrade + "; where another adapter is to serve it, set prometheusAdapter.enabled=false and give that one the rules",
	},
	"APIService that nobody looked at": {
		wrong:  func(_ *testing.T, c *cluster) { c.apiServices["v1beta1.custom.metrics.k8s.io"].Status.Conditions = nil },
		link:   "api-service",
		cause:  "v1beta1.custom.metrics.k8s.io has no condition Available yet",
		remedy: "wait for the API server, or see kubectl describe apiservice v1beta1.custom.metrics.k8s.io",
	},
	"no adapter at all": {
		values: "prometheusAdapter: {enabled: false}",
		wrong:  func(*testing.T, *cluster) {},
		link:   "api-service",
		cause:  "none is registered of v1beta1.custom.metrics.k8s.io, v1beta2.custom.metrics.k8s.io",
		remedy: "install an adapter or set prometheusAdapter.enabled; the chart prometheus-adapter registers none while rules.default is false and rules.custom is empty",
	},
	"group not served": {
		wrong:  func(_ *testing.T, c *cluster) { c.versions = nil },
		link:   "discovery",
		cause:  "custom.metrics.k8s.io is not served: the server could not find the requested resource",
		remedy: "see whether its APIServices are Available: kubectl get apiservices",
	},
	"version not served": {
		wrong:  func(_ *testing.T, c *cluster) { c.unserved = true },
		link:   "discovery",
		cause:  "custom.metrics.k8s.io/v1beta2 does not answer: the server is currently unable to handle the request",
		remedy: "see what is wrong with it: kubectl describe apiservice v1beta2.custom.metrics.k8s.io",
	},
	"not listed": {
		wrong: func(_ *testing.T, c *cluster) { delete(c.values, "holograph_demand") },
		link:  "discovery",
		cause: "custom.metrics.k8s.io/v1beta2 does not list pods/holograph_demand; it lists pods/holograph_frames_over_budget_total",
		remedy: "wait for the adapter's next relist, every 30s; if that changes nothing, read its log: " +
			"kubectl --namespace holograph logs deployment/holograph-prometheus-adapter",
	},
	// Its age says nothing of the adapter that runs.
	"not listed, beside an adapter's pod that was evicted before": {
		wrong: func(_ *testing.T, c *cluster) {
			delete(c.values, "holograph_demand")
			before := c.pod("holograph-prometheus-adapter-0").DeepCopy()
			before.Name = "holograph-prometheus-adapter-9"
			before.CreationTimestamp = metav1.NewTime(started.Add(-time.Hour))
			evicted(before)
			c.pods = append(c.pods, before)
		},
		link:  "discovery",
		cause: "custom.metrics.k8s.io/v1beta2 does not list pods/holograph_demand; it lists pods/holograph_frames_over_budget_total",
		remedy: "wait for the adapter's next relist, every 30s; if that changes nothing, read its log: " +
			"kubectl --namespace holograph logs deployment/holograph-prometheus-adapter",
	},
	"not listed by the only version": {
		wrong: func(_ *testing.T, c *cluster) { c.versions, c.values = []string{"v1beta1"}, nil },
		link:  "discovery",
		cause: "custom.metrics.k8s.io/v1beta1 does not list pods/holograph_frames_over_budget_total; it lists nothing at all",
		remedy: "wait for the adapter's next relist, every 30s; if that changes nothing, read its log: " +
			"kubectl --namespace holograph logs deployment/holograph-prometheus-adapter",
	},
	"rule put back without a restart": {
		wrong: func(_ *testing.T, c *cluster) {
			c.values = nil
			later := metav1.NewTime(started.Add(time.Hour))
			c.configMap("holograph-prometheus-adapter").ManagedFields[0].Time = &later
		},
		link: "discovery",
		cause: "the adapter's pod holograph-prometheus-adapter-0 started before ConfigMap holograph/holograph-prometheus-adapter was last changed, " +
			"and it reads its rules only when it starts",
		remedy: "restart it: kubectl --namespace holograph rollout restart deployment holograph-prometheus-adapter",
	},
	"not listed by another adapter": {
		values: "prometheusAdapter: {enabled: false}",
		wrong: func(t *testing.T, c *cluster) {
			c.apiServices = healthy(t, "").apiServices
			c.values = map[string]map[string]string{"requests": nil}
		},
		link:  "discovery",
		cause: "custom.metrics.k8s.io/v1beta2 does not list pods/holograph_frames_over_budget_total; it lists pods/requests",
		remedy: "give your adapter the rules that the installation notes print (helm get notes holograph --namespace holograph), and restart it: " +
			"it reads its rules only when it starts",
	},
	"no value of a pod": {
		wrong: func(_ *testing.T, c *cluster) {
			delete(c.values["holograph_frames_over_budget_total"], "holograph-renderer-1")
		},
		link:   "values",
		cause:  "there is no value of holograph_frames_over_budget_total for pod holograph-renderer-1, and one for 1 others",
		remedy: "wait, as new pods have a first value 30s after their start",
	},
	"no demand of a pod": {
		wrong: func(_ *testing.T, c *cluster) { delete(c.values["holograph_demand"], "holograph-renderer-0") },
		link:  "values",
		cause: "there is no value of holograph_demand for pod holograph-renderer-0, and one for 1 others",
		remedy: "wait, as new pods have a first value 90s after their start; if that changes nothing, " +
			"see that holograph_cpu_capacity_cores is above 0 and no more than a number can say",
	},
	"adapter that cannot ask": {
		wrong: func(_ *testing.T, c *cluster) {
			c.valuesError = &metav1.Status{Code: http.StatusInternalServerError, Message: "unable to fetch metrics"}
		},
		link:   "values",
		cause:  "holograph_frames_over_budget_total: unable to fetch metrics",
		remedy: "read the adapter's log: kubectl --namespace holograph logs deployment/holograph-prometheus-adapter",
	},
	"adapter that may not list pods": {
		wrong: func(_ *testing.T, c *cluster) {
			c.valuesError = &metav1.Status{Code: http.StatusInternalServerError, Message: "Internal error occurred: unable to list matching resources"}
		},
		link: "values",
		cause: "holograph_frames_over_budget_total: Internal error occurred: unable to list matching resources, " +
			"which the adapter says when it may not list pods in namespace holograph",
		remedy: `bind the adapter's ServiceAccount to a Role in namespace holograph with the rule {apiGroups: [""], resources: ["pods"], verbs: ["list"]}; ` +
			`helm upgrade renders that of this chart's adapter; its log has the reason: kubectl --namespace holograph logs deployment/holograph-prometheus-adapter`,
	},
	"no HPA": {
		wrong:  func(_ *testing.T, c *cluster) { c.hpas = nil },
		link:   "autoscaler",
		cause:  "namespace holograph has no HorizontalPodAutoscaler holograph-renderer",
		remedy: "run " + upgrade,
	},
	"HPA that asks for something else": {
		wrong: func(_ *testing.T, c *cluster) {
			c.hpas["holograph-renderer"].Spec.Metrics[0].Pods.Metric.Name = "frames"
		},
		link:   "autoscaler",
		cause:  "HPA holograph-renderer asks for frames, holograph_demand, and not for holograph_frames_over_budget_total, which is served",
		remedy: "run " + upgrade,
	},
	"HPA without a target": {
		wrong:  hpaCondition(autoscalingv2.AbleToScale, corev1.ConditionFalse, "FailedGetScale", "deployments.apps not found"),
		link:   "autoscaler",
		cause:  "HPA holograph-renderer: AbleToScale is False: FailedGetScale: deployments.apps not found",
		remedy: "see kubectl --namespace holograph describe hpa holograph-renderer",
	},
	"HPA without metrics": {
		wrong: hpaCondition(autoscalingv2.ScalingActive, corev1.ConditionFalse, "FailedGetPodsMetric", "no metrics returned"),
		link:  "autoscaler",
		cause: "HPA holograph-renderer: ScalingActive is False: FailedGetPodsMetric: no metrics returned",
		remedy: "the links before this one hold, so wait for its next decision, 15 s later by default; if that changes nothing, " +
			"see kubectl --namespace holograph describe hpa holograph-renderer",
	},
	"HPA that nobody looked at": {
		wrong: func(_ *testing.T, c *cluster) {
			c.hpas["holograph-renderer"].Status = autoscalingv2.HorizontalPodAutoscalerStatus{}
		},
		link:   "autoscaler",
		cause:  "HPA holograph-renderer has no condition ScalingActive yet",
		remedy: "wait for its first decision, or check that the controller manager runs",
	},
	"HPA that lacks one metric": {
		wrong: func(_ *testing.T, c *cluster) {
			status := &c.hpas["holograph-renderer"].Status
			status.CurrentMetrics[1] = autoscalingv2.MetricStatus{}
		},
		link:   "autoscaler",
		cause:  "HPA holograph-renderer has no current value of holograph_demand",
		remedy: "wait for its next decision; if that changes nothing, see kubectl --namespace holograph describe hpa holograph-renderer",
	},
	"pinned at the maximum": {
		wrong:  hpaCondition(autoscalingv2.ScalingLimited, corev1.ConditionTrue, "TooManyReplicas", "the desired replica count is more than the maximum replica count"),
		link:   "headroom",
		cause:  "HPA holograph-renderer is pinned at its maximum of 10 pods: the desired replica count is more than the maximum replica count",
		remedy: "write a larger autoscaling.maxReplicas, give each pod more to work with (renderer.resources), or send less",
	},
	"Deployment that does not say how many pods": {
		// The first pod is Ready, and the next one is not.
		wrong: func(_ *testing.T, c *cluster) {
			c.deployments["holograph-renderer"].Spec.Replicas = nil
			c.deployments["holograph-renderer"].Status = appsv1.DeploymentStatus{Replicas: 1, UpdatedReplicas: 1, ReadyReplicas: 1}
			c.exported["holograph-renderer-0"] = ""
		},
		link:   "renderer-metrics",
		cause:  "pod holograph-renderer-0 does not give its metrics at port 8080, path /metrics: it answers 404 Not Found",
		remedy: "write under renderer.metrics where the renderer exports its metrics; a NetworkPolicy may be in the way too",
	},
	"target that is neither up nor down": {
		wrong: func(_ *testing.T, c *cluster) {
			for i := range c.samples {
				if c.samples[i].name == "up" {
					c.samples[i].value = "NaN"
				}
			}
		},
		link:  "targets",
		cause: "Prometheus' scrape of pod holograph-renderer-0 fails: it does not say why",
		remedy: "let it scrape port 8080, path /metrics (renderer.metrics), and let its NetworkPolicy and the pods' allow that; " +
			"what is embedded is written anew by " + upgrade,
	},
	"samples of no age": {
		wrong:  func(_ *testing.T, c *cluster) { c.age = "NaN" },
		link:   "series",
		cause:  "Prometheus' last sample of holograph_frames_over_budget_total of pod holograph-renderer-0 is NaN s old, at a scrape interval of 15s",
		remedy: "see whether Prometheus keeps up: its log, its memory, its disk, its clock",
	},
	"samples of the future": {
		wrong:  func(_ *testing.T, c *cluster) { c.age = "-Inf" },
		link:   "series",
		cause:  "Prometheus' last sample of holograph_frames_over_budget_total of pod holograph-renderer-0 is -Inf s old, at a scrape interval of 15s",
		remedy: "see whether Prometheus keeps up: its log, its memory, its disk, its clock",
	},
	"renderer that recommends a permission": {
		wrong: func(_ *testing.T, c *cluster) {
			c.forbidden["/pods/holograph-renderer-1:8080/"] = `pods is forbidden: User "mallory" cannot * resource "*" in API group "*"`
		},
		link: "renderer-metrics",
		cause: `pod holograph-renderer-1 does not give its metrics at port 8080, path /metrics: ` +
			`pods is forbidden: User "mallory" cannot * resource "*" in API group "*"`,
		remedy: "write under renderer.metrics where the renderer exports its metrics; a NetworkPolicy may be in the way too",
	},
	"words that move the cursor": {
		wrong: unavailable("v1beta2.custom.metrics.k8s.io", "\x1b[2J", "\u202eno\nok   everything\r"+strings.Repeat("long ", 1000)),
		link:  "api-service",
		cause: `v1beta2.custom.metrics.k8s.io is not Available: \x1b[2J: \u202eno\nok   everything\r` + strings.Repeat("long ", 1000)[:526] + "... (4474 bytes more)",
		remedy: "see to Service holograph/holograph-prometheus-adapter and the pods behind it: " +
			"kubectl --namespace holograph get service,endpointslices,pods",
	},
	"API server that asks to wait": {
		wrong:  func(_ *testing.T, c *cluster) { c.busy = "/horizontalpodautoscalers/" },
		link:   "autoscaler",
		cause:  "it could not be looked at: the API server answers 429 Too Many Requests and asks to wait for 1h0m0s",
		remedy: "ask again when that is over",
		unseen: true,
	},
	"Prometheus that asks to wait": {
		wrong:  func(_ *testing.T, c *cluster) { c.busy = "/api/v1/query" },
		link:   "prometheus",
		cause:  "it could not be looked at: http://holograph-prometheus.holograph.svc:9090 answers 429 Too Many Requests and asks to wait for 1h0m0s",
		remedy: "ask again when that is over",
		unseen: true,
	},
	"doctor without its Role": {
		wrong: func(_ *testing.T, c *cluster) {
			c.forbidden["/deployments/"] = `deployments.apps "holograph-renderer" is forbidden: User "system:serviceaccount:holograph:holograph-doctor" ` +
				`cannot get resource "deployments" in API group "apps" in the namespace "holograph"`
		},
		link:  "renderer-pods",
		cause: "a permission is missing: ServiceAccount holograph/holograph-doctor may not get deployments of apps in namespace holograph",
		remedy: `bind ServiceAccount holograph/holograph-doctor to a Role in namespace holograph with the rule ` +
			`{apiGroups: ["apps"], resources: ["deployments"], verbs: ["get"]}; helm upgrade renders those of this chart`,
		unseen: true,
	},
	"doctor without its ClusterRole": {
		wrong: func(_ *testing.T, c *cluster) {
			c.forbidden["/apiservices/"] = `apiservices.apiregistration.k8s.io "v1beta1.custom.metrics.k8s.io" is forbidden: User "jo" ` +
				`cannot get resource "apiservices" in API group "apiregistration.k8s.io" at the cluster scope`
		},
		link:  "api-service",
		cause: "a permission is missing: user jo may not get apiservices of apiregistration.k8s.io",
		remedy: `bind user jo to a ClusterRole with the rule {apiGroups: ["apiregistration.k8s.io"], resources: ["apiservices"], verbs: ["get"]}; ` +
			`helm upgrade renders those of this chart`,
		unseen: true,
	},
	"guest of another release's adapter, which is away": {
		values: "prometheusAdapter: {enabled: false}",
		wrong: func(_ *testing.T, c *cluster) {
			c.forbidden["/apiservices/"] = `apiservices.apiregistration.k8s.io "v1beta1.custom.metrics.k8s.io" is forbidden: User "jo" ` +
				`cannot get resource "apiservices" in API group "apiregistration.k8s.io" at the cluster scope`
			c.unserved = true
		},
		link:   "discovery",
		cause:  "custom.metrics.k8s.io/v1beta2 does not answer: the server is currently unable to handle the request",
		remedy: "see what is wrong with it: kubectl describe apiservice v1beta2.custom.metrics.k8s.io",
	},
	"person who may not forward ports": {
		wrong: func(_ *testing.T, c *cluster) {
			c.forbidden["/portforward$"] = `pods "holograph-prometheus-0" is forbidden: User "jo" ` +
				`cannot create resource "pods/portforward" in API group "" in the namespace "holograph"`
		},
		link:  "prometheus",
		cause: "a permission is missing: user jo may not create pods/portforward in namespace holograph",
		remedy: `bind user jo to a Role in namespace holograph with the rule {apiGroups: [""], resources: ["pods/portforward"], verbs: ["create"]}; ` +
			`helm upgrade renders those of this chart`,
		unseen: true,
	},
	"person who may not read the login": {
		wrong: func(_ *testing.T, c *cluster) {
			c.forbidden["/secrets/"] = `secrets "holograph-prometheus-login" is forbidden: User "jo" ` +
				`cannot get resource "secrets" in API group "" in the namespace "holograph"`
		},
		link:  "prometheus",
		cause: "a permission is missing: user jo may not get secrets in namespace holograph",
		remedy: `bind user jo to a Role in namespace holograph with the rule {apiGroups: [""], resources: ["secrets"], verbs: ["get"]}; ` +
			`helm upgrade renders those of this chart`,
		unseen: true,
	},
	"a login of before": {
		wrong: func(_ *testing.T, c *cluster) { c.login = "Basic of-now" },
		link:  "prometheus",
		cause: "http://holograph-prometheus.holograph.svc:9090 does not answer queries: query vector(1): client_error: client error: 401",
		remedy: "wait two minutes if its login was just changed; after that, compare the keys authorization and web.yaml " +
			"of the Secret in prometheus.auth.basicAuth.existingSecret, or generate a new login with another prometheus.auth.basicAuth.generation",
	},
	"person who may not read the description": {
		wrong: func(_ *testing.T, c *cluster) {
			c.forbidden["/configmaps"] = `configmaps is forbidden: User "jo" cannot list resource "configmaps" in API group "" in the namespace "holograph"`
		},
		link:  "description",
		cause: "a permission is missing: user jo may not list configmaps in namespace holograph",
		remedy: `bind user jo to a Role in namespace holograph with the rule {apiGroups: [""], resources: ["configmaps"], verbs: ["list"]}; ` +
			`helm upgrade renders those of this chart`,
		unseen: true,
	},
	"no such release": {
		wrong: func(_ *testing.T, c *cluster) { c.configMaps = nil },
		link:  "description",
		cause: "namespace holograph holds no ConfigMap that describes a release holograph",
		remedy: "name the release and the namespace that its objects are in (--release, --namespace); " +
			"the chart writes the description where doctor.enabled is true",
	},
	"a second description": {
		wrong: func(_ *testing.T, c *cluster) {
			second := c.configMap("holograph-doctor").DeepCopy()
			second.Name = "a-doctor"
			second.Data[description.File] = strings.ReplaceAll(second.Data[description.File], "http://holograph-prometheus.holograph.svc:9090", "http://of.mallory.svc:80")
			c.configMaps = append(c.configMaps, second)
		},
		link:   "description",
		cause:  "namespace holograph holds 2 ConfigMaps that describe a release holograph, want one: a-doctor, holograph-doctor",
		remedy: "delete those that the chart did not write, which helm get manifest does not show, or name a file with the right description with --path",
		unseen: true,
	},
	"login for another namespace": {
		wrong: func(_ *testing.T, c *cluster) {
			data := c.configMap("holograph-doctor").Data
			data[description.File] = strings.ReplaceAll(data[description.File], "http://holograph-prometheus.holograph.svc:9090", "http://of.mallory.svc:80")
		},
		link:   "prometheus",
		cause:  "the login in Secret holograph/holograph-prometheus-login is not sent to a Service in the namespace mallory, which has no Secret of that name",
		remedy: "run helm test holograph --namespace holograph, whose pod has the credentials, or name a URL that needs none with --prometheus",
		unseen: true,
	},
	"description of another version": {
		wrong: func(_ *testing.T, c *cluster) {
			c.configMap("holograph-doctor").Data[description.File] += "\nfuture: true\n"
		},
		link:   "description",
		cause:  `doctor.yaml is not one that this doctor knows: error unmarshaling JSON: while decoding JSON: json: unknown field "future"`,
		remedy: "take the doctor of the version that the release was installed from",
		unseen: true,
	},
}

// For every fault the doctor names the link, the cause and the remedy. The links before it
// hold, and the links after it are not looked at.
func TestFaults(t *testing.T) {
	t.Parallel()
	for title, fault := range faults {
		t.Run(title, func(t *testing.T) {
			t.Parallel()
			c := healthy(t, fault.values)
			fault.wrong(t, c)
			fault.found(t, examine(t, c))
		})
	}
}

// TestNamespaceOfTheRelease: helm is asked in the release's namespace, kubectl in that of its objects, where
// namespaceOverride makes it another.
func TestNamespaceOfTheRelease(t *testing.T) {
	t.Parallel()
	c := healthy(t, "")
	config := c.configMap("holograph-doctor")
	config.Data[description.File] = strings.Replace(config.Data[description.File], `releaseNamespace: "holograph"`, "releaseNamespace: releases", 1)
	c.samples = nil
	fault{link: "targets", cause: faults["no target"].cause,
		remedy: strings.Replace(faults["no target"].remedy, "helm upgrade holograph <chart> --namespace holograph", "helm upgrade holograph <chart> --namespace releases", 1)}.found(t, examine(t, c))
}

// found checks that a report names the fault and no other.
func (f fault) found(t *testing.T, found report.Report) {
	t.Helper()
	broken, status, verdict := found.Broken(), report.Broken, report.IsBroken
	if f.unseen {
		broken, status, verdict = found.Unseen(), report.Unseen, report.CouldNotLook
	}
	require.NotNil(t, broken, "the doctor does not find it:\n%s", found.Text())
	assert.Equal(t, verdict, found.Verdict)
	assert.Equal(t, f.link, broken.Name, "the link that the doctor names")
	assert.Equal(t, f.cause, broken.Cause, "the cause")
	assert.Equal(t, f.remedy, broken.Remedy, "the remedy")
	assert.False(t, found.Healthy)
	onlyOne(t, found, f.link, status)
}

// onlyOne checks that a report names one link: the links before it hold, and the links
// after it are not looked at.
func onlyOne(t *testing.T, found report.Report, name string, status report.Status) {
	t.Helper()
	want := report.OK
	for _, link := range found.Links {
		is := want
		if link.Name == name {
			is, want = status, report.NotChecked
		}
		assert.Equal(t, is, link.Status, "the status of the link %s", link.Name)
	}
}

// examine runs all the checks against a cluster and returns the report.
func examine(t *testing.T, c *cluster) report.Report {
	t.Helper()
	s := settings{release: chart.DefaultRelease}
	return s.examine(t.Context(), c.client(t), namespace)
}

// TestPrometheusThatLetsNobodyIn: where another Prometheus answers 401 or 403, the doctor names the values that hold the
// credentials, and says that it could not look where KEDA has others than the doctor.
func TestPrometheusThatLetsNobodyIn(t *testing.T) {
	t.Parallel()
	const own, keda, identity = `{prometheus: {enabled: false, url: URL}}`,
		`{autoscaling: {provider: keda}, prometheus: {enabled: false, url: URL}}`,
		`{autoscaling: {provider: keda}, keda: {authenticationRef: {name: aws}}, prometheus: {enabled: false, url: URL}}`
	for title, test := range map[string]struct {
		values, remedy string
		verdict        report.Verdict
	}{
		"the adapter": {values: own, verdict: report.IsBroken,
			remedy: "write credentials that it accepts under prometheus.auth"},
		"KEDA": {values: keda, verdict: report.IsBroken,
			remedy: "write credentials that it accepts under prometheus.auth, or name KEDA's own in keda.authenticationRef"},
		"KEDA with an identity": {values: identity, verdict: report.CouldNotLook,
			remedy: "KEDA logs in with TriggerAuthentication aws of keda.authenticationRef, which the doctor cannot; see what KEDA says: kubectl --namespace holograph describe scaledobjects"},
	} {
		for _, status := range []int{http.StatusUnauthorized, http.StatusForbidden} {
			t.Run(fmt.Sprintf("%s, %d", title, status), func(t *testing.T) {
				t.Parallel()
				server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(status) }))
				t.Cleanup(server.Close)
				found := examine(t, healthy(t, strings.ReplaceAll(test.values, "URL", server.URL)))
				link := found.Broken()
				if test.verdict == report.CouldNotLook {
					link = found.Unseen()
				}
				require.NotNil(t, link, "the doctor does not find it:\n%s", found.Text())
				assert.Equal(t, test.verdict, found.Verdict)
				assert.Equal(t, "prometheus", link.Name)
				assert.Contains(t, link.Cause, strconv.Itoa(status))
				assert.Equal(t, test.remedy, link.Remedy, "the remedy, which must name where credentials are written: the cluster does reach this Prometheus")
			})
		}
	}
	t.Run("a URL that the caller names", func(t *testing.T) {
		t.Parallel()
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusUnauthorized) }))
		t.Cleanup(server.Close)
		code, stdout, _ := doctor(t, healthy(t, ""), "--prometheus", server.URL)
		assert.Equal(t, exitCouldNotLook, code, stdout)
		assert.Contains(t, stdout, "run helm test holograph --namespace holograph, whose pod has the credentials", "the release's credentials are not sent to a URL that the caller names")
	})
}

// A release that KEDA scales has KEDA's links in place of the adapter's.
func TestFaultsUnderKEDA(t *testing.T) {
	t.Parallel()
	t.Run("none", func(t *testing.T) {
		t.Parallel()
		found := examine(t, healthyUnderKEDA(t))
		require.True(t, found.Healthy, found.Text())
		var names []string
		for _, link := range found.Links {
			names = append(names, link.Name)
		}
		assert.Equal(t, []string{"description", "renderer-pods", "renderer-metrics", "prometheus", "targets", "series",
			"scaled-object", "api-service", "values", "autoscaler", "headroom"}, names)
	})
	for title, fault := range kedaFaults {
		t.Run(title, func(t *testing.T) {
			t.Parallel()
			c := healthyUnderKEDA(t)
			fault.wrong(t, c)
			fault.found(t, examine(t, c))
		})
	}
}

// healthyUnderKEDA is healthy with KEDA's objects in place of the chart's HPA and
// adapter.
func healthyUnderKEDA(t *testing.T) *cluster {
	t.Helper()
	c := healthy(t, "")
	configMap := c.configMap("holograph-doctor")
	p, err := description.Decode([]byte(configMap.Data[description.File]))
	require.NoError(t, err)
	p.Adapter, p.APIServices = nil, []string{"v1beta1.external.metrics.k8s.io"}
	p.Autoscaler.ScaledObject = "holograph-renderer"
	text, err := yaml.Marshal(p)
	require.NoError(t, err)
	configMap.Data[description.File] = string(text)

	external := c.apiServices["v1beta1.custom.metrics.k8s.io"]
	external.Name = "v1beta1.external.metrics.k8s.io"
	external.Spec.Service.Namespace, external.Spec.Service.Name = "keda", "keda-operator-metrics-apiserver"
	c.apiServices = map[string]*apiregistrationv1.APIService{external.Name: external}
	c.versions = nil
	c.totals["s0-prometheus"] = "62m"
	c.scaledObject = map[string]any{"status": map[string]any{
		"hpaName": "holograph-renderer",
		"conditions": []any{
			map[string]any{"type": "Ready", "status": "True", "reason": "ScaledObjectReady"},
			map[string]any{"type": "Active", "status": "True"},
			map[string]any{"type": "Fallback", "status": "False"},
			map[string]any{"type": "Paused", "status": "Unknown"},
		},
	}}
	hpa := c.hpas["holograph-renderer"]
	target := hpa.Spec.Metrics[0].Pods.Target
	identifier := autoscalingv2.MetricIdentifier{
		Name:     "s0-prometheus",
		Selector: &metav1.LabelSelector{MatchLabels: map[string]string{"scaledobject.keda.sh/name": "holograph-renderer"}},
	}
	hpa.Spec.Metrics = []autoscalingv2.MetricSpec{{
		Type: autoscalingv2.ExternalMetricSourceType, External: &autoscalingv2.ExternalMetricSource{Metric: identifier, Target: target},
	}}
	hpa.Status.CurrentMetrics = []autoscalingv2.MetricStatus{{
		Type: autoscalingv2.ExternalMetricSourceType,
		External: &autoscalingv2.ExternalMetricStatus{
			Metric: identifier, Current: autoscalingv2.MetricValueStatus{AverageValue: resource.NewMilliQuantity(31, resource.DecimalSI)},
		},
	}}
	return c
}

// scaledObject changes a condition of KEDA's object.
func scaledObject(kind, status, reason, message string) func(*testing.T, *cluster) {
	return func(_ *testing.T, c *cluster) {
		conditions := c.scaledObject["status"].(map[string]any)["conditions"].([]any)
		for i, condition := range conditions {
			if condition.(map[string]any)["type"] == kind {
				conditions[i] = map[string]any{"type": kind, "status": status, "reason": reason, "message": message}
			}
		}
	}
}

// paused lets KEDA say that its object is paused, which has these annotations.
func paused(annotations ...string) func(*testing.T, *cluster) {
	return func(t *testing.T, c *cluster) {
		scaledObject("Paused", "True", "ScaledObjectPaused", "ScaledObject is paused")(t, c)
		all := map[string]string{"scaledobject.keda.sh/transfer-hpa-ownership": "true"}
		for pair := range slices.Chunk(annotations, 2) {
			all["autoscaling.keda.sh/"+pair[0]] = pair[1]
		}
		c.scaledObject["metadata"] = map[string]any{"name": "holograph-renderer", "annotations": all}
	}
}

var kedaFaults = map[string]fault{
	"no KEDA": {
		wrong:  func(_ *testing.T, c *cluster) { c.scaledObject = nil },
		link:   "scaled-object",
		cause:  "namespace holograph has no ScaledObject holograph-renderer",
		remedy: "install KEDA where the cluster has none, and run " + upgrade,
	},
	"KEDA that takes no notice": {
		wrong:  func(_ *testing.T, c *cluster) { c.scaledObject["status"] = nil },
		link:   "scaled-object",
		cause:  "ScaledObject holograph-renderer has no condition Ready yet",
		remedy: "check that KEDA's operator runs and watches namespace holograph",
	},
	"not Ready": {
		wrong:  scaledObject("Ready", "False", "ScaledObjectCheckFailed", "Failed to ensure HPA is correctly created for ScaledObject"),
		link:   "scaled-object",
		cause:  "ScaledObject holograph-renderer is not Ready: ScaledObjectCheckFailed: Failed to ensure HPA is correctly created for ScaledObject",
		remedy: "fix what the message says; KEDA's operator logs the rest",
	},
	"paused": {
		wrong: paused("paused", "true"),
		link:  "scaled-object",
		cause: "ScaledObject holograph-renderer is paused by its annotation autoscaling.keda.sh/paused: ScaledObject is paused",
		remedy: "when the reason for that is over, remove it: kubectl --namespace holograph annotate scaledobject holograph-renderer autoscaling.keda.sh/paused-; " +
			"if it stands in keda.annotations or commonAnnotations, remove it there too",
	},
	"paused in one direction, and at a number of replicas": {
		wrong: paused("paused-scale-in", "true", "paused-scale-out", "true", "paused-replicas", "4", "paused", "false"),
		link:  "scaled-object",
		cause: "ScaledObject holograph-renderer is paused by its annotations autoscaling.keda.sh/paused-replicas, autoscaling.keda.sh/paused-scale-in and " +
			"autoscaling.keda.sh/paused-scale-out: ScaledObject is paused",
		remedy: "when the reason for that is over, remove them: kubectl --namespace holograph annotate scaledobject holograph-renderer " +
			"autoscaling.keda.sh/paused-replicas- autoscaling.keda.sh/paused-scale-in- autoscaling.keda.sh/paused-scale-out-; " +
			"if they stand in keda.annotations or commonAnnotations, remove them there too",
	},
	"paused by what is no number and no word of KEDA's": {
		wrong: paused("paused-replicas", "false", "paused", "on", "paused-scale-in", "F"),
		link:  "scaled-object",
		cause: "ScaledObject holograph-renderer is paused by its annotations autoscaling.keda.sh/paused and autoscaling.keda.sh/paused-replicas: ScaledObject is paused",
		remedy: "when the reason for that is over, remove them: kubectl --namespace holograph annotate scaledobject holograph-renderer " +
			"autoscaling.keda.sh/paused- autoscaling.keda.sh/paused-replicas-; if they stand in keda.annotations or commonAnnotations, remove them there too",
	},
	// The queries failed when it was paused, and nobody has asked since.
	"paused during a fallback": {
		wrong: func(t *testing.T, c *cluster) {
			paused("paused", "true")(t, c)
			scaledObject("Fallback", "True", "FallbackExists", "At least one trigger is falling back on this scaled object")(t, c)
		},
		link:  "scaled-object",
		cause: "ScaledObject holograph-renderer is paused by its annotation autoscaling.keda.sh/paused: ScaledObject is paused",
		remedy: "when the reason for that is over, remove it: kubectl --namespace holograph annotate scaledobject holograph-renderer autoscaling.keda.sh/paused-; " +
			"if it stands in keda.annotations or commonAnnotations, remove it there too",
	},
	// The runbook has its readers pause that direction while they look for the cause.
	"fallback while it is paused in one direction": {
		wrong: func(t *testing.T, c *cluster) {
			paused("paused-scale-in", "true")(t, c)
			scaledObject("Fallback", "True", "FallbackExists", "At least one trigger is falling back on this scaled object")(t, c)
		},
		link:   "scaled-object",
		cause:  "ScaledObject holograph-renderer holds its fallback replicas, because a trigger fails: At least one trigger is falling back on this scaled object",
		remedy: "check that KEDA's operator reaches Prometheus; its log says what it got",
	},
	"no total while it is paused in one direction": {
		wrong: func(t *testing.T, c *cluster) {
			paused("paused-scale-in", "true")(t, c)
			c.totals = nil
		},
		link:   "values",
		cause:  "s0-prometheus: there is no value",
		remedy: "read the log of KEDA's operator, which asks Prometheus",
	},
	"paused in one direction": {
		wrong: paused("paused-scale-in", "true"),
		link:  "headroom",
		cause: "ScaledObject holograph-renderer is paused by its annotation autoscaling.keda.sh/paused-scale-in: ScaledObject is paused",
		remedy: "when the reason for that is over, remove it: kubectl --namespace holograph annotate scaledobject holograph-renderer autoscaling.keda.sh/paused-scale-in-; " +
			"if it stands in keda.annotations or commonAnnotations, remove it there too",
	},
	"paused without an annotation": {
		wrong:  paused(),
		link:   "scaled-object",
		cause:  "ScaledObject holograph-renderer is paused, and no annotation of it says so: ScaledObject is paused",
		remedy: "wait until KEDA's operator has taken notice; if that changes nothing, read its log, and restart it",
	},
	"fallback": {
		wrong:  scaledObject("Fallback", "True", "FallbackExists", "At least one trigger is falling back on this scaled object"),
		link:   "scaled-object",
		cause:  "ScaledObject holograph-renderer holds its fallback replicas, because a trigger fails: At least one trigger is falling back on this scaled object",
		remedy: "check that KEDA's operator reaches Prometheus; its log says what it got",
	},
	"external metrics not registered": {
		wrong:  func(_ *testing.T, c *cluster) { c.apiServices = nil },
		link:   "api-service",
		cause:  "none is registered of v1beta1.external.metrics.k8s.io",
		remedy: "install KEDA, which serves external.metrics.k8s.io",
	},
	// The total is there for who asks for it.
	"failed queries": {
		wrong: func(_ *testing.T, c *cluster) {
			c.scaledObject["status"].(map[string]any)["health"] = map[string]any{"s0-prometheus": map[string]any{"numberOfFailures": 2, "status": "Failing"}}
		},
		link:   "values",
		cause:  "s0-prometheus: the last queries of KEDA failed, 2 in a row",
		remedy: "read the log of KEDA's operator, which asks Prometheus, and wait for its next query, at most 15 s later by default",
	},
	"no total": {
		wrong:  func(_ *testing.T, c *cluster) { c.totals = nil },
		link:   "values",
		cause:  "s0-prometheus: there is no value",
		remedy: "read the log of KEDA's operator, which asks Prometheus",
	},
	"no HPA": {
		wrong:  func(_ *testing.T, c *cluster) { c.hpas = nil },
		link:   "values",
		cause:  "namespace holograph has no HorizontalPodAutoscaler holograph-renderer",
		remedy: "read the log of KEDA's operator, which makes it",
	},
	"HPA without metrics": {
		wrong: hpaCondition(autoscalingv2.ScalingActive, corev1.ConditionFalse, "FailedGetExternalMetric", "no metrics returned"),
		link:  "autoscaler",
		cause: "HPA holograph-renderer: ScalingActive is False: FailedGetExternalMetric: no metrics returned",
		remedy: "the links before this one hold, so wait for its next decision, 15 s later by default; if that changes nothing, " +
			"see kubectl --namespace holograph describe hpa holograph-renderer",
	},
}

// TestForbiddenDirections: an autoscaler that may not change the number of pods in a direction is no fault, as the values may say so.
func TestForbiddenDirections(t *testing.T) {
	t.Parallel()
	for name, finding := range map[string]string{
		"scaleDown": "2 of at most 10 pods, and none is removed: selectPolicy of scaleDown is Disabled",
		"scaleUp":   "2 of at most 10 pods, and none is added: selectPolicy of scaleUp is Disabled",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			found := examine(t, healthy(t, "autoscaling: {behavior: {"+name+": {selectPolicy: Disabled}}}"))
			require.True(t, found.Healthy, found.Text())
			last := found.Links[len(found.Links)-1]
			assert.Equal(t, "headroom", last.Name, "the last link")
			assert.Equal(t, finding, last.Finding, "what is found of it")
		})
	}
}

// The exit code and the JSON say whether the release is broken or could not be seen.
func TestVerdicts(t *testing.T) {
	t.Parallel()
	for title, code := range map[string]int{
		"no HPA": exitBroken, "no such release": exitBroken,
		"doctor without its Role": exitCouldNotLook, "a second description": exitCouldNotLook, "description of another version": exitCouldNotLook, "API server that asks to wait": exitCouldNotLook,
	} {
		t.Run(title, func(t *testing.T) {
			t.Parallel()
			c := healthy(t, "")
			faults[title].wrong(t, c)
			got, text, _ := doctor(t, c)
			assert.Equal(t, code, got, text)
			got, text, _ = doctor(t, c, "--output", "json")
			assert.Equal(t, code, got, text)
			assert.Contains(t, text, map[int]string{exitBroken: `"verdict": "broken"`, exitCouldNotLook: `"verdict": "could not look"`}[code])
		})
	}
}

// Each link must have a fault in the table, otherwise no test covers it.
func TestEveryLinkHasAFault(t *testing.T) {
	t.Parallel()
	covered := map[string]bool{}
	for _, fault := range faults {
		covered[fault.link] = true
	}
	for _, fault := range kedaFaults {
		covered[fault.link] = true
	}
	assert.True(t, covered[report.Description])
	for _, link := range check.All() {
		assert.True(t, covered[link.Name], "no fault breaks %s", link.Name)
	}
}
