// Command mutants plants one small fault after another in a copy of the chart, runs the fast tests of test/chart against
// the copy, and reports which test noticed which fault. The golden file is left out: it notices everything, and says
// only that something differs. So is a fault that changes nothing of what the defaults render.
//
//	go run ./test/mutants                       all templates and values.yaml
//	go run ./test/mutants -results FILE         the same, and after an interruption only what is left of it
//	go run ./test/mutants -only 'rbac|keep'     those whose line matches, as -list prints them
//	go run ./test/mutants -all                  also those that only other values show
//	go run ./test/mutants -every                every fault of each line, not one of them
//	go run ./test/mutants -skip 'Null|Lint'     without some tests
//	go run ./test/mutants -list                 the mutants, without running a test
package main

import (
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
	"runtime"
	"strconv"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sync/errgroup"

	"holograph/ci/repo"
)

// options are the flags.
type options struct {
	only, compiled, results, skip string
	all, every, list              bool
	longest                       time.Duration
	workers                       int
}

func main() {
	var o options
	flag.StringVar(&o.only, "only", "", "regular expression of the mutants to plant, as -list prints them")
	flag.StringVar(&o.compiled, "compiled", "", "the tests of test/chart, compiled already (default: compile them)")
	flag.StringVar(&o.results, "results", "", "file to append each verdict to; a mutant that has one there is not planted again, so take another file after a change of the chart, and remove the lines of the survivors after a change of the tests")
	flag.BoolVar(&o.all, "all", false, "plant also what changes nothing of what the defaults render, but something with other values")
	flag.BoolVar(&o.every, "every", false, "plant every fault of a line, and not one of them")
	flag.BoolVar(&o.list, "list", false, "list the mutants and run no test")
	flag.StringVar(&o.skip, "skip", "^$", "regular expression of tests to leave out")
	flag.DurationVar(&o.longest, "longest", 20*time.Second, "leave out tests that take longer than this by themselves")
	flag.IntVar(&o.workers, "workers", runtime.NumCPU(), "mutants to test at once")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, o)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "mutants:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, o options) error {
	pattern, err := regexp.Compile(o.only)
	if err != nil {
		return err
	}
	root, err := repo.Root()
	if err != nil {
		return err
	}
	directory := filepath.Join(root, "charts", "holograph")
	mutants, err := plant(directory, pattern, o.every)
	if err != nil {
		return err
	}
	known, err := openResults(o.results, o.all)
	if err != nil {
		return err
	}
	defer known.close()
	left, err := classify(ctx, directory, mutants, known, o)
	if err != nil {
		return err
	}
	if o.list {
		for _, m := range left {
			fmt.Println(m)
		}
		return nil
	}
	if len(left) > 0 {
		if err := try(ctx, root, left, known, o); err != nil {
			return err
		}
	}
	known.report(os.Stdout, mutants)
	return nil
}

// classify renders the mutants that have no verdict yet and returns those that a test is to notice.
func classify(ctx context.Context, directory string, mutants []mutant, known *results, o options) ([]mutant, error) {
	original, err := newOriginal(directory, o.all)
	if err != nil {
		return nil, err
	}
	shown := make([]bool, len(mutants))
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(o.workers)
	for i, m := range mutants {
		if known.has(m) {
			continue
		}
		group.Go(func() error {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			verdict := original.compare(m)
			if verdict != "" {
				return known.record(m, verdict)
			}
			shown[i] = true
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	var left []mutant
	for i, m := range mutants {
		if shown[i] {
			left = append(left, m)
		}
	}
	fmt.Fprintf(os.Stderr, "%d mutants, of which %d change what is rendered and have no verdict yet\n", len(mutants), len(left))
	return left, nil
}

// try runs the tests against the mutants and records the verdicts. Each worker has a copy of the repository.
func try(ctx context.Context, root string, mutants []mutant, known *results, o options) error {
	scratch, err := os.MkdirTemp("", "mutants-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(scratch)
	binary := o.compiled
	if binary == "" {
		binary = filepath.Join(scratch, "chart.test")
		compile := exec.CommandContext(ctx, "go", "test", "-c", "-o", binary, "./test/chart")
		compile.Dir = root
		if output, err := compile.CombinedOutput(); err != nil {
			return fmt.Errorf("compile the tests: %w\n%s", err, output)
		}
	}
	free := make(chan *laboratory, o.workers)
	for i := range o.workers {
		copied, err := newLaboratory(root, filepath.Join(scratch, strconv.Itoa(i)), binary, o.skip)
		if err != nil {
			return err
		}
		free <- copied
	}
	first := <-free
	suite, err := first.suite(ctx, o.longest)
	if err != nil {
		return err
	}
	free <- first

	// Neighbours hide each other in a batch.
	rand.New(rand.NewPCG(1, 1)).Shuffle(len(mutants), func(i, j int) { mutants[i], mutants[j] = mutants[j], mutants[i] })
	began := time.Now()
	var mutex sync.Mutex
	var waiting []mutant
	finished := 0
	record := func(batch []mutant, verdicts []string) error {
		mutex.Lock()
		defer mutex.Unlock()
		for i, m := range batch {
			finished++
			fmt.Fprintf(os.Stderr, "%d/%d after %v: %s: %s\n", finished, len(mutants), time.Since(began).Round(time.Second), m, verdicts[i])
			if err := known.record(m, verdicts[i]); err != nil {
				return err
			}
		}
		return nil
	}
	group, working := errgroup.WithContext(ctx)
	group.SetLimit(o.workers)
	for _, m := range mutants {
		group.Go(func() error {
			copied := <-free
			defer func() { free <- copied }()
			got, err := copied.test(working, []mutant{m}, suite.quickest(known.noticed(m.file)), firstFailure)
			if err != nil {
				return fmt.Errorf("%s: %w", m, err)
			}
			if test := got.noticed(); test != "" {
				return record([]mutant{m}, []string{test})
			}
			mutex.Lock()
			waiting = append(waiting, m)
			var batch []mutant
			if len(waiting) >= batchSize {
				batch, waiting = split(waiting)
			}
			mutex.Unlock()
			verdicts, err := copied.examine(working, batch, suite)
			if err != nil {
				return err
			}
			return record(batch, verdicts)
		})
	}
	if err := group.Wait(); err != nil {
		return err
	}
	for len(waiting) > 0 {
		var batch []mutant
		batch, waiting = split(waiting)
		verdicts, err := first.examine(ctx, batch, suite)
		if err != nil {
			return err
		}
		if err := record(batch, verdicts); err != nil {
			return err
		}
	}
	return nil
}
