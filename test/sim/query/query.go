package query

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql/parser"
)

// PodsMatcher is the value that stands for "one of the pods asked for" in an equality matcher of a
// compiled query. An adapter writes pod=~"a|b|c" there; with thousands of pods a set is faster.
const PodsMatcher = "\x00pods"

// lookback is how old an instant selector's sample may be: Prometheus' default.
const lookback = 5 * time.Minute

// Sample is one element of a query's result.
type Sample struct {
	Labels labels.Labels
	Value  float64
}

// Query is a compiled query over one store.
type Query struct {
	store *Store
	root  node
	// names and horizon describe what the query reads.
	names   []string
	horizon time.Duration
}

// Metrics are the names of the metrics the query reads.
func (q *Query) Metrics() []string { return q.names }

// Horizon is how far back the query looks.
func (q *Query) Horizon() time.Duration { return q.horizon }

// Selector parses text as one instant selector, such as an adapter rule's seriesQuery.
func Selector(text string) ([]*labels.Matcher, error) {
	expr, err := parser.NewParser(parser.Options{}).ParseExpr(text)
	if err != nil {
		return nil, err
	}
	vs, ok := expr.(*parser.VectorSelector)
	if !ok {
		return nil, fmt.Errorf("%q is not a series selector", text)
	}
	return vs.LabelMatchers, nil
}

// Compile parses text and prepares it for the store. It reports what Prometheus' parser reports,
// and parts of PromQL that the simulator does not know.
func Compile(store *Store, text string) (*Query, error) {
	expr, err := parser.NewParser(parser.Options{}).ParseExpr(text)
	if err != nil {
		return nil, err
	}
	q := &Query{store: store}
	if q.root, err = q.compile(expr); err != nil {
		return nil, err
	}
	slices.Sort(q.names)
	q.names = slices.Compact(q.names)
	return q, nil
}

// Eval evaluates the query at t (milliseconds) for the given pods and calls each for every element
// of the result. A scalar gives one element without labels.
func (q *Query) Eval(t int64, pods map[string]struct{}, each func(Sample)) error {
	e := &evaluation{store: q.store, t: t, pods: pods}
	for _, el := range q.root.eval(e) {
		each(Sample{q.store.labels[el.label], el.v})
	}
	return e.err
}

type evaluation struct {
	store *Store
	t     int64
	pods  map[string]struct{}
	err   error
}

type element struct {
	label int32
	v     float64
}

type node interface {
	eval(*evaluation) []element
}

func (q *Query) compile(expr parser.Expr) (node, error) {
	switch x := expr.(type) {
	case *parser.ParenExpr:
		return q.compile(x.Expr)
	case *parser.StepInvariantExpr:
		return q.compile(x.Expr)
	case *parser.NumberLiteral:
		return &number{value: x.Val, label: q.store.number(labels.EmptyLabels())}, nil
	case *parser.UnaryExpr:
		of, err := q.compile(x.Expr)
		if err != nil || x.Op == parser.ADD {
			return of, err
		}
		return q.mapped(of, func(v float64) float64 { return -v }), nil
	case *parser.VectorSelector:
		return q.selector(x, 0)
	case *parser.Call:
		return q.call(x)
	case *parser.AggregateExpr:
		return q.aggregate(x)
	case *parser.BinaryExpr:
		return q.binary(x)
	}
	return nil, unsupported(expr)
}

func unsupported(expr parser.Node) error {
	return fmt.Errorf("%d: the simulator does not know this part of PromQL: %s", expr.PositionRange().Start+1, expr)
}

// selector compiles an instant selector, or with window above zero a range.
func (q *Query) selector(x *parser.VectorSelector, window time.Duration) (*selector, error) {
	if x.Timestamp != nil || x.StartOrEnd != 0 || x.Anchored || x.Smoothed {
		return nil, unsupported(x)
	}
	s := &selector{offset: x.OriginalOffset.Milliseconds(), window: window.Milliseconds()}
	for _, m := range x.LabelMatchers {
		switch {
		case m.Name == labels.MetricName && m.Type == labels.MatchEqual:
			s.metric = m.Value
		case m.Value == PodsMatcher && m.Type == labels.MatchEqual:
			s.podLabel = m.Name
		default:
			s.matchers = append(s.matchers, m)
		}
	}
	if s.metric == "" {
		return nil, fmt.Errorf("%s selects no metric by its name", x)
	}
	q.names = append(q.names, s.metric)
	reach := x.OriginalOffset + max(window, 0)
	if window == 0 {
		reach += time.Minute
	}
	q.horizon = max(q.horizon, reach)
	return s, nil
}

type selector struct {
	metric   string
	matchers []*labels.Matcher
	podLabel string
	offset   int64
	window   int64

	known []int8 // by label number: 0 not looked at, 1 matches, -1 does not
	pod   []string
	out   []element
}

