package promises

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"holograph/test/internal/chart"
	"holograph/test/internal/harness"
	"holograph/test/internal/load"
	"holograph/test/internal/promise"
	"holograph/test/internal/wait"
)

// manyPods hold the sessions of a full fleet, fewPods those of a fleet that shrinks.
const manyPods, fewPods = 4, 1

// sessionTable has the promises to viewers who hold sessions.
var sessionTable = []promise.Promise{
	{
		Subject: promise.Sessions, Name: "fleet shrinks",
		Says:   "No session is cut off: a pod that is removed ends its sessions first.",
		Fault:  "Fewer sessions begin, so that the autoscaler removes pods while viewers are on them. Nothing writes deletion costs.",
		Within: promise.SessionTime,
		Keep: func(e *promise.Experiment) {
			// With costs, the pods that go hold no session.
			e.Break(harness.Scale(chart.DeletionCost, 0))
			const before = promise.SessionTime + time.Minute
			e.Sessions(promise.SessionsOf(manyPods, before),
				promise.SessionsOf(fewPods, promise.Longest))
			fewer := time.Now().Add(before)
			e.WaitFor(before, wait.ReplicasAtLeast(e.Release, manyPods-1), e.Reads())
			e.WaitFor(before, passed(time.Now(), time.Until(fewer).Round(time.Second)))
			e.Inject(nothing)
			e.Uncut(promise.SessionLength, wait.Replicas(e.Release, minimum))
		},
	},
	{
		Subject: promise.Sessions, Name: "new version",
		Says:   "No session is cut off: the old pods end their sessions, and new sessions begin on the new ones.",
		Fault:  "A new version is rolled out.",
		Within: promise.SessionTime,
		Keep: func(e *promise.Experiment) {
			e.FewSessions()
			e.Inject(func(_ context.Context, s *harness.Story) (harness.Fix, error) {
				s.Rollout(chart.Renderer)
				return nil, nil
			})
			e.Uncut(promise.SessionLength, e.RolledOut(chart.Renderer))
		},
	},
	{
		Subject: promise.Sessions, Name: "fleet shrinks, idle pods first",
		Says:   "The pods with the fewest sessions are removed, and the fullest pod stays. No session is cut off.",
		Fault:  fmt.Sprintf("The autoscaler is to run one pod of four, which hold %s sessions, the oldest pod the fewest.", words(spread)),
		Within: promise.SessionTime,
		Keep: func(e *promise.Experiment) {
			held, others := uneven(e)
			e.Inject(harness.Replicas(1))
			e.Uncut(spreadLength, wait.Replicas(e.Release, 1))
			for _, pod := range e.PodsOf(chart.Renderer) {
				assert.Equal(e, slices.Max(spread), held[pod.Name], "the sessions of pod %s, which stays, want those of the fullest", pod.Name)
			}
			assert.Zero(e, e.Cut(others).Failed, "sessions of the fullest pod that were cut off")
		},
	},
	{
		Subject: promise.Sessions, Name: "new version, idle pods first",
		Says:   "The old pods are asked to leave in the order of their sessions, those that hold none first. No session is cut off.",
		Fault:  fmt.Sprintf("A new version is rolled out while four pods hold %s sessions, the oldest pod the fewest.", words(spread)),
		Within: promise.SessionTime,
		Keep: func(e *promise.Experiment) {
			held, others := uneven(e)
			left := departures(e)
			e.Inject(func(_ context.Context, s *harness.Story) (harness.Fix, error) {
				s.Rollout(chart.Renderer)
				return nil, nil
			})
			e.Uncut(spreadLength, e.RolledOut(chart.Renderer))
			var order []int
			for _, name := range left() {
				if sessions, old := held[name]; old {
					order = append(order, sessions)
				}
			}
			assert.Equal(e, spread, order, "the sessions of the old pods, in the order in which they were asked to leave")
			assert.Zero(e, e.Cut(others).Failed, "sessions of the fullest pod that were cut off")
		},
	},
	{
		Subject: promise.Sessions, Name: "pod evicted",
		Says:   "No session is cut off: the pod ends its sessions, and another one takes its place.",
		Fault:  "A pod that holds sessions is evicted, as a drain of its node does.",
		Within: promise.SessionTime,
		Keep: func(e *promise.Experiment) {
			e.FewSessions()
			e.Inject(func(ctx context.Context, s *harness.Story) (harness.Fix, error) {
				busiest, err := s.Release.Query(ctx, "topk(1, viewer_sessions)")
				if err != nil || len(busiest) == 0 {
					return nil, fmt.Errorf("the pod with the most sessions: %v, %w", busiest, err)
				}
				return nil, s.Release.PolicyV1().Evictions(s.Release.Namespace).Evict(ctx, &policyv1.Eviction{
					ObjectMeta: metav1.ObjectMeta{Name: string(busiest[0].Metric["pod"]), Namespace: s.Release.Namespace}})
			})
			e.Uncut(promise.SessionLength, wait.PodsReady(e.Release))
		},
	},
}

