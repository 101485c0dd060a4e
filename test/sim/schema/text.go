package schema

import (
	"regexp"
	"regexp/syntax"
	"strings"
	"sync"
)

// likely are texts that values of a pod share or that something takes for more than a text.
var likely = []string{"", "a", "http", "renderer", "cpu", "memory", "nvidia.com/gpu", "true", "null", "0", "1e3", "~", "0x1", "a: b", "- a", "{{ . }}", "'", `"`, "\n", "#", "%", "é", "1Gi", "15s", "10m", "1h", "5m"}

// hostile are pieces of text that end the place that a text is put into: the line breaks that YAML knows, its
// quotes, brackets and marks, the marks of the templates and variables of those who read it, and what is no text.
var hostile = []string{
	"\n", "\r", "\r\n", "\u0085", "\u2028", "\u2029", "\t", "\x00", "\x07", "\x1b[31m", "\x7f", "\ufeff", "\xff", "\xed\xa0\x80",
	"'", `"`, "`", "\\", "{", "}", "[", "]", ",", ": ", ":", " #", "#", "- ", "---", "---\n", "...", "&a", "*a", "!!map", "|", ">", "%", "@", "?", "<<", ">>", "<b>",
	"{{", "}}", "{{ nosuch }}", "{{ .Values }}", "{{ $labels.a }}", "$(PATH)", "$labels", "${a}",
	"\n  ", "\n    ", "\n      ", "apiVersion: v1", "kind: Secret", "metadata: {name: taken}", "data: null", "paused: true", "a", "a: b", "https://a:b@c", "é", "\U0001f600",
}

// Hostile tells whether a text has a piece that may end its place.
func Hostile(text string) bool {
	return strings.ContainsFunc(text, func(r rune) bool { return r < ' ' || r > '~' || strings.ContainsRune("'\"`\\{}[],:#&*!|>%@?<$", r) })
}

// breaks are the line breaks that YAML knows, alone and behind one at which a block is written.
var breaks = []string{"\n", "\r", "\r\n", "\u0085", "\u2028", "\u2029", "\n\u0085", "\n\u2028", "\n\u2029", "\n\r"}

// attack draws a text of hostile pieces, or one that goes on as a line of YAML. Some are long.
func (d *Drawer) attack() string {
	if d.rand.IntN(2) == 0 {
		end := breaks[d.rand.IntN(len(breaks))]
		return "a" + end + strings.Repeat(" ", 2*d.rand.IntN(8)) + []string{"paused: true", "- a", "---", "}", "b"}[d.rand.IntN(5)] + end + "c"
	}
	var out strings.Builder
	for range 1 + d.rand.IntN(6) {
		out.WriteString(hostile[d.rand.IntN(len(hostile))])
	}
	if d.rand.IntN(20) == 0 {
		return strings.Repeat(out.String(), 300)
	}
	return out.String()
}

// text draws a string: one of the likely ones where the schema takes it, else one made from the pattern. Where there
// is no pattern, half of them are attacks; elsewhere few, since the schema refuses them and all that is drawn with them.
func (d *Drawer) text(schema map[string]any) string {
	pattern, patterned := schema["pattern"].(string)
	if !patterned && (d.attacks || d.rand.IntN(2) == 0) || d.rand.IntN(200) == 0 {
		return d.attack()
	}
	if !patterned {
		text := likely[d.rand.IntN(len(likely))]
		if least, _ := number(schema["minLength"]); text == "" && least > 0 {
			return "a"
		}
		return text
	}
	if d.rand.IntN(3) > 0 {
		var fitting []string
		for _, text := range likely {
			if matches(pattern, text) {
				fitting = append(fitting, text)
			}
		}
		if len(fitting) > 0 {
			return fitting[d.rand.IntN(len(fitting))]
		}
	}
	text := d.matching(pattern)
	if most, found := number(schema["maxLength"]); found && len(text) > int(most) {
		text = strings.TrimRight(text[:int(most)], "-._")
	}
	return text
}

// matching makes a text that a pattern matches.
func (d *Drawer) matching(pattern string) string {
	parsed, err := syntax.Parse(pattern, syntax.Perl)
	if err != nil {
		return ""
	}
	var out strings.Builder
	d.make(&out, parsed)
	return out.String()
}

func (d *Drawer) make(out *strings.Builder, node *syntax.Regexp) {
	switch node.Op {
	case syntax.OpLiteral:
		out.WriteString(string(node.Rune))
	case syntax.OpCharClass:
		pair := 2 * d.rand.IntN(len(node.Rune)/2)
		// Of a class of all but a few characters, the printable ones.
		low, high := node.Rune[pair], min(node.Rune[pair+1], 0x17f)
		if low > high {
			low, high = 'a', 'z'
		}
		out.WriteRune(low + d.rand.Int32N(high-low+1))
	case syntax.OpAnyChar, syntax.OpAnyCharNotNL:
		out.WriteRune(' ' + d.rand.Int32N('~'-' '))
	case syntax.OpCapture, syntax.OpConcat:
		for _, part := range node.Sub {
			d.make(out, part)
		}
	case syntax.OpAlternate:
		d.make(out, node.Sub[d.rand.IntN(len(node.Sub))])
	case syntax.OpStar, syntax.OpPlus, syntax.OpQuest, syntax.OpRepeat:
		least, most := node.Min, node.Max
		switch node.Op {
		case syntax.OpStar:
			least, most = 0, -1
		case syntax.OpPlus:
			least, most = 1, -1
		case syntax.OpQuest:
			least, most = 0, 1
		}
		count := least
		switch {
		case most < 0:
			count += []int{0, 1, 3, 70}[d.rand.IntN(4)]
		case most > least:
			count += []int{0, 1, most - least, d.rand.IntN(most - least + 1)}[d.rand.IntN(4)]
		}
		for range count {
			d.make(out, node.Sub[0])
		}
	}
}

// patterns are those compiled so far.
var patterns sync.Map

func matches(pattern, text string) bool {
	compiled, found := patterns.Load(pattern)
	if !found {
		compiled, _ = patterns.LoadOrStore(pattern, regexp.MustCompile(pattern))
	}
	return compiled.(*regexp.Regexp).MatchString(text)
}
