package connections

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql/parser"

	"holograph/test/internal/promtool"
)

// nameLabel holds a series' name.
const nameLabel = labels.MetricName

// query is one PromQL expression that somebody asks a Prometheus.
type query struct {
	// who asks, for messages.
	who  string
	text string
	expr parser.Expr
	// record is the name of the series that the result is recorded under, with labels of the rule.
	record string
	labels Labels
	// answered is whether there must be a result, so that something scales.
	answered bool
}

// store holds the series of one Prometheus. They have labels and no values: whether a query can have a result depends on its
// selectors, its joins and its groupings alone.
type store struct{ series []Labels }

// add adds a series that is not there yet.
func (s *store) add(series Labels) bool {
	if series == nil || slices.ContainsFunc(s.series, func(other Labels) bool { return maps.Equal(series, other) }) {
		return false
	}
	s.series = append(s.series, series)
	return true
}

// selected are the series that a selector selects.
func (s *store) selected(selector *parser.VectorSelector) []Labels {
	var found []Labels
	for _, series := range s.series {
		if all(selector.LabelMatchers, series) {
			found = append(found, series)
		}
	}
	return found
}

func all(matchers []*labels.Matcher, series Labels) bool {
	return !slices.ContainsFunc(matchers, func(m *labels.Matcher) bool { return !m.Matches(series[m.Name]) })
}

// missing says why a selector selects nothing, "" where it selects something.
func (s *store) missing(selector *parser.VectorSelector) string {
	if len(s.selected(selector)) > 0 {
		return ""
	}
	name := selectorName(selector)
	closest, wrong := Labels(nil), []string(nil)
	for _, series := range s.series {
		if series[nameLabel] != name {
			continue
		}
		var not []string
		for _, matcher := range selector.LabelMatchers {
			if !matcher.Matches(series[matcher.Name]) {
				if value, set := series[matcher.Name]; set {
					not = append(not, fmt.Sprintf("%v (it is %q)", matcher, value))
				} else {
					not = append(not, fmt.Sprintf("%v (no scrape sets %s)", matcher, matcher.Name))
				}
			}
		}
		if closest == nil || len(not) < len(wrong) {
			closest, wrong = series, not
		}
	}
	if closest == nil {
		return fmt.Sprintf("nobody that it scrapes exports %s, or relabeling drops it", name)
	}
	return fmt.Sprintf("no series of %s has %s", name, strings.Join(wrong, " and "))
}

// selectorName is the name of the metric that a selector selects.
func selectorName(selector *parser.VectorSelector) string {
	for _, matcher := range selector.LabelMatchers {
		if matcher.Name == nameLabel {
			return matcher.Value
		}
	}
	return selector.Name
}

// selectors are those of an expression.
func selectors(expr parser.Expr) []*parser.VectorSelector {
	var found []*parser.VectorSelector
	parser.Inspect(expr, func(node parser.Node, _ []parser.Node) error {
		if selector, is := node.(*parser.VectorSelector); is {
			found = append(found, selector)
		}
		return nil
	})
	return found
}

// result is what an expression can give: series, or a number.
type result struct {
	series []Labels
	number bool
}

// eval says which series the result of an expression can have, where no comparison drops one.
func (s *store) eval(expr parser.Expr) result {
	switch node := expr.(type) {
	case *parser.NumberLiteral, *parser.StringLiteral:
		return result{number: true}
	case *parser.ParenExpr:
		return s.eval(node.Expr)
	case *parser.UnaryExpr:
		return s.eval(node.Expr)
	case *parser.SubqueryExpr:
		return s.eval(node.Expr)
	case *parser.StepInvariantExpr:
		return s.eval(node.Expr)
	case *parser.MatrixSelector:
		return s.eval(node.VectorSelector)
	case *parser.VectorSelector:
		return result{series: s.selected(node)}
	case *parser.AggregateExpr:
		return s.aggregate(node)
	case *parser.Call:
		return s.call(node)
	case *parser.BinaryExpr:
		return s.binary(node)
	}
	return result{}
}

func (s *store) aggregate(node *parser.AggregateExpr) result {
	inner := s.eval(node.Expr).series
	switch node.Op {
	case parser.TOPK, parser.BOTTOMK, parser.LIMITK, parser.LIMIT_RATIO:
		return result{series: inner}
	}
	var groups []Labels
	for _, series := range inner {
		groups = append(groups, projected(series, node.Grouping, !node.Without))
	}
	return result{series: distinct(groups)}
}

