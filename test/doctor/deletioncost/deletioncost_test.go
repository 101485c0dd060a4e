package deletioncost

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/yaml"

	"holograph/test/doctor/description"
	"holograph/test/internal/kube"
	"holograph/test/internal/kube/fakeapi"
)

const (
	namespace = "holograph"
	selector  = "app=renderer"
	query     = "viewer_sessions / 4"
	login     = "Basic aG9sb2dyYXBoOmh1bnRlcjI="
)

// cluster answers for an API server and for Prometheus.
type cluster struct {
	t *testing.T
	// pods are there, in the order in which they are listed.
	pods []*corev1.Pod
	// managers are who has set the cost of a pod, by its name.
	managers map[string]string
	// values are what Prometheus answers, by pod, as it writes numbers.
	values map[string]string
	// refuse answers a request in place of what it asks for, if it returns an error.
	refuse func(method, path string) error
	// stores is what becomes of a cost that is written.
	stores func(cost string) string
	// written are the costs, each behind its pod, and patches how many were asked to be written.
	written []string
	patches int
}

// clusterOf has pods with these values.
func clusterOf(t *testing.T, values map[string]string) *cluster {
	c := &cluster{t: t, values: values, managers: map[string]string{},
		refuse: func(string, string) error { return nil }, stores: func(cost string) string { return cost }}
	for name := range values {
		c.pods = append(c.pods, &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: namespace, UID: types.UID("uid-" + name)}})
	}
	slices.SortFunc(c.pods, func(a, b *corev1.Pod) int { return strings.Compare(a.Name, b.Name) })
	return c
}

// pod returns a pod by its name, nil where there is none.
func (c *cluster) pod(name string) *corev1.Pod {
	for _, pod := range c.pods {
		if pod.Name == name {
			return pod
		}
	}
	return nil
}

// cost returns the annotation of a pod, "" where it has none.
func (c *cluster) cost(name string) string { return c.pod(name).Annotations[corev1.PodDeletionCost] }

// set has a manager set the cost of a pod.
func (c *cluster) set(name, manager, cost string) {
	c.pod(name).Annotations = map[string]string{corev1.PodDeletionCost: cost}
	c.managers[name] = manager
}

// takeWritten returns the costs that were written since the last call.
func (c *cluster) takeWritten() []string {
	written := c.written
	c.written = nil
	return written
}

// ServeHTTP implements http.Handler.
func (c *cluster) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	object, err := c.answer(r)
	fakeapi.Answer(w, object, err)
}

func (c *cluster) answer(r *http.Request) (any, error) {
	if err := c.refuse(r.Method, r.URL.Path); err != nil {
		return nil, err
	}
	const pods = "/api/v1/namespaces/" + namespace + "/pods"
	switch name, isStatus := strings.CutSuffix(strings.TrimPrefix(r.URL.Path, pods+"/"), "/status"); {
	// The chart's alert on a silent KEDA counts what comes to /api/v1/query.
	case r.URL.Path == "/api/v1/query_range":
		assert.Equal(c.t, query, r.FormValue("query"))
		assert.Equal(c.t, login, r.Header.Get("Authorization"))
		result := []any{}
		for pod, value := range c.values {
			if value != "" {
				result = append(result, map[string]any{"metric": map[string]string{"pod": pod}, "values": []any{[]any{0, value}}})
			}
		}
		return map[string]any{"status": "success", "data": map[string]any{"resultType": "matrix", "result": result}}, nil
	case r.Method == http.MethodGet && r.URL.Path == pods:
		assert.Equal(c.t, selector, r.FormValue("labelSelector"), "the labels of the pods that are listed")
		assert.Contains(c.t, r.Header.Get("Accept"), "as=PartialObjectMetadataList", "the form of the pods that are listed")
		list := &metav1.PartialObjectMetadataList{TypeMeta: metav1.TypeMeta{Kind: "PartialObjectMetadataList", APIVersion: "meta.k8s.io/v1"}}
		for _, pod := range c.pods {
			list.Items = append(list.Items, metav1.PartialObjectMetadata{ObjectMeta: pod.ObjectMeta})
		}
		return list, nil
	case r.Method == http.MethodPatch && isStatus:
		c.patches++
		return c.apply(r, name)
	}
	return nil, fmt.Errorf("%s %s is not what the writer has a right to", r.Method, r.URL.Path)
}