// each calls f for the series the selector matches.
func (s *selector) each(e *evaluation, f func(*Series)) {
	for _, series := range e.store.byMetric[s.metric] {
		n := int(series.label)
		if n >= len(s.known) {
			s.known = append(s.known, make([]int8, len(e.store.labels)-len(s.known))...)
			s.pod = append(s.pod, make([]string, len(e.store.labels)-len(s.pod))...)
		}
		if s.known[n] == 0 {
			s.known[n] = 1
			for _, m := range s.matchers {
				if !m.Matches(series.Labels.Get(m.Name)) {
					s.known[n] = -1
				}
			}
			s.pod[n] = series.Labels.Get(s.podLabel)
		}
		if s.known[n] < 0 {
			continue
		}
		if s.podLabel != "" {
			if _, ok := e.pods[s.pod[n]]; !ok {
				continue
			}
		}
		f(series)
	}
}

func (s *selector) eval(e *evaluation) []element {
	s.out = s.out[:0]
	at := e.t - s.offset
	s.each(e, func(series *Series) {
		if series.stale != 0 && series.stale <= at {
			return
		}
		if _, v := series.between(at-lookback.Milliseconds(), at); len(v) > 0 {
			s.out = append(s.out, element{series.label, v[len(v)-1]})
		}
	})
	return s.out
}

// overRange applies a function to the samples of every matching range.
type overRange struct {
	*selector
	f func(r window) (float64, bool)
}

// window is the samples of one series in (start, end], in milliseconds.
type window struct {
	start, end int64
	t          []int64
	v          []float64
}

func (o *overRange) eval(e *evaluation) []element {
	o.out = o.out[:0]
	end := e.t - o.offset
	o.each(e, func(series *Series) {
		t, v := series.between(end-o.window, end)
		if len(t) == 0 {
			return
		}
		if result, ok := o.f(window{end - o.window, end, t, v}); ok {
			o.out = append(o.out, element{series.label, result})
		}
	})
	return o.out
}

type number struct {
	value float64
	label int32
	out   [1]element
}

func (n *number) eval(*evaluation) []element {
	n.out[0] = element{n.label, n.value}
	return n.out[:]
}

type mapped struct {
	of  node
	f   func(float64) float64
	out []element
}

func (q *Query) mapped(of node, f func(float64) float64) node { return &mapped{of: of, f: f} }

func (m *mapped) eval(e *evaluation) []element {
	m.out = m.out[:0]
	for _, el := range m.of.eval(e) {
		m.out = append(m.out, element{el.label, m.f(el.v)})
	}
	return m.out
}

// scalarOf is scalar(v): the one element's value, NaN for none or many.
type scalarOf struct {
	of    node
	label int32
	out   [1]element
}

func (s *scalarOf) eval(e *evaluation) []element {
	s.out[0] = element{s.label, math.NaN()}
	if got := s.of.eval(e); len(got) == 1 {
		s.out[0].v = got[0].v
	}
	return s.out[:]
}

func (q *Query) call(x *parser.Call) (node, error) {
	if f, ok := rangeFunctions[x.Func.Name]; ok {
		return q.rangeCall(x, f)
	}
	if len(x.Args) == 0 {
		return nil, unsupported(x)
	}
	of, err := q.compile(x.Args[0])
	if err != nil {
		return nil, err
	}
	switch x.Func.Name {
	case "vector":
		return of, nil
	case "scalar":
		return &scalarOf{of: of, label: q.store.number(labels.EmptyLabels())}, nil
	case "abs":
		return q.mapped(of, math.Abs), nil
	case "ceil":
		return q.mapped(of, math.Ceil), nil
	case "floor":
		return q.mapped(of, math.Floor), nil
	case "clamp_min", "clamp_max", "clamp":
		c := &clamp{of: of}
		bounds := []*node{&c.low, &c.high}
		switch x.Func.Name {
		case "clamp_min":
			bounds = bounds[:1]
		case "clamp_max":
			bounds = bounds[1:]
		}
		for i, bound := range bounds {
			if *bound, err = q.compile(x.Args[i+1]); err != nil {
				return nil, err
			}
		}
		return c, nil
	case "label_replace":
		return q.labelReplace(x, of)
	}
	return nil, unsupported(x)
}

// clamp is clamp, clamp_min and clamp_max; a bound that is nil is none.
type clamp struct {
	of, low, high node
	out           []element
}

func (c *clamp) eval(e *evaluation) []element {
	low, high := math.Inf(-1), math.Inf(1)
	if c.low != nil {
		low = c.low.eval(e)[0].v
	}
	if c.high != nil {
		high = c.high.eval(e)[0].v
	}
	of := c.of.eval(e)
	c.out = c.out[:0]
	if high < low {
		return c.out
	}
	for _, el := range of {
		c.out = append(c.out, element{el.label, math.Max(low, math.Min(high, el.v))})
	}
	return c.out
}

