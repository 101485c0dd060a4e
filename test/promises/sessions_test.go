package promises

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"holograph/test/internal/chart"
	"holograph/test/internal/harness"
	"holograph/test/internal/load"
	"holograph/test/internal/promise"
	"holograph/test/internal/wait"
)

const (
	// sessionLength is longer than a pod without the example's grace period may take to end, 30 s.
	sessionLength = 2 * time.Minute
	// sessionsPerPod is what a pod holds at the target: 0.75 of the four places of values-examples/sessions.yaml.
	sessionsPerPod = 3
	// manyPods hold the sessions of a full fleet, fewPods those of a fleet that shrinks.
	manyPods, fewPods = 4, 1
	// sessionTime is for sessions to begin until their number no longer grows, and for the fleet to follow.
	sessionTime = sessionLength + 3*time.Minute
)

// sessionTable has the promises to viewers who hold sessions.
var sessionTable = []promise.Promise{
	{
		Subject: promise.Sessions, Name: "fleet shrinks",
		Says:   "No session is cut off: a pod that is removed ends its sessions first.",
		Fault:  "Fewer sessions begin, so that the autoscaler removes pods while viewers are on them.",
		Within: sessionTime,
		Keep: func(d *promise.Day) {
			const before = sessionTime + time.Minute
			sessions(d, load.Steady(perSecond(manyPods), before),
				load.Steady(perSecond(fewPods), promise.Longest))
			fewer := time.Now().Add(before)
			d.WaitFor(before, wait.ReplicasAtLeast(d.Release, manyPods-1), d.Reads())
			d.WaitFor(before, passed(time.Now(), time.Until(fewer).Round(time.Second)))
			d.Inject(nothing)
			uncut(d, wait.Replicas(d.Release, minimum))
		},
	},
	{
		Subject: promise.Sessions, Name: "new version",
		Says:   "No session is cut off: the old pods end their sessions, and new sessions begin on the new ones.",
		Fault:  "A new version is rolled out.",
		Within: sessionTime,
		Keep: func(d *promise.Day) {
			fewSessions(d)
			d.Inject(func(_ context.Context, s *harness.Story) (harness.Fix, error) {
				s.Rollout(chart.Renderer)
				return nil, nil
			})
			uncut(d, d.RolledOut(chart.Renderer))
		},
	},
	{
		Subject: promise.Sessions, Name: "pod evicted",
		Says:   "No session is cut off: the pod ends its sessions, and another one takes its place.",
		Fault:  "A pod that holds sessions is evicted, as a drain of its node does.",
		Within: sessionTime,
		Keep: func(d *promise.Day) {
			fewSessions(d)
			d.Inject(func(ctx context.Context, s *harness.Story) (harness.Fix, error) {
				busiest, err := s.Release.Query(ctx, "topk(1, viewer_sessions)")
				if err != nil || len(busiest) == 0 {
					return nil, fmt.Errorf("the pod with the most sessions: %v, %w", busiest, err)
				}
				return nil, s.Release.PolicyV1().Evictions(s.Release.Namespace).Evict(ctx, &policyv1.Eviction{
					ObjectMeta: metav1.ObjectMeta{Name: string(busiest[0].Metric["pod"]), Namespace: s.Release.Namespace}})
			})
			uncut(d, wait.PodsReady(d.Release))
		},
	},
}

// TestPromisesWithSessions removes pods that hold the sessions of viewers.
func TestPromisesWithSessions(t *testing.T) {
	s := harness.New(t)
	s.Uninstall()
	s.Step("install a renderer that holds sessions")
	other := s.OtherRenderer("sessions")
	// The values of that renderer count frames, and those of the example sessions.
	other.Set["signals.demand.capacity.value"] = "4"
	require.NoError(t, s.Upgrade(other))
	s.WaitFor(2*time.Minute, wait.Chain(s.Release)...)
	promise.Run(s, sessionTable)
	// Other stories install the reference renderer.
	s.Uninstall()
}

// perSecond is how many sessions must begin in a second for so many pods to be needed.
func perSecond(pods float64) float64 { return pods * sessionsPerPod / sessionLength.Seconds() }

// sessions has viewers begin sessions, until the day ends.
func sessions(d *promise.Day, loads ...[]load.Stage) {
	d.Helper()
	d.WaitFor(time.Minute, answers(d, "sum(viewer_sessions) == 0"))
	d.Send(load.Profile{Path: fmt.Sprintf("/session?for=%s", sessionLength), Budget: sessionLength + 10*time.Second, Stages: slices.Concat(loads...)})
}

// fewSessions has viewers begin sessions that the minimum of pods holds, and waits until there are some.
func fewSessions(d *promise.Day) {
	d.Helper()
	sessions(d, load.Steady(perSecond(fewPods), promise.Longest))
	d.WaitFor(sessionTime, answers(d, fmt.Sprintf("sum(viewer_sessions) >= %d", sessionsPerPod-1)))
}

// uncut waits until the fault is over, and every pod that was removed meanwhile has gone with its last session. No session
// may have been cut off.
func uncut(d *promise.Day, over wait.Condition) {
	d.Helper()
	begun := time.Now()
	var longest time.Duration
	d.Recovered(begun, over, wait.Condition{Name: "the pods that are removed to be gone", Unmet: func(ctx context.Context) error {
		pods, err := d.Release.CoreV1().Pods(d.Release.Namespace).List(ctx, metav1.ListOptions{LabelSelector: d.Selector(chart.Renderer)})
		if err != nil {
			return err
		}
		leaving := 0
		for _, pod := range pods.Items {
			if pod.DeletionTimestamp != nil {
				leaving++
				asked := pod.DeletionTimestamp.Add(-time.Duration(*pod.DeletionGracePeriodSeconds) * time.Second)
				longest = max(longest, time.Since(asked))
			}
		}
		if leaving > 0 {
			return fmt.Errorf("%d are still there", leaving)
		}
		if longest == 0 {
			return errors.New("none has been removed")
		}
		return nil
	}})
	summary := d.Counts()
	d.Note("A removed pod lived on for up to %s. Sessions that lasted their %s: %d.", longest.Round(time.Second), sessionLength, summary.InBudget)
	assert.Positive(d, summary.InBudget, "sessions that ended by themselves")
	assert.Zero(d, summary.Failed, "sessions that were cut off")
	assert.Greater(d, longest, 30*time.Second, "how long a removed pod lived on: it held no session, so nothing was shown")
}
