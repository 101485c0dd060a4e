package kube

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/runtime/serializer/protobuf"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/rest"
	componentbase "k8s.io/component-base/config/v1alpha1"
	custommetrics1 "k8s.io/metrics/pkg/apis/custom_metrics/v1beta1"
	custommetrics "k8s.io/metrics/pkg/apis/custom_metrics/v1beta2"
	externalmetrics "k8s.io/metrics/pkg/apis/external_metrics/v1beta1"
	custommetricsclient "k8s.io/metrics/pkg/client/custom_metrics"
	externalmetricsclient "k8s.io/metrics/pkg/client/external_metrics"
)

// metricsServer answers for an adapter that serves some versions of the custom metrics API, in protobuf to those who accept it,
// and keeps how it was asked for metrics.
type metricsServer struct {
	versions []string
	mutex    sync.Mutex
	requests []string
}

// encoded is an object in protobuf.
func encoded(object runtime.Object) []byte {
	var text bytes.Buffer
	if err := protobuf.NewSerializer(nil, nil).Encode(object, &text); err != nil {
		panic(err)
	}
	return text.Bytes()
}

// ServeHTTP implements http.Handler.
func (m *metricsServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	group := metav1.APIGroup{Name: Group}
	for _, version := range m.versions {
		group.Versions = append(group.Versions, metav1.GroupVersionForDiscovery{GroupVersion: Group + "/" + version, Version: version})
	}
	group.PreferredVersion = group.Versions[0]
	w.Header().Set("Content-Type", runtime.ContentTypeJSON)
	switch r.URL.Path {
	case "/apis":
		json.NewEncoder(w).Encode(metav1.APIGroupList{TypeMeta: metav1.TypeMeta{Kind: "APIGroupList", APIVersion: "v1"}, Groups: []metav1.APIGroup{group}})
		return
	case "/apis/" + Group:
		json.NewEncoder(w).Encode(group)
		return
	case "/api":
		json.NewEncoder(w).Encode(metav1.APIVersions{Versions: []string{"v1"}})
		return
	}
	m.mutex.Lock()
	query := r.URL.Query()
	// How long this client waits for an answer, which says nothing of the answer.
	query.Del("timeout")
	m.requests = append(m.requests, fmt.Sprint(r.Method, " ", r.URL.EscapedPath(), "?", query.Encode(), " ", r.Header.Get("Accept")))
	m.mutex.Unlock()
	if !strings.HasPrefix(r.Header.Get("Accept"), runtime.ContentTypeProtobuf) {
		w.WriteHeader(http.StatusNotAcceptable)
		return
	}
	w.Header().Set("Content-Type", runtime.ContentTypeProtobuf)
	about := corev1.ObjectReference{Kind: "Pod", Name: "renderer-0"}
	types := func(version string) metav1.TypeMeta {
		return metav1.TypeMeta{Kind: "MetricValueList", APIVersion: Group + "/" + version}
	}
	switch {
	case strings.HasPrefix(r.URL.Path, "/apis/external.metrics.k8s.io/v1beta1/"):
		w.Write(encoded(&externalmetrics.ExternalMetricValueList{TypeMeta: metav1.TypeMeta{Kind: "ExternalMetricValueList", APIVersion: "external.metrics.k8s.io/v1beta1"},
			Items: []externalmetrics.ExternalMetricValue{{MetricName: "late", Value: resource.MustParse("31m")}}}))
	case strings.HasPrefix(r.URL.Path, "/apis/"+Group+"/v1beta2/"):
		w.Write(encoded(&custommetrics.MetricValueList{TypeMeta: types("v1beta2"),
			Items: []custommetrics.MetricValue{{DescribedObject: about, Metric: custommetrics.MetricIdentifier{Name: "late"}, Value: resource.MustParse("31m")}}}))
	case strings.HasPrefix(r.URL.Path, "/apis/"+Group+"/v1beta1/"):
		w.Write(encoded(&custommetrics1.MetricValueList{TypeMeta: types("v1beta1"),
			Items: []custommetrics1.MetricValue{{DescribedObject: about, MetricName: "late", Value: resource.MustParse("31m")}}}))
	default:
		w.WriteHeader(http.StatusNotFound)
		w.Write(encoded(&metav1.Status{TypeMeta: metav1.TypeMeta{Kind: "Status", APIVersion: "v1"}, Status: metav1.StatusFailure, Code: http.StatusNotFound,
			Reason: metav1.StatusReasonNotFound, Message: "nobody serves " + r.URL.Path}))
	}
}