// apply answers a server-side apply as the API server does.
func (c *cluster) apply(r *http.Request, name string) (any, error) {
	assert.Equal(c.t, string(types.ApplyYAMLPatchType), r.Header.Get("Content-Type"))
	assert.Equal(c.t, Manager, r.FormValue("fieldManager"))
	assert.Contains(c.t, []string{"", "false"}, r.FormValue("force"), "force: a cost of another writer must stay")
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	var applied corev1.Pod
	if err := yaml.UnmarshalStrict(body, &applied); err != nil {
		return nil, err
	}
	assert.Equal(c.t, corev1.Pod{
		TypeMeta:   metav1.TypeMeta{Kind: "Pod", APIVersion: "v1"},
		ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: namespace, Annotations: applied.Annotations},
	}, applied, "what is applied: another field would be the writer's too")
	require.Len(c.t, applied.Annotations, 1)
	cost := applied.Annotations[corev1.PodDeletionCost]
	pod := c.pod(name)
	if pod == nil {
		return nil, apierrors.NewNotFound(schema.GroupResource{Resource: "pods"}, name)
	}
	if manager := c.managers[name]; manager != "" && manager != Manager && c.cost(name) != "" && c.cost(name) != cost {
		field := ".metadata.annotations." + corev1.PodDeletionCost
		conflict := fmt.Sprintf("conflict with %q using v1", manager)
		return nil, apierrors.NewApplyConflict([]metav1.StatusCause{{Type: metav1.CauseTypeFieldManagerConflict, Field: field, Message: conflict}},
			fmt.Sprintf("Apply failed with 1 conflict: %s: %s", conflict, field))
	}
	c.set(name, Manager, c.stores(cost))
	c.written = append(c.written, name+" "+cost)
	return pod, nil
}

// writer returns a writer of the cluster's costs, and its log.
func (c *cluster) writer() (*Writer, *bytes.Buffer) {
	c.t.Helper()
	server := httptest.NewServer(c)
	c.t.Cleanup(server.Close)
	client, err := kube.New(&rest.Config{Host: server.URL})
	require.NoError(c.t, err)
	client.Inside = true
	file := filepath.Join(c.t.TempDir(), "authorization")
	require.NoError(c.t, os.WriteFile(file, []byte(login), 0o600))
	log := &bytes.Buffer{}
	w, err := New(client, Config{
		Namespace: namespace, Selector: selector, Query: query, PodLabel: "pod",
		Prometheus: description.Prometheus{URL: server.URL, ScrapeInterval: "15s", Access: kube.Access{AuthorizationFile: file}},
	}, slog.New(slog.NewTextHandler(log, nil)))
	require.NoError(c.t, err)
	return w, log
}

// ready is what a probe is answered.
func ready(w *Writer) int {
	answer := httptest.NewRecorder()
	w.Handler().ServeHTTP(answer, httptest.NewRequest(http.MethodGet, "/readyz", nil))
	return answer.Code
}

func TestCostOf(t *testing.T) {
	for _, test := range []struct {
		share     float64
		now, want int
		why       string
	}{
		{0, 0, 0, "an idle pod"},
		{0, 1, 0, "a pod that has become idle"},
		{1e-9, 0, 1, "a pod that holds anything is not idle"},
		{0.25, 0, 1, "one place of four"},
		{0.5, 0, 2, "two places of four"},
		{0.75, 0, 3, "three places of four"},
		{1, 0, 4, "a full pod"},
		{10, 0, 4, "a pod that is offered more than it can do"},
		{0.75, 4, 3, "a session of four has ended"},
		{0.5, 1, 2, "a session of four has begun"},
		{0.37, 2, 2, "a share that swings around the bound between 1 and 2, from above"},
		{0.38, 1, 1, "the same from below"},
		{0.3, 2, 1, "a share well below that bound"},
		{0.45, 1, 2, "a share well above it"},
		{0.5, -7, 2, "a cost that no writer of this program has written"},
		{1, 100, 4, "the same"},
	} {
		assert.Equal(t, test.want, costOf(test.share, test.now), "the cost of a pod that is %v busy and has the cost %d: %s", test.share, test.now, test.why)
	}
}

func TestOnlyChangesAreWritten(t *testing.T) {
	c := clusterOf(t, map[string]string{"full": "1", "half": "0.5", "idle": "0"})
	w, _ := c.writer()
	require.NoError(t, w.Round(t.Context()))
	assert.Equal(t, []string{"full 4", "half 2"}, c.takeWritten(), "the costs that the first round writes: an idle pod without a cost has that of an idle pod")
	require.NoError(t, w.Round(t.Context()))
	c.values["half"] = "0.55"
	require.NoError(t, w.Round(t.Context()))
	assert.Empty(t, c.takeWritten(), "the costs that are written while nothing changes")
	c.values["half"], c.values["idle"] = "0", "0.25"
	require.NoError(t, w.Round(t.Context()))
	assert.Equal(t, []string{"half 0", "idle 1"}, c.takeWritten(), "the costs of the pods that have changed")
}

