package promise

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"holograph/test/internal/chart"
	"holograph/test/internal/harness"
	"holograph/test/internal/load"
	"holograph/test/internal/wait"
)

const (
	// SessionLength is longer than a pod without the grace period of values-examples/sessions.yaml may take to end, 30 s.
	SessionLength = 2 * time.Minute
	// sessionsPerPod is how many of the four places of that example are taken. It is more than the target, so many pods become
	// a pod more, and few pods the minimum.
	sessionsPerPod = 3
	// SessionTime is for sessions to begin until their number no longer grows, and for the fleet to follow.
	SessionTime = SessionLength + 3*time.Minute
)

// RunWithSessions is Run with the second renderer and the values of values-examples/sessions.yaml. Other stories install the
// reference renderer, so the release is uninstalled before and after.
func RunWithSessions(s *harness.Story, table []Promise) {
	s.Helper()
	s.Uninstall()
	s.Step("install a renderer that holds sessions")
	other := s.OtherRenderer("sessions")
	// The values of that renderer count frames, and those of the example sessions.
	other.Set["signals.demand.capacity.value"] = "4"
	require.NoError(s, s.Upgrade(other))
	s.WaitFor(2*time.Minute, wait.Chain(s.Release)...)
	Run(s, table)
	s.Uninstall()
}

// SessionsOf is a load of sessions that needs so many pods.
func SessionsOf(pods float64, length time.Duration) []load.Stage {
	return load.Steady(pods*sessionsPerPod/SessionLength.Seconds(), length)
}

// Sessions has viewers begin sessions, until the experiment ends.
func (e *Experiment) Sessions(loads ...[]load.Stage) {
	e.Helper()
	e.WaitFor(time.Minute, wait.Answer(e.Release, "sum(viewer_sessions) == 0"))
	e.Send(load.Profile{Path: fmt.Sprintf("/session?for=%s", SessionLength), Budget: SessionLength + 10*time.Second, Stages: slices.Concat(loads...)})
}

// FewSessions has viewers begin sessions that the minimum of pods holds, and waits until there are some.
func (e *Experiment) FewSessions() {
	e.Helper()
	e.Sessions(SessionsOf(1, Longest))
	e.WaitFor(SessionTime, wait.Answer(e.Release, fmt.Sprintf("sum(viewer_sessions) >= %d", sessionsPerPod-1)))
}

// Uncut waits until the fault is over, and every pod that was removed meanwhile has gone with its last session. No session
// may have been cut off. The length is that of the sessions.
func (e *Experiment) Uncut(length time.Duration, over wait.Condition) {
	e.Helper()
	begun := time.Now()
	var longest time.Duration
	e.Recovered(begun, over, wait.Condition{Name: "the pods that are removed to be gone", Unmet: func(ctx context.Context) error {
		pods, err := e.Release.CoreV1().Pods(e.Release.Namespace).List(ctx, metav1.ListOptions{LabelSelector: e.Selector(chart.Renderer)})
		if err != nil {
			return err
		}
		leaving := 0
		for i := range pods.Items {
			if pod := &pods.Items[i]; pod.DeletionTimestamp != nil {
				leaving++
				longest = max(longest, time.Since(AskedToLeave(pod)))
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
	e.NoneCut(length, longest)
}

// NoneCut ends the load of sessions of a length, none of which may have been cut off. The pod that lived on for the longest
// time after it was asked to leave lived on for longest.
func (e *Experiment) NoneCut(length, longest time.Duration) {
	e.Helper()
	summary := e.Counts()
	e.Note("A removed pod lived on for up to %s. Sessions that lasted their %s: %d.", longest.Round(time.Second), length, summary.InBudget)
	assert.Positive(e, summary.InBudget, "sessions that ended by themselves")
	assert.Zero(e, summary.Failed, "sessions that were cut off")
	assert.Greater(e, longest, 30*time.Second, "how long a removed pod lived on: it held no session, so nothing was shown")
}

// AskedToLeave is when a pod that has a deletion timestamp got it.
func AskedToLeave(pod *corev1.Pod) time.Time {
	return pod.DeletionTimestamp.Add(-time.Duration(*pod.DeletionGracePeriodSeconds) * time.Second)
}
