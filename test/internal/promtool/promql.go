package promtool

import (
	"maps"
	"slices"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql/parser"
)

// Parse returns the syntax tree of an expression.
func Parse(expression string) (parser.Expr, error) {
	return parser.NewParser(parser.Options{}).ParseExpr(expression)
}

// Metrics returns the names of all series that the expression selects.
func Metrics(expression parser.Node) []string {
	names := map[string]bool{}
	eachNode(expression, func(node parser.Node) {
		if selector, ok := node.(*parser.VectorSelector); ok {
			names[selector.Name] = true
		}
	})
	return slices.Sorted(maps.Keys(names))
}

// Labels returns all label names that the expression matches, groups or joins by.
func Labels(expression parser.Node) []string {
	names := map[string]bool{}
	eachNode(expression, func(node parser.Node) {
		switch node := node.(type) {
		case *parser.VectorSelector:
			for _, matcher := range node.LabelMatchers {
				names[matcher.Name] = true
			}
		case *parser.AggregateExpr:
			for _, name := range node.Grouping {
				names[name] = true
			}
		case *parser.BinaryExpr:
			if node.VectorMatching != nil {
				for _, name := range slices.Concat(node.VectorMatching.MatchingLabels, node.VectorMatching.Include) {
					names[name] = true
				}
			}
		}
	})
	delete(names, labels.MetricName)
	return slices.Sorted(maps.Keys(names))
}

// DropMatchers removes the matchers of a label from all selectors of a metric.
func DropMatchers(expression parser.Node, metric, label string) {
	eachNode(expression, func(node parser.Node) {
		if selector, ok := node.(*parser.VectorSelector); ok && selector.Name == metric {
			selector.LabelMatchers = slices.DeleteFunc(selector.LabelMatchers, func(m *labels.Matcher) bool { return m.Name == label })
		}
	})
}

// Operands returns the parts of the expression that must each have a result, so that the expression can tell whether
// what it asks for is the case. Their comparisons return 0 or 1 (bool) instead of dropping series. absent() is replaced
// by its argument, and the right side of `unless` is left out, because its series need not exist. So is the right side
// of `or` where it is a constant: the left side must have a result by itself. Operands changes the expression.
func Operands(expression parser.Expr) []parser.Expr {
	switch node := expression.(type) {
	case *parser.ParenExpr:
		return Operands(node.Expr)
	case *parser.BinaryExpr:
		switch {
		case node.Op == parser.LOR && len(Metrics(node.RHS)) > 0:
			return append(Operands(node.LHS), Operands(node.RHS)...)
		case node.Op == parser.LUNLESS:
			return Operands(node.LHS)
		}
	case *parser.Call:
		if node.Func.Name == "absent" {
			return Operands(node.Args[0])
		}
	}
	eachNode(expression, func(node parser.Node) {
		if comparison, ok := node.(*parser.BinaryExpr); ok && comparison.Op.IsComparisonOperator() {
			comparison.ReturnBool = true
		}
	})
	return []parser.Expr{expression}
}

// eachNode calls visit with a node and everything below it.
func eachNode(root parser.Node, visit func(parser.Node)) {
	parser.Inspect(root, func(node parser.Node, _ []parser.Node) error {
		if node != nil {
			visit(node)
		}
		return nil
	})
}