func TestAWriterThatStartsKnowsTheCosts(t *testing.T) {
	c := clusterOf(t, map[string]string{"full": "1", "half": "0.37"})
	c.set("full", Manager, "4")
	c.set("half", Manager, "2")
	w, _ := c.writer()
	require.NoError(t, w.Round(t.Context()))
	assert.Empty(t, c.takeWritten(), "the costs that a new writer writes")
}

func TestAPodWithoutAValueKeepsItsCost(t *testing.T) {
	c := clusterOf(t, map[string]string{"new": "", "silent": "", "full": "1"})
	c.set("silent", Manager, "3")
	w, _ := c.writer()
	require.NoError(t, w.Round(t.Context()))
	assert.Equal(t, []string{"full 4"}, c.takeWritten())
	assert.Equal(t, "3", c.cost("silent"))
}

func TestValuesThatNoPodHasAreNone(t *testing.T) {
	for _, value := range []string{"NaN", "+Inf", "-Inf", "-1"} {
		c := clusterOf(t, map[string]string{"hostile": value, "half": "0.5"})
		c.set("hostile", Manager, "3")
		w, _ := c.writer()
		require.NoError(t, w.Round(t.Context()), value)
		assert.Equal(t, []string{"half 2"}, c.takeWritten(), "the costs where a pod has the value %s", value)
	}
	c := clusterOf(t, map[string]string{"hostile": "1e300"})
	w, _ := c.writer()
	require.NoError(t, w.Round(t.Context()))
	assert.Equal(t, "4", c.cost("hostile"), "the cost of an enormous value")
}

func TestACostOfAnotherWriterStays(t *testing.T) {
	c := clusterOf(t, map[string]string{"taken": "1", "full": "1"})
	c.set("taken", "kubectl-annotate", "100")
	w, log := c.writer()
	for range 3 {
		require.NoError(t, w.Round(t.Context()), "a cost of another writer is no failure")
	}
	assert.Equal(t, "100", c.cost("taken"))
	assert.Equal(t, []string{"full 4"}, c.takeWritten())
	assert.Equal(t, 2, c.patches, "requests to write in three rounds: the writer stands back after the first")
	assert.Equal(t, 1, strings.Count(log.String(), "another writer has set the cost"), "the log:\n%s", log)
	assert.Contains(t, log.String(), `pod=taken cost=100`)
	assert.Contains(t, log.String(), "kubectl-annotate")
	assert.Equal(t, http.StatusOK, ready(w))

	delete(c.pod("taken").Annotations, corev1.PodDeletionCost)
	require.NoError(t, w.Round(t.Context()))
	assert.Equal(t, []string{"taken 4"}, c.takeWritten(), "the costs after the other writer has removed its own")
}

func TestPodsThatLeaveAreLeft(t *testing.T) {
	c := clusterOf(t, map[string]string{"leaving": "1", "gone": "1", "full": "1"})
	c.pod("leaving").DeletionTimestamp = &metav1.Time{Time: time.Now()}
	c.refuse = func(method, path string) error {
		if method == http.MethodPatch && strings.Contains(path, "/gone/") {
			return apierrors.NewNotFound(schema.GroupResource{Resource: "pods"}, "gone")
		}
		return nil
	}
	w, _ := c.writer()
	require.NoError(t, w.Round(t.Context()), "a pod that is gone before its cost is written")
	assert.Equal(t, []string{"full 4"}, c.takeWritten())
}

