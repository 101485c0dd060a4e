package load

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"holograph/test/internal/kube"
	"holograph/test/internal/wait"
)

// startBudget bounds the time until the load's pod runs: 2 s if the node has the image.
const startBudget = time.Minute

// Drive is a running load.
type Drive struct {
	// Profile is the load, which started at Begun.
	Profile Profile
	Begun   time.Time

	release kube.Release
	name    string
}

// Start starts a load of that profile, and returns when its pod runs. It first removes an earlier load of that name.
func Start(ctx context.Context, r kube.Release, name string, profile Profile) (*Drive, error) {
	job, err := Job(r.Namespace, name, cmp.Or(profile.URL, r.RendererURL()), profile)
	if err != nil {
		return nil, err
	}
	if err := Remove(ctx, r, name); err != nil {
		return nil, err
	}
	if _, err := r.CoreV1().ConfigMaps(r.Namespace).Create(ctx, ConfigMap(r.Namespace, name), metav1.CreateOptions{}); err != nil {
		return nil, err
	}
	if _, err := r.BatchV1().Jobs(r.Namespace).Create(ctx, job, metav1.CreateOptions{}); err != nil {
		return nil, err
	}
	d := &Drive{Profile: profile, release: r, name: name}
	return d, wait.For(ctx, startBudget, wait.Condition{Name: "the load's pod to run", Unmet: d.notRunning})
}

// Remove deletes the load of that name, if there is one, and waits until its pod is gone.
func Remove(ctx context.Context, r kube.Release, name string) error {
	background := metav1.DeletePropagationBackground
	err := r.BatchV1().Jobs(r.Namespace).Delete(ctx, name, metav1.DeleteOptions{PropagationPolicy: &background})
	if err != nil && !apierrors.IsNotFound(err) {
		return err
	}
	err = r.CoreV1().ConfigMaps(r.Namespace).Delete(ctx, name, metav1.DeleteOptions{})
	if err != nil && !apierrors.IsNotFound(err) {
		return err
	}
	d := &Drive{release: r, name: name}
	return wait.For(ctx, startBudget, wait.Condition{Name: "the load " + name + " to be gone", Unmet: func(ctx context.Context) error {
		pods, err := d.pods(ctx)
		if err == nil && len(pods) > 0 {
			err = fmt.Errorf("its pod %s is %s", pods[0].Name, pods[0].Status.Phase)
		}
		return err
	}})
}

func (d *Drive) notRunning(ctx context.Context) error {
	pod, err := d.pod(ctx)
	if err != nil {
		return err
	}
	for _, container := range pod.Status.ContainerStatuses {
		switch state := container.State; {
		case state.Running != nil:
			d.Begun = state.Running.StartedAt.Time
			return nil
		case state.Terminated != nil:
			d.Begun = state.Terminated.StartedAt.Time
			return nil
		case state.Waiting != nil:
			return fmt.Errorf("%s: %s", state.Waiting.Reason, state.Waiting.Message)
		}
	}
	return fmt.Errorf("the pod is %s", pod.Status.Phase)
}

func (d *Drive) pod(ctx context.Context) (*corev1.Pod, error) {
	pods, err := d.pods(ctx)
	if err != nil {
		return nil, err
	}
	if len(pods) == 0 {
		return nil, fmt.Errorf("the job %s has no pod", d.name)
	}
	return &pods[0], nil
}

func (d *Drive) pods(ctx context.Context) ([]corev1.Pod, error) {
	list, err := d.release.CoreV1().Pods(d.release.Namespace).List(ctx, metav1.ListOptions{LabelSelector: "batch.kubernetes.io/job-name=" + d.name})
	if err != nil {
		return nil, err
	}
	return list.Items, nil
}

// Stop ends the load early. [Drive.Wait] then returns the counts until now, without the frames that have no answer yet.
func (d *Drive) Stop(ctx context.Context) error {
	pod, err := d.pod(ctx)
	if err != nil {
		return err
	}
	// Deleting the pod would delete its log too. A deadline in the past makes the kubelet stop the pod and keep the log.
	_, err = d.release.CoreV1().Pods(pod.Namespace).Patch(ctx, pod.Name, types.StrategicMergePatchType,
		[]byte(`{"spec": {"activeDeadlineSeconds": 1}}`), metav1.PatchOptions{})
	return err
}

// Wait waits until the load has ended, and returns its counts.
func (d *Drive) Wait(ctx context.Context) (Summary, error) {
	budget := time.Until(d.Begun.Add(d.Profile.Duration())) + d.Profile.Timeout() + startBudget
	var pod *corev1.Pod
	err := wait.For(ctx, budget, wait.Condition{Name: "the load to end", Unmet: func(ctx context.Context) (err error) {
		if pod, err = d.pod(ctx); err != nil {
			return err
		}
		if phase := pod.Status.Phase; phase != corev1.PodSucceeded && phase != corev1.PodFailed {
			return fmt.Errorf("the pod is %s", phase)
		}
		return nil
	}})
	if err != nil {
		return Summary{}, err
	}
	log, err := d.release.CoreV1().Pods(pod.Namespace).GetLogs(pod.Name, &corev1.PodLogOptions{}).DoRaw(ctx)
	if err != nil {
		return Summary{}, err
	}
	return ParseSummary(bytes.NewReader(log))
}
