package check

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"

	"holograph/test/internal/kube"
)

// RendererPods is whether every pod that the workload wants is Ready.
var RendererPods = Link{
	Name:  "renderer-pods",
	Holds: "every renderer pod to be Ready",
	look: func(ctx context.Context, s subject) (string, error) {
		if s.Renderer.Kind != "Deployment" {
			return s.otherWorkload(ctx)
		}
		deployment, err := s.AppsV1().Deployments(s.Namespace).Get(ctx, s.Renderer.Name, metav1.GetOptions{})
		if apierrors.IsNotFound(err) {
			return "", s.noWorkload()
		}
		if err != nil {
			return "", err
		}
		if s.mayHaveNoPods() && wanted(deployment) == 0 {
			return "", s.noPods("deployment")
		}
		pods, err := s.LivePods(ctx, s.Namespace, s.Renderer.Selector)
		if err != nil {
			return "", err
		}
		if err := s.samePods(ctx, pods); err != nil {
			return "", err
		}
		if err := s.rolledOut(deployment, pods); err != nil {
			return "", err
		}
		return fmt.Sprintf("%d of %d Ready", deployment.Status.ReadyReplicas, wanted(deployment)), nil
	},
}

// noWorkload says that there is nothing to scale.
func (s subject) noWorkload() error {
	remedy := "run " + s.upgrade()
	if !s.Renderer.Own {
		remedy = "install it, or write under autoscaling.target which workload is scaled, and " + remedy
	}
	return broken(remedy, "namespace %s has no %s %s", s.Namespace, s.Renderer.Kind, s.Renderer.Name)
}

// plural is the workload's resource.
func (s subject) plural() string { return strings.ToLower(s.Renderer.Kind) + "s" }

// readWorkload reads the workload into what has the fields that the caller needs of it.
func (s subject) readWorkload(ctx context.Context, into any) error {
	path := "/apis/" + s.Renderer.APIVersion + "/namespaces"
	raw, err := kube.Raw(ctx, s.Discovery().RESTClient().Get().AbsPath(path, s.Namespace, s.plural(), s.Renderer.Name))
	if apierrors.IsNotFound(err) {
		return s.noWorkload()
	}
	if err != nil {
		return err
	}
	return json.Unmarshal(raw, into)
}

// scaledSelector selects the pods that the autoscaler asks metrics of: those of the workload's own selector, as its subresource
// scale has it. A workload that says none leaves the release's.
func (s subject) scaledSelector(ctx context.Context) (string, error) {
	var workload struct {
		Spec   struct{ Selector *metav1.LabelSelector }
		Status struct{ Selector any }
	}
	if err := s.readWorkload(ctx, &workload); err != nil {
		return "", err
	}
	// Argo writes it, because a Rollout may take its pods from another workload.
	if selector, is := workload.Status.Selector.(string); is && selector != "" {
		return selector, nil
	}
	selector, err := metav1.LabelSelectorAsSelector(workload.Spec.Selector)
	if err != nil || selector.Empty() || workload.Spec.Selector == nil {
		return s.Renderer.Selector, err
	}
	return selector.String(), nil
}

// samePods says whether a workload that the chart does not write has other pods than those that the release takes for its.
func (s subject) samePods(ctx context.Context, pods []corev1.Pod) error {
	if s.Renderer.Own {
		return nil
	}
	selector, err := s.scaledSelector(ctx)
	if err != nil {
		return err
	}
	scaled, err := s.LivePods(ctx, s.Namespace, selector)
	if err != nil {
		return err
	}
	// By labels, because pods come and go between two lists.
	same, err := selectsAll(s.Renderer.Selector, scaled)
	if err != nil {
		return err
	}
	back, err := selectsAll(selector, pods)
	if err != nil || same && back || len(pods) == 0 {
		return err
	}
	names := func(pods []corev1.Pod) string {
		var names []string
		for _, pod := range pods {
			names = append(names, pod.Name)
		}
		slices.Sort(names)
		return strings.Join(names, ", ")
	}
	return broken("write under autoscaling.target.podLabels the labels of its selector, and run "+s.upgrade(),
		"the autoscaler asks for metrics of the pods that %s %s selects by %s (%s), and the release takes those with %s for its renderers (%s)",
		s.Renderer.Kind, s.Renderer.Name, selector, names(scaled), s.Renderer.Selector, names(pods))
}

