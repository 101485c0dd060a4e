package load

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"holograph/test/internal/kube"
)

// costFrames is the number of frames over which the cost of one is measured. 40 frames of 3 ms are 0.12 s of CPU, against
// which the rest of the process' work is small.
const costFrames = 40

// budgetVariable is how the chart tells the renderer its frame budget.
const budgetVariable = "HOLOGRAPH_FRAME_BUDGET"

// askTimeout bounds one answer of a renderer pod.
const askTimeout = 10 * time.Second

// Pod is the capacity of one renderer pod.
type Pod struct {
	// FrameCost is the CPU time of a frame in seconds, HTTP included.
	FrameCost float64
	// Cores is the pod's CPU limit.
	Cores float64
	// Budget is the frame budget.
	Budget time.Duration
}

// FramesPerSecond is the rate of frames that uses up the pod's CPU limit.
func (p Pod) FramesPerSecond() float64 { return p.Cores / p.FrameCost }

// MeasurePod measures one of the release's renderer pods.
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

// frameCost measures how much a pod's CPU time grows over some frames, one after the other. A frame that the pod refuses is
// asked for again: a pod that has just started may be short of CPU.
func frameCost(ctx context.Context, r kube.Release) (float64, error) {
	pods, err := r.Pods(ctx)
	if err != nil {
		return 0, err
	}
	if len(pods) == 0 {
		return 0, errors.New("there is no renderer pod to measure")
	}
	pod := pods[0].Name
	before, err := processCPU(ctx, r, pod)
	if err != nil {
		return 0, err
	}
	for rendered := 0; rendered < costFrames; {
		_, err := podGet(ctx, r, pod, "frame", "scheduled", strconv.FormatInt(time.Now().UnixMicro(), 10))
		switch {
		case err == nil:
			rendered++
		case !apierrors.IsServiceUnavailable(err):
			return 0, err
		}
	}
	after, err := processCPU(ctx, r, pod)
	if err != nil {
		return 0, err
	}
	if after <= before {
		return 0, fmt.Errorf("the CPU time of %s did not grow over %d frames", pod, costFrames)
	}
	return (after - before) / costFrames, nil
}

// processCPU reads the CPU time of the pod's process, in seconds, from its metrics.
func processCPU(ctx context.Context, r kube.Release, pod string) (float64, error) {
	const name = "process_cpu_seconds_total"
	raw, err := podGet(ctx, r, pod, "metrics")
	if err != nil {
		return 0, err
	}
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(bytes.NewReader(raw))
	if err != nil {
		return 0, err
	}
	family := families[name]
	if family == nil || len(family.Metric) != 1 {
		return 0, fmt.Errorf("%s does not export %s", pod, name)
	}
	return family.Metric[0].GetCounter().GetValue(), nil
}

// podGet sends a GET request to a renderer pod, through the API server's proxy.
func podGet(ctx context.Context, r kube.Release, pod, path string, query ...string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	// client-go would send a timeout of its own to the pod as a parameter, which the renderer refuses.
	request := r.CoreV1().RESTClient().Get().Timeout(0).Namespace(r.Namespace).
		Resource("pods").Name(pod + ":8080").SubResource("proxy").Suffix(path)
	for i := 0; i+1 < len(query); i += 2 {
		request = request.Param(query[i], query[i+1])
	}
	raw, err := request.DoRaw(ctx)
	if err != nil {
		return nil, fmt.Errorf("GET /%s of %s: %w", path, pod, err)
	}
	return raw, nil
}
