// Package timing runs targets of the Makefile one after the other, and then prints how long each part took. It reads that
// from the output of the targets, which it also passes on.
package timing

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"time"

	"holograph/ci/command"
)

// shown is the shortest time of a part that has a line of its own.
const shown = time.Second

// drain bounds the wait for more output of a target that has ended or was interrupted.
const drain = 30 * time.Second

// row is a part of a target: an image, a package, a test.
type row struct {
	name    string
	took    time.Duration
	outcome string
	// parts are a package's tests.
	parts []row
}

// Run makes the targets in order until one fails. It then writes the table to out, also after a failure, and returns the
// error of the failed target.
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

// run runs a command and returns the time of its parts.
func run(ctx context.Context, out, errOut io.Writer, name string, cmd *exec.Cmd) (row, error) {
	begun := time.Now()
	var log log
	stdout, stderr := &lines{to: out, line: log.read}, &lines{to: errOut, line: log.read}
	cmd.Stdout, cmd.Stderr, cmd.Stdin = stdout, stderr, os.Stdin
	command.Interruptible(cmd, drain)
	err := cmd.Run()
	if errors.Is(err, exec.ErrWaitDelay) && ctx.Err() == nil {
		err = nil // the command succeeded, and a program that it left running keeps its output open
	}
	log.flush()
	return row{name: name, took: time.Since(begun), parts: log.rows}, err
}

// lines passes on what is written, and calls a function with each complete line.
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
	// partLine matches what command.Board prints when a part is complete or has failed.
	partLine = regexp.MustCompile(`^\[ *\d+/\d+\] (\S.*?): (\S.*) in (\d[0-9.hms]*)$`)
	// packageLine matches what go test prints at the end of a package.
	packageLine = regexp.MustCompile(`^(ok|FAIL)\s+(\S+)\s+(?:([0-9.]+)s|\((cached)\))`)
	// testLine matches what go test prints at the end of a test, with -v or after a failure. The line of a subtest is
	// indented, so it does not match.
	testLine = regexp.MustCompile(`^--- (PASS|FAIL): (\S+) \(([0-9.]+)s\)`)
)

// log collects the parts of a target. Two goroutines call read, for standard output and standard error.
type log struct {
	mu   sync.Mutex
	rows []row
	// tests are the tests since the end of the last package.
	tests []row
}

func (l *log) read(line string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if match := partLine.FindStringSubmatch(line); match != nil {
		if took, err := time.ParseDuration(match[3]); err == nil {
			l.rows = append(l.rows, row{name: match[1], took: took, outcome: failed(match[2] == "failed")})
		}
	}
	if match := testLine.FindStringSubmatch(line); match != nil {
		l.tests = append(l.tests, row{name: match[2], took: seconds(match[3]), outcome: failed(match[1] == "FAIL")})
	}
	if match := packageLine.FindStringSubmatch(line); match != nil {
		r := row{name: match[2], took: seconds(match[3]), outcome: failed(match[1] == "FAIL"), parts: l.tests}
		if match[4] != "" {
			r.outcome = match[4]
		}
		l.rows, l.tests = append(l.rows, r), nil
	}
}

// flush adds the tests of a package that did not end.
func (l *log) flush() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.rows, l.tests = append(l.rows, l.tests...), nil
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
	fmt.Fprint(out, "\nTime of each part, in minutes and seconds. Parts that ran at the same time add up to more than the line above them.\n\n")
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

// writeRow prints a row, and below it the parts that were slow or failed. The other parts have one line together.
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
		line(out, depth+1, row{name: fmt.Sprintf("%d below %s or cached", others, shown)}, clock(took))
	}
}

// width is the width of the column of names. The longest name of a test fits with its indentation.
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