// take returns how it was asked since the last time.
func (m *metricsServer) take() []string {
	m.mutex.Lock()
	defer m.mutex.Unlock()
	taken := m.requests
	m.requests = nil
	return taken
}

// TestMetricsAreAskedForAsTheAutoscalerAsks: what this client sees is what the autoscaler sees, as it sends the same requests: the
// same version, path, selector and content types. Its own client is asked beside it, configured as kube-controller-manager does.
func TestMetricsAreAskedForAsTheAutoscalerAsks(t *testing.T) {
	t.Parallel()
	for _, versions := range [][]string{{"v1beta2", "v1beta1"}, {"v1beta1"}, {"v1beta1", "v1beta2"}, {"v1", "v1beta1"}} {
		t.Run(versions[0]+" preferred of "+fmt.Sprint(len(versions)), func(t *testing.T) {
			t.Parallel()
			adapter := &metricsServer{versions: versions}
			server := httptest.NewServer(adapter)
			defer server.Close()
			client, err := New(&rest.Config{Host: server.URL})
			require.NoError(t, err)

			var connection componentbase.ClientConnectionConfiguration
			componentbase.RecommendedDefaultClientConnectionConfiguration(&connection)
			config := &rest.Config{Host: server.URL, ContentConfig: rest.ContentConfig{ContentType: connection.ContentType, AcceptContentTypes: connection.AcceptContentTypes}}
			mapper := meta.NewDefaultRESTMapper([]schema.GroupVersion{{Version: "v1"}, {Group: "apps", Version: "v1"}})
			mapper.Add(schema.GroupVersionKind{Version: "v1", Kind: "Pod"}, meta.RESTScopeNamespace)
			mapper.Add(schema.GroupVersionKind{Group: "apps", Version: "v1", Kind: "Deployment"}, meta.RESTScopeNamespace)
			found, err := discovery.NewDiscoveryClientForConfig(&rest.Config{Host: server.URL})
			require.NoError(t, err)
			autoscalers := custommetricsclient.NewForConfig(config, mapper, custommetricsclient.NewAvailableAPIsGetter(found)).NamespacedMetrics("film")
			externals, err := externalmetricsclient.NewForConfig(config)
			require.NoError(t, err)

			selector := &metav1.LabelSelector{MatchLabels: map[string]string{"app.kubernetes.io/name": "holograph", "app.kubernetes.io/instance": "a"}}
			parsed, err := metav1.LabelSelectorAsSelector(selector)
			require.NoError(t, err)

			_, err = autoscalers.GetForObjects(schema.GroupKind{Kind: "Pod"}, parsed, "late", labels.Everything())
			require.NoError(t, err)
			want := adapter.take()
			values, err := client.MetricOfPods(t.Context(), "film", parsed.String(), "late")
			require.NoError(t, err)
			assert.Equal(t, map[string]float64{"renderer-0": 0.031}, values, "the metric of the pods")
			assert.Equal(t, want, adapter.take(), "the request for a metric of pods")

			_, err = autoscalers.GetForObject(schema.GroupKind{Group: "apps", Kind: "Deployment"}, "renderer", "late", labels.Everything())
			require.NoError(t, err)
			want = adapter.take()
			value, err := client.MetricOfObject(t.Context(), "film", "deployments.apps", "renderer", "late")
			require.NoError(t, err)
			assert.Equal(t, "31m", value.String(), "the metric of the Deployment")
			assert.Equal(t, want, adapter.take(), "the request for a metric of a Deployment")

			_, err = externals.NamespacedMetrics("film").List("late", parsed)
			require.NoError(t, err)
			want = adapter.take()
			value, err = client.ExternalMetric(t.Context(), "film", autoscalingv2.MetricIdentifier{Name: "late", Selector: selector})
			require.NoError(t, err)
			assert.Equal(t, "31m", value.String(), "the external metric")
			assert.Equal(t, want, adapter.take(), "the request for an external metric")
		})
	}
}

