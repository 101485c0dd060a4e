package promtool

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Node is one node of a syntax tree. Which fields are set depends on Type.
type Node struct {
	Type string `json:"type"`

	// Op is the operator of a binaryExpr and a unaryExpr, and the name of an aggregation.
	Op       string    `json:"op"`
	LHS      *Node     `json:"lhs"`
	RHS      *Node     `json:"rhs"`
	Matching *Matching `json:"matching"`
	Bool     bool      `json:"bool"`

	// Expr is what an aggregation, a parenExpr, a unaryExpr or a subquery stands around.
	Expr     *Node    `json:"expr"`
	Param    *Node    `json:"param"`
	Grouping []string `json:"grouping"`
	Without  bool     `json:"without"`

	Func struct{ Name string } `json:"func"`
	Args []*Node               `json:"args"`

	// Name and Matchers select series, in a vectorSelector and a matrixSelector. The name is among the matchers too.
	Name     string    `json:"name"`
	Matchers []Matcher `json:"matchers"`
	// Range, Step and Offset are in milliseconds.
	Range  int64 `json:"range"`
	Step   int64 `json:"step"`
	Offset int64 `json:"offset"`

	// Val is that of a numberLiteral or stringLiteral.
	Val string `json:"val"`
}

// Matching says how the two sides of a binaryExpr find each other.
type Matching struct {
	Card    string   `json:"card"`
	Labels  []string `json:"labels"`
	On      bool     `json:"on"`
	Include []string `json:"include"`
}

// Matcher is one condition on a label.
type Matcher struct {
	Name  string `json:"name"`
	Type  string `json:"type"`
	Value string `json:"value"`
}

// Parse asks the Prometheus at a root URL for the syntax tree of an expression. The error is Prometheus' own.
func Parse(ctx context.Context, client *http.Client, root, expression string) (*Node, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, root+"/api/v1/parse_query?query="+url.QueryEscape(expression), nil)
	if err != nil {
		return nil, err
	}
	response, err := client.Do(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		return nil, err
	}
	var answer struct {
		Status, Error string
		Data          *Node
	}
	if err := json.Unmarshal(body, &answer); err != nil {
		return nil, fmt.Errorf("parse_query answers %s: %s", response.Status, body)
	}
	if answer.Status != "success" {
		return nil, fmt.Errorf("%s: %s", expression, answer.Error)
	}
	return answer.Data, nil
}

// children lists the nodes right below one.
func (n *Node) children() []*Node {
	var found []*Node
	for _, child := range append([]*Node{n.LHS, n.RHS, n.Expr, n.Param}, n.Args...) {
		if child != nil {
			found = append(found, child)
		}
	}
	return found
}

// Walk calls visit with a node and everything below it.
func (n *Node) Walk(visit func(*Node)) {
	visit(n)
	for _, child := range n.children() {
		child.Walk(visit)
	}
}

// Drop removes a label's matchers from a selector.
func (n *Node) Drop(label string) {
	n.Matchers = slices.DeleteFunc(n.Matchers, func(m Matcher) bool { return m.Name == label })
}

// Metrics returns the names of all series that the expression selects.
func (n *Node) Metrics() []string {
	names := map[string]bool{}
	n.Walk(func(node *Node) {
		if node.Type == "vectorSelector" || node.Type == "matrixSelector" {
			names[node.Name] = true
		}
	})
	return slices.Sorted(maps.Keys(names))
}

// Labels returns all label names that the expression matches, groups or joins by.
func (n *Node) Labels() []string {
	names := map[string]bool{}
	n.Walk(func(node *Node) {
		for _, matcher := range node.Matchers {
			if matcher.Name != "__name__" {
				names[matcher.Name] = true
			}
		}
		for _, name := range node.Grouping {
			names[name] = true
		}
		if node.Matching != nil {
			for _, name := range append(slices.Clone(node.Matching.Labels), node.Matching.Include...) {
				names[name] = true
			}
		}
	})
	return slices.Sorted(maps.Keys(names))
}

