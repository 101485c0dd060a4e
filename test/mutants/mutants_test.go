package main

import (
	"context"
	"os"
	"path/filepath"
	"regexp"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestFaults(t *testing.T) {
	t.Parallel()
	for line, want := range map[string][]string{
		`  # a comment`:                    nil,
		`{{- end }}`:                       nil,
		`{{- if .Values.a -}}`:             {`{{- if not (.Values.a) -}}`},
		`{{- else if eq .a .b }}`:          {`{{- else if not (eq .a .b) }}`},
		`  replicas: 3`:                    {"", `  replicas: 4`},
		`  for: 5m`:                        {"", `  for: 6m`},
		`  memory: 64Mi`:                   {"", `  memory: 65Mi`},
		`version: v1`:                      {"", `version: v1x`},
		`  enabled: true`:                  {"", `  enabled: false`},
		`verbs: ["list"]`:                  {"", `verbs: ["listx"]`},
		`  kind: Service`:                  {"", `  kind: Servicex`},
		`{{ include "holograph.name" . }}`: {""},
	} {
		var got []string
		for _, m := range faults(line) {
			assert.Equal(t, m.gone, m.after == "", "whether the line %q is gone", line)
			got = append(got, m.after)
		}
		assert.Equal(t, want, got, "the faults of the line %q", line)
	}
}

func TestApply(t *testing.T) {
	t.Parallel()
	gone, changed := mutant{line: 1, gone: true}, mutant{line: 3, after: "C"}
	assert.Equal(t, "b\nc", apply("a\nb\nc", gone), "the text without its first line")
	assert.Equal(t, "b\nC", apply("a\nb\nc", gone, changed), "the text with both faults: a line that is gone must not move the other fault")
}

func TestOrder(t *testing.T) {
	t.Parallel()
	s, never := newSuite(map[string]time.Duration{
		"TestQuick":           100 * time.Millisecond,
		"TestOther":           200 * time.Millisecond,
		"TestSlow":            10 * time.Second,
		"TestSeries":          6 * time.Second,
		"TestSeries/defaults": time.Second,
		"TestSeries/more":     5 * time.Second,
		"TestParallel":        0,
		"TestParallel/a":      15 * time.Second,
		"TestParallel/b/c":    15 * time.Second,
	}, 20*time.Second)
	assert.Equal(t, []string{"TestParallel"}, never, "tests that take longer than 20 s, with their parallel subtests")
	assert.Equal(t, []string{"TestOther", "TestQuick", "TestSeries", "TestSlow"}, s.whole, "all other tests")
	s.measured(map[string]time.Duration{"TestQuick": 100 * time.Millisecond, "TestOther": 200 * time.Millisecond, "TestSlow": 10 * time.Second,
		"TestSeries": 2 * time.Second, "TestSeries/defaults": 100 * time.Millisecond})
	assert.Equal(t, []string{"TestQuick", "TestOther"}, s.quickest(nil), "the first tests while nothing is known: the quickest, within %v", budget)
	assert.Equal(t, []string{"TestOther", "TestQuick"}, s.quickest(map[string]int{"TestSeries": 99, "TestOther": 9}),
		"the first tests once faults have been noticed: those that notice the most a second")
	assert.Equal(t, [][]string{{"TestQuick"}, {"TestSlow"}}, s.suspects(outcome{failed: []string{"TestSlow", "TestQuick"}}), "the tests that failed, the quickest first")
	assert.Equal(t, [][]string{s.whole}, s.suspects(outcome{broke: true}), "all tests where none failed")
}

func TestPattern(t *testing.T) {
	t.Parallel()
	assert.Equal(t, "^TestA$|^TestB$/^defaults$", pattern([]string{"TestA", "TestB/defaults"}))
	assert.Empty(t, pattern(nil), "the pattern of all tests")
}

func TestSplit(t *testing.T) {
	t.Parallel()
	one, same, other := mutant{file: "a", line: 1, gone: true}, mutant{file: "a", line: 1, after: "x"}, mutant{file: "b", line: 1}
	batch, rest := split([]mutant{one, same, other})
	assert.Equal(t, []mutant{one, other}, batch, "the batch: a line can have one fault at a time")
	assert.Equal(t, []mutant{same}, rest, "what waits for the next batch")
	batch, rest = split(make([]mutant, 0))
	assert.Empty(t, append(batch, rest...))
	var many []mutant
	for line := range batchSize + 2 {
		many = append(many, mutant{line: line})
	}
	batch, rest = split(many)
	assert.Len(t, batch, batchSize)
	assert.Len(t, rest, 2)
}

func TestParseVerdicts(t *testing.T) {
	t.Parallel()
	text := "a\tTestA\nb\tSURVIVED\nc\t" + hidden + "\nb\tTestB\nd\tTes"
	assert.Equal(t, map[string]string{"a": "TestA", "b": "TestB", "c": hidden}, parseVerdicts(text, false), "the last verdict on each mutant, without the one that was cut off")
	assert.Equal(t, map[string]string{"a": "TestA", "b": "TestB"}, parseVerdicts(text, true), "the verdicts that hold for all values")
}

func TestNoticed(t *testing.T) {
	t.Parallel()
	r := &results{verdicts: map[string]string{"a.yaml:1: x": "TestA", "b.yaml:1: x": "TestB", "b.yaml:2: x": "TestB", "a.yaml:2: x": survived}}
	assert.Equal(t, map[string]int{"TestA": sameFile, "TestB": 2}, r.noticed("a.yaml"), "what the tests have noticed: one mutant of this file, and two of another")
}

// TestExamine has a script in place of the tests, which notices three faults: one with a test, one with a panic, and one with
// a test behind the panic.
func TestExamine(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	require.NoError(t, os.MkdirAll(filepath.Join(root, "charts", "holograph"), 0o755))
	require.NoError(t, os.MkdirAll(filepath.Join(root, "test", "chart"), 0o755))
	values, binary := filepath.Join(root, "charts", "holograph", "values.yaml"), filepath.Join(root, "chart.test")
	const text = "a: 1\nb: 1\nc: 1\nd: 1\n"
	require.NoError(t, os.WriteFile(values, []byte(text), 0o644))
	require.NoError(t, os.WriteFile(binary, []byte(`#!/bin/sh
rc=0
notices() {
	case "$*" in *"^Test$1\$"*) grep -q "$2" ../../charts/holograph/values.yaml && echo "--- FAIL: Test$1 (0.10s)" ;; *) false ;; esac
}
if notices A "a: 2" "$@"; then rc=1; fi
if notices B "b: 2" "$@"; then exit 2; fi
if notices C "c: 2" "$@"; then rc=1; fi
exit $rc
`), 0o755))
	l, err := newLaboratory(root, filepath.Join(t.TempDir(), "copy"), binary, "^$")
	require.NoError(t, err)
	var batch []mutant
	for i, after := range []string{"a: 2", "b: 2", "c: 2", "d: 2"} {
		batch = append(batch, mutant{file: "values.yaml", line: i + 1, after: after})
	}
	verdicts, err := l.examine(context.Background(), batch, &suite{whole: []string{"TestA", "TestB", "TestC"}})
	require.NoError(t, err)
	assert.Equal(t, []string{"TestA", "TestB", "TestC", survived}, verdicts, "the verdicts on the batch")
	left, err := os.ReadFile(filepath.Join(l.chart, "values.yaml"))
	require.NoError(t, err)
	assert.Equal(t, text, string(left), "the copy after the tests")
}

func TestPlant(t *testing.T) {
	t.Parallel()
	directory := t.TempDir()
	for name, text := range map[string]string{
		"values.yaml":               "# -- How many.\nreplicas: 2\n",
		"files/console.html":        "<style>\n  p { margin: 0 }\n</style>\n<p>text</p>\n",
		"templates/a.yaml":          "{{- /* Why.\nname: 1\n*/}}\nkind: Pod\n",
		"templates/_validate_a.tpl": "refused\n",
		"README.md":                 "text\n",
	} {
		require.NoError(t, os.MkdirAll(filepath.Dir(filepath.Join(directory, name)), 0o755))
		require.NoError(t, os.WriteFile(filepath.Join(directory, name), []byte(text), 0o644))
	}
	planted, err := plant(directory, regexp.MustCompile("dropped|->"), false)
	require.NoError(t, err)
	var got []string
	for _, m := range planted {
		got = append(got, m.String())
	}
	assert.Equal(t, []string{
		"files/console.html:4: dropped <p>text</p>",
		"templates/a.yaml:4: kind: Pod -> kind: Podx",
		"values.yaml:2: replicas: 2 -> replicas: 3",
	}, got, "the mutants: none of a comment, of the looks of a page, of a refusal and of what is not rendered")
}

func TestCompare(t *testing.T) {
	t.Parallel()
	directory := t.TempDir()
	require.NoError(t, os.MkdirAll(filepath.Join(directory, "templates"), 0o755))
	for name, text := range map[string]string{
		"Chart.yaml":          "apiVersion: v2\nname: small\nversion: 0.1.0\n",
		"values.yaml":         "labels: {a: b}\nhidden: false\n",
		"templates/pod.yaml":  "apiVersion: v1\nkind: Pod\nmetadata:\n  labels:\n    {{- toYaml .Values.labels | nindent 4 }}\n",
		"templates/more.yaml": "{{- if .Values.hidden }}\nkind: Pod\n{{- end }}\n",
	} {
		require.NoError(t, os.WriteFile(filepath.Join(directory, name), []byte(text), 0o644))
	}
	original, err := newOriginal(directory, false)
	require.NoError(t, err)
	for want, m := range map[string]mutant{
		"":         {file: "templates/pod.yaml", line: 2, after: "kind: Service"},
		unrendered: {file: "templates/pod.yaml", line: 3, gone: true},
		hidden:     {file: "templates/more.yaml", line: 2, after: "kind: Service"},
	} {
		assert.Equal(t, want, original.compare(m), "the verdict on %s before any test; none where a test is to notice it", m)
	}
	indented := mutant{file: "templates/pod.yaml", line: 5, after: "    {{- toYaml .Values.labels | nindent 5 }}"}
	assert.Equal(t, hidden, original.compare(indented), "the verdict on %s, which Kubernetes reads as the same", indented)
}