// selectsAll says whether a selector selects each of the pods.
func selectsAll(selector string, pods []corev1.Pod) (bool, error) {
	parsed, err := labels.Parse(selector)
	if err != nil {
		return false, err
	}
	return !slices.ContainsFunc(pods, func(pod corev1.Pod) bool { return !parsed.Matches(labels.Set(pod.Labels)) }), nil
}

// mayHaveNoPods is whether the autoscaler may remove all pods.
func (s subject) mayHaveNoPods() bool { return s.Autoscaler != nil && s.Autoscaler.ScalesToZero }

// noPods says that nothing can be seen of a workload whose autoscaler has removed all pods.
func (s subject) noPods(resource string) error {
	return broken("ask again when a pod runs: have the autoscaler start one, or run "+s.kubectl("scale %s %s --replicas=1", resource, s.Renderer.Name),
		"%s %s is scaled to 0 pods, as its autoscaler may, and without pods nothing else can be checked", s.Renderer.Kind, s.Renderer.Name)
}

// otherWorkload looks at a workload that is no Deployment. What it shares with one is that its spec says how many pods
// it wants, and its status how many are Ready.
func (s subject) otherWorkload(ctx context.Context) (string, error) {
	var workload struct {
		Spec   struct{ Replicas *int32 }
		Status struct{ Replicas, ReadyReplicas int32 }
	}
	if err := s.readWorkload(ctx, &workload); err != nil {
		return "", err
	}
	plural := s.plural()
	want := int32(1)
	if workload.Spec.Replicas != nil {
		want = *workload.Spec.Replicas
	}
	if s.mayHaveNoPods() && want == 0 {
		return "", s.noPods(plural)
	}
	if want == 0 {
		return "", broken(s.scaleUp(plural, s.Renderer.Name),
			"%s %s is scaled to 0 pods", s.Renderer.Kind, s.Renderer.Name)
	}
	pods, err := s.LivePods(ctx, s.Namespace, s.Renderer.Selector)
	if err != nil {
		return "", err
	}
	if err := s.samePods(ctx, pods); err != nil {
		return "", err
	}
	// By the workload's own count first: a pod that was evicted stays in the list, and the workload has another in its place.
	ready := workload.Status.ReadyReplicas
	if len(pods) > 0 && ready >= want && ready >= workload.Status.Replicas {
		return fmt.Sprintf("%d of %d Ready", ready, want), nil
	}
	if pod, found := firstNotReady(pods); found {
		why, remedy := s.notReady(pod)
		return "", broken(remedy, "%d of %d pods of %s %s are Ready; %s: %s", ready, want, s.Renderer.Kind, s.Renderer.Name, pod.Name, why)
	}
	if ready < want || len(pods) == 0 {
		return "", broken("see "+s.kubectl("describe %s %s", plural, s.Renderer.Name)+", and compare autoscaling.target.podLabels with its pods' labels",
			"%s %s has %d Ready pods of the %d that it wants, and %d pods have the labels %s", s.Renderer.Kind, s.Renderer.Name, ready, want, len(pods), s.Renderer.Selector)
	}
	return fmt.Sprintf("%d of %d Ready", ready, want), nil
}

