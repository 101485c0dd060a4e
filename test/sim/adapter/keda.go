package adapter

import (
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/robfig/cron/v3"

	"holograph/test/sim/query"
)

// Trigger is a trigger of a ScaledObject, as KEDA 2.21 serves it to the HPA that it makes: KEDA asks the source anew at
// each sync of the HPA (pkg/scaling/scale_handler.go, GetScaledObjectMetrics). pollingInterval is for the activation and
// for useCachedMetrics.
type Trigger struct {
	// Query is what KEDA asks Prometheus, "" for a schedule.
	Query string
	// IgnoreNull reads an answer without a value as 0. Without it such an answer is an error.
	IgnoreNull bool
	// Schedule is that of a cron trigger.
	Schedule *Schedule
}

// Schedule is when a cron trigger wants pods. The clock of a simulation shows midnight UTC, of a Saturday, when a trace
// begins.
type Schedule struct {
	start, end cron.Schedule
	zone       *time.Location
	replicas   float64
}

// NewSchedule reads a schedule in the five fields of cron, in a time zone such as Europe/Berlin.
func NewSchedule(start, end, zone string, replicas int) (*Schedule, error) {
	parser := cron.NewParser(cron.Minute | cron.Hour | cron.Dom | cron.Month | cron.Dow)
	s := &Schedule{replicas: float64(replicas)}
	var err error
	if s.start, err = parser.Parse(start); err != nil {
		return nil, fmt.Errorf("start: %w", err)
	}
	if s.end, err = parser.Parse(end); err != nil {
		return nil, fmt.Errorf("end: %w", err)
	}
	if s.zone, err = time.LoadLocation(zone); err != nil {
		return nil, fmt.Errorf("timezone: %w", err)
	}
	return s, nil
}

// At is how many pods the schedule wants.
func (s *Schedule) At(now time.Time) float64 {
	now = now.In(s.zone)
	// Within the interval the next end comes before the next start.
	if s.end.Next(now).Before(s.start.Next(now)) {
		return s.replicas
	}
	return 0
}

func (a *Adapter) trigger(name string, t Trigger) error {
	m := &metric{trigger: &t}
	if t.Schedule == nil {
		var err error
		if m.query, err = query.Compile(a.store, t.Query); err != nil {
			return fmt.Errorf("trigger %s: query: %w", name, err)
		}
	}
	a.metrics[name] = m
	return nil
}

// external gives the value of a trigger as KEDA does.
func (m *metric) external(now time.Time, epoch time.Time) (int64, error) {
	t := m.trigger
	if t.Schedule != nil {
		return kedaMilli(t.Schedule.At(now)), nil
	}
	var values []float64
	// KEDA writes the time of its query in whole seconds.
	at := now.Truncate(time.Second).Sub(epoch).Milliseconds()
	if err := m.query.Eval(at, nil, func(s query.Sample) { values = append(values, s.Value) }); err != nil {
		return 0, err
	}
	switch {
	case len(values) > 1:
		return 0, errors.New("the query returned multiple elements")
	case len(values) == 1 && !math.IsNaN(values[0]) && !math.IsInf(values[0], 0):
		return kedaMilli(values[0]), nil
	case t.IgnoreNull:
		return 0, nil
	}
	return 0, errors.New("the query returned no value")
}

// kedaMilli is KEDA's conversion: thousandths, rounded; what is below zero is nothing.
func kedaMilli(v float64) int64 { return int64(math.Round(1000 * max(0, v))) }
