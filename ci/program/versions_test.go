package program

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/mod/semver"

	"holograph/ci/repo"
)

var update = flag.Bool("update", false, "rewrite docs/versions.md from the go.mod files")

// The table of versions in the docs says what the go.mod files pin.
func TestVersionsTable(t *testing.T) {
	var table strings.Builder
	table.WriteString("# Versions\n\nEvery foreign program, the Go module that it is built from, and the file that pins it.\n" +
		"`make update` writes this page.\n\n| program | module | version | pinned in |\n|---|---|---|---|\n")
	all, err := All()
	require.NoError(t, err)
	for _, p := range all {
		pinned, err := p.Module()
		require.NoError(t, err)
		folder := strings.TrimPrefix(p.Folder+"/", "/")
		fmt.Fprintf(&table, "| %s | %s | %s | [%[4]sgo.mod](../%[4]sgo.mod) |\n", p.Name, pinned.Path, pinned.Version, folder)
	}
	path, err := repo.Path("docs", "versions.md")
	require.NoError(t, err)
	if *update {
		require.NoError(t, os.WriteFile(path, []byte(table.String()), 0o644))
	}
	got, err := os.ReadFile(path)
	require.NoError(t, err)
	assert.Equal(t, table.String(), string(got), "docs/versions.md is stale; run: make update")
}

func TestKeyFollowsTheRecipe(t *testing.T) {
	base, err := Runc.Key()
	require.NoError(t, err)
	for title, change := range map[string]func(*Program){
		"tags":        func(p *Program) { p.Tags = "" },
		"flags":       func(p *Program) { p.LDFlags = "" },
		"C":           func(p *Program) { p.CGO = false },
		"binary name": func(p *Program) { p.Renamed = "other" },
		"module":      func(p *Program) { p.Folder = "ci/modules/etcd" },
	} {
		changed := Runc
		change(&changed)
		key, err := changed.Key()
		require.NoError(t, err)
		assert.NotEqual(t, base, key, title)
	}
	own, err := Renderer.Key()
	require.NoError(t, err)
	other := Renderer
	other.Own = "./test/doctor"
	key, err := other.Key()
	require.NoError(t, err)
	assert.NotEqual(t, own, key, "sources")
}

// The node image and the charts' images are made of binaries by name, so what go.mod gives is
// spelled out here where it is not simply the name of the program.
func TestPackagesAreTheToolsOfTheGoMod(t *testing.T) {
	for _, c := range []struct {
		program  Program
		packages map[string]string
		module   string
	}{
		{KubeStateMetrics, map[string]string{"kube-state-metrics": "k8s.io/kube-state-metrics/v2"}, "k8s.io/kube-state-metrics/v2"},
		{Etcd, map[string]string{"etcd": "go.etcd.io/etcd/server/v3"}, "go.etcd.io/etcd/server/v3"},
		{Prometheus, map[string]string{
			"prometheus": "github.com/prometheus/prometheus/cmd/prometheus",
			"promtool":   "github.com/prometheus/prometheus/cmd/promtool",
		}, "github.com/prometheus/prometheus"},
		{Helm, map[string]string{"helm": "helm.sh/helm/v3/cmd/helm"}, "helm.sh/helm/v3"},
		{Kind, map[string]string{"kind": "sigs.k8s.io/kind"}, "sigs.k8s.io/kind"},
		{KubernetesOldest, map[string]string{}, "k8s.io/kubernetes"},
		{Karpenter, map[string]string{"karpenter": "sigs.k8s.io/karpenter/kwok"}, "sigs.k8s.io/karpenter"},
		{Renderer, map[string]string{"renderer": "./test/renderer"}, ""},
	} {
		packages, err := c.program.Packages()
		require.NoError(t, err)
		assert.Equal(t, c.packages, packages, c.program.Name)
		pinned, err := c.program.Module()
		require.NoError(t, err)
		assert.Equal(t, c.module, pinned.Path, c.program.Name)
	}
}