// labelReplace compiles label_replace(v, label, text, "", ""), which writes a label.
func (q *Query) labelReplace(x *parser.Call, of node) (node, error) {
	var texts [4]string
	for i := range texts {
		text, ok := unparen(x.Args[i+1]).(*parser.StringLiteral)
		if !ok {
			return nil, unsupported(x)
		}
		texts[i] = text.Val
	}
	if texts[2] != "" || texts[3] != "" || strings.Contains(texts[1], "$") {
		return nil, unsupported(x)
	}
	return &written{of: of, name: texts[0], value: texts[1]}, nil
}

// written writes a label.
type written struct {
	of          node
	name, value string
	out         []element
}

func (w *written) eval(e *evaluation) []element {
	w.out = w.out[:0]
	for _, el := range w.of.eval(e) {
		ls := labels.NewBuilder(e.store.labels[el.label]).Set(w.name, w.value).Labels()
		w.out = append(w.out, element{e.store.number(ls), el.v})
	}
	return w.out
}

func (q *Query) rangeCall(x *parser.Call, f func(window, float64) (float64, bool)) (node, error) {
	m, ok := unparen(x.Args[0]).(*parser.MatrixSelector)
	if !ok {
		return nil, unsupported(x.Args[0])
	}
	s, err := q.selector(m.VectorSelector.(*parser.VectorSelector), m.Range)
	if err != nil {
		return nil, err
	}
	argument := m.Range.Seconds()
	if len(x.Args) == 2 {
		n, ok := unparen(x.Args[1]).(*parser.NumberLiteral)
		if !ok {
			return nil, fmt.Errorf("%d: the simulator wants a number as argument 2 of %s", x.Args[1].PositionRange().Start+1, x.Func.Name)
		}
		argument = n.Val
	}
	return &overRange{s, func(w window) (float64, bool) { return f(w, argument) }}, nil
}

func unparen(expr parser.Expr) parser.Expr {
	for {
		switch x := expr.(type) {
		case *parser.ParenExpr:
			expr = x.Expr
		case *parser.StepInvariantExpr:
			expr = x.Expr
		default:
			return expr
		}
	}
}

// relabel maps label sets to what is left of them, remembering every answer.
type relabel struct {
	names   []string
	without bool
	to      []int32 // by label number; -1 is not known yet
}

func (r *relabel) of(store *Store, label int32) int32 {
	if int(label) >= len(r.to) {
		from := len(r.to)
		r.to = append(r.to, make([]int32, len(store.labels)-from)...)
		for i := from; i < len(r.to); i++ {
			r.to[i] = -1
		}
	}
	if r.to[label] < 0 {
		b := labels.NewBuilder(store.labels[label])
		if r.without {
			b.Del(r.names...)
		} else {
			b.Keep(r.names...)
		}
		r.to[label] = store.number(b.Labels())
	}
	return r.to[label]
}

type aggregate struct {
	of    node
	group relabel
	op    parser.ItemType
	slot  []int32 // by label number: 1 + position in out
	out   []element
	count []float64
}

func (q *Query) aggregate(x *parser.AggregateExpr) (node, error) {
	switch x.Op {
	case parser.SUM, parser.MAX, parser.MIN, parser.AVG, parser.COUNT:
	default:
		return nil, unsupported(x)
	}
	of, err := q.compile(x.Expr)
	if err != nil {
		return nil, err
	}
	return &aggregate{of: of, op: x.Op, group: relabel{names: x.Grouping, without: x.Without}}, nil
}

func (a *aggregate) eval(e *evaluation) []element {
	a.out, a.count = a.out[:0], a.count[:0]
	for _, el := range a.of.eval(e) {
		label := a.group.of(e.store, el.label)
		if int(label) >= len(a.slot) {
			a.slot = append(a.slot, make([]int32, len(e.store.labels)-len(a.slot))...)
		}
		i := a.slot[label] - 1
		if i < 0 {
			a.out = append(a.out, element{label, el.v})
			a.count = append(a.count, 1)
			a.slot[label] = int32(len(a.out))
			continue
		}
		a.count[i]++
		switch a.op {
		case parser.SUM, parser.AVG:
			a.out[i].v += el.v
		case parser.MAX:
			// A NaN gives way to any number, in both directions.
			if el.v > a.out[i].v || math.IsNaN(a.out[i].v) {
				a.out[i].v = el.v
			}
		case parser.MIN:
			if el.v < a.out[i].v || math.IsNaN(a.out[i].v) {
				a.out[i].v = el.v
			}
		}
	}
	for i := range a.out {
		a.slot[a.out[i].label] = 0
		switch a.op {
		case parser.AVG:
			a.out[i].v /= a.count[i]
		case parser.COUNT:
			a.out[i].v = a.count[i]
		}
	}
	return a.out
}

