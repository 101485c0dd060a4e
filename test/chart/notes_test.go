package chart_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"sigs.k8s.io/yaml"

	"holograph/test/internal/chart"
)

// TestNotesPrintTheAdapterRules: the notes print the same rules that the chart's own adapter gets.
func TestNotesPrintTheAdapterRules(t *testing.T) {
	t.Parallel()
	for name, values := range map[string]chart.Values{"with demand": {}, "without demand": chart.Set("signals.demand.enabled", false)} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			want := chart.Render(t, values).AdapterConfig(t).Rules
			notes := chart.Render(t, values, chart.Set("prometheusAdapter.enabled", false)).Notes
			_, text, found := strings.Cut(notes, "it reads its rules only when it starts:\n")
			require.True(t, found, "the notes do not print the rules for an adapter:\n%s", notes)
			var printed chart.AdapterConfig
			require.NoError(t, yaml.UnmarshalStrict([]byte("rules:\n"+text), &printed))
			assert.Equal(t, want, printed.Rules)
		})
	}
}

// TestNotesNameAMissingCPULimit: without one, every pod of the reference renderer reports the cores of its whole node.
func TestNotesNameAMissingCPULimit(t *testing.T) {
	t.Parallel()
	const note = "renderer.resources.limits.cpu is empty"
	for values, want := range map[string]bool{
		`{}`: false,
		`{renderer: {resources: {limits: {cpu: null}}}}`:                                                         true,
		`{renderer: {resources: {limits: null}}}`:                                                                true,
		`{renderer: {resources: {limits: {cpu: null}}}, signals: {demand: {enabled: false}}}`:                    false,
		`{renderer: {resources: {limits: {cpu: null}}}, signals: {demand: {capacity: {value: "1"}}}}`:            false,
		`{renderer: {resources: {limits: {cpu: null}}}, signals: {demand: {capacity: {metric: renderer_gpus}}}}`: false,
	} {
		assert.Equal(t, want, strings.Contains(chart.Render(t, chart.Parse(t, values)).Notes, note), "whether the notes miss a CPU limit, with %s", values)
	}
}

// TestNotesNameACertificateOnlyWhereAnAdapterServesWithIt: where no adapter is installed, the notes ask for no certificate.
func TestNotesNameACertificateOnlyWhereAnAdapterServesWithIt(t *testing.T) {
	t.Parallel()
	const certificate = "holograph-prometheus-adapter-certificate"
	assert.Contains(t, chart.Render(t).Notes, certificate, "notes of the defaults, which generate a certificate")
	for name, values := range map[string]chart.Values{
		"KEDA scales":        chart.Example(t, "keda"),
		"nothing scales":     chart.Set("autoscaling.enabled", false),
		"an adapter is used": chart.Example(t, "existing-adapter"),
	} {
		assert.NotContains(t, chart.Render(t, values).Notes, certificate, "notes where %s: want no word on a certificate, because no adapter is installed", name)
	}
}

// TestNotesOfADefaultInstallation: the notes say what was installed, with which commands to look at it, and what is still to be done,
// and nothing else.
func TestNotesOfADefaultInstallation(t *testing.T) {
	t.Parallel()
	notes := chart.Render(t).Notes
	first, _, _ := strings.Cut(notes, "\n")
	assert.Equal(t, "holograph 0.1.0: holograph-renderer in namespace holograph scales to 0.1 late frames per second and pod and a demand of 0.75, with 2 to 10 pods.", first,
		"the first line of the notes: what was installed")
	var commands, todo []string
	for line := range strings.Lines(notes) {
		line = strings.TrimSpace(line)
		switch {
		case strings.HasPrefix(line, "kubectl "), strings.HasPrefix(line, "helm "):
			commands = append(commands, line)
		case strings.HasPrefix(line, "NOTE: "):
			todo = append(todo, line)
		}
	}
	assert.Equal(t, []string{
		`kubectl get --raw "/apis/custom.metrics.k8s.io/v1beta2/namespaces/holograph/pods/*/holograph_frames_over_budget_total"`,
		`kubectl get --raw "/apis/custom.metrics.k8s.io/v1beta2/namespaces/holograph/pods/*/holograph_demand"`,
		`kubectl --namespace holograph get horizontalpodautoscaler holograph-renderer --watch`,
		`kubectl --namespace holograph port-forward service/holograph-prometheus 9090:9090`,
		`kubectl --namespace holograph get secret holograph-prometheus-login --output go-template='{{.data.username | base64decode}} {{.data.password | base64decode}}{{"\n"}}'`,
		`helm test holograph --namespace holograph`,
	}, commands, "the commands of the notes: the value of each metric, the decisions of the autoscaler, the status page, the login for it, and the doctor")
	for _, text := range []string{
		"Watch it:",
		"# The metrics of the autoscaler. Each has a value 2m after the first start.",
		"# The decisions of the autoscaler.",
		"# The status page: http://localhost:9090/consoles/holograph.html while this runs.",
		"# The name and the password for it.",
		"If it does not scale, this names the first broken link, and what to do:",
	} {
		assert.Contains(t, notes, text, "the notes say what each command is for")
	}
	require.Len(t, todo, 5, "what the notes of a default installation leave to do")
	for i, want := range []string{
		"NOTE: for the renderer: localhost/holograph-renderer:0.1.0 is in no registry. Build it with `make images` and load it into every node, or write your own under renderer.image.",
		"NOTE: for `helm test`: localhost/holograph-doctor:0.1.0 is in no registry. Build it with `make images` and load it into every node, or run the doctor from a checkout: go run ./test/doctor --release holograph --namespace holograph",
		"NOTE: Prometheus has a new password, in the Secret holograph-prometheus-login. `helm upgrade` finds and keeps it. Tools that render without access to the cluster (Argo CD, helm template) generate another password each time: " +
			"with them, write the name of your own Secret in prometheus.auth.basicAuth.existingSecret.",
		"NOTE: nobody is told of alerts, because Prometheus knows no Alertmanager: they are on the status page only. " +
			"Write yours in prometheus.alertmanagers, like --set prometheus.alertmanagers[0].url=http://alertmanager.monitoring.svc:9093.",
		"NOTE: the adapter has a new certificate, in the Secret holograph-prometheus-adapter-certificate. `helm upgrade` finds and keeps it. Tools that render without access to the cluster (Argo CD, helm template) generate another certificate each time: " +
			"with them, set prometheusAdapter.certificate.certManager.enabled to true, or write the name of your own Secret in prometheusAdapter.certificate.existingSecret.",
	} {
		assert.Equal(t, want, todo[i], "what is to be done after a default installation")
	}
}
