package chart_test

import (
	"encoding/base64"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"helm.sh/helm/v3/pkg/action"
	"helm.sh/helm/v3/pkg/chartutil"
	"sigs.k8s.io/yaml"

	"holograph/ci/program"
	"holograph/ci/repo"
	"holograph/test/internal/chart"
)

// TestLint is `helm lint --strict` under the oldest Kubernetes that the chart takes and under
// that of the tests' cluster, for the defaults and for each example.
func TestLint(t *testing.T) {
	t.Parallel()
	directory, err := chart.Directory()
	require.NoError(t, err)
	for name, values := range renderings(t) {
		for _, version := range []string{chart.Oldest.Version(t), chart.Newest.Version(t)} {
			t.Run(name+" on "+version, func(t *testing.T) {
				t.Parallel()
				kubeVersion, err := chartutil.ParseKubeVersion(version)
				require.NoError(t, err)
				lint := action.NewLint()
				lint.Strict = true
				lint.Namespace = chart.DefaultNamespace
				lint.KubeVersion = kubeVersion
				result := lint.Run([]string{directory}, chart.Merge(values))
				assert.Equal(t, 1, result.TotalChartsLinted)
				assert.Empty(t, result.Errors)
			})
		}
	}
}

// generatedFrom begins the part of Chart.yaml that is written from other files.
const generatedFrom = "# From here on written by `make update`.\n"

// TestChartMetadata keeps what Artifact Hub shows of the chart together with what it is taken from: the icon's
// drawing, the newest section of the changelog, and the images that the values name.
func TestChartMetadata(t *testing.T) {
	t.Parallel()
	directory, err := chart.Directory()
	require.NoError(t, err)
	path := filepath.Join(directory, chartutil.ChartfileName)
	content, err := os.ReadFile(path)
	require.NoError(t, err)
	before, got, found := strings.Cut(string(content), generatedFrom)
	require.True(t, found, "%s has no line %q", path, generatedFrom)

	metadata, err := chartutil.LoadChartfile(path)
	require.NoError(t, err)
	annotations, err := yaml.Marshal(map[string]any{"annotations": map[string]string{
		"artifacthub.io/category":   "monitoring-logging",
		"artifacthub.io/changes":    asYAML(t, newestChanges(t, metadata.Version)),
		"artifacthub.io/images":     asYAML(t, artifactHubImages(t)),
		"artifacthub.io/license":    "Apache-2.0",
		"artifacthub.io/prerelease": strconv.FormatBool(strings.HasPrefix(metadata.Version, "0.")),
		// Charts that this one works with.
		"artifacthub.io/recommendations": asYAML(t, []map[string]string{
			{"url": "https://artifacthub.io/packages/helm/kedacore/keda"},
			{"url": "https://artifacthub.io/packages/helm/prometheus-community/kube-prometheus-stack"},
			{"url": "https://artifacthub.io/packages/helm/cert-manager/cert-manager"},
		}),
	}})
	require.NoError(t, err)
	want := "icon: " + iconURL(t) + "\n" + string(annotations)
	if *updateGolden {
		require.NoError(t, os.WriteFile(path, []byte(before+generatedFrom+want), 0o644))
		got = want
	}
	assert.Equal(t, want, got, "Chart.yaml is stale; run: make update")
	// Vendors call their versions v1.33.1-eks-1: without -0 those would be refused as pre-releases.
	assert.True(t, strings.HasSuffix(metadata.KubeVersion, "-0"), "kubeVersion is %s, want one that ends with -0", metadata.KubeVersion)
}

func asYAML(t *testing.T, value any) string {
	t.Helper()
	text, err := yaml.Marshal(value)
	require.NoError(t, err)
	return string(text)
}

// iconURL is the drawing of docs as a URL that holds all of it: the chart needs no place on the web.
func iconURL(t *testing.T) string {
	t.Helper()
	path, err := repo.Path("docs", "icon.svg")
	require.NoError(t, err)
	drawing, err := os.ReadFile(path)
	require.NoError(t, err)
	return "data:image/svg+xml;base64," + base64.StdEncoding.EncodeToString(drawing)
}

// artifactHubImages lists what the default values run, as Artifact Hub reads it.
func artifactHubImages(t *testing.T) []map[string]any {
	t.Helper()
	found := map[string]string{}
	var walk func(value any)
	walk = func(value any) {
		switch value := value.(type) {
		case map[string]any:
			name, named := value["name"].(string)
			image, runs := value["image"].(string)
			if named && runs {
				found[name] = image
			}
			for _, inner := range value {
				walk(inner)
			}
		case []any:
			for _, inner := range value {
				walk(inner)
			}
		}
	}
	for _, object := range chart.Render(t).Objects {
		walk(map[string]any(object))
	}
	var list []map[string]any
	for name, image := range found {
		entry := map[string]any{"name": name, "image": image}
		if strings.HasPrefix(image, "localhost/") {
			// In no registry, so that it cannot be scanned there.
			entry["whitelisted"] = true
		}
		list = append(list, entry)
	}
	slices.SortFunc(list, func(a, b map[string]any) int { return strings.Compare(a["name"].(string), b["name"].(string)) })
	require.NotEmpty(t, list)
	return list
}

// change is one line of the changelog, as Artifact Hub reads it.
type change struct {
	Kind        string `json:"kind"`
	Description string `json:"description"`
}

// changeKinds are the sections that Keep a Changelog and Artifact Hub both know.
var changeKinds = []string{"added", "changed", "deprecated", "removed", "fixed", "security"}

// newestChanges reads the changelog's newest section, which must be that of the version.
func newestChanges(t *testing.T, version string) []change {
	t.Helper()
	sections := regexp.MustCompile(`(?m)^## `).Split(string(chart.File(t, "CHANGELOG.md")), -1)
	require.Greater(t, len(sections), 1, "CHANGELOG.md has no section")
	title, body, _ := strings.Cut(sections[1], "\n")
	require.True(t, strings.HasPrefix(title, "["+version+"]"), "CHANGELOG.md begins with %q and Chart.yaml has version %s", title, version)
	var list []change
	kind := ""
	for line := range strings.Lines(body) {
		line = strings.TrimSpace(line)
		if heading, is := strings.CutPrefix(line, "### "); is {
			kind = strings.ToLower(heading)
			require.Contains(t, changeKinds, kind)
		} else if text, is := strings.CutPrefix(line, "- "); is {
			require.NotEmpty(t, kind, "%q stands under no kind of change", line)
			list = append(list, change{kind, text})
		} else {
			require.Empty(t, line, "a change is one line that begins with a dash")
		}
	}
	require.NotEmpty(t, list, "the section of %s says nothing", version)
	return list
}

// TestImagesArePinnedLikeTheirModules keeps an image's tag and the module that it can be built from together.
func TestImagesArePinnedLikeTheirModules(t *testing.T) {
	t.Parallel()
	rendered := chart.Render(t)
	for component, pinned := range map[chart.Component]program.Program{
		chart.Prometheus:        program.Prometheus,
		chart.PrometheusAdapter: program.PrometheusAdapter,
		chart.KubeStateMetrics:  program.KubeStateMetrics,
	} {
		version, err := pinned.Version()
		require.NoError(t, err)
		image := rendered.Container(t, component).Image
		assert.Equal(t, pinned.Tag(version), image[strings.LastIndex(image, ":")+1:], "%s: the chart's tag and the version in %s/go.mod", image, pinned.Folder)
	}
}
