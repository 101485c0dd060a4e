package load

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"

	"holograph/test/internal/kube"
)

// renderers returns a list of a renderer pod for each of these conditions Ready; "" is a pod without it.
func renderers(ready ...corev1.ConditionStatus) corev1.PodList {
	var list corev1.PodList
	for i, status := range ready {
		pod := corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "film", Name: fmt.Sprintf("renderer-%d", i)}}
		if status != "" {
			pod.Status.Conditions = []corev1.PodCondition{{Type: corev1.PodReady, Status: status}}
		}
		list.Items = append(list.Items, pod)
	}
	return list
}

// TestFrameCost: a frame costs 5 ms, and the only Ready pod refuses every second one with the given status.
func TestFrameCost(t *testing.T) {
	for refusal, want := range map[int]string{
		http.StatusServiceUnavailable: "",
		http.StatusBadRequest:         "the status of GET /frame of renderer-2 is 400, want 200",
	} {
		t.Run(fmt.Sprint(refusal), func(t *testing.T) {
			rendered, asked := 0, 0
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				const pod = "/api/v1/namespaces/film/pods/renderer-2:8080/proxy"
				switch r.URL.Path {
				case "/api/v1/namespaces/film/pods":
					w.Header().Set("Content-Type", "application/json")
					assert.NoError(t, json.NewEncoder(w).Encode(renderers("", corev1.ConditionFalse, corev1.ConditionTrue)))
				case pod + "/metrics":
					fmt.Fprintf(w, "# TYPE process_cpu_seconds_total counter\nprocess_cpu_seconds_total %g\n", 1+0.005*float64(rendered))
				case pod + "/frame":
					assert.Regexp(t, `^scheduled=\d{16}$`, r.URL.RawQuery)
					if asked++; asked%2 == 0 {
						w.WriteHeader(refusal)
						return
					}
					rendered++
				default:
					http.NotFound(w, r)
				}
			}))
			defer server.Close()
			client, err := kube.New(&rest.Config{Host: server.URL})
			require.NoError(t, err)

			cost, err := frameCost(t.Context(), kube.Release{Client: client, Namespace: "film", Name: "holograph"})
			if want != "" {
				require.EqualError(t, err, want)
				return
			}
			require.NoError(t, err)
			assert.InDelta(t, 0.005, cost, 1e-9)
			assert.Equal(t, costFrames, rendered)
		})
	}
}

// TestNoPodToMeasure: one pod is Pending, one is not Ready, and one is being deleted.
func TestNoPodToMeasure(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		leaving := renderers("", corev1.ConditionFalse, corev1.ConditionTrue)
		now := metav1.Now()
		leaving.Items[2].DeletionTimestamp = &now
		w.Header().Set("Content-Type", "application/json")
		assert.NoError(t, json.NewEncoder(w).Encode(leaving))
	}))
	defer server.Close()
	client, err := kube.New(&rest.Config{Host: server.URL})
	require.NoError(t, err)

	_, err = frameCost(t.Context(), kube.Release{Client: client, Namespace: "film", Name: "holograph"})
	require.EqualError(t, err, "the number of Ready pods of holograph-renderer is 0 of 2, want 1 to measure: only a pod that runs renders frames")
}
