package faults

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"image"
	"image/color"
	"math"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	prometheusv1 "github.com/prometheus/client_golang/api/prometheus/v1"
	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"holograph/ci/repo"
	"holograph/test/internal/chart"
	"holograph/test/internal/dashboard"
	"holograph/test/internal/guest"
	"holograph/test/internal/harness"
	"holograph/test/internal/kube"
	"holograph/test/internal/load"
	"holograph/test/internal/promtool"
	"holograph/test/internal/wait"
)

var pictures = flag.Bool("pictures", false, "copy the pictures of the status page and the dashboard to docs/pictures")

// published maps a picture of this test to its name in docs/pictures.
var published = map[string]string{"light.png": "status-page-light.png", "dark.png": "status-page-dark.png", "dashboard.png": "dashboard.png"}

const (
	// overload is the load in units of what one pod renders. Two pods run at first, so frames are late, an alert fires
	// and pods are added.
	overload = 4.5
	// loadTime is longer than the story needs its load, which was 130 s when measured, with -pictures.
	loadTime = 4 * time.Minute
	// dataTime bounds the time for two scrapes, a scaling event and the rules after it: 45 s when measured.
	dataTime = 3 * time.Minute
	// scrapeInterval is that of the values file.
	scrapeInterval = 5 * time.Second
)

// TestObservability: while frames are late, Prometheus has a number for every expression of the rules, the dashboard, the
// status page, the notes and the runbook, a browser shows the same replicas, pods and links as the cluster has, and no panel
// of the dashboard is empty.
func TestObservability(t *testing.T) {
	s := harness.New(t)
	begin := time.Now()
	s.Step("install the chart with its dashboard")
	s.UpgradeWith(map[string]string{"dashboard.enabled": "true"}, "local")
	s.WaitFor(2*time.Minute, wait.Chain(s.Release)...)
	pod := s.MeasurePod()
	address, err := s.Release.ForwardPrometheus(t.Context(), "0")
	require.NoError(t, err)

	s.Step("ask for more frames than the pods can render")
	rate := overload * pod.FramesPerSecond()
	s.Drive(pod.Budget, load.Steady(rate, loadTime))

	s.Step("Prometheus has a number for every expression")
	expressions, queries := split(t)
	s.Logf("    %d expressions, %d queries", expressions, len(queries))
	s.WaitFor(dataTime, answered(s.Release, queries))

	s.Step("look at the status page")
	page := address + kube.ConsolePath
	t.Run("it agrees with the cluster", func(t *testing.T) { compare(t, s.Release, page) })
	for name, view := range map[string]guest.View{
		"light.png":  {Width: 1280, Height: 1250},
		"dark.png":   {Width: 1280, Height: 1250, Dark: true},
		"narrow.png": {Width: 480, Height: 2400},
	} {
		t.Run(name, func(t *testing.T) { photograph(t, s, page, name, view) })
	}

	s.Step("draw the dashboard without Grafana")
	if *pictures {
		// Then the picture has the whole of it: late frames, the alerts, the new pods, and no late frame any more.
		s.WaitFor(loadTime, noneLate(s.Release))
	}
	t.Run("dashboard.png", func(t *testing.T) { draw(t, s, begin, "dashboard.png") })
	s.Logf("    pictures: %s", s.Artifacts)
}

// photograph takes a picture of a page, which must not be empty.
func photograph(t *testing.T, s *harness.Story, page, name string, view guest.View) {
	t.Helper()
	picture, err := guest.Screenshot(t.Context(), page, s.Artifact(name), view)
	require.NoError(t, err)
	bounds := picture.Bounds()
	assert.Equal(t, image.Pt(view.Width, view.Height), bounds.Size())
	assert.Greater(t, colors(picture), 50, "number of colors in the picture: a page with text, lines and bars has more than an empty one")
	edge := color.GrayModel.Convert(picture.At(2, 2)).(color.Gray).Y
	assert.Equal(t, view.Dark, edge < 128, "whether the page is dark, which must follow the preference of the browser")
	if *pictures && published[name] != "" {
		publish(t, s.Artifact(name), published[name])
	}
}