// scaleUp says how to start a workload that is scaled to 0 pods. Where the chart writes the number of pods, it must be that
// one: with server-side apply it belongs to kubectl from then on, and Helm 4 does not change it.
func (s subject) scaleUp(resource, name string) string {
	value := ""
	switch {
	case name == s.Renderer.Name && s.Autoscaler != nil:
		return "scale it up, which no autoscaler does from 0: " + s.kubectl("scale %s %s --replicas=1", resource, name)
	case name == s.Renderer.Name && s.Renderer.Own:
		value = "renderer.replicaCount"
	case s.Adapter != nil && name == s.Adapter.Deployment:
		value = "prometheusAdapter.replicaCount"
	default:
		return "scale it up: " + s.kubectl("scale %s %s --replicas=1", resource, name)
	}
	return fmt.Sprintf("if %s is 0, write 1 or more and run %s; otherwise scale it to that number, because the next helm upgrade may end in a conflict over another one: %s",
		value, s.upgrade(), s.kubectl("scale %s %s --replicas=<number>", resource, name))
}

// wanted is how many pods a Deployment wants: one where it does not say.
func wanted(deployment *appsv1.Deployment) int32 {
	if deployment.Spec.Replicas == nil {
		return 1
	}
	return *deployment.Spec.Replicas
}

// rolledOut says what keeps a Deployment from having the pods that it wants.
func (s subject) rolledOut(deployment *appsv1.Deployment, pods []corev1.Pod) error {
	status, want := deployment.Status, wanted(deployment)
	look := s.kubectl("describe deployment %s", deployment.Name)
	switch {
	case want == 0:
		return broken(s.scaleUp("deployment", deployment.Name),
			"Deployment %s is scaled to 0 pods", deployment.Name)
	case status.ObservedGeneration < deployment.Generation:
		return broken("wait for the controller manager, or see "+look, "Deployment %s: its generation %d is not observed yet", deployment.Name, deployment.Generation)
	case status.ReadyReplicas == want && status.UpdatedReplicas == want && status.Replicas == want:
		return nil
	}
	for _, condition := range deployment.Status.Conditions {
		if condition.Type == appsv1.DeploymentReplicaFailure && condition.Status == corev1.ConditionTrue {
			return broken("let the namespace take the pods (quota, Pod Security, admission), then see "+look,
				"Deployment %s cannot create its pods: %s", deployment.Name, condition.Message)
		}
	}
	if pod, found := firstNotReady(pods); found {
		why, remedy := s.notReady(pod)
		return broken(remedy, "%d of %d pods of Deployment %s are Ready; %s: %s", status.ReadyReplicas, want, deployment.Name, pod.Name, why)
	}
	if deployment.Spec.Paused {
		return broken("when the reason for that is over, let it go on: "+s.kubectl("rollout resume deployment %s", deployment.Name),
			"the rollout of Deployment %s is paused: of %d pods wanted %d are of the newest version", deployment.Name, want, status.UpdatedReplicas)
	}
	return broken("wait for it: "+s.kubectl("rollout status deployment %s", deployment.Name),
		"Deployment %s is being rolled out: of %d pods wanted %d are of the newest version and %d are Ready, with %d in all",
		deployment.Name, want, status.UpdatedReplicas, status.ReadyReplicas, status.Replicas)
}

// firstNotReady returns the first pod by name that is not Ready. A pod that has ended, such as an evicted one, has another in its
// place, so it says why pods are missing only where no other pod does.
func firstNotReady(pods []corev1.Pod) (pod corev1.Pod, found bool) {
	pods = slices.DeleteFunc(slices.Clone(pods), kube.Ready)
	if len(pods) == 0 {
		return pod, false
	}
	return slices.MinFunc(pods, func(a, b corev1.Pod) int {
		if hasEnded(a) != hasEnded(b) {
			return map[bool]int{true: 1, false: -1}[hasEnded(a)]
		}
		return strings.Compare(a.Name, b.Name)
	}), true
}

func hasEnded(pod corev1.Pod) bool {
	return pod.Status.Phase == corev1.PodFailed || pod.Status.Phase == corev1.PodSucceeded
}

