package main

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"

	"holograph/test/doctor/deletioncost"
	"holograph/test/doctor/description"
	"holograph/test/doctor/report"
	"holograph/test/internal/chart"
)

var update = flag.Bool("update", false, "write golden files anew from what the doctor prints")

// doctor runs the program as a person does, on a cluster.
func doctor(t *testing.T, c *cluster, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, err bytes.Buffer
	code = run(t.Context(), append([]string{"--kubeconfig", c.serve(t)}, args...), &out, &err)
	return code, out.String(), err.String()
}

// The text and the JSON of a healthy and of a broken release are as in the golden files.
func TestGolden(t *testing.T) {
	t.Parallel()
	broken := healthy(t, "")
	faults["target down"].wrong(t, broken)
	for name, test := range map[string]struct {
		cluster *cluster
		output  string
		code    int
	}{
		"healthy.txt":  {healthy(t, ""), "text", exitHealthy},
		"healthy.json": {healthy(t, ""), "json", exitHealthy},
		"broken.txt":   {broken, "text", exitBroken},
		"broken.json":  {broken, "json", exitBroken},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			code, got, stderr := doctor(t, test.cluster, "--output", test.output)
			assert.Equal(t, test.code, code)
			assert.Empty(t, stderr)
			file := filepath.Join("testdata", name)
			if *update {
				require.NoError(t, os.MkdirAll("testdata", 0o755))
				require.NoError(t, os.WriteFile(file, []byte(got), 0o644))
			}
			want, err := os.ReadFile(file)
			require.NoError(t, err, "write it with `go test ./test/doctor -update`")
			assert.Equal(t, string(want), got, "if the change is meant, run `go test ./test/doctor -update`")
		})
	}
}

// JSON says what the text says.
func TestJSON(t *testing.T) {
	t.Parallel()
	c := healthy(t, "")
	faults["no HPA"].wrong(t, c)
	code, text, _ := doctor(t, c, "--output", "json")
	assert.Equal(t, exitBroken, code)
	var found report.Report
	decoder := json.NewDecoder(strings.NewReader(text))
	decoder.DisallowUnknownFields()
	require.NoError(t, decoder.Decode(&found))
	faults["no HPA"].found(t, found)
	assert.Equal(t, chart.DefaultRelease, found.Release)
	assert.Equal(t, namespace, found.Namespace, "from the kubeconfig")
}

// A release with less than the defaults has fewer links.
func TestLinksOfARelease(t *testing.T) {
	t.Parallel()
	all := []string{"description", "renderer-pods", "renderer-metrics", "prometheus", "targets", "series",
		"adapter-rule", "adapter-pods", "api-service", "discovery", "values", "autoscaler", "headroom"}
	for title, test := range map[string]struct {
		values string
		want   []string
	}{
		"by default":                     {"", all},
		"one signal":                     {"signals: {demand: {enabled: false}}", all},
		"without autoscaler":             {"autoscaling: {enabled: false}", all[:6]},
		"without autoscaler, for others": {"{autoscaling: {enabled: false}, servedNamespaces: [film]}", all[:11]},
		"alone": {`{autoscaling: {enabled: false}, prometheus: {enabled: false}, prometheusAdapter: {enabled: false}, kubeStateMetrics: {enabled: false}}`,
			all[:3]},
	} {
		t.Run(title, func(t *testing.T) {
			t.Parallel()
			found := examine(t, healthy(t, test.values))
			assert.True(t, found.Healthy, found.Text())
			var names []string
			for _, link := range found.Links {
				names = append(names, link.Name)
			}
			assert.Equal(t, test.want, names)
		})
	}
}

// Custom metrics are asked for in the version that the autoscaler uses: the one that discovery prefers, or the first that
// it reads. The fake API server answers under no other.
func TestVersionsAreDiscovered(t *testing.T) {
	t.Parallel()
	for _, versions := range [][]string{{"v1beta1"}, {"v1beta2", "v1beta1"}, {"v1", "v1beta2"}} {
		c := healthy(t, "")
		c.versions = versions
		found := examine(t, c)
		assert.True(t, found.Healthy, found.Text())
		assert.Contains(t, found.Text(), "custom.metrics.k8s.io/"+c.served()+" lists")
	}
}