// TestAFailureIsSaid: what keeps the costs from being written is in the error of the round, without credentials, and the writer
// is not Ready until a round succeeds.
func TestAFailureIsSaid(t *testing.T) {
	forbidden := func(what string) error {
		return apierrors.NewForbidden(schema.GroupResource{Resource: what}, "", fmt.Errorf("User %q cannot do that", "system:serviceaccount:holograph:holograph-deletion-cost"))
	}
	for name, test := range map[string]struct {
		method, path string
		err          error
		says         string
	}{
		"pods may not be listed":       {http.MethodGet, "/pods", forbidden("pods"), "pods is forbidden"},
		"a cost may not be written":    {http.MethodPatch, "/pods/full/status", forbidden("pods/status"), "pods/status is forbidden"},
		"Prometheus wants a login":     {http.MethodPost, "/query_range", apierrors.NewUnauthorized("not with " + login), "Prometheus at http://127.0.0.1"},
		"Prometheus cannot answer":     {http.MethodPost, "/query_range", errors.New("too many samples"), "too many samples"},
		"the API server is overloaded": {http.MethodGet, "/pods", apierrors.NewInternalError(errors.New("etcd does not answer")), "etcd does not answer"},
	} {
		t.Run(name, func(t *testing.T) {
			c := clusterOf(t, map[string]string{"full": "1", "half": "0.5"})
			w, log := c.writer()
			broken := true
			c.refuse = func(method, path string) error {
				if broken && method == test.method && strings.HasSuffix(path, test.path) {
					return test.err
				}
				return nil
			}
			err := w.Round(t.Context())
			require.Error(t, err)
			shown := w.client.Shown(err.Error())
			assert.Contains(t, shown, test.says)
			assert.NotContains(t, shown+log.String(), "aG9sb2dyYXBo", "what is shown of an error")
			assert.Equal(t, http.StatusServiceUnavailable, ready(w), "the readiness of a writer whose round has failed")
			if test.method == http.MethodPatch {
				assert.Equal(t, []string{"half 2"}, c.takeWritten(), "the costs of the other pods")
			}
			broken = false
			require.NoError(t, w.Round(t.Context()))
			assert.Equal(t, []string{"4", "2"}, []string{c.cost("full"), c.cost("half")}, "the costs after that")
			assert.Equal(t, http.StatusOK, ready(w))
		})
	}
}

func TestManyFailuresAreOneLine(t *testing.T) {
	values := map[string]string{}
	for i := range 50 {
		values["pod-"+strconv.Itoa(i)] = "1"
	}
	c := clusterOf(t, values)
	c.refuse = func(method, _ string) error {
		if method == http.MethodPatch {
			return errors.New("no")
		}
		return nil
	}
	w, _ := c.writer()
	assert.ErrorContains(t, w.Round(t.Context()), "49 more costs are not written")
}

func TestACostThatIsNotStoredIsAFailure(t *testing.T) {
	c := clusterOf(t, map[string]string{"full": "1"})
	c.stores = func(string) string { return "" }
	w, _ := c.writer()
	assert.ErrorContains(t, w.Round(t.Context()), `the cost of pod full is "" after it was written, want "4"`)
}

func TestAWriterIsReadyAsLongAsItsRoundsSucceed(t *testing.T) {
	c := clusterOf(t, map[string]string{"full": "1"})
	w, _ := c.writer()
	assert.Equal(t, http.StatusServiceUnavailable, ready(w), "the readiness before the first round")
	require.NoError(t, w.Round(t.Context()))
	for interval, fresh := range map[time.Duration]time.Duration{5 * time.Second: time.Minute, time.Minute: 4 * time.Minute} {
		w.interval = interval
		w.succeeded = time.Now().Add(-fresh + 5*time.Second)
		assert.Equal(t, http.StatusOK, ready(w), "the readiness shortly before %s have passed, with a round each %s", fresh, interval)
		w.succeeded = time.Now().Add(-fresh - time.Second)
		assert.Equal(t, http.StatusServiceUnavailable, ready(w), "the readiness after %s, with a round each %s", fresh, interval)
	}
}

func TestRunWritesUntilItIsStopped(t *testing.T) {
	c := clusterOf(t, map[string]string{"full": "1"})
	w, log := c.writer()
	w.interval = time.Millisecond
	rounds := 0
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	c.refuse = func(method, path string) error {
		if strings.HasSuffix(path, "/query_range") {
			if rounds++; rounds == 3 {
				stop()
			}
			return errors.New("not yet")
		}
		return nil
	}
	w.Run(ctx)
	assert.GreaterOrEqual(t, rounds, 3)
	assert.Contains(t, log.String(), `level=ERROR msg="not all costs are up to date"`)
	assert.Contains(t, log.String(), "not yet")
}

func TestConfigurationsOfAnotherVersionAreRefused(t *testing.T) {
	_, err := Decode([]byte("namespace: holograph\nsteps: 7\n"))
	assert.ErrorContains(t, err, `unknown field "steps"`)
	_, err = New(&kube.Client{Config: &rest.Config{}}, Config{}, slog.Default())
	assert.ErrorContains(t, err, "prometheus.scrapeInterval")
}