// noneLate is met when no frame was late within the window of the rules.
func noneLate(r kube.Release) wait.Condition {
	return wait.Condition{Name: "no late frame", Unmet: func(ctx context.Context) error {
		late, found, err := r.Scalar(ctx, "holograph:frames_over_budget:rate")
		if err == nil && !found {
			err = errors.New("Prometheus does not know the rate of late frames")
		}
		if err == nil && late > 0 {
			err = fmt.Errorf("%.1f frames a second are late", late)
		}
		return err
	}}
}

// draw draws the dashboard that the cluster has, with what Prometheus answers to its queries over the time since begin, and
// takes a picture of it.
func draw(t *testing.T, s *harness.Story, begin time.Time, name string) {
	configMaps, err := s.Release.CoreV1().ConfigMaps(s.Release.Namespace).List(t.Context(), metav1.ListOptions{LabelSelector: s.Selector("dashboard")})
	require.NoError(t, err)
	require.Len(t, configMaps.Items, 1, "ConfigMaps with a dashboard")
	var board *dashboard.Dashboard
	for _, text := range configMaps.Items[0].Data {
		board, err = dashboard.Parse(text)
		require.NoError(t, err)
	}
	api, err := s.Release.Prometheus()
	require.NoError(t, err)
	// Grafana, too, rounds both to the step.
	span := prometheusv1.Range{Start: begin.Truncate(scrapeInterval), End: time.Now().Truncate(scrapeInterval), Step: scrapeInterval}
	answer, err := board.Ask(t.Context(), api, span)
	require.NoError(t, err)
	assert.Empty(t, answer.Empty(), "queries of the dashboard without a number since the story began")

	file := s.Artifact("dashboard.html")
	page, err := os.Create(file)
	require.NoError(t, err)
	defer page.Close()
	require.NoError(t, answer.Write(page))
	photograph(t, s, (&url.URL{Scheme: "file", Path: file}).String(), name, guest.View{Width: dashboard.Width, Height: board.Height()})
}

// publish copies a picture to docs/pictures.
func publish(t *testing.T, file, name string) {
	t.Helper()
	picture, err := os.ReadFile(file)
	require.NoError(t, err)
	folder, err := repo.Path("docs", "pictures")
	require.NoError(t, err)
	require.NoError(t, os.MkdirAll(folder, 0o755))
	require.NoError(t, os.WriteFile(filepath.Join(folder, name), picture, 0o644))
}

// query is a part of an expression that must have an answer by itself.
type query struct {
	of   chart.Expression
	node parser.Expr
}

// split splits the chart's expressions into the queries that they make, with Prometheus' own parser, and returns how
// many expressions there are.
func split(t *testing.T) (expressions int, queries []query) {
	t.Helper()
	rendered := chart.Render(t, chart.Example(t, "local"), chart.Set("dashboard.enabled", true))
	all := append(rendered.Expressions(t), chart.RunbookExpressions(t)...)
	for _, expression := range all {
		tree, err := promtool.Parse(expression.Text)
		require.NoError(t, err, "%s", expression.Where)
		for _, operand := range promtool.Operands(tree) {
			// An alert may be pending or firing at this moment: either shows that the query is right.
			promtool.DropMatchers(operand, "ALERTS", "alertstate")
			queries = append(queries, query{expression, operand})
		}
	}
	return len(all), queries
}

// answered is met when Prometheus has a number for each query.
func answered(r kube.Release, queries []query) wait.Condition {
	return wait.Condition{Name: "a number for every query", Unmet: func(ctx context.Context) error {
		api, err := r.Prometheus()
		if err != nil {
			return err
		}
		var open []string
		for _, query := range queries {
			if reason := unanswered(ctx, api, query.node.String()); reason != "" {
				open = append(open, query.of.Where+" "+reason+": "+query.node.String())
			}
		}
		if len(open) > 0 {
			return fmt.Errorf("%d of %d queries have none:\n  %s", len(open), len(queries), strings.Join(open, "\n  "))
		}
		return nil
	}}
}

