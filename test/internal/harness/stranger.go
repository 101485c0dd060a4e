package harness

import (
	"context"
	_ "embed"
	"encoding/json"
	"fmt"
	"regexp"
	"strconv"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"holograph/test/internal/guest"
	"holograph/test/internal/load"
	"holograph/test/internal/wait"
)

//go:embed requests.js
var requests string

// Endpoint is what a pod of another namespace requests.
type Endpoint struct {
	URL     string            `json:"url"`
	Headers map[string]string `json:"headers,omitempty"`
}

// NoConnection is the status of an endpoint to which the pod could not connect.
const NoConnection = 0

// answer matches a line of the pod's log. k6 quotes what a script logs.
var answer = regexp.MustCompile(`msg=("answer .*") source=`)

// RequestFrom runs a pod with these labels in the namespace, which requests each endpoint once. It returns the HTTP status
// of each answer by the endpoint's name, or [NoConnection] where there was no answer within 3 s. The pod and its namespace
// are of the restricted Pod Security Standard.
func (s *Story) RequestFrom(namespace string, labels map[string]string, endpoints map[string]Endpoint) map[string]int {
	s.Helper()
	ctx, cancel := s.Within(time.Minute)
	defer cancel()
	s.Apply(guest.Namespace(namespace))
	text, err := json.Marshal(endpoints)
	require.NoError(s, err)
	const script = "requests.js"
	config, err := s.Release.CoreV1().ConfigMaps(namespace).Create(ctx, &corev1.ConfigMap{
		ObjectMeta: metav1.ObjectMeta{GenerateName: "stranger-"}, Data: map[string]string{script: requests}}, metav1.CreateOptions{})
	require.NoError(s, err)
	spec, err := load.Runner(config.Name, script, []corev1.EnvVar{{Name: "ENDPOINTS", Value: string(text)}}, resource.MustParse("128Mi"))
	require.NoError(s, err)
	pods := s.Release.CoreV1().Pods(namespace)
	pod, err := pods.Create(ctx, &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: config.Name, Labels: labels}, Spec: spec}, metav1.CreateOptions{})
	require.NoError(s, err)
	require.NoError(s, wait.For(ctx, time.Minute, wait.Condition{Name: "the stranger's pod to end", Unmet: func(ctx context.Context) error {
		now, err := pods.Get(ctx, pod.Name, metav1.GetOptions{})
		if err == nil && now.Status.Phase != corev1.PodSucceeded && now.Status.Phase != corev1.PodFailed {
			err = fmt.Errorf("it is %s", now.Status.Phase)
		}
		return err
	}}))
	log, err := pods.GetLogs(pod.Name, &corev1.PodLogOptions{}).DoRaw(ctx)
	require.NoError(s, err)
	found := map[string]int{}
	for _, match := range answer.FindAllSubmatch(log, -1) {
		line, err := strconv.Unquote(string(match[1]))
		require.NoError(s, err)
		var said struct {
			Endpoint, Error string
			Status          int
		}
		require.NoError(s, json.Unmarshal([]byte(line[len("answer "):]), &said))
		s.Logf("    %s: %d %s", said.Endpoint, said.Status, said.Error)
		found[said.Endpoint] = said.Status
	}
	require.Len(s, found, len(endpoints), "answers in the stranger's log:\n%s", log)
	return found
}