// spread are the sessions that the pods hold in the promises of idle pods, the oldest pod first. Without deletion costs,
// Kubernetes removes the newest pod first.
var spread = []int{0, 0, 1, 3}

// spreadLength is for the sessions to begin and the costs to follow, and for the pods to be removed meanwhile.
const spreadLength = 4 * time.Minute

// TestPromisesWithSessions removes pods that hold the sessions of viewers.
func TestPromisesWithSessions(t *testing.T) {
	promise.RunWithSessions(harness.New(t), sessionTable)
}

// TestAPodThatIsNotReadyGoesFirst: Kubernetes looks at deletion costs only among pods that are Ready. So a full pod must stay
// Ready. The cost that something else has set stays.
func TestAPodThatIsNotReadyGoesFirst(t *testing.T) {
	s := harness.New(t)
	s.Step("install three pods with deletion costs")
	s.UpgradeWith(map[string]string{"deletionCost.enabled": "true", "autoscaling.minReplicas": "3"}, "local")
	s.WaitFor(2*time.Minute, append(wait.Chain(s.Release), wait.Replicas(s.Release, 3))...)

	s.Step("somebody gives one of them the highest cost, and the pod is no longer Ready")
	pods := s.PodsOf(chart.Renderer)
	costly := pods[0]
	ctx, cancel := s.Within(time.Minute)
	defer cancel()
	_, err := s.Release.CoreV1().Pods(costly.Namespace).Patch(ctx, costly.Name, types.MergePatchType,
		[]byte(`{"metadata": {"annotations": {"`+corev1.PodDeletionCost+`": "100"}}}`), metav1.PatchOptions{FieldManager: "somebody"})
	require.NoError(t, err)
	s.WaitFor(time.Minute, logged(s, chart.DeletionCost, "another writer has set the cost"))
	s.Break(harness.Hang(costly))
	s.WaitFor(time.Minute, s.PodReady(costly.Name, false, 0))

	s.Step("two pods are enough: the one that is not Ready goes, whatever its cost")
	s.Break(harness.Replicas(2))
	s.WaitFor(time.Minute, wait.Condition{Name: "a pod to be removed", Unmet: func(ctx context.Context) error {
		all, err := s.Release.CoreV1().Pods(costly.Namespace).List(ctx, metav1.ListOptions{LabelSelector: s.Selector(chart.Renderer)})
		if err != nil {
			return err
		}
		for _, pod := range all.Items {
			if pod.DeletionTimestamp != nil {
				require.Equal(t, costly.Name, pod.Name, "the pod that is removed, want the one that is not Ready")
				require.Equal(t, "100", pod.Annotations[corev1.PodDeletionCost], "the cost of that pod, which somebody else had set")
				return nil
			}
		}
		return fmt.Errorf("all %d stay", len(all.Items))
	}})
}

// words lists numbers for a sentence: 0, 0, 1 and 3.
func words(numbers []int) string {
	var texts []string
	for _, number := range numbers {
		texts = append(texts, fmt.Sprint(number))
	}
	last := len(texts) - 1
	return strings.Join(texts[:last], ", ") + " and " + texts[last]
}