// notReady says why a pod is not Ready, and what to do.
func (s subject) notReady(pod corev1.Pod) (why, remedy string) {
	describe := "see " + s.kubectl("describe pod %s", pod.Name)
	if hasEnded(pod) {
		return sentence("it is "+string(pod.Status.Phase), pod.Status.Reason, pod.Status.Message), describe
	}
	ready := corev1.PodCondition{}
	for _, condition := range pod.Status.Conditions {
		if condition.Type == corev1.PodScheduled && condition.Status == corev1.ConditionFalse {
			return condition.Message, s.unscheduled(pod, condition)
		}
		if condition.Type == corev1.PodReady {
			ready = condition
		}
	}
	for i, container := range slices.Concat(pod.Status.InitContainerStatuses, pod.Status.ContainerStatuses) {
		if i < len(pod.Status.InitContainerStatuses) && endsBeforeOthers(pod, container.Name) {
			if ended := container.State.Terminated; ended != nil && ended.ExitCode == 0 {
				continue
			}
			if container.State.Running != nil {
				return fmt.Sprintf("init container %s runs, and the others wait for its end", container.Name), s.logs(pod, container)
			}
		}
		switch state := container.State; {
		case state.Waiting != nil && strings.Contains(state.Waiting.Reason, "Image"):
			return fmt.Sprintf("container %s: %s: %s", container.Name, state.Waiting.Reason, state.Waiting.Message),
				"load the image " + container.Image + " into the nodes or push it to where they pull from, or name another (image.repository, tag)"
		case state.Waiting != nil && state.Waiting.Reason == "CrashLoopBackOff":
			why := fmt.Sprintf("container %s ends again and again", container.Name)
			if last := container.LastTerminationState.Terminated; last != nil {
				why += ", last " + howEnded(last)
			}
			return why + ": " + state.Waiting.Message, s.afterEnd(pod, container, container.LastTerminationState.Terminated, " --previous")
		case state.Waiting != nil:
			return sentence("container "+container.Name, state.Waiting.Reason, state.Waiting.Message), describe
		case state.Terminated != nil:
			return fmt.Sprintf("container %s has ended %s", container.Name, howEnded(state.Terminated)), s.afterEnd(pod, container, state.Terminated, "")
		case state.Running != nil && !container.Ready:
			return fmt.Sprintf("container %s runs and does not pass its readiness probe", container.Name), s.logs(pod, container) + ", and see what the probe gets: " + s.kubectl("describe pod %s", pod.Name)
		}
	}
	switch {
	case ready.Message != "":
		return ready.Message, describe
	case len(pod.Status.ContainerStatuses) > 0:
		// Kubernetes takes the condition from the pods of a node that it does not hear of, and leaves all else.
		return "its containers were Ready when its node last reported", "see whether the node is Ready: kubectl get node " + pod.Spec.NodeName
	}
	return "it is " + string(pod.Status.Phase), describe
}

// unscheduled says what to do about a pod that has no node.
func (s subject) unscheduled(pod corev1.Pod, condition corev1.PodCondition) string {
	if condition.Reason == corev1.PodReasonSchedulingGated {
		return "wait for who removes its scheduling gates, such as a queue; " + s.kubectl("describe pod %s", pod.Name) + " names them"
	}
	const room = "make room on the nodes, or let the pods ask for less (resources, nodeSelector, affinity, tolerations)"
	// The scheduler joins what each node lacks in one message.
	message := strings.ToLower(condition.Message)
	var remedy string
	switch {
	case strings.Contains(message, "volume") || strings.Contains(message, "pvc"):
		remedy = "see what its volume waits for, or on which nodes it can be: " + s.kubectl("describe persistentvolumeclaims")
	case strings.Contains(message, "claim"):
		remedy = "see what its claim for devices waits for: " + s.kubectl("describe resourceclaims")
	default:
		return room
	}
	if strings.Contains(message, "insufficient") || strings.Contains(message, "taint") || strings.Contains(message, "selector") {
		remedy += "; " + room
	}
	return remedy
}

// endsBeforeOthers is whether the other containers of a pod wait for the end of an init container, as for that of any but a sidecar.
func endsBeforeOthers(pod corev1.Pod, init string) bool {
	return !slices.ContainsFunc(pod.Spec.InitContainers, func(container corev1.Container) bool {
		return container.Name == init && container.RestartPolicy != nil && *container.RestartPolicy == corev1.ContainerRestartPolicyAlways
	})
}

