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

// TestFrameCost: a frame costs 5 ms, and the pod refuses every second one with the given status.
func TestFrameCost(t *testing.T) {
	for refusal, want := range map[int]string{
		http.StatusServiceUnavailable: "",
		http.StatusBadRequest:         "the status of GET /frame of renderer-0 is 400, want 200",
	} {
		t.Run(fmt.Sprint(refusal), func(t *testing.T) {
			rendered, asked := 0, 0
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				const pod = "/api/v1/namespaces/film/pods/renderer-0:8080/proxy"
				switch r.URL.Path {
				case "/api/v1/namespaces/film/pods":
					w.Header().Set("Content-Type", "application/json")
					assert.NoError(t, json.NewEncoder(w).Encode(corev1.PodList{Items: []corev1.Pod{{ObjectMeta: metav1.ObjectMeta{Namespace: "film", Name: "renderer-0"}}}}))
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
