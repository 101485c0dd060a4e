package load

import (
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"

	"holograph/test/internal/podsecurity"
)

func TestJob(t *testing.T) {
	job, err := Job("frames", "spike", "http://holograph-renderer:8080/", spike)
	require.NoError(t, err)
	config := ConfigMap("frames", "spike")

	assert.Equal(t, "frames", job.Namespace)
	assert.Equal(t, "spike", job.Name)
	assert.Equal(t, job.Labels, job.Spec.Template.Labels)
	assert.Equal(t, job.Labels, config.Labels)
	assert.Equal(t, "k6", job.Labels["app.kubernetes.io/name"])
	assert.Equal(t, "load", job.Labels["app.kubernetes.io/component"])
	assert.Zero(t, *job.Spec.BackoffLimit, "further attempts of the Job: each would be a load of its own")
	assert.EqualValues(t, 230+2+120, *job.Spec.ActiveDeadlineSeconds)

	pod := job.Spec.Template.Spec
	assert.Equal(t, config.Name, pod.Volumes[0].ConfigMap.Name)
	container := pod.Containers[0]
	mount := container.VolumeMounts[0]
	assert.Equal(t, pod.Volumes[0].Name, mount.Name)
	path := container.Args[len(container.Args)-1]
	assert.Equal(t, script, config.Data[strings.TrimPrefix(path, mount.MountPath+"/")], "content of the ConfigMap at the path that k6 runs")
	assert.Equal(t, []string{"/usr/bin/k6"}, container.Command)
	assert.EqualValues(t, (128+101/2)<<20, container.Resources.Limits.Memory().Value())

	values := environment(container)
	assert.Equal(t, "http://holograph-renderer:8080", values["FRAMES_URL"])
	assert.Equal(t, "250", values["FRAMES_BUDGET_MS"])
	assert.Equal(t, "2000", values["FRAMES_TIMEOUT_MS"])
	assert.Equal(t, "101", values["FRAMES_VUS"])
	assert.Equal(t, `[{"target":2,"duration":"0ms"},{"target":2,"duration":"20000ms"},{"target":40,"duration":"0ms"},`+
		`{"target":40,"duration":"180000ms"},{"target":2,"duration":"0ms"},{"target":2,"duration":"30000ms"}]`, values["FRAMES_STAGES"])
}

func TestJobMeetsTheRestrictedPodSecurityStandard(t *testing.T) {
	job, err := Job("frames", "spike", "http://holograph-renderer:8080", spike)
	require.NoError(t, err)
	podsecurity.AssertRestricted(t, "the load's pod", &job.Spec.Template.ObjectMeta, &job.Spec.Template.Spec)
	assert.True(t, *job.Spec.Template.Spec.Containers[0].SecurityContext.ReadOnlyRootFilesystem, "k6 can write to its root file system")
	assert.False(t, *job.Spec.Template.Spec.AutomountServiceAccountToken, "the load gets a token of the Kubernetes API, which it does not call")
}

func TestJobRefusesWrongInput(t *testing.T) {
	for _, address := range []string{"", "holograph-renderer:8080", "ftp://holograph-renderer", "http://"} {
		_, err := Job("frames", "spike", address, spike)
		assert.ErrorContains(t, err, "write one such as http://holograph-renderer:8080")
	}
	_, err := Job("frames", "spike", "http://holograph-renderer:8080", Profile{})
	assert.ErrorContains(t, err, "the load offers no frame")
}

// The script and the Go code share names. Without this test, a name that is changed on one side would fail only on a cluster.
func TestTheScriptAndTheJobAgree(t *testing.T) {
	job, err := Job("frames", "spike", "http://holograph-renderer:8080", spike)
	require.NoError(t, err)
	var read, set []string
	for _, match := range regexp.MustCompile(`'(FRAMES_[A-Z_]+)'`).FindAllStringSubmatch(script, -1) {
		read = append(read, match[1])
	}
	for name := range maps.Keys(environment(job.Spec.Template.Spec.Containers[0])) {
		if strings.HasPrefix(name, "FRAMES_") {
			set = append(set, name)
		}
	}
	slices.Sort(read)
	slices.Sort(set)
	assert.Equal(t, read, set, "variables that the Job sets, want those that the script reads")
	assert.True(t, strings.Contains(script, "`"+summaryPrefix+" ${JSON.stringify(summary)}\\n`"), "the script's summary lacks the prefix %q", summaryPrefix)
	for _, match := range regexp.MustCompile(`"([a-z_]+)":`).FindAllStringSubmatch(counts, -1) {
		if match[1] != "max" {
			assert.True(t, strings.Contains(script, "    "+match[1]+": "), "the script's summary lacks the key %s", match[1])
		}
	}
}

func environment(container corev1.Container) map[string]string {
	values := map[string]string{}
	for _, variable := range container.Env {
		values[variable.Name] = variable.Value
	}
	return values
}