type binary struct {
	left, right             node
	leftScalar, rightScalar bool
	op                      parser.ItemType
	f                       func(a, b float64) float64
	// holds is a comparison's test; without bool it keeps or drops elements as they are.
	holds func(a, b float64) bool
	bool  bool
	match relabel
	slot  []int32 // by label number: 1 + position in the right side
	out   []element
}

func (q *Query) binary(x *parser.BinaryExpr) (node, error) {
	b := &binary{op: x.Op,
		leftScalar:  x.LHS.Type() == parser.ValueTypeScalar,
		rightScalar: x.RHS.Type() == parser.ValueTypeScalar,
		// Without on() the sides match on all labels but the metric's name, which is held apart here.
		match: relabel{without: true}}
	switch x.Op {
	case parser.ADD:
		b.f = func(a, b float64) float64 { return a + b }
	case parser.SUB:
		b.f = func(a, b float64) float64 { return a - b }
	case parser.MUL:
		b.f = func(a, b float64) float64 { return a * b }
	case parser.DIV:
		b.f = func(a, b float64) float64 { return a / b }
	case parser.LOR, parser.LAND, parser.LUNLESS:
	default:
		if b.holds = comparisons[x.Op]; b.holds == nil {
			return nil, unsupported(x)
		}
		b.bool = x.ReturnBool
	}
	if m := x.VectorMatching; m != nil {
		if m.Card != parser.CardOneToOne && m.Card != parser.CardManyToMany {
			return nil, unsupported(x)
		}
		b.match = relabel{names: m.MatchingLabels, without: !m.On}
	}
	var err error
	if b.left, err = q.compile(x.LHS); err != nil {
		return nil, err
	}
	if b.right, err = q.compile(x.RHS); err != nil {
		return nil, err
	}
	return b, nil
}

var comparisons = map[parser.ItemType]func(a, b float64) bool{
	parser.LSS:  func(a, b float64) bool { return a < b },
	parser.LTE:  func(a, b float64) bool { return a <= b },
	parser.GTR:  func(a, b float64) bool { return a > b },
	parser.GTE:  func(a, b float64) bool { return a >= b },
	parser.EQLC: func(a, b float64) bool { return a == b },
	parser.NEQ:  func(a, b float64) bool { return a != b },
}

// combine appends what the operation gives for x and y. A comparison that holds keeps the value kept.
func (b *binary) combine(label int32, x, y, kept float64) {
	switch {
	case b.holds == nil:
		b.out = append(b.out, element{label, b.f(x, y)})
	case b.bool && b.holds(x, y):
		b.out = append(b.out, element{label, 1})
	case b.bool:
		b.out = append(b.out, element{label, 0})
	case b.holds(x, y):
		b.out = append(b.out, element{label, kept})
	}
}

func (b *binary) eval(e *evaluation) []element {
	left, right := b.left.eval(e), b.right.eval(e)
	b.out = b.out[:0]
	switch {
	case b.leftScalar:
		for _, el := range right {
			b.combine(el.label, left[0].v, el.v, el.v)
		}
		return b.out
	case b.rightScalar:
		for _, el := range left {
			b.combine(el.label, el.v, right[0].v, el.v)
		}
		return b.out
	}
	from, to := right, left
	if b.op == parser.LOR {
		from, to = left, right
	}
	for i, el := range from {
		label := b.match.of(e.store, el.label)
		if int(label) >= len(b.slot) {
			b.slot = append(b.slot, make([]int32, len(e.store.labels)-len(b.slot))...)
		}
		if b.slot[label] != 0 && (b.f != nil || b.holds != nil) {
			e.err = errors.New("found duplicate series for the match group on one side of the operation")
		}
		b.slot[label] = int32(i + 1)
	}
	if b.op == parser.LOR {
		b.out = append(b.out, left...)
	}
	for _, el := range to {
		label := b.match.of(e.store, el.label)
		at := int32(0)
		if int(label) < len(b.slot) {
			at = b.slot[label]
		}
		switch b.op {
		case parser.LAND:
			if at != 0 {
				b.out = append(b.out, el)
			}
		case parser.LUNLESS, parser.LOR:
			if at == 0 {
				b.out = append(b.out, el)
			}
		default:
			if at != 0 {
				out := label
				if b.match.without && len(b.match.names) == 0 {
					out = el.label
				}
				b.combine(out, el.v, from[at-1].v, el.v)
			}
		}
	}
	for _, el := range from {
		b.slot[b.match.of(e.store, el.label)] = 0
	}
	return b.out
}
