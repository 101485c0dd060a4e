package dashboard_test

import (
	"bytes"
	"context"
	"fmt"
	"math"
	"regexp"
	"strings"
	"testing"
	"time"

	prometheusv1 "github.com/prometheus/client_golang/api/prometheus/v1"
	"github.com/prometheus/common/model"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"holograph/test/internal/chart"
	"holograph/test/internal/dashboard"
)

// rendered is the JSON of the dashboard that the chart renders.
func rendered(t *testing.T) string {
	return chart.Render(t, chart.Example(t, "local"), chart.Set("dashboard.enabled", true)).Dashboard(t)
}

// prometheus answers a query with the numbers of the longest key that the query contains, evenly over the time; NaN is a
// missing sample.
type prometheus map[string][]float64

var start = time.Date(2026, 11, 30, 10, 0, 0, 0, time.UTC)

func (p prometheus) numbers(query string) []float64 {
	longest := ""
	for key := range p {
		if strings.Contains(query, key) && len(key) > len(longest) {
			longest = key
		}
	}
	return p[longest]
}

var labels = model.Metric{"namespace": "film", "pod": "holograph-renderer-<1>"}

func (p prometheus) Query(_ context.Context, query string, at time.Time, _ ...prometheusv1.Option) (model.Value, prometheusv1.Warnings, error) {
	vector := model.Vector{}
	if numbers := p.numbers(query); len(numbers) > 0 {
		vector = append(vector, &model.Sample{Metric: labels, Timestamp: model.TimeFromUnixNano(at.UnixNano()), Value: model.SampleValue(numbers[len(numbers)-1])})
	}
	return vector, nil, nil
}

func (p prometheus) QueryRange(_ context.Context, query string, span prometheusv1.Range, _ ...prometheusv1.Option) (model.Value, prometheusv1.Warnings, error) {
	numbers := p.numbers(query)
	stream := &model.SampleStream{Metric: labels}
	for at := span.Start; len(numbers) > 0 && !at.After(span.End); at = at.Add(span.Step) {
		i := int(float64(len(numbers)) * float64(at.Sub(span.Start)) / float64(span.End.Sub(span.Start)+1))
		if !math.IsNaN(numbers[i]) {
			stream.Values = append(stream.Values, model.SamplePair{Timestamp: model.TimeFromUnixNano(at.UnixNano()), Value: model.SampleValue(numbers[i])})
		}
	}
	if len(stream.Values) == 0 {
		return model.Matrix{}, nil, nil
	}
	return model.Matrix{stream}, nil, nil
}

// drawn returns the page of a dashboard, and its panels by their titles.
func drawn(t *testing.T, board *dashboard.Dashboard, p prometheus) (*dashboard.Answer, map[string]string) {
	t.Helper()
	answer, err := board.Ask(t.Context(), p, prometheusv1.Range{Start: start, End: start.Add(5 * time.Minute), Step: 5 * time.Second})
	require.NoError(t, err)
	var out bytes.Buffer
	require.NoError(t, answer.Write(&out))
	assert.NotRegexp(t, `ZgotmplZ|NaN|Inf|<1>`, out.String(), "a mark of html/template, a number that is none, or a text that is not escaped")
	panels := map[string]string{}
	for _, section := range strings.Split(out.String(), "<section ")[1:] {
		title := regexp.MustCompile(`<h2>(?:⌄ )?(.*)</h2>`).FindStringSubmatch(section)[1]
		panels[title] += section
	}
	return answer, panels
}