// outOfMemory is the reason of a container that the kernel has killed at its memory limit. Its log does not say so.
const outOfMemory = "OOMKilled"

func (s subject) afterEnd(pod corev1.Pod, container corev1.ContainerStatus, ended *corev1.ContainerStateTerminated, of string) string {
	if ended != nil && ended.Reason == outOfMemory {
		return "let it have more memory (resources.limits.memory)"
	}
	return s.logs(pod, container) + of
}

func (s subject) logs(pod corev1.Pod, container corev1.ContainerStatus) string {
	return "read its log: " + s.kubectl("logs %s --container %s", pod.Name, container.Name)
}

// howEnded says how a container has ended. The reason of most is Error, which says nothing.
func howEnded(ended *corev1.ContainerStateTerminated) string {
	how := fmt.Sprintf("with exit code %d", ended.ExitCode)
	if ended.Reason != "" && ended.Reason != "Error" {
		how += " (" + ended.Reason + ")"
	}
	return how
}

// sentence joins the parts that are not empty.
func sentence(parts ...string) string {
	return strings.Join(slices.DeleteFunc(parts, func(part string) bool { return part == "" }), ": ")
}

// readyPods returns the renderer's Ready pods, by name.
func (s subject) readyPods(ctx context.Context) ([]corev1.Pod, error) {
	pods, err := s.LivePods(ctx, s.Namespace, s.Renderer.Selector)
	if err != nil {
		return nil, err
	}
	pods = slices.DeleteFunc(pods, func(pod corev1.Pod) bool { return !kube.Ready(pod) })
	slices.SortFunc(pods, func(a, b corev1.Pod) int { return strings.Compare(a.Name, b.Name) })
	if len(pods) == 0 {
		return nil, broken("see "+s.kubectl("get pods --selector %s", s.Renderer.Selector), "there is no renderer pod that is Ready")
	}
	return pods, nil
}

// RendererMetrics is whether every Ready pod exports what the signals are computed
// from.
var RendererMetrics = Link{
	Name:  "renderer-metrics",
	Holds: "every renderer pod to export its metrics",
	look: func(ctx context.Context, s subject) (string, error) {
		pods, err := s.readyPods(ctx)
		if err != nil {
			return "", err
		}
		for _, pod := range pods {
			place := fmt.Sprintf("port %d, path %s", s.Renderer.Port, s.Renderer.Path)
			page, err := exports(ctx, s.Client, pod, s.Renderer.Port, s.Renderer.Path, s.series())
			var much *kube.TooMuch
			if errors.As(err, &much) {
				return "", &Unseen{Cause: notSeen + much.Error(), Remedy: "let the renderer export less: of a pod's metrics the doctor reads 1 MiB, the default of prometheus.scrapeLimits.bodySize"}
			}
			if err != nil {
				return "", ofProxied(err, &Broken{
					Cause:  fmt.Sprintf("pod %s does not give its metrics at %s: %v", pod.Name, place, plain(err)),
					Remedy: "write under renderer.metrics where the renderer exports its metrics; a NetworkPolicy may be in the way too",
				})
			}
			for _, series := range s.series() {
				// Rules of the release's owner record it: it is on no page.
				if strings.Contains(series.Name, ":") {
					continue
				}
				found := page.of(series)
				if len(found) == 0 {
					return "", broken(fmt.Sprintf("let the renderer export it from its start, or write the name that it has under %s", series.Value),
						"pod %s exports no %s at %s", pod.Name, textOf(series), place)
				}
				if bounds := boundsOf(found); series.Bound != "" && !hasBound(bounds, series.Bound) {
					return "", s.noBound(series, "pod "+pod.Name+" exports", bounds)
				}
			}
		}
		return fmt.Sprintf("%d pods export %s", len(pods), strings.Join(texts(s.series()), ", ")), nil
	},
}
