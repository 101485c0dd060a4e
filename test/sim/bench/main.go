// Command bench sends a step and a flash crowd to five fleets side by side on one cluster, each scaled by another policy,
// and says what each made of it. `make bench` runs it once the images are at hand.
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
	"slices"
	"strings"
	"syscall"
	"time"

	"holograph/ci/repo"
	"holograph/test/sim/bench/result"
	"holograph/test/sim/report"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := bench(ctx, os.Args[1:], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		stop()
		os.Exit(1)
	}
}

// bench measures one run, or takes those on record, and writes what they show.
func bench(ctx context.Context, args []string, out io.Writer) error {
	set := flag.NewFlagSet("bench", flag.ContinueOnError)
	number := set.Int("run", 1, "number of the run, from 1; it replaces the one of that number on record")
	shape := set.String("shape", "", "measure one load only: "+strings.Join(result.Shapes, " or "))
	from := set.String("from", "", "measure nothing, and write the page of the runs on record below this folder, relative to the repository: docs/bench")
	into := set.String("into", filepath.Join("docs", "bench"), "folder of the record and the page, relative to the repository; --from's where that is given")
	if err := set.Parse(args); err != nil {
		return err
	}
	if set.NArg() > 0 {
		return fmt.Errorf("%q is not a flag", set.Arg(0))
	}
	if *number < 1 {
		return fmt.Errorf("--run is %d; write 1 or more", *number)
	}
	if *shape != "" && !slices.Contains(result.Shapes, *shape) {
		return fmt.Errorf("--shape is %q; write %s", *shape, strings.Join(result.Shapes, " or "))
	}
	// All paths below are the repository's.
	if err := repo.Enter(); err != nil {
		return err
	}
	if *from != "" {
		return publish(out, *from)
	}
	for _, l := range loads {
		if *shape != "" && l.shape != *shape {
			continue
		}
		begun := time.Now()
		fmt.Fprintf(out, "Run %d, %s\n", *number, l.shape)
		run, err := measure(ctx, out, l)
		if err != nil {
			return fmt.Errorf("%s: %w", l.shape, err)
		}
		run.Number = *number
		// The record is kept before anything is made of it.
		if err := run.Save(*into); err != nil {
			return err
		}
		fmt.Fprintf(out, "%s is on record after %s.\n", run.File(), time.Since(begun).Round(time.Second))
	}
	return publish(out, *into)
}

// publish writes the timelines, the pictures and the page of the runs on record below a folder, and prints the goals.
func publish(out io.Writer, folder string) error {
	runs, leftOut, err := result.ReadAll(folder)
	if err != nil {
		return err
	}
	if len(runs) == 0 {
		return fmt.Errorf("there is no run on record below %s; make bench ARGS=\"--run 1\" measures one", filepath.Join(folder, result.RunsFolder))
	}
	var record result.Record
	for _, run := range runs {
		judged, err := judge(run, folder, len(record.Of(run.Shape)) == 0)
		if err != nil {
			return err
		}
		record = append(record, judged)
	}
	figures, err := json.MarshalIndent(record, "", "  ")
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(folder, "figures.json"), append(figures, '\n'), 0o644); err != nil {
		return err
	}
	if err := report.WriteFile(filepath.Join(folder, "README.md"), func(w io.Writer) error { return record.Write(w, leftOut) }); err != nil {
		return err
	}
	for _, goal := range record.Goals() {
		fmt.Fprintln(out, goal)
	}
	fmt.Fprintf(out, "Page, pictures and timelines: %s\n", folder)
	return nil
}

// benchLoad is a shape of the load, and how far the fleets' loads are apart. A fleet's new pods take all of two cores while
// they start, and make late frames in the others.
type benchLoad struct {
	shape   string
	spike   result.Spike
	stagger time.Duration
}

// loads are in pods' worth and seconds. A pod does a fifth more on the cluster than the worth that is measured before the
// load. Both together take 35 minutes, and their clusters five each.
var loads = []benchLoad{
	// Late frames only goes round once in seven to eight minutes. The peak ends between the second round and the third: an
	// end in one would leave it to chance whether it counts. Nothing happens in the five minutes after it, in which no policy
	// removes pods, so it ends soon.
	{result.Step, result.Spike{Base: 1.2, Peak: 3.8, Before: 150, During: 690, After: 60}, 20 * time.Second},
	// Two cores are not enough for five such crowds at once, so that two fleets at most are at the peak together.
	{result.FlashCrowd, result.Spike{Base: 1.2, Peak: 8, Before: 60, Rise: 30, During: 210, Fade: 150, After: 60}, 150 * time.Second},
}

// policy is one of those that are compared.
type policy struct {
	name string
	// values are files for the chart, below those that all fleets have.
	values []string
	// chart and simulated are what the simulator renders the policy from; without files those are the chart's own values.
	chart     string
	simulated []string
}

// policies are in the order of the page. The last one's release brings the Prometheus and the adapter that
// serve them all.
var policies = []policy{
	{result.LateFramesOnly, []string{guestValues, "values-examples/late-frames-only.yaml", measuredValues}, "charts/holograph", []string{"values-examples/late-frames-only.yaml", measuredValues}},
	// The chart has no CPU metric; the simulator's chart of experiments has.
	{result.CPU, []string{guestValues, "test/sim/bench/values/cpu.yaml"}, "test/sim/testdata/experiments", []string{"test/sim/bench/simulated/cpu.yaml"}},
	{result.KEDA, []string{elsewhereValues, "test/sim/bench/values/keda.yaml"}, "charts/holograph", []string{elsewhereValues, "test/sim/bench/values/keda.yaml"}},
	{result.DefaultKEDA, []string{elsewhereValues, "values-examples/keda.yaml"}, "charts/holograph", []string{elsewhereValues, "values-examples/keda.yaml"}},
	{result.Default, []string{"test/sim/bench/values/serving.yaml"}, "charts/holograph", nil},
}

// Values of a fleet whose metric another release serves, by the adapter and to KEDA.
const (
	guestValues     = "test/sim/bench/values/guest.yaml"
	elsewhereValues = "test/sim/bench/values/elsewhere.yaml"
	measuredValues  = "test/sim/bench/values/measured.yaml"
)
