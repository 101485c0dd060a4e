package chart_test

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/util/intstr"
	"sigs.k8s.io/yaml"

	"holograph/ci/repo"
	"holograph/test/internal/chart"
)

// page reads a page of docs.
func page(t *testing.T, name string) string {
	t.Helper()
	path, err := repo.Path("docs", name)
	require.NoError(t, err)
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	return string(text)
}

// rows returns the rows of the table whose header begins with these cells, without backquotes.
func rows(t *testing.T, text string, header ...string) [][]string {
	t.Helper()
	_, table, found := strings.Cut(text, "\n| "+strings.Join(header, " | ")+" |")
	require.True(t, found, "the page has no table with the columns %v", header)
	var all [][]string
	for i, line := range strings.Split(table, "\n") {
		if i < 2 {
			continue // the rest of the header, and the rule below it
		}
		if !strings.HasPrefix(line, "|") {
			break
		}
		var cells []string
		for cell := range strings.SplitSeq(strings.Trim(line, "|"), "|") {
			cells = append(cells, strings.ReplaceAll(strings.TrimSpace(cell), "`", ""))
		}
		all = append(all, cells)
	}
	require.NotEmpty(t, all)
	return all
}

// outside lists the objects that are not in the release's namespace: kind, name, namespace or "-".
func outside(rendered *chart.Rendered) []string {
	var found []string
	for _, object := range rendered.Objects {
		if object.Namespace() != chart.DefaultNamespace {
			found = append(found, fmt.Sprint(object.Kind(), " ", object.Name(), " ", namespaceOrDash(object)))
		}
	}
	return found
}

func namespaceOrDash(object chart.Object) string {
	if object.Namespace() == "" {
		return "-"
	}
	return object.Namespace()
}

// TestPermissionsPageListsWhatNeedsClusterRights: the page has exactly the objects outside the namespace that are
// rendered, so that nobody finds another one while installing.
func TestPermissionsPageListsWhatNeedsClusterRights(t *testing.T) {
	t.Parallel()
	text := page(t, "permissions.md")
	var listed []string
	for _, row := range rows(t, text, "kind", "name", "namespace", "why") {
		listed = append(listed, strings.Join(row[:3], " "))
		assert.NotEmpty(t, row[3], "the reason of %s", row[1])
	}
	assert.ElementsMatch(t, outside(chart.Render(t)), listed, "the objects outside the namespace that docs/permissions.md lists")

	without := map[string]chart.Values{
		"prometheusAdapter.enabled: false":                          chart.Set("prometheusAdapter.enabled", false),
		"[values-examples/keda.yaml](../values-examples/keda.yaml)": chart.Example(t, "keda"),
	}
	for _, row := range rows(t, text, "values", "who serves the metrics", "objects outside the namespace") {
		require.Contains(t, without, row[0], "values that do without cluster rights: the test renders no such row")
		assert.Empty(t, outside(chart.Render(t, without[row[0]])), "%s: objects outside the namespace, of which the page says there are none", row[0])
		delete(without, row[0])
	}
	assert.Empty(t, without, "values that the page does not list")

	adding := map[string]chart.Values{
		"servedNamespaces":                     chart.Parse(t, "servedNamespaces: [elsewhere]"),
		"prometheusAdapter.existing.namespace": chart.Parse(t, "prometheusAdapter: {enabled: false, existing: {namespace: elsewhere}}"),
		"dashboard.namespace":                  chart.Parse(t, "dashboard: {enabled: true, namespace: elsewhere}"),
		"warmCapacity.placeholders.pods":       chart.Set("warmCapacity.placeholders.pods", 2),
	}
	always := outside(chart.Render(t))
	for _, row := range rows(t, text, "value", "kinds", "in the namespace") {
		require.Contains(t, adding, row[0])
		kinds := []string{}
		for _, object := range outside(chart.Render(t, adding[row[0]])) {
			kind, _, _ := strings.Cut(object, " ")
			if !slices.Contains(always, object) && !slices.Contains(kinds, kind) {
				kinds = append(kinds, kind)
			}
		}
		assert.ElementsMatch(t, strings.Split(row[1], ", "), kinds, "the kinds of objects that %s adds elsewhere", row[0])
		delete(adding, row[0])
	}
	assert.Empty(t, adding, "values that the page does not list")
}