// uneven has viewers hold as many sessions on each pod as spread says, waits until every pod has the cost of that, and returns
// the sessions by pod. The load of the experiment is that of the pods that hold some but not the most; others is that of the fullest.
func uneven(e *promise.Experiment) (held map[string]int, others *load.Drive) {
	e.Helper()
	e.WaitFor(time.Minute, wait.Answer(e.Release, "sum(viewer_sessions) == 0"))
	e.Break(harness.Replicas(int32(len(spread))))
	e.WaitFor(2*time.Minute, wait.Replicas(e.Release, int32(len(spread))), wait.PodsReady(e.Release))
	pods := e.PodsOf(chart.Renderer)
	slices.SortFunc(pods, func(a, b corev1.Pod) int { return a.CreationTimestamp.Compare(b.CreationTimestamp.Time) })
	held = map[string]int{}
	begun := time.Now()
	for i, pod := range pods {
		held[pod.Name] = spread[i]
		// One session begins every ten seconds.
		const every = 10 * time.Second
		profile := load.Profile{
			Path: fmt.Sprintf("/session?for=%s", spreadLength), URL: fmt.Sprintf("http://%s:9000", pod.Status.PodIP), Budget: spreadLength + 10*time.Second,
			Stages: slices.Concat(load.Steady(1/every.Seconds(), time.Duration(spread[i])*every+every/5), load.Steady(0, promise.Longest)),
		}
		switch spread[i] {
		case 0:
		case slices.Max(spread):
			others = e.OfferAs("fullest", profile)
		default:
			e.Send(profile)
		}
	}
	e.WaitFor(2*time.Minute, wait.Condition{Name: "every pod to have the cost of its sessions", Unmet: func(ctx context.Context) error {
		now, err := e.Release.Pods(ctx)
		for _, pod := range now {
			if cost := cmp.Or(pod.Annotations[corev1.PodDeletionCost], "0"); cost != fmt.Sprint(held[pod.Name]) {
				return fmt.Errorf("that of pod %s is %s, want %d", pod.Name, cost, held[pod.Name])
			}
		}
		return err
	}})
	e.Note("Every pod had its cost %s after the load had started.", time.Since(begun).Round(time.Second))
	return held, others
}

// logged is met when the log of a component has a text.
func logged(s *harness.Story, c chart.Component, text string) wait.Condition {
	return wait.Condition{Name: fmt.Sprintf("%s to log %q", c, text), Unmet: func(ctx context.Context) error {
		var last string
		for _, pod := range s.PodsOf(c) {
			log, err := s.Release.CoreV1().Pods(pod.Namespace).GetLogs(pod.Name, &corev1.PodLogOptions{}).DoRaw(ctx)
			if err != nil {
				return err
			}
			if strings.Contains(string(log), text) {
				return nil
			}
			last = string(log)
		}
		return fmt.Errorf("its log is:\n%s", last)
	}}
}

// departures starts to record when each pod is asked to leave. The returned function stops that, and returns the names of the
// pods in that order.
func departures(e *promise.Experiment) func() []string {
	ctx, stop := context.WithCancel(e.Context())
	asked := make(chan map[string]time.Time, 1)
	go func() {
		seen := map[string]time.Time{}
		// A pod that is asked to leave sleeps for five seconds first.
		for again := time.NewTicker(time.Second); ; {
			pods, err := e.Release.CoreV1().Pods(e.Release.Namespace).List(ctx, metav1.ListOptions{LabelSelector: e.Selector(chart.Renderer)})
			for i := range pods.Items {
				if pod := &pods.Items[i]; err == nil && pod.DeletionTimestamp != nil {
					seen[pod.Name] = promise.AskedToLeave(pod)
				}
			}
			select {
			case <-ctx.Done():
				again.Stop()
				asked <- seen
				return
			case <-again.C:
			}
		}
	}()
	return func() []string {
		stop()
		seen := <-asked
		return slices.SortedFunc(maps.Keys(seen), func(a, b string) int { return seen[a].Compare(seen[b]) })
	}
}
