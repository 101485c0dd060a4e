// Command mutants plants one small fault after another in a copy of the chart, runs the fast tests of test/chart against
// the copy, and reports which test noticed which fault. The golden file is left out: it notices everything, and says
// only that something differs.
//
//	go run ./test/mutants                       all templates and values.yaml
//	go run ./test/mutants -only 'rbac|keep'     those whose line matches, as -list prints them
//	go run ./test/mutants -every                every fault of each line, not two of them
//	go run ./test/mutants -skip 'Null|Lint'     without some tests
//	go run ./test/mutants -list                 the mutants, without running a test
package main

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"text/tabwriter"
	"time"

	"golang.org/x/sync/errgroup"

	"holograph/ci/repo"
)

// mirrors are the tests that compare the chart with a copy of itself, which any change breaks.
const mirrors = "^(TestGolden|TestChartReadme|TestChartMetadata|TestSchemaMatchesValues)$"

func main() {
	only := flag.String("only", "", "regular expression of the mutants to plant, as -list prints them")
	compiled := flag.String("compiled", "", "the tests of test/chart, compiled already (default: compile them)")
	every := flag.Bool("every", false, "plant every fault of a line, and not two of them")
	list := flag.Bool("list", false, "list the mutants and run no test")
	skip := flag.String("skip", "^$", "regular expression of tests to leave out")
	longest := flag.Duration("longest", 20*time.Second, "leave out tests that take longer than this by themselves")
	workers := flag.Int("workers", runtime.NumCPU(), "mutants to test at once")
	flag.Parse()
	if err := run(context.Background(), *only, *compiled, *every, *list, *skip, *longest, *workers); err != nil {
		fmt.Fprintln(os.Stderr, "mutants:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, only, compiled string, every, list bool, skip string, longest time.Duration, workers int) error {
	pattern, err := regexp.Compile(only)
	if err != nil {
		return err
	}
	root, err := repo.Root()
	if err != nil {
		return err
	}
	mutants, err := plant(filepath.Join(root, "charts", "holograph"), pattern, every)
	if err != nil {
		return err
	}
	if list {
		for _, m := range mutants {
			fmt.Println(m)
		}
		fmt.Println(len(mutants), "mutants")
		return nil
	}
	scratch, err := os.MkdirTemp("", "mutants-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(scratch)
	binary := compiled
	if binary == "" {
		binary = filepath.Join(scratch, "chart.test")
		compile := exec.CommandContext(ctx, "go", "test", "-c", "-o", binary, "./test/chart")
		compile.Dir = root
		if output, err := compile.CombinedOutput(); err != nil {
			return fmt.Errorf("compile the tests: %w\n%s", err, output)
		}
	}

	// Each worker has a copy of its own.
	var copies []*laboratory
	for i := range workers {
		copied, err := newLaboratory(root, filepath.Join(scratch, strconv.Itoa(i)), binary, skip)
		if err != nil {
			return err
		}
		copies = append(copies, copied)
	}
	rounds, err := copies[0].rounds(ctx, longest)
	if err != nil {
		return err
	}
	original, err := newOriginal(copies[0].chart)
	if err != nil {
		return err
	}

	began := time.Now()
	free := make(chan *laboratory, workers)
	for _, copied := range copies {
		free <- copied
	}
	results := make([]result, len(mutants))
	var done sync.Mutex
	finished := 0
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(workers)
	for i, m := range mutants {
		group.Go(func() error {
			copied := <-free
			defer func() { free <- copied }()
			verdict, err := copied.try(ctx, original, m, rounds)
			if err != nil {
				return fmt.Errorf("%s: %w", m, err)
			}
			results[i] = result{m, verdict}
			done.Lock()
			defer done.Unlock()
			finished++
			fmt.Fprintf(os.Stderr, "%d/%d after %v: %s: %s\n", finished, len(mutants), time.Since(began).Round(time.Second), m, verdict)
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		return err
	}
	report(os.Stdout, results)
	return nil
}

// Verdicts on mutants that no test is asked about.
const (
	unrendered = "does not render"
	equal      = "renders the same"
	survived   = "SURVIVED"
)

// result is a mutant and what became of it: a verdict above, or the name of the test that noticed it.
type result struct {
	mutant  mutant
	verdict string
}

// report prints who noticed what, then the survivors, then the counts.
func report(out io.Writer, results []result) {
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	killed, counts := map[string]int{}, map[string]int{}
	for _, r := range results {
		switch r.verdict {
		case unrendered, equal, survived:
			counts[r.verdict]++
		default:
			counts["noticed"]++
			top, _, _ := strings.Cut(r.verdict, "/")
			killed[top]++
			fmt.Fprintf(table, "%s\t%s\n", r.mutant, r.verdict)
		}
	}
	_ = table.Flush()
	fmt.Fprintln(out, "\nSurvivors:")
	for _, r := range results {
		if r.verdict == survived {
			fmt.Fprintln(out, r.mutant)
		}
	}
	fmt.Fprintln(out, "\nNoticed first by:")
	var tests []string
	for test := range killed {
		tests = append(tests, test)
	}
	slices.SortFunc(tests, func(a, b string) int { return cmp.Or(killed[b]-killed[a], cmp.Compare(a, b)) })
	for _, test := range tests {
		fmt.Fprintf(out, "%5d %s\n", killed[test], test)
	}
	fmt.Fprintf(out, "\n%d mutants: %d noticed, %d survived, %d do not render, %d render the same.\n",
		len(results), counts["noticed"], counts[survived], counts[unrendered], counts[equal])
}

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

// try plants one fault and returns what becomes of it. The copy is whole again afterwards.
func (l *laboratory) try(ctx context.Context, original *original, m mutant, rounds []string) (verdict string, err error) {
	path := filepath.Join(l.chart, filepath.FromSlash(m.file))
	before, err := os.ReadFile(path)
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, os.WriteFile(path, before, 0o644)) }()
	if err := os.WriteFile(path, []byte(m.apply(string(before))), 0o644); err != nil {
		return "", err
	}
	if verdict, err := original.compare(l.chart); verdict != "" || err != nil {
		return verdict, err
	}
	for _, tests := range rounds {
		failed, _, err := l.test(ctx, "-test.run", tests)
		if failed != "" || err != nil {
			return failed, err
		}
	}
	return survived, nil
}

var finishedTest = regexp.MustCompile(`^\s*--- (PASS|FAIL|SKIP): (\S+) \((.+)s\)`)

// test runs the tests against the copy, up to the first that fails, and returns that one's name and how long each took
// by itself.
func (l *laboratory) test(ctx context.Context, arguments ...string) (failed string, took map[string]time.Duration, err error) {
	arguments = append([]string{"-test.short", "-test.v", "-test.failfast", "-test.parallel=1", "-test.timeout=10m", "-test.skip", l.skip}, arguments...)
	command := exec.CommandContext(ctx, l.binary, arguments...)
	command.Dir = filepath.Join(l.root, "test", "chart")
	// A group of its own, so that the servers that tests start end with it.
	command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	output, err := command.StdoutPipe()
	if err != nil {
		return "", nil, err
	}
	if err := command.Start(); err != nil {
		return "", nil, err
	}
	took = map[string]time.Duration{}
	lines := bufio.NewScanner(output)
	lines.Buffer(nil, 1<<24)
	for failed == "" && lines.Scan() {
		found := finishedTest.FindStringSubmatch(lines.Text())
		if found == nil {
			continue
		}
		if found[1] == "FAIL" {
			failed = found[2]
			// Parallel tests that wait would run all the same.
			_ = syscall.Kill(-command.Process.Pid, syscall.SIGKILL)
		}
		seconds, err := strconv.ParseFloat(found[3], 64)
		if err != nil {
			return "", nil, err
		}
		took[found[2]] = time.Duration(seconds * float64(time.Second))
	}
	_, _ = io.Copy(io.Discard, output)
	if err := command.Wait(); err != nil && failed == "" {
		failed = "the test binary: " + err.Error()
	}
	return failed, took, ctx.Err()
}

// quick is what a test may take by itself to be in the first round.
const quick = time.Second

// rounds runs all tests against the unchanged copy and returns which to run first, and which after those, as patterns
// for -test.run.
func (l *laboratory) rounds(ctx context.Context, longest time.Duration) ([]string, error) {
	failed, took, err := l.test(ctx)
	if err != nil {
		return nil, err
	}
	if failed != "" {
		return nil, fmt.Errorf("%s fails without any fault: fix it first", failed)
	}
	var first, second, never []string
	for test, duration := range took {
		switch {
		case strings.Contains(test, "/"):
		case duration <= quick:
			first = append(first, test)
		case duration <= longest:
			second = append(second, test)
		default:
			never = append(never, test)
		}
	}
	slices.Sort(never)
	fmt.Fprintf(os.Stderr, "%d tests in the first round, %d in the second; left out: %v\n", len(first), len(second), never)
	var patterns []string
	for _, tests := range [][]string{first, second} {
		if len(tests) > 0 {
			patterns = append(patterns, "^("+strings.Join(tests, "|")+")$")
		}
	}
	return patterns, nil
}