// TestPermissionsPageListsTheKinds: anyone who writes a Role for `helm install` reads the kinds there.
func TestPermissionsPageListsTheKinds(t *testing.T) {
	t.Parallel()
	_, sentence, found := strings.Cut(page(t, "permissions.md"), "change and delete: ")
	require.True(t, found, "docs/permissions.md does not say what Helm must be able to change and delete")
	always, some, found := strings.Cut(sentence, ". Some values add ")
	require.True(t, found, "docs/permissions.md does not say which kinds some values add: %s", sentence)
	some, _, _ = strings.Cut(some, ".")
	words := regexp.MustCompile(`[A-Z]\w+`)
	kinds := func(values ...chart.Values) (found []string) {
		for _, object := range chart.Render(t, values...).Objects {
			if object.Namespace() == chart.DefaultNamespace && !slices.Contains(found, object.Kind()) {
				found = append(found, object.Kind())
			}
		}
		return found
	}
	defaults := kinds()
	assert.ElementsMatch(t, defaults, words.FindAllString(always, -1), "the kinds of the default rendering")
	var more []string
	for _, values := range renderings(t) {
		for _, kind := range kinds(values) {
			if !slices.Contains(defaults, kind) && !slices.Contains(more, kind) {
				more = append(more, kind)
			}
		}
	}
	assert.ElementsMatch(t, more, words.FindAllString(some, -1), "the kinds that values add")
}

// TestPermissionsPageListsEveryRule compares the page with the Roles in the release's namespace, rule by rule.
func TestPermissionsPageListsEveryRule(t *testing.T) {
	t.Parallel()
	var granted []string
	for _, role := range chart.Of[*rbacv1.Role](t, chart.Render(t, chart.Set("deletionCost.enabled", true))) {
		for _, rule := range role.Rules {
			var resources []string
			for _, name := range rule.Resources {
				resources = append(resources, strings.TrimSuffix(name+"."+rule.APIGroups[0], "."))
			}
			line := strings.TrimPrefix(role.Name, "holograph-") + " | " + strings.Join(rule.Verbs, ", ") + " | " + strings.Join(resources, ", ")
			if len(rule.ResourceNames) > 0 {
				line += ": " + strings.Join(rule.ResourceNames, ", ")
			}
			granted = append(granted, line)
		}
	}
	var listed []string
	for _, row := range rows(t, page(t, "permissions.md"), "component", "verbs", "resources", "why") {
		listed = append(listed, strings.Join(row[:3], " | "))
		assert.NotEmpty(t, row[3], "the reason of %s", listed[len(listed)-1])
	}
	assert.ElementsMatch(t, granted, listed, "the rules that docs/permissions.md lists, against those of the Roles")
}

// TestPermissionsPageListsWhatIsRead: anyone who installs needs `get` on what the templates look up, as Helm fails without it.
func TestPermissionsPageListsWhatIsRead(t *testing.T) {
	t.Parallel()
	_, sentence, found := strings.Cut(page(t, "permissions.md"), "the chart also reads: ")
	require.True(t, found, "docs/permissions.md does not say what the chart also reads")
	sentence, _, _ = strings.Cut(sentence, "\n")
	read := map[string]bool{}
	for _, text := range chart.Files(t) {
		for _, match := range regexp.MustCompile(`\blookup "[^"]+" "(\w+)"`).FindAllSubmatch(text, -1) {
			read[string(match[1])] = true
		}
	}
	require.NotEmpty(t, read)
	for kind := range read {
		assert.Contains(t, sentence, kind, "docs/permissions.md does not say that an installation reads a %s", kind)
	}
}

// TestPermissionsPageNamesTheUsers: anyone whose cluster has rules for user IDs reads there which ones the pods name.
func TestPermissionsPageNamesTheUsers(t *testing.T) {
	t.Parallel()
	text := page(t, "permissions.md")
	for component, pod := range pods(t, chart.Render(t)) {
		want := "or %d."
		if component == string(chart.Renderer) {
			want = "The pods name the user %d (renderer) "
		}
		for _, id := range userIDs(pod.Spec) {
			if id != nil {
				assert.Contains(t, text, fmt.Sprintf(want, *id), "the user of %s in docs/permissions.md", component)
			}
		}
	}
}