// TestAutoscalersReadNoOtherVersion: what no autoscaler reads is not served.
func TestAutoscalersReadNoOtherVersion(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(&metricsServer{versions: []string{"v1"}})
	defer server.Close()
	client, err := New(&rest.Config{Host: server.URL})
	require.NoError(t, err)
	_, err = client.MetricsVersion(t.Context())
	assert.EqualError(t, err, "custom.metrics.k8s.io is served in none of the versions that an autoscaler reads: v1beta2, v1beta1")
}

// TestRefusalsInProtobuf: the words of a refusal are read in the encoding that was asked for.
func TestRefusalsInProtobuf(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(&metricsServer{versions: []string{"v1beta2"}})
	defer server.Close()
	client, err := New(&rest.Config{Host: server.URL})
	require.NoError(t, err)
	_, err = Raw(t.Context(), client.Discovery().RESTClient().Get().SetHeader("Accept", AutoscalersAccept).AbsPath("/apis/elsewhere"))
	assert.True(t, apierrors.IsNotFound(err), "the kind of the error %v", err)
	assert.ErrorContains(t, err, "nobody serves /apis/elsewhere")
}

// TestProtobufIsBounded: an answer that would take more memory or time than its size lets expect is not decoded.
func TestProtobufIsBounded(t *testing.T) {
	t.Parallel()
	around := func(message []byte) []byte {
		unknown := runtime.Unknown{TypeMeta: runtime.TypeMeta{Kind: "MetricValueList", APIVersion: Group + "/v1beta2"}, Raw: message}
		text, err := unknown.Marshal()
		require.NoError(t, err)
		return append(bytes.Clone(protobufMagic), text...)
	}
	field := func(number byte, content []byte) []byte {
		length := []byte{}
		for n := len(content); ; n >>= 7 {
			if n < 0x80 {
				length = append(length, byte(n))
				break
			}
			length = append(length, byte(n)|0x80)
		}
		return append(append([]byte{number<<3 | 2}, length...), content...)
	}
	empty := bytes.Repeat([]byte{2<<3 | 2, 0}, 1<<19)
	for name, test := range map[string]struct {
		message []byte
		says    string
	}{
		"values without content":         {empty, "custom.metrics.k8s.io, through the API server answers with more than 262144 fields"},
		"the same before what is broken": {append(bytes.Clone(empty), 0xff), "more than 262144 fields"},
		"conditions of a selector":       {field(2, field(2, field(2, empty))), "more than 262144 fields"},
		"a number of many digits":        {field(2, field(5, field(1, []byte("1e-99999")))), "a number of more digits (1e-99999) than a quantity has"},
	} {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/apis/"+Group {
				fmt.Fprint(w, `{"preferredVersion":{"version":"v1beta2"}}`)
				return
			}
			w.Header().Set("Content-Type", runtime.ContentTypeProtobuf)
			w.Write(around(test.message))
		}))
		client, err := New(&rest.Config{Host: server.URL})
		require.NoError(t, err)
		_, err = client.MetricOfPods(t.Context(), "film", "", "late")
		assert.ErrorContains(t, err, test.says, name)
		server.Close()
	}
}
