// Package timing runs targets of the Makefile one after the other and says in the end where
// their time went. It reads that from what they print, which it passes on as it comes. It also
// runs folders of stories side by side, whose lines it tells apart.
package timing

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// shown is how long a part of a target must take to have a line of its own.
const shown = time.Second

// drain bounds the wait for output of a target that has ended, or was told to.
const drain = 30 * time.Second

// row is a part of a target: an image, a package, a test.
type row struct {
	name    string
	took    time.Duration
	outcome string
	// parts are a package's tests.
	parts []row
}

// Run makes the targets in order until one fails, and then writes the table to out, after a
// failure too. The error is that of the target that failed.
func Run(ctx context.Context, out, errOut io.Writer, targets []string) error {
	begun := time.Now()
	var rows []row
	var failure error
	for _, target := range targets {
		if failure != nil {
			rows = append(rows, row{name: target, outcome: "not run"})
			continue
		}
		fmt.Fprintf(out, "\n== make %s\n", target)
		var r row
		if r, failure = run(ctx, out, errOut, target, exec.CommandContext(ctx, "make", "--no-print-directory", target)); failure != nil {
			r.outcome = "FAILED"
			failure = fmt.Errorf("make %s: %w", target, failure)
		}
		rows = append(rows, r)
	}
	write(out, rows, time.Since(begun))
	return failure
}

// run runs a command and returns where its time went.
func run(ctx context.Context, out, errOut io.Writer, name string, cmd *exec.Cmd) (row, error) {
	begun := time.Now()
	var log log
	stdout, stderr := &lines{to: out, line: log.read}, &lines{to: errOut, line: log.read}
	cmd.Stdout, cmd.Stderr, cmd.Stdin = stdout, stderr, os.Stdin
	err := wait(ctx, cmd)
	log.flush()
	return row{name: name, took: time.Since(begun), parts: log.rows}, err
}

// wait runs a command to its end. When ctx ends, the command is told to end.
func wait(ctx context.Context, cmd *exec.Cmd) error {
	// What was started ends by itself: a killed make would leave it behind.
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = drain
	err := cmd.Run()
	if errors.Is(err, exec.ErrWaitDelay) && ctx.Err() == nil {
		err = nil // it succeeded, and something that it left behind holds its output open
	}
	return err
}

// lines passes on what is written and gives its whole lines to a function.
type lines struct {
	to   io.Writer
	line func(string)
	rest []byte
}

// Write implements io.Writer.
func (l *lines) Write(p []byte) (int, error) {
	n, err := l.to.Write(p)
	l.rest = append(l.rest, p[:n]...)
	for {
		line, rest, found := bytes.Cut(l.rest, []byte("\n"))
		if !found {
			return n, err
		}
		l.line(string(line))
		l.rest = rest
	}
}

var (
	// partLine is what command.Board prints when a part is there, or has failed.
	partLine = regexp.MustCompile(`^\[ *\d+/\d+\] (\S.*?): (\S.*) in (\d[0-9.hms]*)$`)
	// packageLine is what go test prints when a package has been tested.
	packageLine = regexp.MustCompile(`^(ok|FAIL)\s+(\S+)\s+(?:([0-9.]+)s|\((cached)\))`)
	// testLine is what go test prints, with -v or of a failure, when a test has ended; a
	// subtest's is indented.
	testLine = regexp.MustCompile(`^--- (PASS|FAIL): (\S+) \(([0-9.]+)s\)`)
)

// log collects the parts of one target. Its two outputs are read side by side.
type log struct {
	mu   sync.Mutex
	rows []row
	// tests are those since the last package's end, by the label of their lines.
	tests map[string][]row
}

func (l *log) read(line string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	label := ""
	if match := labelled.FindStringSubmatch(line); match != nil {
		label, line = match[1], match[2]
	}
	if match := partLine.FindStringSubmatch(line); match != nil {
		if took, err := time.ParseDuration(match[3]); err == nil {
			l.rows = append(l.rows, row{name: match[1], took: took, outcome: failed(match[2] == "failed")})
		}
	}
	if match := testLine.FindStringSubmatch(line); match != nil {
		if l.tests == nil {
			l.tests = map[string][]row{}
		}
		l.tests[label] = append(l.tests[label], row{name: match[2], took: seconds(match[3]), outcome: failed(match[1] == "FAIL")})
	}
	if match := packageLine.FindStringSubmatch(line); match != nil {
		r := row{name: match[2], took: seconds(match[3]), outcome: failed(match[1] == "FAIL"), parts: l.tests[label]}
		if match[4] != "" {
			r.outcome = match[4]
		}
		l.rows = append(l.rows, r)
		delete(l.tests, label)
	}
}

// flush keeps the tests of a package that did not come to its end.
func (l *log) flush() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, label := range slices.Sorted(maps.Keys(l.tests)) {
		l.rows = append(l.rows, l.tests[label]...)
	}
	clear(l.tests)
}

func failed(yes bool) string {
	if yes {
		return "FAILED"
	}
	return ""
}

func seconds(text string) time.Duration {
	s, err := strconv.ParseFloat(text, 64)
	if err != nil {
		return 0
	}
	return time.Duration(s * float64(time.Second))
}

// write prints the table. Its last line is the total.
func write(out io.Writer, rows []row, total time.Duration) {
	fmt.Fprint(out, "\nWhere the time went, in minutes and seconds. Parts that ran side by side add up to more than the line above them.\n\n")
	line(out, 0, row{name: "target", outcome: "outcome"}, "time")
	fmt.Fprintln(out, strings.Repeat("-", width+20))
	for _, r := range rows {
		if r.outcome == "" {
			r.outcome = "ok"
		}
		writeRow(out, 0, r)
	}
	fmt.Fprintln(out, strings.Repeat("-", width+20))
	line(out, 0, row{name: "total"}, clock(total))
}

// writeRow prints a row, and below it the parts that took a while or failed; the rest is one line.
func writeRow(out io.Writer, depth int, r row) {
	line(out, depth, r, clock(r.took))
	others, took := 0, time.Duration(0)
	for _, part := range r.parts {
		if part.took < shown && part.outcome != "FAILED" {
			others, took = others+1, took+part.took
			continue
		}
		writeRow(out, depth+1, part)
	}
	if others > 0 {
		line(out, depth+1, row{name: fmt.Sprintf("%d of under %s, or cached", others, shown)}, clock(took))
	}
}

// width is that of the column of names: the longest name of a test with its indentation.
const width = 80

func line(out io.Writer, depth int, r row, time string) {
	name := strings.Repeat("  ", depth) + r.name
	fmt.Fprintln(out, strings.TrimRight(fmt.Sprintf("%-*s %7s  %s", width, name, time, r.outcome), " "))
}

// clock writes a duration as minutes and seconds, such as "12:05".
func clock(d time.Duration) string {
	s := int(d.Round(time.Second) / time.Second)
	return fmt.Sprintf("%d:%02d", s/60, s%60)
}
