package main

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// mutant is one fault: a line of a file, and what stands in its place.
type mutant struct {
	file string
	line int
	// before is the line, after what replaces it; gone says that nothing does.
	before, after string
	gone          bool
}

// String names the mutant as a person finds it: where, and what was changed.
func (m mutant) String() string {
	before := strings.TrimSpace(m.before)
	if m.gone {
		return fmt.Sprintf("%s:%d: dropped %s", m.file, m.line, before)
	}
	return fmt.Sprintf("%s:%d: %s -> %s", m.file, m.line, before, strings.TrimSpace(m.after))
}

// apply returns a file's text with faults in it, each in a line of its own.
func apply(text string, mutants ...mutant) string {
	lines := strings.Split(text, "\n")
	// The last line first: a line that is gone moves those below it.
	for _, m := range slices.SortedFunc(slices.Values(mutants), func(a, b mutant) int { return b.line - a.line }) {
		if m.gone {
			lines = slices.Delete(lines, m.line-1, m.line)
		} else {
			lines[m.line-1] = m.after
		}
	}
	return strings.Join(lines, "\n")
}

// plant returns the mutants that a pattern matches, of the templates that render something, the files that they read, and
// values.yaml. Of each line it takes one fault, the last change or else its absence, or all.
func plant(directory string, pattern *regexp.Regexp, every bool) ([]mutant, error) {
	var all []mutant
	err := fs.WalkDir(os.DirFS(directory), ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		switch {
		case name == "values.yaml", strings.HasPrefix(name, "files/"):
		// Refusals render nothing: TestEveryRefusalHasACase reads them.
		case strings.HasPrefix(name, "templates/") && !strings.Contains(name, "validate"):
		default:
			return nil
		}
		text, err := os.ReadFile(filepath.Join(directory, filepath.FromSlash(name)))
		if err != nil {
			return err
		}
		// Comments, and how the status page looks.
		inert := false
		for i, line := range strings.Split(string(text), "\n") {
			opens := strings.Contains(line, "/*") || strings.Contains(line, "<style>")
			closes := strings.Contains(line, "*/") || strings.Contains(line, "</style>")
			if opens || inert {
				inert = !closes
				continue
			}
			planted := faults(line)
			if !every && len(planted) > 1 {
				// The verbs are the last texts of a rule.
				planted = planted[len(planted)-1:]
			}
			for _, m := range planted {
				m.file, m.line, m.before = name, i+1, line
				if pattern.MatchString(m.String()) {
					all = append(all, m)
				}
			}
		}
		return nil
	})
	return all, err
}

var (
	condition = regexp.MustCompile(`^(\s*\{\{-? (?:else )?if )(.+?)( -?\}\}.*)$`)
	control   = regexp.MustCompile(`\{\{-? ?(if|else|end|range|with|define|template|block)\b`)
	boolean   = regexp.MustCompile(`\b(true|false)\b`)
	number    = regexp.MustCompile(`\b\d+`)
	quoted    = regexp.MustCompile(`"[^"]*"`)
	scalar    = regexp.MustCompile(`^(\s*(?:- )*(?:[\w./-]+: )?)([A-Za-z/:-][^\s{}"#\[\]]*)$`)
)

// faults returns the faults that a line can have.
func faults(line string) []mutant {
	trimmed := strings.TrimSpace(line)
	if trimmed == "" || strings.HasPrefix(trimmed, "#") {
		return nil
	}
	var found []mutant
	change := func(from, to int, text string) {
		found = append(found, mutant{after: line[:from] + text + line[to:]})
	}
	if parts := condition.FindStringSubmatch(line); parts != nil {
		return []mutant{{after: parts[1] + "not (" + parts[2] + ")" + parts[3]}}
	}
	if control.MatchString(line) {
		return nil
	}
	found = append(found, mutant{gone: true})
	for _, at := range boolean.FindAllStringIndex(line, -1) {
		change(at[0], at[1], strconv.FormatBool(line[at[0]:at[1]] == "false"))
	}
	for _, at := range number.FindAllStringIndex(line, -1) {
		value, err := strconv.Atoi(line[at[0]:at[1]])
		if err == nil {
			change(at[0], at[1], strconv.Itoa(value+1))
		}
	}
	for _, at := range quoted.FindAllStringIndex(line, -1) {
		text := line[at[0]+1 : at[1]-1]
		// The name of a template would not render, and a number is changed above.
		if !strings.HasPrefix(text, "holograph.") && !number.MatchString(text) {
			change(at[1]-1, at[1]-1, "x")
		}
	}
	if parts := scalar.FindStringSubmatchIndex(line); parts != nil && !strings.HasSuffix(line, ":") && !boolean.MatchString(line[parts[4]:]) {
		change(parts[5], parts[5], "x")
	}
	return found
}