func (s *store) call(node *parser.Call) result {
	switch node.Func.Name {
	case "scalar", "time", "pi":
		return result{number: true}
	case "vector", "absent", "absent_over_time":
		return result{series: []Labels{{}}}
	}
	for _, argument := range node.Args {
		inner := s.eval(argument)
		if inner.number {
			continue
		}
		var found []Labels
		for _, series := range inner.series {
			series = maps.Clone(series)
			switch node.Func.Name {
			case "label_replace":
				replaceLabel(series, node.Args)
			case "last_over_time", "first_over_time":
			default:
				delete(series, nameLabel)
			}
			found = append(found, series)
		}
		return result{series: distinct(found)}
	}
	return result{series: []Labels{{}}}
}

// replaceLabel does what label_replace does.
func replaceLabel(series Labels, arguments parser.Expressions) {
	var text [5]string
	for i, argument := range arguments {
		if literal, is := argument.(*parser.StringLiteral); is && i < len(text) {
			text[i] = literal.Val
		}
	}
	pattern, err := regexp.Compile("^(?s:" + text[4] + ")$")
	if err != nil {
		return
	}
	if found := pattern.FindStringSubmatchIndex(series[text[3]]); found != nil {
		series[text[1]] = string(pattern.ExpandString(nil, text[2], series[text[3]], found))
	}
}

func (s *store) binary(node *parser.BinaryExpr) result {
	left, right := s.eval(node.LHS), s.eval(node.RHS)
	keepsName := node.Op.IsComparisonOperator() && !node.ReturnBool
	switch {
	case left.number && right.number:
		return result{number: true}
	case left.number || right.number:
		var found []Labels
		for _, series := range append(left.series, right.series...) {
			if series = maps.Clone(series); !keepsName {
				delete(series, nameLabel)
			}
			found = append(found, series)
		}
		return result{series: found}
	}
	matching := node.VectorMatching
	signature := func(series Labels) string {
		return fmt.Sprint(projected(series, matching.MatchingLabels, matching.On))
	}
	has := func(many []Labels, one Labels) *Labels {
		for i := range many {
			if signature(many[i]) == signature(one) {
				return &many[i]
			}
		}
		return nil
	}
	switch node.Op {
	case parser.LOR:
		return result{series: distinct(append(slices.Clone(left.series), right.series...))}
	case parser.LUNLESS:
		return result{series: left.series}
	}
	many, one := left.series, right.series
	if matching.Card == parser.CardOneToMany {
		many, one = one, many
	}
	var found []Labels
	for _, series := range many {
		partner := has(one, series)
		if partner == nil {
			continue
		}
		if node.Op == parser.LAND {
			found = append(found, series)
			continue
		}
		if series = maps.Clone(series); !keepsName {
			delete(series, nameLabel)
		}
		if matching.Card == parser.CardOneToOne {
			series = projected(series, matching.MatchingLabels, matching.On)
		}
		for _, label := range matching.Include {
			if value, set := (*partner)[label]; set {
				series[label] = value
			}
		}
		found = append(found, series)
	}
	return result{series: distinct(found)}
}

// projected are the labels of a series that are in a list, or all others. A name is in neither.
func projected(series Labels, list []string, in bool) Labels {
	kept := Labels{}
	for key, value := range series {
		if key != nameLabel && slices.Contains(list, key) == in {
			kept[key] = value
		}
	}
	return kept
}

// distinct drops what is there twice.
func distinct(all []Labels) []Labels {
	s := store{}
	for _, series := range all {
		s.add(series)
	}
	return s.series
}

// parse reads the expression of a query.
func (q *query) parse() error {
	var err error
	if q.expr, err = promtool.Parse(q.text); err != nil {
		return fmt.Errorf("%s: %w", q.who, err)
	}
	return nil
}

// ownLabels are labels that a metric must have by itself for a selector to select it: those that no scrape sets.
func ownLabels(selector *parser.VectorSelector, scraped []string) Labels {
	own := Labels{}
	for _, matcher := range selector.LabelMatchers {
		if matcher.Name == nameLabel || slices.Contains(scraped, matcher.Name) {
			continue
		}
		for _, value := range append(strings.Split(strings.Trim(matcher.Value, "()"), "|"), "any") {
			if value != "" && matcher.Matches(value) {
				own[matcher.Name] = value
				break
			}
		}
	}
	return own
}
