package main

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// mirrors are the tests that compare the chart with a copy of itself, which any change breaks.
const mirrors = "^(TestGolden|TestChartReadme|TestChartMetadata|TestSchemaMatchesValues)$"

// laboratory is a copy of the repository, without its history and what tests have left there.
type laboratory struct{ root, chart, binary, skip string }

func newLaboratory(root, copied, binary, skip string) (*laboratory, error) {
	entries, err := os.ReadDir(root)
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(copied, 0o755); err != nil {
		return nil, err
	}
	for _, entry := range entries {
		name := entry.Name()
		if name == ".git" || name == ".artifacts" {
			continue
		}
		if entry.IsDir() {
			err = os.CopyFS(filepath.Join(copied, name), os.DirFS(filepath.Join(root, name)))
		} else {
			err = os.Symlink(filepath.Join(root, name), filepath.Join(copied, name))
		}
		if err != nil {
			return nil, err
		}
	}
	return &laboratory{copied, filepath.Join(copied, "charts", "holograph"), binary, mirrors + "|" + skip}, nil
}

// suite runs all tests against the unchanged copy and returns those that do not take too long.
func (l *laboratory) suite(ctx context.Context, longest time.Duration) (*suite, error) {
	got, err := l.sound(ctx, nil)
	if err != nil {
		return nil, err
	}
	suite, never := newSuite(got.took, longest)
	fmt.Fprintf(os.Stderr, "%d tests; left out, because they take longer than %v: %v\n", len(suite.whole), longest, never)
	// A test may need all its subtests.
	got, err = l.sound(ctx, slices.Collect(maps.Keys(suite.took)))
	suite.measured(got.took)
	return suite, err
}

// sound runs tests against the unchanged copy.
func (l *laboratory) sound(ctx context.Context, tests []string) (outcome, error) {
	got, err := l.test(ctx, nil, tests, firstFailure)
	if test := got.noticed(); err == nil && test != "" {
		err = fmt.Errorf("%s fails without any fault: fix it first", test)
	}
	return got, err
}

// examine runs all tests against a batch of mutants at once, and looks in the batch for those that made a test fail. A mutant
// that others of its batch hide survives, as one that no test notices.
func (l *laboratory) examine(ctx context.Context, batch []mutant, suite *suite) ([]string, error) {
	verdicts := make([]string, len(batch))
	unnoticed := func() (left []int) {
		for i, verdict := range verdicts {
			if verdict == "" {
				left = append(left, i)
			}
		}
		return left
	}
	for left := unnoticed(); len(left) > 0; {
		got, err := l.test(ctx, chosen(batch, left), suite.whole, everyFailure)
		if err != nil {
			return nil, err
		}
		if got.noticed() == "" {
			break
		}
		before := len(left)
		for _, tests := range suite.suspects(got) {
			if err := l.blame(ctx, batch, left, tests, verdicts); err != nil {
				return nil, err
			}
			left = unnoticed()
		}
		// After a panic, the tests behind it have not run.
		if !got.broke || len(left) == before {
			break
		}
	}
	for i := range verdicts {
		verdicts[i] = cmp.Or(verdicts[i], survived)
	}
	return verdicts, nil
}

// chosen returns the mutants of a batch at some places.
func chosen(batch []mutant, places []int) (mutants []mutant) {
	for _, place := range places {
		mutants = append(mutants, batch[place])
	}
	return mutants
}

// blame writes a verdict for each mutant that makes tests fail alone. It halves the mutants until the tests pass or there is one:
// most of a batch make no test fail.
func (l *laboratory) blame(ctx context.Context, batch []mutant, places []int, tests, verdicts []string) error {
	got, err := l.test(ctx, chosen(batch, places), tests, firstFailure)
	switch {
	case err != nil || got.noticed() == "":
		return err
	case len(places) == 1:
		verdicts[places[0]] = got.noticed()
		return nil
	}
	half := len(places) / 2
	if err := l.blame(ctx, batch, places[:half], tests, verdicts); err != nil {
		return err
	}
	return l.blame(ctx, batch, places[half:], tests, verdicts)
}

// How far to run tests.
const (
	firstFailure = true
	everyFailure = false
)

// outcome is what a run of tests gave.
type outcome struct {
	// failed are the tests that failed.
	failed []string
	// broke says that the tests did not run to their end.
	broke bool
	took  map[string]time.Duration
}

// noticed returns the first test that failed, "" if all is well.
func (o outcome) noticed() string {
	switch {
	case len(o.failed) > 0:
		return o.failed[0]
	case o.broke:
		return "the end of the test binary"
	}
	return ""
}

var finishedTest = regexp.MustCompile(`^\s*--- (PASS|FAIL|SKIP): (\S+) \((.+)s\)`)

// test plants mutants in the copy, runs tests, or all of them, up to the first failure or to the end, and makes the copy
// whole again.
func (l *laboratory) test(ctx context.Context, mutants []mutant, tests []string, toFirst bool) (got outcome, err error) {
	restore, err := l.plant(mutants)
	defer func() { err = errors.Join(err, restore()) }()
	if err != nil {
		return outcome{}, err
	}
	command := exec.CommandContext(ctx, l.binary, "-test.short", "-test.v", "-test.parallel=1", "-test.timeout=1h",
		"-test.failfast="+strconv.FormatBool(toFirst), "-test.skip", l.skip, "-test.run", pattern(tests))
	command.Dir = filepath.Join(l.root, "test", "chart")
	// A group of its own, so that the servers that tests start end with it.
	command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	command.Cancel = func() error { return syscall.Kill(-command.Process.Pid, syscall.SIGKILL) }
	output, err := command.StdoutPipe()
	if err != nil {
		return outcome{}, err
	}
	if err := command.Start(); err != nil {
		return outcome{}, err
	}
	got.took = map[string]time.Duration{}
	lines := bufio.NewScanner(output)
	lines.Buffer(nil, 1<<24)
	for lines.Scan() {
		found := finishedTest.FindStringSubmatch(lines.Text())
		if found == nil {
			continue
		}
		seconds, err := strconv.ParseFloat(found[3], 64)
		if err != nil {
			return outcome{}, err
		}
		got.took[found[2]] = time.Duration(seconds * float64(time.Second))
		test, _, _ := strings.Cut(found[2], "/")
		if found[1] == "FAIL" && !slices.Contains(got.failed, test) {
			got.failed = append(got.failed, test)
			if toFirst {
				// Parallel tests that wait would run all the same.
				_ = command.Cancel()
				break
			}
		}
	}
	_, _ = io.Copy(io.Discard, output)
	if err := command.Wait(); err != nil {
		// A test that fails gives 1, a panic 2.
		got.broke = len(got.failed) == 0 || command.ProcessState.ExitCode() != 1
	}
	return got, ctx.Err()
}

// plant writes faults into the copy and returns what takes them out again.
func (l *laboratory) plant(mutants []mutant) (restore func() error, err error) {
	files := map[string][]mutant{}
	for _, m := range mutants {
		files[m.file] = append(files[m.file], m)
	}
	before := map[string][]byte{}
	restore = func() (err error) {
		for path, text := range before {
			err = errors.Join(err, os.WriteFile(path, text, 0o644))
		}
		return err
	}
	for file, mutants := range files {
		path := filepath.Join(l.chart, filepath.FromSlash(file))
		text, err := os.ReadFile(path)
		if err != nil {
			return restore, err
		}
		before[path] = text
		if err := os.WriteFile(path, []byte(apply(string(text), mutants...)), 0o644); err != nil {
			return restore, err
		}
	}
	return restore, nil
}
