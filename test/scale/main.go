// Command scale measures the way from the metric to the autoscaler for fleets of up to thousands of pods, and for up to
// hundreds of autoscalers, on a cluster whose pods have no processes. `make scale` runs it once the images are at hand.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"holograph/ci/repo"
	"holograph/test/scale/fleet"
	"holograph/test/scale/result"
	"holograph/test/scale/values"
)

// folder is that of the record and the page, relative to the repository.
var folder = filepath.Join("docs", "scale")

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := scale(ctx, os.Args[1:], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		stop()
		os.Exit(1)
	}
}

// plan is what a run measures.
type plan struct {
	number int
	// pods are the sizes of the fleet with one autoscaler, and autoscalers the numbers of fleets of ten pods, both ascending.
	pods, autoscalers []int
	modes             []fleet.Mode
	// growth says whether a fleet grows from 2 pods to the largest size.
	growth bool
	// narrowed has the flags that leave a part out.
	narrowed string
}

// parse reads the flags.
func parse(args []string) (plan, error) {
	p := plan{}
	set := flag.NewFlagSet("scale", flag.ContinueOnError)
	set.IntVar(&p.number, "run", 1, "number of the run, from 1; it replaces the one of that number on record")
	pods := set.String("pods", "100,500,1000,2000,5000", "sizes of the fleet with one autoscaler, or none")
	autoscalers := set.String("autoscalers", "10,100,300,500", "numbers of autoscalers of ten pods each, or none")
	modes := set.String("modes", "pods,object,keda,keda-cached", "ways in which the metric reaches the autoscaler")
	set.BoolVar(&p.growth, "growth", true, "let a fleet grow from 2 pods to the largest of --pods, which takes a third of a run")
	if err := set.Parse(args); err != nil {
		return p, err
	}
	if set.NArg() > 0 {
		return p, fmt.Errorf("%q is not a flag", set.Arg(0))
	}
	if p.number < 1 {
		return p, fmt.Errorf("--run is %d, want 1 or more: runs on record are numbered from 1", p.number)
	}
	var err error
	if p.pods, err = numbers("pods", *pods); err != nil {
		return p, err
	}
	if p.autoscalers, err = numbers("autoscalers", *autoscalers); err != nil {
		return p, err
	}
	for _, name := range strings.Split(*modes, ",") {
		mode := fleet.Mode(name)
		if !slices.Contains(fleet.Modes, mode) {
			return p, fmt.Errorf("--modes has %q, want some of %q: each is a way to serve the metric", name, fleet.Modes)
		}
		if !slices.Contains(p.modes, mode) {
			p.modes = append(p.modes, mode)
		}
	}
	switch {
	case len(p.pods) > 0:
	case len(p.autoscalers) == 0:
		return p, errors.New("there is nothing to measure: --pods and --autoscalers are both none")
	case len(manyOf(p.modes)) == 0:
		return p, fmt.Errorf("there is nothing to measure: autoscalers of ten pods are measured in the modes %q only", manyOf(fleet.Modes))
	}
	var narrowed []string
	set.Visit(func(f *flag.Flag) {
		if f.Value.String() != f.DefValue && f.Name != "run" {
			// A flag that is true or false takes its value after an equals sign.
			separator := " "
			if b, ok := f.Value.(interface{ IsBoolFlag() bool }); ok && b.IsBoolFlag() {
				separator = "="
			}
			narrowed = append(narrowed, "--"+f.Name+separator+f.Value.String())
		}
	})
	p.narrowed = strings.Join(narrowed, " ")
	return p, nil
}

// numbers reads a list of numbers, and sorts it.
func numbers(name, list string) ([]int, error) {
	if list == "none" {
		return nil, nil
	}
	var all []int
	for _, text := range strings.Split(list, ",") {
		n, err := strconv.Atoi(text)
		if err != nil || n < 2 {
			return nil, fmt.Errorf("--%s has %q, want numbers of 2 or more with commas between them, or none", name, text)
		}
		all = append(all, n)
	}
	slices.Sort(all)
	return slices.Compact(all), nil
}

// scale measures one run, adds it to the record, and writes the page of all runs on record.
func scale(ctx context.Context, args []string, out io.Writer) error {
	p, err := parse(args)
	if err != nil {
		return err
	}
	// All paths below are the repository's.
	if err := repo.Enter(); err != nil {
		return err
	}
	record, err := result.Read(folder)
	if err != nil {
		return err
	}
	begun := time.Now()
	run := result.Run{Number: p.number, Date: begun.Format(time.DateOnly), Cores: runtime.NumCPU(), Narrowed: p.narrowed, ControllerRate: controllerRate, MostLoad: values.MostLoad}
	failed := measure(ctx, out, p, &run)
	run.Minutes = time.Since(begun).Round(time.Second).Minutes()
	if failed != nil {
		run.Ended = firstLine(failed)
		if ctx.Err() != nil {
			run.Ended = "interrupted, at: " + run.Ended
		}
	}
	if len(run.Cells)+len(run.Growths)+len(run.Many) == 0 {
		return failed
	}
	// What was measured is kept, also where a later part failed.
	record = record.With(run)
	if err := record.Save(folder); err != nil {
		return errors.Join(failed, err)
	}
	fmt.Fprintf(out, "Run %d is on record after %s.\n", run.Number, time.Since(begun).Round(time.Second))
	return errors.Join(failed, publish(out, record))
}

// firstLine is an error without the output of a program that may follow.
func firstLine(err error) string {
	line, _, _ := strings.Cut(err.Error(), "\n")
	return line
}

// publish writes the page and the picture of the record, and prints the goals.
func publish(out io.Writer, record result.Record) error {
	if err := record.Publish(folder); err != nil {
		return err
	}
	for _, goal := range record.Goals() {
		fmt.Fprintln(out, goal)
	}
	fmt.Fprintf(out, "Page and picture: %s\n", folder)
	return nil
}
