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

//go:embed knock.js
var knock string

// Door is what a stranger asks for.
type Door struct {
	URL     string            `json:"url"`
	Headers map[string]string `json:"headers,omitempty"`
}

// Closed is the answer at a door to which no connection comes about.
const Closed = 0

// answer is a line of a stranger's log. k6 quotes what a script logs.
var answer = regexp.MustCompile(`msg=("answer .*") source=`)

// Knock has a pod with these labels, in a namespace of strangers, ask at each door, and returns the HTTP status of each
// answer by the door's name, [Closed] where there was none within 3 s. The pod and its namespace are of the restricted
// Pod Security Standard.
func (s *Story) Knock(namespace string, labels map[string]string, doors map[string]Door) map[string]int {
	s.Helper()
	ctx, cancel := s.Within(time.Minute)
	defer cancel()
	s.Apply(guest.Namespace(namespace))
	text, err := json.Marshal(doors)
	require.NoError(s, err)
	const script = "knock.js"
	config, err := s.Release.CoreV1().ConfigMaps(namespace).Create(ctx, &corev1.ConfigMap{
		ObjectMeta: metav1.ObjectMeta{GenerateName: "stranger-"}, Data: map[string]string{script: knock}}, metav1.CreateOptions{})
	require.NoError(s, err)
	spec, err := load.Runner(config.Name, script, []corev1.EnvVar{{Name: "DOORS", Value: string(text)}}, resource.MustParse("128Mi"))
	require.NoError(s, err)
	pods := s.Release.CoreV1().Pods(namespace)
	pod, err := pods.Create(ctx, &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: config.Name, Labels: labels}, Spec: spec}, metav1.CreateOptions{})
	require.NoError(s, err)
	require.NoError(s, wait.For(ctx, time.Minute, wait.Condition{Name: "the stranger to have asked", Unmet: func(ctx context.Context) error {
		now, err := pods.Get(ctx, pod.Name, metav1.GetOptions{})
		if err == nil && now.Status.Phase != corev1.PodSucceeded && now.Status.Phase != corev1.PodFailed {
			err = fmt.Errorf("its pod is %s", now.Status.Phase)
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
			Door, Error string
			Status      int
		}
		require.NoError(s, json.Unmarshal([]byte(line[len("answer "):]), &said))
		s.Logf("    %s: %d %s", said.Door, said.Status, said.Error)
		found[said.Door] = said.Status
	}
	require.Len(s, found, len(doors), "answers in the stranger's log:\n%s", log)
	return found
}