// unanswered says what is wrong with the answer to an expression; it is empty where the answer holds a number.
func unanswered(ctx context.Context, api prometheusv1.API, expression string) string {
	value, _, err := api.Query(ctx, expression, time.Now())
	if err != nil {
		return err.Error()
	}
	var numbers []float64
	switch value := value.(type) {
	case model.Vector:
		for _, sample := range value {
			numbers = append(numbers, float64(sample.Value))
		}
	case *model.Scalar:
		numbers = append(numbers, float64(value.Value))
	}
	for _, number := range numbers {
		if !math.IsNaN(number) && !math.IsInf(number, 0) {
			return ""
		}
	}
	if len(numbers) > 0 {
		return "is answered with NaN or infinity"
	}
	return "has no answer"
}

// compare reads the page in the browser and compares it with the cluster. Both change meanwhile, so both are read again
// until they agree.
func compare(t *testing.T, r kube.Release, page string) {
	var document string
	agree := wait.Condition{Name: "the page to agree with the cluster", Unmet: func(ctx context.Context) error {
		hpa, err := r.HPA(ctx)
		if err != nil {
			return err
		}
		if document, err = guest.Document(ctx, page); err != nil {
			return err
		}
		for id, want := range map[string]int32{
			"current": hpa.Status.CurrentReplicas, "desired": hpa.Status.DesiredReplicas,
			"min": *hpa.Spec.MinReplicas, "max": hpa.Spec.MaxReplicas,
		} {
			if got := number(document, `id="`+id+`"[^>]*>([0-9]+)<`); got != float64(want) {
				return fmt.Errorf("%s replicas on the page are %v, want %d, as in the HorizontalPodAutoscaler", id, got, want)
			}
		}
		pods, err := r.Pods(ctx)
		if err != nil {
			return err
		}
		for _, pod := range pods {
			if !strings.Contains(document, ">"+pod.Name+"<") {
				return fmt.Errorf("the page does not list %s", pod.Name)
			}
		}
		if links, hold := strings.Count(document, `class="seen"`), strings.Count(document, `class="holds"`); links == 0 || hold != links {
			return fmt.Errorf("%d of %d links hold on the page", hold, links)
		}
		return nil
	}}
	require.NoError(t, wait.For(t.Context(), time.Minute, agree))

	text := regexp.MustCompile(`(?s)<style>.*</style>|<[^>]*>`).ReplaceAllString(document, " ")
	assert.Contains(t, text, "HolographErrorBudgetBurnFast", "alerts on the page: frames are late, so this one fires")
	assert.Less(t, number(document, `id="in-budget">([0-9.]+) <`), 99.5, "percent of frames in budget on the page, while frames are late")
	assert.Positive(t, number(document, `(?s)id="frames">.*?<p class="big">([0-9.]+)<`), "frames a second on the page")
	assert.NotContains(t, text, "–", "the page shows a dash in place of a number that Prometheus does not have")
	assert.NotContains(t, document, "NaN", "the page shows a result that is not a number")
	assert.NotContains(t, document, "ZgotmplZ", "the page shows the mark of a value that html/template refused")
	assert.NotRegexp(t, `\{\{|<<|error (parsing|executing)`, text, "the page shows a template action or its error in place of the result")
}

// number returns the number that the group of a pattern matches, or NaN without a match.
func number(document, pattern string) float64 {
	match := regexp.MustCompile(pattern).FindStringSubmatch(document)
	if match == nil {
		return math.NaN()
	}
	value, err := strconv.ParseFloat(match[1], 64)
	if err != nil {
		return math.NaN()
	}
	return value
}

// colors counts the different colors of a picture.
func colors(picture image.Image) int {
	seen := map[color.Color]bool{}
	for x := picture.Bounds().Min.X; x < picture.Bounds().Max.X; x++ {
		for y := picture.Bounds().Min.Y; y < picture.Bounds().Max.Y; y++ {
			seen[picture.At(x, y)] = true
		}
	}
	return len(seen)
}