// TestDeletionCostsAreWrittenInTheCluster: elsewhere the command ends with the reason, as it does without its configuration.
func TestDeletionCostsAreWrittenInTheCluster(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), deletioncost.File)
	for _, test := range []struct{ config, says string }{
		{"", "no such file"},
		{"namespaces: [holograph]", "unknown field"},
		{"namespace: holograph", "in-cluster configuration"},
	} {
		if test.config != "" {
			require.NoError(t, os.WriteFile(file, []byte(test.config), 0o600))
		}
		var stderr strings.Builder
		assert.Equal(t, exitCouldNotLook, run(t.Context(), []string{"deletion-cost", "--config=" + file}, io.Discard, &stderr), "the exit code with the configuration %q", test.config)
		assert.Contains(t, stderr.String(), test.says)
	}
	var stderr strings.Builder
	assert.Equal(t, exitUsage, run(t.Context(), []string{"deletion-cost", "holograph"}, io.Discard, &stderr))
	assert.Contains(t, stderr.String(), `"holograph" is not expected; write --config`)
}

func TestWrongUsage(t *testing.T) {
	t.Parallel()
	for title, test := range map[string]struct {
		args    []string
		message string
	}{
		"unknown flag":     {[]string{"--verbose"}, "flag provided but not defined: -verbose"},
		"argument":         {[]string{"holograph"}, `"holograph" is not expected; name the release with --release`},
		"no release":       {[]string{"--release="}, "--release is empty; write Helm's name for the release"},
		"unknown output":   {[]string{"--output=yaml"}, `--output "yaml" is not known; write text or json`},
		"negative wait":    {[]string{"--wait=-1s"}, "--wait -1s is below zero; write a duration like 2m"},
		"no such context":  {[]string{"--context=other"}, `--context "other" is not in the kubeconfig`},
		"login":            {[]string{"http://admin:S3CR3T@prometheus.example"}, `"http://[redacted]@prometheus.example" is not expected`},
		"wait of no units": {[]string{"--wait=2"}, "invalid value"},
	} {
		t.Run(title, func(t *testing.T) {
			t.Parallel()
			code, stdout, stderr := doctor(t, &cluster{}, test.args...)
			assert.Equal(t, exitUsage, code)
			assert.Empty(t, stdout)
			assert.Contains(t, stderr, test.message)
		})
	}
}

// If the cluster cannot be asked, nothing is known about the release. A program must be able to
// tell that from a broken release.
func TestCouldNotLook(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	write := func(name, text string) string {
		file := filepath.Join(folder, name)
		require.NoError(t, os.WriteFile(file, []byte(text), 0o600))
		return file
	}
	const config = `{apiVersion: v1, kind: Config, current-context: a, contexts: [{name: a, context: {cluster: a, user: a}}], users: [{name: a, user: {token: S3CR3T-token}}], clusters: [{name: a, cluster: {%s}}]}`
	for title, test := range map[string]struct{ kubeconfig, says string }{
		"no kubeconfig":       {"/nowhere", "/nowhere: no such file or directory"},
		"a folder":            {folder, "is a directory"},
		"a device":            {"/dev/zero", "/dev/zero is a device and no file"},
		"a large file":        {write("large", strings.Repeat(" ", 2<<20)), "holds more than 1 MiB"},
		"garbage":             {write("garbage", "\x00\xff{{{"), "error loading config file"},
		"nobody there":        {write("away", fmt.Sprintf(config, `server: "http://admin:S3CR3T-word@127.0.0.1:1"`)), "the API server is not reached: dial tcp 127.0.0.1:1: connect: connection refused"},
		"a proxy of no kind":  {write("proxy", fmt.Sprintf(config, `server: "http://127.0.0.1:1", proxy-url: "ftp://admin:S3CR3T-word@127.0.0.1:1"`)), "ftp"},
		"a server that is no": {write("server", fmt.Sprintf(config, `server: "http://admin:S3CR3T-word@["`)), "host"},
	} {
		t.Run(title, func(t *testing.T) {
			t.Parallel()
			for _, output := range []string{"text", "json"} {
				var out, err bytes.Buffer
				code := run(t.Context(), []string{"--kubeconfig", test.kubeconfig, "--namespace", namespace, "--output", output}, &out, &err)
				assert.Equal(t, exitCouldNotLook, code)
				assert.Empty(t, err.String())
				assert.Contains(t, out.String(), "could not look")
				assert.Contains(t, out.String(), test.says)
				assert.NotContains(t, out.String(), "S3CR3T")
			}
		})
	}
}