// A binary that is older than its sources would be used for good.
func TestSourcesAreAllThatIsCompiled(t *testing.T) {
	root := t.TempDir()
	for file, content := range map[string]string{
		"go.mod":            "module example.com/m\n\ngo 1.26.0\n\nrequire example.com/absent v1.0.0\n",
		"cmd/main.go":       "package main\n\nimport (\n\t_ \"example.com/absent\"\n\t\"example.com/m/text\"\n)\n\nfunc main() { println(text.Text) }\n",
		"cmd/main_test.go":  "package main\n",
		"cmd/main_plan9.go": "package main\n",
		"text/text.go":      "package text\n\nimport _ \"embed\"\n\n//go:embed text.txt\nvar Text string\n",
		"text/text.txt":     "Hello\n",
		"unused/unused.go":  "package unused\n",
	} {
		path := filepath.Join(root, file)
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
		require.NoError(t, os.WriteFile(path, []byte(content), 0o600))
	}
	files, err := sources(root, "./cmd")
	require.NoError(t, err)
	assert.Equal(t, []string{"cmd/main.go", "text/text.go", "text/text.txt"}, files)

	_, err = sources(root, "./gone")
	assert.EqualError(t, err, "./gone has no Go files")
}

func TestTagsAndModuleVersions(t *testing.T) {
	for _, c := range []struct {
		program     Program
		module, tag string
	}{
		{Prometheus, "v0.314.0", "v3.14.0"},
		{Prometheus, "v0.309.1", "v3.9.1"},
		{Prometheus, "v0.400.0-rc.1", "v4.0.0-rc.1"},
		{PrometheusAdapter, "v0.12.0", "v0.12.0"},
		{KubeStateMetrics, "v2.18.0", "v2.18.0"},
	} {
		assert.Equal(t, c.tag, c.program.Tag(c.module))
		assert.Equal(t, c.module, c.program.ModuleVersion(c.tag))
	}
	assert.Equal(t, "v0.314.0", Prometheus.ModuleVersion("v0.314.0"))
	assert.Equal(t, "latest", Prometheus.ModuleVersion("latest"))
}

// The simulator and the parser must have the versions of the clusters and of the chart's Prometheus. Other versions
// would give other results.
func TestTestsHaveTheVersionsThatRun(t *testing.T) {
	required, err := repo.Required("test/sim")
	require.NoError(t, err)
	versions := map[string]string{}
	for _, r := range required {
		versions[r.Path] = r.Version
	}
	for _, p := range []Program{Prometheus, PrometheusAdapter, Kubernetes, Helm} {
		pinned, err := p.Module()
		require.NoError(t, err)
		assert.Equal(t, pinned.Version, versions[pinned.Path],
			"test/sim/go.mod requires another %s than %s; run: make bump PROGRAM=%s VERSION=...", pinned.Path, filepath.Join(p.Folder, "go.mod"), p.Name)
	}
	// The tests parse the chart's expressions with Prometheus' own parser.
	own, err := repo.Required(".")
	require.NoError(t, err)
	prometheus, err := Prometheus.Module()
	require.NoError(t, err)
	assert.Contains(t, own, prometheus, "go.mod requires another %s than the chart runs; run: make bump PROGRAM=%s VERSION=...", prometheus.Path, Prometheus.Name)

	kubernetes, err := Kubernetes.Version()
	require.NoError(t, err)
	for _, library := range []string{"k8s.io/api", "k8s.io/apimachinery", "k8s.io/client-go"} {
		// Patches come from the root's go.mod, which the simulator requires.
		assert.Equal(t, "v0"+strings.TrimPrefix(semver.MajorMinor(kubernetes), "v1"), semver.MajorMinor(versions[library]),
			"test/sim/go.mod requires a %s that is not of Kubernetes %s", library, kubernetes)
	}
}
