package result

import (
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"

	"holograph/test/sim/report"
)

// RunsFolder is where the runs on record are, below the folder of the page.
const RunsFolder = "runs"

// File is where a run is kept, below the folder of the page.
func (r Run) File() string {
	return filepath.Join(RunsFolder, strconv.Itoa(r.Number), r.Shape+".json")
}

// ReadAll reads the runs on record below the folder, by shape and number. Runs under another load or against other policies
// than the latest one of their shape are no part of a mean: they are left out, and named.
func ReadAll(folder string) (runs []Run, leftOut []string, err error) {
	for _, shape := range Shapes {
		files, err := filepath.Glob(filepath.Join(folder, RunsFolder, "*", shape+".json"))
		if err != nil {
			return nil, nil, err
		}
		var all []Run
		for _, file := range files {
			r, err := Read(file)
			if err != nil {
				return nil, nil, err
			}
			if want := filepath.Join(folder, r.File()); filepath.Clean(file) != want {
				return nil, nil, fmt.Errorf("%s is run %d of the shape %q; keep it in %s", file, r.Number, r.Shape, want)
			}
			all = append(all, r)
		}
		slices.SortFunc(all, func(a, b Run) int { return a.Number - b.Number })
		if len(all) == 0 {
			continue
		}
		latest := slices.MaxFunc(all, func(a, b Run) int {
			if a.Date != b.Date {
				return compare(a.Date, b.Date)
			}
			return a.Number - b.Number
		})
		for _, r := range all {
			if r.Spike == latest.Spike && reflect.DeepEqual(r.policies(), latest.policies()) {
				runs = append(runs, r)
			} else {
				leftOut = append(leftOut, r.File())
			}
		}
	}
	return runs, leftOut, nil
}

func compare(a, b string) int {
	if a < b {
		return -1
	}
	return 1
}

func (r Run) policies() []string {
	var names []string
	for _, f := range r.Fleets {
		names = append(names, f.Name)
	}
	return names
}

// Save keeps the run below the folder.
func (r Run) Save(folder string) error {
	file := filepath.Join(folder, r.File())
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		return err
	}
	return r.Write(file)
}

// Record is all runs on record with their figures, by shape and number.
type Record []Result

// Of returns the runs of one shape.
func (r Record) Of(shape string) Record {
	var list Record
	for _, one := range r {
		if one.Shape == shape {
			list = append(list, one)
		}
	}
	return list
}

// Figures are those of a policy, run by run; empty where no run has it.
func (r Record) Figures(policy string) []report.Figures {
	var list []report.Figures
	for _, one := range r {
		if f, found := one.Measured[policy]; found {
			list = append(list, f)
		}
	}
	return list
}
