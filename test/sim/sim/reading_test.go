package sim_test

import (
	"maps"
	"math"
	"time"

	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"

	"holograph/test/sim/adapter"
)

// reading is the HPA algorithm, read step by step from its documentation
// (kubernetes.io/docs/tasks/run-application/horizontal-pod-autoscale) and written down as plainly
// as it goes. It shares no code with the controller.
type reading struct {
	spec      autoscalingv2.HorizontalPodAutoscalerSpec
	proposals []event // unstabilized
	ups       []event
	downs     []event
}

type event struct {
	at       time.Time
	replicas int
}

// sync is one pass of the control loop: what the metrics gave, in the order of the spec.
func (r *reading) sync(current int, pods []*corev1.Pod, answers []adapter.Answer) int {
	now := answers[len(answers)-1].At
	if r.proposals == nil {
		// "a recommendation of the current size is assumed at the start"
		r.proposals = []event{{answers[0].At, current}}
	}
	least, most := int(*r.spec.MinReplicas), int(r.spec.MaxReplicas)
	proposal, failed := 0, false
	for i, answer := range answers {
		n, ok := r.propose(r.spec.Metrics[i], answer, current, pods)
		failed = failed || !ok
		if ok {
			proposal = max(proposal, n)
		}
	}
	switch {
	case failed && proposal < current:
		// "If any of these metrics cannot be converted [...] and a scale down is suggested by the
		// metrics which can be fetched, scaling is skipped."
		return current
	case proposal == 0 && failed:
		return current
	}
	if r.spec.Behavior == nil {
		return r.legacy(now, current, proposal, least, most)
	}

	// Stabilization: the lowest recent proposal bounds growth, the highest bounds shrinking.
	up, down := r.spec.Behavior.ScaleUp, r.spec.Behavior.ScaleDown
	low, high := proposal, proposal
	for _, p := range r.proposals {
		if p.at.After(now.Add(-seconds(up.StabilizationWindowSeconds, 0))) {
			low = min(low, p.replicas)
		}
		if p.at.After(now.Add(-seconds(down.StabilizationWindowSeconds, 300))) {
			high = max(high, p.replicas)
		}
	}
	r.proposals = append(r.proposals, event{now, proposal})
	wanted := min(max(current, low), high)

	// Policies: the change within each period is limited.
	next := wanted
	switch {
	case wanted > current:
		next = min(wanted, max(current, r.limit(up, now, current, +1)), most)
	case wanted < current:
		next = max(wanted, min(current, r.limit(down, now, current, -1)), least)
	}
	if next > current {
		r.ups = append(r.ups, event{now, next - current})
	}
	if next < current {
		r.downs = append(r.downs, event{now, current - next})
	}
	return next
}

func seconds(v *int32, otherwise int32) time.Duration {
	if v == nil {
		v = &otherwise
	}
	return time.Duration(*v) * time.Second
}

// limit is where a direction's policies stop, counted from the replicas at the start of each period.
func (r *reading) limit(rules *autoscalingv2.HPAScalingRules, now time.Time, current, direction int) int {
	if *rules.SelectPolicy == autoscalingv2.DisabledPolicySelect {
		return current
	}
	var limits []int
	for _, policy := range rules.Policies {
		since := now.Add(-time.Duration(policy.PeriodSeconds) * time.Second)
		start := current
		for _, e := range r.ups {
			if e.at.After(since) {
				start -= e.replicas
			}
		}
		for _, e := range r.downs {
			if e.at.After(since) {
				start += e.replicas
			}
		}
		change := float64(policy.Value)
		if policy.Type == autoscalingv2.PercentScalingPolicy {
			change = float64(start) * float64(policy.Value) / 100
		}
		if direction > 0 {
			limits = append(limits, int(math.Ceil(float64(start)+change-1e-9)))
		} else {
			limits = append(limits, int(math.Floor(float64(start)-change+1e-9)))
		}
	}
	// Max takes the policy that allows the largest change, Min the smallest.
	widest := (*rules.SelectPolicy == autoscalingv2.MaxChangePolicySelect) == (direction > 0)
	chosen := limits[0]
	for _, l := range limits[1:] {
		if widest {
			chosen = max(chosen, l)
		} else {
			chosen = min(chosen, l)
		}
	}
	return chosen
}

// legacy is what happens without a behavior block.
func (r *reading) legacy(now time.Time, current, proposal, least, most int) int {
	high := proposal
	for _, p := range r.proposals {
		if !p.at.Before(now.Add(-5 * time.Minute)) {
			high = max(high, p.replicas)
		}
	}
	r.proposals = append(r.proposals, event{now, proposal})
	return max(least, min(high, most, max(2*current, 4)))
}

// propose turns one metric into replicas.
func (r *reading) propose(metric autoscalingv2.MetricSpec, answer adapter.Answer, current int, pods []*corev1.Pod) (int, bool) {
	if answer.Err != nil {
		return 0, false
	}
	within := func(ratio float64) bool {
		up, down := 0.1, 0.1
		if b := r.spec.Behavior; b != nil && b.ScaleUp.Tolerance != nil {
			up = b.ScaleUp.Tolerance.AsApproximateFloat64()
		}
		if b := r.spec.Behavior; b != nil && b.ScaleDown.Tolerance != nil {
			down = b.ScaleDown.Tolerance.AsApproximateFloat64()
		}
		return ratio >= 1-down && ratio <= 1+up
	}
	if metric.Type == autoscalingv2.ObjectMetricSourceType {
		target := metric.Object.Target.AverageValue.MilliValue()
		status := 0
		for _, pod := range pods {
			if pod.DeletionTimestamp == nil {
				status++
			}
		}
		if within(float64(answer.Value) / float64(target*int64(status))) {
			return status, true
		}
		return int(math.Ceil(float64(answer.Value) / float64(target))), true
	}
	target := metric.Pods.Target.AverageValue.MilliValue()
	values := map[string]int64{}
	for name, v := range answer.Pods {
		values[name] = v.Value
	}
	var pending, missing []string
	measured := 0
	for _, pod := range pods {
		_, has := values[pod.Name]
		switch {
		case pod.DeletionTimestamp != nil:
			delete(values, pod.Name)
		case pod.Status.Phase == corev1.PodPending:
			delete(values, pod.Name)
			pending = append(pending, pod.Name)
		case !has:
			missing = append(missing, pod.Name)
		default:
			measured++
		}
	}
	if len(values) == 0 {
		return 0, false
	}
	first := ratio(values, target)
	if len(missing) == 0 && (len(pending) == 0 || first <= 1) {
		if within(first) {
			return current, true
		}
		return int(math.Ceil(first * float64(measured))), true
	}
	// "the control loop conservatively assumes [...] 100 % of the desired value in case of a scale
	// down, and 0 % in case of a scale up"
	filled := maps.Clone(values)
	for _, name := range missing {
		if first < 1 {
			filled[name] = target
		} else if first > 1 {
			filled[name] = 0
		}
	}
	if first > 1 {
		for _, name := range pending {
			filled[name] = 0
		}
	}
	second := ratio(filled, target)
	if within(second) || (first < 1 && second > 1) || (first > 1 && second < 1) {
		return current, true
	}
	n := int(math.Ceil(second * float64(len(filled))))
	if (second < 1 && n > current) || (second > 1 && n < current) {
		return current, true
	}
	return n, true
}

// ratio compares the mean, cut off to whole thousandths, with the target.
func ratio(values map[string]int64, target int64) float64 {
	total := int64(0)
	for _, v := range values {
		total += v
	}
	return float64(total/int64(len(values))) / float64(target)
}
