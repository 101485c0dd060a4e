// Package drive runs a load against a release, on its cluster.
package drive

import (
	"bytes"
	"context"
	"fmt"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"holograph/test/kube"
	"holograph/test/load"
	"holograph/test/wait"
)

// startBudget is for the load's pod to be scheduled and to run: 2 s when
// measured with the image in the node.
const startBudget = time.Minute

// Drive is a load that runs.
type Drive struct {
	// Profile is what is offered, from Begun on.
	Profile load.Profile
	Begun   time.Time

	release kube.Release
	job     *batchv1.Job
}

// Start removes a load of that name that an earlier run left behind, offers the
// profile to the release's renderer, and returns once frames are on their way.
func Start(ctx context.Context, r kube.Release, name string, profile load.Profile) (*Drive, error) {
	d := &Drive{Profile: profile, release: r}
	job, err := load.Job(r.Namespace, name, r.RendererURL(), profile)
	if err != nil {
		return nil, err
	}
	d.job = job
	if err := d.Stop(ctx); err != nil {
		return nil, err
	}
	if err := wait.For(ctx, startBudget, wait.Condition{Name: "the earlier load to be gone", Unmet: d.present}); err != nil {
		return nil, err
	}
	script := load.ConfigMap(r.Namespace, name)
	if _, err := r.CoreV1().ConfigMaps(r.Namespace).Create(ctx, script, metav1.CreateOptions{}); err != nil {
		return nil, err
	}
	if _, err := r.BatchV1().Jobs(r.Namespace).Create(ctx, job, metav1.CreateOptions{}); err != nil {
		return nil, err
	}
	return d, wait.For(ctx, startBudget, wait.Condition{Name: "the load's pod to run", Unmet: d.notRunning})
}

// present returns why the load's objects are not gone yet.
func (d *Drive) present(ctx context.Context) error {
	_, err := d.release.BatchV1().Jobs(d.job.Namespace).Get(ctx, d.job.Name, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		_, err = d.release.CoreV1().ConfigMaps(d.job.Namespace).Get(ctx, d.job.Name, metav1.GetOptions{})
	}
	if apierrors.IsNotFound(err) {
		return nil
	}
	if err == nil {
		err = fmt.Errorf("%s is still there", d.job.Name)
	}
	return err
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
	pods, err := d.release.CoreV1().Pods(d.job.Namespace).List(ctx, metav1.ListOptions{LabelSelector: "batch.kubernetes.io/job-name=" + d.job.Name})
	if err != nil {
		return nil, err
	}
	if len(pods.Items) == 0 {
		return nil, fmt.Errorf("the job %s has no pod", d.job.Name)
	}
	return &pods.Items[0], nil
}

// Wait waits until all frames were offered and answered, and returns the counts.
func (d *Drive) Wait(ctx context.Context) (load.Summary, error) {
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
		return load.Summary{}, err
	}
	log, err := d.release.CoreV1().Pods(pod.Namespace).GetLogs(pod.Name, &corev1.PodLogOptions{}).DoRaw(ctx)
	if err != nil {
		return load.Summary{}, err
	}
	return load.ParseSummary(bytes.NewReader(log))
}

// Stop removes the load, running or not.
func (d *Drive) Stop(ctx context.Context) error {
	background := metav1.DeletePropagationBackground
	err := d.release.BatchV1().Jobs(d.job.Namespace).Delete(ctx, d.job.Name, metav1.DeleteOptions{PropagationPolicy: &background})
	if err != nil && !apierrors.IsNotFound(err) {
		return err
	}
	err = d.release.CoreV1().ConfigMaps(d.job.Namespace).Delete(ctx, d.job.Name, metav1.DeleteOptions{})
	if err != nil && !apierrors.IsNotFound(err) {
		return err
	}
	return nil
}