// TestQuotaHasRoomForARollout adds up what an upgrade that replaces every pod takes at the maximum of replicas.
func TestQuotaHasRoomForARollout(t *testing.T) {
	t.Parallel()
	rendered := chart.Render(t)
	pods, cpu, memory, limit := 0, resource.Quantity{}, resource.Quantity{}, resource.Quantity{}
	add := func(count int, spec corev1.PodSpec) {
		pods += count
		for range count {
			for _, container := range spec.Containers {
				cpu.Add(*container.Resources.Requests.Cpu())
				memory.Add(*container.Resources.Requests.Memory())
				limit.Add(*container.Resources.Limits.Memory())
			}
		}
	}
	for _, deployment := range chart.Of[*appsv1.Deployment](t, rendered) {
		replicas := 1
		if deployment.Name == "holograph-renderer" {
			replicas = int(rendered.HorizontalPodAutoscaler(t).Spec.MaxReplicas)
		}
		surge := 0
		if deployment.Spec.Strategy.Type != appsv1.RecreateDeploymentStrategyType {
			most := intstr.FromString("25%")
			if update := deployment.Spec.Strategy.RollingUpdate; update != nil && update.MaxSurge != nil {
				most = *update.MaxSurge
			}
			var err error
			surge, err = intstr.GetScaledValueFromIntOrPercent(&most, replicas, true)
			require.NoError(t, err)
		}
		add(replicas+surge, deployment.Spec.Template.Spec)
	}
	for _, pod := range chart.Of[*corev1.Pod](t, rendered) {
		add(1, pod.Spec)
	}
	row := rows(t, page(t, "permissions.md"), "pods", "requests.cpu", "requests.memory", "limits.memory")[0]
	assert.Equal(t, []string{fmt.Sprint(pods), cpu.String(), memory.String(), limit.String()}, row, "what a ResourceQuota must have room for")
}

// TestGitOpsPageRenders renders every block of values of the page, also those inside the objects of Argo CD and Flux.
// Two renderings with the values for Argo CD are the same.
func TestGitOpsPageRenders(t *testing.T) {
	t.Parallel()
	blocks := regexp.MustCompile("(?s)```yaml\n(.*?)```").FindAllStringSubmatch(page(t, "gitops.md"), -1)
	require.GreaterOrEqual(t, len(blocks), 4)
	objects := 0
	for _, block := range blocks {
		values := chart.Parse(t, block[1])
		kind, isObject := values["kind"]
		if isObject {
			objects++
			var spec struct {
				Spec struct {
					Values chart.Values
					Source struct {
						Helm struct{ ValuesObject chart.Values }
					}
				}
			}
			require.NoError(t, yaml.Unmarshal([]byte(block[1]), &spec))
			values = chart.Merge(spec.Spec.Values, spec.Spec.Source.Helm.ValuesObject)
			require.NotEmpty(t, values, "the values of the %s", kind)
		}
		first, second := chart.Render(t, values), chart.Render(t, values)
		if kind == "Application" {
			assert.Equal(t, first.Manifest, second.Manifest, "two renderings with the values for Argo CD, which would show it as OutOfSync")
			for _, name := range regexp.MustCompile(`name: (holograph-\w+)\n`).FindAllStringSubmatch(block[1], -1) {
				assert.Contains(t, first.Manifest, `name: "`+name[1]+`"`, "the object whose differences are ignored")
			}
		}
	}
	assert.Equal(t, 2, objects, "an Application of Argo CD and a HelmRelease of Flux")
}

// TestAdapterHasNoAcceptedVulnerability: docs/sources.md says that the image built here has none that is known.
func TestAdapterHasNoAcceptedVulnerability(t *testing.T) {
	t.Parallel()
	path, err := repo.Path("ci", "vulnerability", "accepted.yaml")
	require.NoError(t, err)
	accepted, err := os.ReadFile(filepath.Clean(path))
	require.NoError(t, err)
	assert.NotContains(t, string(accepted), "prometheus-adapter", "accepted.yaml has an exception for the adapter, and docs/sources.md says that it has none")
	assert.Contains(t, page(t, "sources.md"), "has no exception for it", "docs/sources.md on the adapter's image")
}
