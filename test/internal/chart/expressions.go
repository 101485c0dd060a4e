package chart

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/yaml"

	"holograph/ci/repo"
	"holograph/test/internal/dashboard"
)

// Expression is a PromQL expression that the chart or its documents bring, and where it stands.
type Expression struct{ Where, Text string }

// Expressions returns every PromQL expression that is rendered: rules, dashboard, status page and notes.
func (r *Rendered) Expressions(t testing.TB) []Expression {
	t.Helper()
	var all []Expression
	for _, object := range r.Objects {
		if object.Kind() != "ConfigMap" {
			continue
		}
		for name, text := range object.mapping("data") {
			switch text := text.(string); {
			case name == "rules.yaml":
				all = append(all, ruleExpressions(t, text)...)
			case name == "holograph.html":
				all = append(all, pageExpressions(text)...)
			case strings.HasSuffix(name, ".json"):
				all = append(all, dashboardExpressions(t, text)...)
			}
		}
	}
	for _, name := range regexp.MustCompile(`\bholograph:\w+:\w+`).FindAllString(r.Notes, -1) {
		all = append(all, Expression{"NOTES", name})
	}
	return all
}

func ruleExpressions(t testing.TB, text string) (all []Expression) {
	t.Helper()
	var file struct {
		Groups []struct {
			Rules []struct{ Alert, Record, Expr string }
		}
	}
	require.NoError(t, yaml.Unmarshal([]byte(text), &file))
	for _, group := range file.Groups {
		for _, rule := range group.Rules {
			all = append(all, Expression{"rule " + rule.Alert + rule.Record, rule.Expr})
		}
	}
	return all
}

func dashboardExpressions(t testing.TB, text string) (all []Expression) {
	t.Helper()
	board, err := dashboard.Parse(text)
	require.NoError(t, err)
	for _, panel := range board.Panels {
		for _, target := range panel.Targets {
			all = append(all, Expression{"dashboard, panel " + panel.Title, target.Expr})
		}
	}
	for _, annotation := range board.Annotations.List {
		all = append(all, Expression{"dashboard, annotation " + annotation.Name, annotation.Expr})
	}
	return all
}

// Dashboard returns the JSON of the Grafana dashboard.
func (r *Rendered) Dashboard(t testing.TB) string {
	t.Helper()
	for _, configMap := range Of[*corev1.ConfigMap](t, r) {
		for name, text := range configMap.Data {
			if strings.HasSuffix(name, ".json") {
				return text
			}
		}
	}
	require.FailNow(t, "no dashboard is rendered")
	return ""
}

// verbs stand in the page's expressions for what its template puts in: a selector, an offset or a number.
var verbs = strings.NewReplacer("(%[2]s)", "vector(1)", "%[1]s", "", "%%s", "", "%s", "", "%[1]f", "1", "%f", "1")

// pageExpressions returns what stands between backquotes in the status page, where expressions and nothing else do.
func pageExpressions(text string) (all []Expression) {
	for _, match := range regexp.MustCompile("`([^`]+)`").FindAllStringSubmatch(text, -1) {
		// Only this one is made around another expression of the page.
		expression := strings.ReplaceAll(match[1], "timestamp(%s)", "timestamp(up)")
		all = append(all, Expression{"status page", verbs.Replace(expression)})
	}
	return all
}

// RunbookExpressions returns what docs/runbook.md asks Prometheus.
func RunbookExpressions(t testing.TB) (all []Expression) {
	t.Helper()
	path, err := repo.Path("docs", "runbook.md")
	require.NoError(t, err)
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	for _, match := range regexp.MustCompile(`(?m)^ask '(.+)'$`).FindAllStringSubmatch(string(text), -1) {
		all = append(all, Expression{"runbook", match[1]})
	}
	return all
}
