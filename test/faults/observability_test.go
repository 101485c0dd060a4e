package faults

import (
	"context"
	"fmt"
	"image"
	"image/color"
	"math"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	prometheusv1 "github.com/prometheus/client_golang/api/prometheus/v1"
	"github.com/prometheus/common/model"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"holograph/test/internal/chart"
	"holograph/test/internal/guest"
	"holograph/test/internal/harness"
	"holograph/test/internal/kube"
	"holograph/test/internal/load"
	"holograph/test/internal/promtool"
	"holograph/test/internal/wait"
)

const (
	// overload is the load in the worth of one pod, of which two run at first: late frames, an alert and a scaling.
	overload = 4.5
	// loadTime outlasts what a story looks at: 100 s when measured.
	loadTime = 4 * time.Minute
	// dataTime is for two scrapes, a scaling and the rules after it: 45 s when measured.
	dataTime = 3 * time.Minute
)

// Whatever rules, dashboard, status page, notes and runbook ask Prometheus has an answer while frames are late, and
// the status page says in a browser what the cluster says.
func TestSeeing(t *testing.T) {
	s := harness.New(t)
	s.Step("install the chart with its dashboard")
	s.UpgradeWith(map[string]string{"dashboard.enabled": "true"}, "local")
	s.WaitFor(2*time.Minute, wait.Chain(s.Release)...)
	pod := s.MeasurePod()
	address, err := s.Release.ForwardPrometheus(t.Context(), "0")
	require.NoError(t, err)

	s.Step("ask for more frames than the pods can render")
	s.Drive(pod.Budget, load.Stage{FramesPerSecond: overload * pod.FramesPerSecond()}, load.Stage{FramesPerSecond: overload * pod.FramesPerSecond(), Duration: loadTime})

	s.Step("every expression has an answer")
	expressions := questions(t, address)
	s.Logf("    %d expressions, %d questions", len(expressions.asked), len(expressions.operands))
	s.WaitFor(dataTime, expressions.answered(s.Release))

	s.Step("look at the status page")
	page := address + kube.ConsolePath
	t.Run("it says what the cluster says", func(t *testing.T) { compare(t, s.Release, page) })
	for name, view := range map[string]guest.View{
		"light.png":  {Width: 1280, Height: 1250},
		"dark.png":   {Width: 1280, Height: 1250, Dark: true},
		"narrow.png": {Width: 480, Height: 2400},
	} {
		t.Run(name, func(t *testing.T) {
			picture, err := guest.Screenshot(t.Context(), page, s.Artifact(name), view)
			require.NoError(t, err)
			bounds := picture.Bounds()
			assert.Equal(t, image.Pt(view.Width, view.Height), bounds.Size())
			assert.Greater(t, colors(picture), 50, "colors of a page with text, lines and bars")
			edge := color.GrayModel.Convert(picture.At(2, 2)).(color.Gray).Y
			assert.Equal(t, view.Dark, edge < 128, "the page is dark where that is asked for, and only there")
		})
	}
	s.Logf("    pictures: %s", s.Artifacts)
}

// question is one thing to ask Prometheus, and who asks.
type question struct {
	who  chart.Expression
	node *promtool.Node
}

// list is what is asked.
type list struct {
	asked    []chart.Expression
	operands []question
}

// questions takes the chart's expressions apart into what must have an answer each. Prometheus parses them.
func questions(t *testing.T, address string) list {
	t.Helper()
	rendered := chart.Render(t, chart.Example(t, "local"), chart.Set("dashboard.enabled", true))
	found := list{asked: append(rendered.Expressions(t), chart.RunbookExpressions(t)...)}
	for _, expression := range found.asked {
		tree, err := promtool.Parse(t.Context(), http.DefaultClient, address, expression.Text)
		require.NoError(t, err, "%s", expression.Where)
		for _, operand := range tree.Operands() {
			operand.Walk(func(node *promtool.Node) {
				if node.Name == "ALERTS" {
					// In which state an alert is, is what is asked; that one is in any can be told.
					node.Drop("alertstate")
				}
			})
			found.operands = append(found.operands, question{expression, operand})
		}
	}
	return found
}

// answered is met when each question has an answer that is a number.
func (l list) answered(r kube.Release) wait.Condition {
	return wait.Condition{Name: "an answer to every question", Unmet: func(ctx context.Context) error {
		api, err := r.Prometheus()
		if err != nil {
			return err
		}
		var open []string
		for _, question := range l.operands {
			if reason := unanswered(ctx, api, question.node.String()); reason != "" {
				open = append(open, question.who.Where+" "+reason+": "+question.node.String())
			}
		}
		if len(open) > 0 {
			return fmt.Errorf("%d of %d:\n  %s", len(open), len(l.operands), strings.Join(open, "\n  "))
		}
		return nil
	}}
}

// unanswered says what is wrong with the answer to an expression, and nothing where it is one.
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
		return "is answered with no number"
	}
	return "has no answer"
}

// compare reads the page in the browser and holds it against the cluster. What changes while the two are read is read
// again, until they agree.
func compare(t *testing.T, r kube.Release, page string) {
	var document string
	agree := wait.Condition{Name: "the page to say what the cluster says", Unmet: func(ctx context.Context) error {
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
				return fmt.Errorf("the page says %s %v, the autoscaler %d", id, got, want)
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
			return fmt.Errorf("%d of %d links hold", hold, links)
		}
		return nil
	}}
	require.NoError(t, wait.For(t.Context(), time.Minute, agree))

	text := regexp.MustCompile(`(?s)<style>.*</style>|<[^>]*>`).ReplaceAllString(document, " ")
	assert.Contains(t, text, "HolographErrorBudgetBurnFast", "the alert on the late frames")
	assert.Less(t, number(document, `id="in-budget">([0-9.]+) <`), 99.5, "percent of frames in budget, with late ones")
	assert.Positive(t, number(document, `(?s)id="frames">.*?<p class="big">([0-9.]+)<`), "frames a second")
	assert.NotContains(t, text, "–", "a number is missing")
	assert.NotContains(t, document, "NaN")
	assert.NotContains(t, document, "ZgotmplZ", "html/template refused a value")
	assert.NotRegexp(t, `\{\{|<<|error (parsing|executing)`, text, "the template shows through")
}

// number is the number that a pattern's group finds, NaN where it finds none.
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