// TestDraw draws the dashboard that the chart renders from made-up numbers.
func TestDraw(t *testing.T) {
	board, err := dashboard.Parse(rendered(t))
	require.NoError(t, err)
	answer, panels := drawn(t, board, prometheus{
		"": {0, 1}, "ALERTS": {2}, "over_budget:ratio_rate30d": {0.5546}, "error_budget:remaining": {-88.078}, "holograph:frames:rate": {0, 57.04, 1640},
		"holograph_offered": {0.2, 1.4}, "replicas:max": {10}, "up{": {1, 0, math.NaN(), 0}, "scale_up_events:total": {0, 0, 2, 2, 0}, "scale_down_events:total": {},
	})
	assert.Equal(t, []string{"Scaling events within an hour: down, {{namespace}}"}, answer.Empty(), "queries without a number")
	for _, panel := range board.Panels {
		want := fmt.Sprintf("grid-area: %d / %d / span %d / span %d", panel.GridPos.Y+1, panel.GridPos.X+1, panel.GridPos.H, panel.GridPos.W)
		assert.Contains(t, panels[panel.Title], want, "place of %s, which is that of its gridPos", panel.Title)
	}
	assert.Equal(t, 64+41*38-8+16, board.Height(), "height of the page, on which the last panel ends in row 41")
	for title, parts := range map[string][]string{
		"In budget, 30d":                 {`background: #d73a49; color: #ffffff`, `>55.46%<`},
		"Error budget left":              {`>-8807.8%<`, `<path d="" fill="none" stroke="#d73a49" stroke-width="14"/>`},
		"Alerts firing":                  {`background: #d73a49; color: #ffffff`, `>2<`},
		"Frames per second":              {`background: transparent; color: #2f9e5b">1.6 K<`, `>2 K</text>`, `></i>asked for, film</li>`, `fill="#2f7ed8" fill-opacity="0.1"`, `>10:01</text>`},
		"Demand":                         {`>150%</text>`, `></i>holograph-renderer-&lt;1&gt;</li>`, `stroke="#d73a49"/>`},
		"Replicas":                       {`stroke="#808080" stroke-width="2" stroke-dasharray="8 8"`, `fill="#2f9e5b" fill-opacity="0.2"`, `>10</text>`},
		"From a late frame to a new pod": {`>Renderers are scraped</text>`, `#d73a49"></i>broken</li>`, `#2f9e5b"></i>holds</li>`, `fill-opacity="0.7"`},
	} {
		for _, part := range parts {
			assert.Contains(t, panels[title], part, title)
		}
	}
	scaled := regexp.MustCompile(`<line class="event" x1="([\d.]+)"[^>]*stroke="#e8860c"/><rect [^>]*width="([\d.]+)"`).FindAllStringSubmatch(panels["Demand"], -1)
	require.Len(t, scaled, 1, "times of scaling up, of which two samples in a row are one")
	assert.Equal(t, 2, strings.Count(panels["From a late frame to a new pod"], "</li>"), "entries of the legend, one for each state")
	bars := regexp.MustCompile(`<rect x="[\d.]+" y="([\d.]+)"[^>]*fill-opacity`).FindAllStringSubmatch(panels["From a late frame to a new pod"], -1)
	first := 0
	for _, bar := range bars {
		if bar[1] == bars[0][1] {
			first++
		}
	}
	assert.Equal(t, 3, first, "bars of the first link, which held, was broken, was unknown and was broken again")
}

// TestNoData: a panel without an answer says so in the dashboard's own words.
func TestNoData(t *testing.T) {
	board, err := dashboard.Parse(rendered(t))
	require.NoError(t, err)
	answer, panels := drawn(t, board, prometheus{})
	assert.Contains(t, answer.Empty(), "Demand: {{pod}}")
	assert.Contains(t, panels["Demand"], `<p class="none">no data</p>`)
	assert.Contains(t, panels["Alerts firing"], `<p class="none">no data</p>`)
}

// TestRefusals: what is not drawn as Grafana draws it is refused.
func TestRefusals(t *testing.T) {
	text := rendered(t)
	for name, test := range map[string]struct{ old, new, want string }{
		"type":           {`"type": "gauge"`, `"type": "table"`, `panel "Error budget left": type is "table", want one of known.yaml: no other is drawn`},
		"unit":           {`"unit": "percentunit"`, `"unit": "bytes"`, `panel "In budget, 30d": fieldConfig.defaults.unit is "bytes", want none|short|percentunit: no other is drawn`},
		"unknown field":  {`"drawStyle":`, `"stacking": {"mode": "normal"}, "drawStyle":`, `panel "Frames per second": fieldConfig.defaults.custom.stacking.mode is ["normal"], want none: it is not drawn`},
		"missing field":  {`"showPoints": "never",`, ``, `panel "Frames per second": fieldConfig.defaults.custom.showPoints is "", want never: no other is drawn`},
		"color":          {`"fixedColor": "blue"`, `"fixedColor": "super-light-blue"`, `fieldConfig.overrides.properties.value.fixedColor is "super-light-blue"`},
		"variable":       {`holograph:frames:rate`, `holograph:frames:rate$filter`, `targets.expr is "1 - holograph:frames_over_budget:rate`},
		"interval":       {`[30s]`, `[$__rate_interval]`, `targets.expr is "(0 <= sum by`},
		"data source":    {`"uid": "${datasource}"`, `"uid": "a1b2c3"`, `datasource.uid is "a1b2c3"`},
		"other variable": {`"type": "datasource"`, `"type": "query"`, `templating.list.type is "query"`},
	} {
		t.Run(name, func(t *testing.T) {
			require.Contains(t, text, test.old)
			_, err := dashboard.Parse(strings.ReplaceAll(text, test.old, test.new))
			require.ErrorContains(t, err, test.want)
		})
	}
}
