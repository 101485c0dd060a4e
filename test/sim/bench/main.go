// Command bench sends one spike to four fleets side by side on one cluster, each scaled by another policy, and
// says what each made of it. `make bench` runs it once the images are at hand.
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"holograph/ci/repo"
	"holograph/test/sim/bench/result"
	"holograph/test/sim/report"
)

// recordName is the file that holds all that a run recorded.
const recordName = "run.json"

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := bench(ctx, os.Args[1:], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		stop()
		os.Exit(1)
	}
}

// bench runs the comparison, or takes an earlier one, and writes what it shows.
func bench(ctx context.Context, args []string, out io.Writer) error {
	set := flag.NewFlagSet("bench", flag.ContinueOnError)
	// The default adds at most four pods, or all again, in 150 s, and the one that brought the fleet to its minimum
	// counts: a step a minute after the installation found room for three.
	//
	// The fleet on late frames only goes round once in seven to eight minutes. It takes several rounds to tell its bad frames
	// from those of the step itself, which no policy is spared, and the peak ends between two of them: an end in one
	// would leave it to chance whether it counts. The default takes eleven minutes to shrink.
	before := set.Duration("before", 150*time.Second, "how long the load is level before the step")
	during := set.Duration("during", 33*time.Minute, "how long the peak lasts")
	after := set.Duration("after", 11*time.Minute, "how long the load is level after the peak")
	from := set.String("from", "", "take the record of an earlier run in place of a run: docs/bench/"+recordName)
	into := set.String("into", filepath.Join(".artifacts", "bench"), "folder to write into, relative to the repository")
	if err := set.Parse(args); err != nil {
		return err
	}
	if set.NArg() > 0 {
		return fmt.Errorf("%q is not a flag", set.Arg(0))
	}
	root, err := repo.Root()
	if err != nil {
		return err
	}
	// All paths below are the repository's.
	if err := os.Chdir(root); err != nil {
		return err
	}
	var run result.Run
	if *from != "" {
		if run, err = result.Read(*from); err != nil {
			return err
		}
	} else {
		spike := result.Spike{Base: base, Peak: peak, Before: before.Seconds(), During: during.Seconds(), After: after.Seconds()}
		if run, err = measure(ctx, out, spike); err != nil {
			return err
		}
		run.Command = "make bench"
		if len(args) > 0 {
			run.Command += fmt.Sprintf(" ARGS=%q", strings.Join(args, " "))
		}
	}
	if err := os.MkdirAll(*into, 0o755); err != nil {
		return err
	}
	if err := run.Write(filepath.Join(*into, recordName)); err != nil {
		return err
	}
	return publish(out, run, *into)
}

// publish writes the timelines, the pictures and the page, and prints the goals.
func publish(out io.Writer, run result.Run, folder string) error {
	judged, err := judge(run, folder)
	if err != nil {
		return err
	}
	figures, err := json.MarshalIndent(judged, "", "  ")
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(folder, "figures.json"), append(figures, '\n'), 0o644); err != nil {
		return err
	}
	if err := report.WriteFile(filepath.Join(folder, "README.md"), judged.Write); err != nil {
		return err
	}
	for _, goal := range judged.Goals() {
		fmt.Fprintln(out, goal)
	}
	fmt.Fprintf(out, "Page, pictures and timelines: %s\n", folder)
	return nil
}

// policy is one of those that are compared.
type policy struct {
	name string
	// values are files for the chart, below those that all fleets have.
	values []string
	// chart and simulated are what the simulator renders the policy from; an empty file is the chart's own
	// values.
	chart, simulated string
}

// policies are in the order of the page. The last one's release brings the Prometheus and the adapter that
// serve them all.
var policies = []policy{
	{result.LateFramesOnly, []string{"test/sim/bench/values/guest.yaml", "values-examples/late-frames-only.yaml"}, "charts/holograph", "values-examples/late-frames-only.yaml"},
	// The chart has no CPU metric; the simulator's chart of experiments has.
	{result.CPU, []string{"test/sim/bench/values/guest.yaml", "test/sim/bench/values/cpu.yaml"}, "test/sim/testdata/experiments", "test/sim/bench/simulated/cpu.yaml"},
	{result.KEDA, []string{"test/sim/bench/values/keda.yaml"}, "charts/holograph", "test/sim/bench/values/keda.yaml"},
	{result.Default, nil, "charts/holograph", ""},
}

// The load, in pods' worth: the step of the simulator's first standard trace.
const (
	base = 1.2
	peak = 4.5
)