func TestHelpAndVersion(t *testing.T) {
	t.Parallel()
	code, _, stderr := doctor(t, &cluster{}, "--help")
	assert.Equal(t, exitHealthy, code)
	assert.Contains(t, stderr, "-release name")
	code, stdout, _ := doctor(t, &cluster{}, "--version")
	assert.Equal(t, exitHealthy, code)
	assert.Equal(t, "dev\n", stdout)
}

// In the cluster the description is a mounted file, so that the pod need not read
// ConfigMaps; a laptop may name a Prometheus of its own way.
func TestPathAndPrometheusAreNamed(t *testing.T) {
	t.Parallel()
	c := healthy(t, "prometheus: {enabled: false, url: http://out-of-reach.example}")
	file := filepath.Join(t.TempDir(), description.File)
	require.NoError(t, os.WriteFile(file, []byte(c.configMap("holograph-doctor").Data[description.File]), 0o644))
	c.forbidden["/configmaps$"] = "nobody lists ConfigMaps here"
	code, stdout, stderr := doctor(t, c, "--path", file, "--prometheus", "http://holograph-prometheus.holograph.svc:9090")
	assert.Equal(t, exitHealthy, code, stdout+stderr)
	assert.Contains(t, stdout, "http://holograph-prometheus.holograph.svc:9090 answers")

	code, stdout, _ = doctor(t, c, "--path", file+".missing")
	assert.Equal(t, exitCouldNotLook, code)
	assert.Contains(t, stdout, "The link description could not be looked at, so nobody knows whether it holds.")
	assert.Contains(t, stdout, "no such file or directory")
}

// With --wait, a link that is fixed by itself in time is no failure.
func TestWait(t *testing.T) {
	t.Parallel()
	c := healthy(t, "")
	faults["starting"].wrong(t, c)
	s := settings{release: chart.DefaultRelease, wait: time.Minute}
	client := c.client(t)
	time.AfterFunc(interval/2, func() {
		c.mutex.Lock()
		defer c.mutex.Unlock()
		c.deployments["holograph-renderer"].Status.ReadyReplicas++
		c.pod("holograph-renderer-0").Status.Conditions[0].Status = corev1.ConditionTrue
	})
	found := s.examine(t.Context(), client, namespace)
	assert.True(t, found.Healthy, found.Text())
}

// The program runs in the chart's pods: packages that only tests need would make its image
// larger and give it vulnerabilities.
func TestImports(t *testing.T) {
	t.Parallel()
	out, err := exec.Command("go", "list", "-deps", ".").Output()
	require.NoError(t, err)
	imports := strings.Fields(string(out))
	assert.Contains(t, imports, "holograph/test/internal/kube")
	for _, imported := range imports {
		for _, unwanted := range []string{"testing", "github.com/gruntwork-io/", "github.com/stretchr/", "helm.sh/", "holograph/"} {
			found := imported == unwanted || strings.HasSuffix(unwanted, "/") && strings.HasPrefix(imported, unwanted)
			own := strings.HasPrefix(imported, "holograph/test/doctor") || imported == "holograph/test/internal/kube" || imported == "holograph/test/internal/listen"
			assert.False(t, found && !own, "the doctor imports %s", imported)
		}
	}
}