// Operands returns the expressions that must have a result each for the expression to be able to tell anything,
// whether or not what it asks for is the case: comparisons say yes or no (bool) in place of dropping what they are
// not true of, absent() stands aside, and what `unless` excludes need not be there. An expression with a constant to
// fall back to can always tell.
func (n *Node) Operands() []*Node {
	switch n.Type {
	case "parenExpr":
		return n.Expr.Operands()
	case "binaryExpr":
		switch n.Op {
		case "or":
			if len(n.RHS.Metrics()) == 0 {
				// A constant is there for when the other side is not.
				break
			}
			return append(n.LHS.Operands(), n.RHS.Operands()...)
		case "unless":
			return n.LHS.Operands()
		}
	case "call":
		if n.Func.Name == "absent" {
			return n.Args[0].Operands()
		}
	}
	return []*Node{n.decided()}
}

// decided returns a copy whose comparisons drop nothing.
func (n *Node) decided() *Node {
	copied := *n
	for _, child := range []**Node{&copied.LHS, &copied.RHS, &copied.Expr, &copied.Param} {
		if *child != nil {
			*child = (*child).decided()
		}
	}
	copied.Args = slices.Clone(n.Args)
	for i, child := range copied.Args {
		copied.Args[i] = child.decided()
	}
	if slices.Contains([]string{"==", "!=", "<", "<=", ">", ">="}, n.Op) {
		// A comparison within an operand picks what counts, as `0 < capacity` does; its own value goes on.
		copied.Bool = true
	}
	return &copied
}

// String writes the expression, with brackets wherever they might matter.
func (n *Node) String() string {
	switch n.Type {
	case "vectorSelector":
		return n.selector() + offset(n.Offset)
	case "matrixSelector":
		return n.selector() + "[" + duration(n.Range) + "]" + offset(n.Offset)
	case "subquery":
		return n.Expr.bracketed() + "[" + duration(n.Range) + ":" + duration(n.Step) + "]" + offset(n.Offset)
	case "numberLiteral":
		return n.Val
	case "stringLiteral":
		return strconv.Quote(n.Val)
	case "parenExpr":
		return "(" + n.Expr.String() + ")"
	case "unaryExpr":
		return n.Op + n.Expr.String()
	case "call":
		var arguments []string
		for _, argument := range n.Args {
			arguments = append(arguments, argument.String())
		}
		return n.Func.Name + "(" + strings.Join(arguments, ", ") + ")"
	case "aggregation":
		clause := " by "
		if n.Without {
			clause = " without "
		}
		parameter := ""
		if n.Param != nil {
			parameter = n.Param.String() + ", "
		}
		return n.Op + clause + "(" + strings.Join(n.Grouping, ", ") + ") (" + parameter + n.Expr.String() + ")"
	case "binaryExpr":
		operator := n.Op
		if n.Bool {
			operator += " bool"
		}
		if m := n.Matching; m != nil {
			if m.On {
				operator += " on (" + strings.Join(m.Labels, ", ") + ")"
			} else if len(m.Labels) > 0 {
				operator += " ignoring (" + strings.Join(m.Labels, ", ") + ")"
			}
			switch m.Card {
			case "many-to-one":
				operator += " group_left (" + strings.Join(m.Include, ", ") + ")"
			case "one-to-many":
				operator += " group_right (" + strings.Join(m.Include, ", ") + ")"
			}
		}
		return n.LHS.bracketed() + " " + operator + " " + n.RHS.bracketed()
	}
	return "<" + n.Type + ">"
}

func (n *Node) bracketed() string {
	if n.Type == "parenExpr" {
		return n.String()
	}
	return "(" + n.String() + ")"
}

func (n *Node) selector() string {
	var matchers []string
	for _, matcher := range n.Matchers {
		if matcher.Name != "__name__" || n.Name == "" {
			matchers = append(matchers, matcher.Name+matcher.Type+strconv.Quote(matcher.Value))
		}
	}
	return n.Name + "{" + strings.Join(matchers, ",") + "}"
}

func offset(milliseconds int64) string {
	if milliseconds == 0 {
		return ""
	}
	return " offset " + duration(milliseconds)
}

func duration(milliseconds int64) string {
	if milliseconds == 0 {
		return ""
	}
	return (time.Duration(milliseconds) * time.Millisecond).String()
}
