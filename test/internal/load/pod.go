package load

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
	"golang.org/x/sync/errgroup"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"holograph/test/internal/kube"
)

// costFrames is the number of frames over which the cost of one is measured. 40 frames of 3 ms take 0.12 s of CPU, which is
// much more than the other work of the process.
const costFrames = 40

// budgetVariable is the environment variable in which the chart passes the frame budget to the renderer.
const budgetVariable = "HOLOGRAPH_FRAME_BUDGET"

// rendererPort is the port of a renderer pod.
const rendererPort = 8080

// Pod is the capacity of one renderer pod.
type Pod struct {
	// FrameCost is the CPU time of a frame in seconds, with that of its HTTP request.
	FrameCost float64
	// Cores is the pod's CPU limit.
	Cores float64
	// Budget is the frame budget.
	Budget time.Duration
}

// FramesPerSecond returns the rate of frames at which the pod reaches its CPU limit.
func (p Pod) FramesPerSecond() float64 { return p.Cores / p.FrameCost }

// MeasurePod measures one of the release's Ready renderer pods.
func MeasurePod(ctx context.Context, r kube.Release) (Pod, error) {
	deployment, err := r.Deployment(ctx)
	if err != nil {
		return Pod{}, err
	}
	container := deployment.Spec.Template.Spec.Containers[0]
	pod := Pod{Cores: container.Resources.Limits.Cpu().AsApproximateFloat64()}
	if pod.Cores == 0 {
		return Pod{}, fmt.Errorf("%s has no CPU limit, so its capacity is unknown", r.Renderer())
	}
	for _, variable := range container.Env {
		if variable.Name == budgetVariable {
			if pod.Budget, err = time.ParseDuration(variable.Value); err != nil {
				return Pod{}, fmt.Errorf("%s of %s: %w", budgetVariable, r.Renderer(), err)
			}
		}
	}
	if pod.Budget == 0 {
		return Pod{}, fmt.Errorf("%s has no %s", r.Renderer(), budgetVariable)
	}
	pod.FrameCost, err = frameCost(ctx, r)
	return pod, err
}

// frameCost measures the CPU time of a frame from the growth of a pod's CPU time over costFrames frames, one after the other.
// It requests a refused frame again: a pod that has just started may be short of CPU.
func frameCost(ctx context.Context, r kube.Release) (float64, error) {
	pods, err := r.Pods(ctx)
	if err != nil {
		return 0, err
	}
	ready := slices.IndexFunc(pods, kube.Ready)
	if ready < 0 {
		return 0, fmt.Errorf("the number of Ready pods of %s is 0 of %d, want 1 to measure: only a pod that runs renders frames", r.Renderer(), len(pods))
	}
	pod := pods[ready]
	before, err := processCPU(ctx, r, pod)
	if err != nil {
		return 0, err
	}
	for rendered := 0; rendered < costFrames; {
		status, err := requestFrame(ctx, r, pod)
		switch {
		case err != nil && !apierrors.IsServiceUnavailable(err):
			return 0, err
		case err == nil && status == http.StatusOK:
			rendered++
		case err == nil && status != http.StatusServiceUnavailable:
			return 0, fmt.Errorf("the status of GET /frame of %s is %d, want %d", pod.Name, status, http.StatusOK)
		}
	}
	after, err := processCPU(ctx, r, pod)
	if err != nil {
		return 0, err
	}
	if after <= before {
		return 0, fmt.Errorf("the CPU time of %s did not grow over %d frames", pod.Name, costFrames)
	}
	return (after - before) / costFrames, nil
}

// requestFrame requests one frame of a pod and returns the HTTP status.
func requestFrame(ctx context.Context, r kube.Release, pod corev1.Pod) (status int, err error) {
	status, _, err = r.GetFromPod(ctx, pod, rendererPort, fmt.Sprintf("/frame?scheduled=%d", time.Now().UnixMicro()))
	return status, err
}

// Burst requests that many frames of one pod at the same time, and returns how many it refused, which count as late.
func Burst(ctx context.Context, r kube.Release, pod corev1.Pod, frames int) (refused int, err error) {
	statuses := make([]int, frames)
	group, ctx := errgroup.WithContext(ctx)
	for i := range statuses {
		group.Go(func() (err error) {
			statuses[i], err = requestFrame(ctx, r, pod)
			return err
		})
	}
	err = group.Wait()
	for _, status := range statuses {
		if status == http.StatusServiceUnavailable {
			refused++
		}
	}
	return refused, err
}

// processCPU reads the CPU time of the pod's process, in seconds, from its metrics.
func processCPU(ctx context.Context, r kube.Release, pod corev1.Pod) (float64, error) {
	const name = "process_cpu_seconds_total"
	status, raw, err := r.GetFromPod(ctx, pod, rendererPort, "/metrics")
	if err != nil {
		return 0, err
	}
	if status != http.StatusOK {
		return 0, fmt.Errorf("the status of GET /metrics of %s is %d, want %d", pod.Name, status, http.StatusOK)
	}
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(bytes.NewReader(raw))
	if err != nil {
		return 0, err
	}
	family := families[name]
	if family == nil || len(family.Metric) != 1 {
		return 0, fmt.Errorf("%s does not export %s", pod.Name, name)
	}
	return family.Metric[0].GetCounter().GetValue(), nil
}
