package dashboard

import (
	"context"
	"fmt"
	"math"
	"regexp"
	"slices"
	"time"

	prometheusv1 "github.com/prometheus/client_golang/api/prometheus/v1"
	"github.com/prometheus/common/model"

	"holograph/test/internal/plot"
)

// annotationStep is the step of the annotations' queries: times that are no further apart are one event.
const annotationStep = time.Minute

// Prometheus answers the queries of the panels.
type Prometheus interface {
	Query(ctx context.Context, query string, at time.Time, options ...prometheusv1.Option) (model.Value, prometheusv1.Warnings, error)
	QueryRange(ctx context.Context, query string, span prometheusv1.Range, options ...prometheusv1.Option) (model.Value, prometheusv1.Warnings, error)
}

// Answer is a dashboard with what a Prometheus answered over a time.
type Answer struct {
	Dashboard *Dashboard
	Span      prometheusv1.Range

	series map[int][]series // by the panel's ID
	events []event
}

// series is one of the lines of a panel.
type series struct {
	target Target
	name   string
	points []plot.Point // NaN where a point is missing
}

// event is a time, or a time without a break, of an annotation.
type event struct {
	color    string
	from, to time.Duration
}

// Ask runs all queries of a dashboard. Grafana, too, asks in steps of the scrape interval where the time is short.
func (d *Dashboard) Ask(ctx context.Context, api Prometheus, span prometheusv1.Range) (*Answer, error) {
	a := &Answer{Dashboard: d, Span: span, series: map[int][]series{}}
	for _, panel := range d.Panels {
		for _, target := range panel.Targets {
			found, err := ask(ctx, api, target.Expr, span, panel.overTime())
			if err != nil {
				return nil, fmt.Errorf("panel %q: %w", panel.Title, err)
			}
			for _, one := range found {
				a.series[panel.ID] = append(a.series[panel.ID], series{target, legend(target.LegendFormat, one.Metric), points(one, span)})
			}
		}
	}
	for _, annotation := range d.Annotations.List {
		aligned := prometheusv1.Range{Start: span.Start.Truncate(annotationStep), End: span.End.Truncate(annotationStep), Step: annotationStep}
		found, err := ask(ctx, api, annotation.Expr, aligned, true)
		if err != nil {
			return nil, fmt.Errorf("annotation %q: %w", annotation.Name, err)
		}
		for _, one := range found {
			a.events = append(a.events, events(annotation.IconColor, points(one, aligned), aligned.Start.Sub(span.Start))...)
		}
	}
	return a, nil
}

// overTime says whether a panel has a time axis.
func (p Panel) overTime() bool { return p.Type == "timeseries" || p.Type == "state-timeline" }

// ask runs a query over the span, or at its end.
func ask(ctx context.Context, api Prometheus, query string, span prometheusv1.Range, overTime bool) (model.Matrix, error) {
	if overTime {
		value, _, err := api.QueryRange(ctx, query, span)
		if err != nil {
			return nil, err
		}
		matrix, ok := value.(model.Matrix)
		if !ok {
			return nil, fmt.Errorf("the answer to %s is a %T, want a matrix", query, value)
		}
		return matrix, nil
	}
	value, _, err := api.Query(ctx, query, span.End)
	if err != nil {
		return nil, err
	}
	vector, ok := value.(model.Vector)
	if !ok {
		return nil, fmt.Errorf("the answer to %s is a %T, want a vector", query, value)
	}
	var matrix model.Matrix
	for _, sample := range vector {
		matrix = append(matrix, &model.SampleStream{Metric: sample.Metric, Values: []model.SamplePair{{Timestamp: sample.Timestamp, Value: sample.Value}}})
	}
	return matrix, nil
}

// points are the samples of a series with NaN in each gap.
func points(stream *model.SampleStream, span prometheusv1.Range) (all []plot.Point) {
	for i, sample := range stream.Values {
		at := sample.Timestamp.Time().Sub(span.Start)
		if i > 0 && at > all[len(all)-1].At+span.Step {
			all = append(all, plot.Point{At: all[len(all)-1].At + span.Step, Value: math.NaN()})
		}
		value := float64(sample.Value)
		if math.IsInf(value, 0) {
			value = math.NaN()
		}
		all = append(all, plot.Point{At: at, Value: value})
	}
	return all
}

// events are the runs of values above 0.
func events(color string, points []plot.Point, offset time.Duration) (all []event) {
	for _, point := range points {
		at := point.At + offset
		switch {
		case !(point.Value > 0):
		case len(all) > 0 && at <= all[len(all)-1].to+annotationStep:
			all[len(all)-1].to = at
		default:
			all = append(all, event{color, at, at})
		}
	}
	return all
}

// labelNames matches a label's name in a legendFormat.
var labelNames = regexp.MustCompile(`\{\{\s*(.+?)\s*\}\}`)

// legend is the name of a series.
func legend(format string, labels model.Metric) string {
	return labelNames.ReplaceAllStringFunc(format, func(match string) string {
		return string(labels[model.LabelName(labelNames.FindStringSubmatch(match)[1])])
	})
}

// Empty names the queries without a number, by panel and legendFormat.
func (a *Answer) Empty() (names []string) {
	for _, panel := range a.Dashboard.Panels {
		for _, target := range panel.Targets {
			if !slices.ContainsFunc(a.series[panel.ID], func(one series) bool { return one.target == target && one.hasNumber() }) {
				names = append(names, panel.Title+": "+target.LegendFormat)
			}
		}
	}
	return names
}

func (s series) hasNumber() bool {
	return slices.ContainsFunc(s.points, func(p plot.Point) bool { return !math.IsNaN(p.Value) })
}
