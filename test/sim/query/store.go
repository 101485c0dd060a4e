// Package query evaluates the part of PromQL that adapter rules use, over samples in memory and
// fast enough to be asked every 15 virtual seconds by thousands of pods. Its rate() and its kin
// follow Prometheus' own code (promql/functions.go of the version in go.mod) and are tested against its engine.
package query

import (
	"sort"

	"github.com/prometheus/prometheus/model/labels"
)

// Series is one time series: a metric's name, its labels and its latest samples.
type Series struct {
	// Metric is the metric's name; Labels holds all other labels.
	Metric string
	Labels labels.Labels

	label int32 // the store's number for Labels
	t     []int64
	v     []float64
	stale int64 // when the target went away, in ms; 0 while it is there
}

// Append adds a sample taken at t (milliseconds).
func (s *Series) Append(t int64, v float64) {
	// Room for twice the horizon: old samples are cut off half a buffer at a time.
	if len(s.t) == cap(s.t) && len(s.t) > 0 {
		half := len(s.t) / 2
		s.t = s.t[:copy(s.t, s.t[half:])]
		s.v = s.v[:copy(s.v, s.v[half:])]
	}
	s.t = append(s.t, t)
	s.v = append(s.v, v)
}

// MarkStale notes that the series' target went away at t (milliseconds): instant selectors no
// longer see it, ranges keep its old samples, as in Prometheus.
func (s *Series) MarkStale(t int64) { s.stale = t }

// between returns the samples in (from, to].
func (s *Series) between(from, to int64) ([]int64, []float64) {
	first := sort.Search(len(s.t), func(i int) bool { return s.t[i] > from })
	last := len(s.t)
	for last > first && s.t[last-1] > to {
		last--
	}
	return s.t[first:last], s.v[first:last]
}

// Store holds series. It belongs to one simulation and is not safe for concurrent use.
type Store struct {
	samples  int
	byMetric map[string][]*Series
	labels   []labels.Labels
	numbers  map[string]int32
	scratch  []byte
}

// NewStore makes an empty store.
func NewStore() *Store {
	return &Store{byMetric: map[string][]*Series{}, numbers: map[string]int32{}}
}

// Keep sets how many latest samples new series keep.
func (s *Store) Keep(samples int) { s.samples = 2 * samples }

// Add starts a new series.
func (s *Store) Add(metric string, ls labels.Labels) *Series {
	series := &Series{Metric: metric, Labels: ls, label: s.number(ls),
		t: make([]int64, 0, s.samples), v: make([]float64, 0, s.samples)}
	s.byMetric[metric] = append(s.byMetric[metric], series)
	return series
}

// Forget drops the series that went stale at or before t (milliseconds).
func (s *Store) Forget(t int64) {
	for metric, list := range s.byMetric {
		kept := list[:0]
		for _, series := range list {
			if series.stale == 0 || series.stale > t {
				kept = append(kept, series)
			}
		}
		clear(list[len(kept):])
		s.byMetric[metric] = kept
	}
}

// number gives equal label sets the same number.
func (s *Store) number(ls labels.Labels) int32 {
	s.scratch = ls.Bytes(s.scratch[:0])
	if n, ok := s.numbers[string(s.scratch)]; ok {
		return n
	}
	n := int32(len(s.labels))
	s.labels = append(s.labels, ls)
	s.numbers[string(s.scratch)] = n
	return n
}
