package main

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"strings"
	"sync"
	"text/tabwriter"
)

// Verdicts. Any other is the name of the test that noticed the mutant.
const (
	unrendered = "does not render"
	equal      = "renders the same"
	hidden     = "the defaults render the same"
	survived   = "SURVIVED"
)

// results are the verdicts, and the file that keeps them.
type results struct {
	mutex    sync.Mutex
	file     io.WriteCloser
	verdicts map[string]string
}

// openResults reads the verdicts of a file and opens it for more; without a path there is none. What only the defaults
// decided is open again if all values decide.
func openResults(path string, all bool) (*results, error) {
	if path == "" {
		return &results{verdicts: map[string]string{}}, nil
	}
	text, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	file, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		return nil, err
	}
	return &results{file: file, verdicts: parseVerdicts(string(text), all)}, nil
}

// parseVerdicts reads lines of a mutant, a tab and a verdict. The last of several is valid.
func parseVerdicts(text string, all bool) map[string]string {
	verdicts := map[string]string{}
	for line := range strings.Lines(text) {
		// The end of an interrupted run may be half a line.
		mutant, verdict, found := strings.Cut(line, "\t")
		verdict, ended := strings.CutSuffix(verdict, "\n")
		if found && ended && !(all && verdict == hidden) {
			verdicts[mutant] = verdict
		}
	}
	return verdicts
}

func (r *results) close() {
	if r.file != nil {
		_ = r.file.Close()
	}
}

func (r *results) has(m mutant) bool {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	return r.verdicts[m.String()] != ""
}

func (r *results) record(m mutant, verdict string) error {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	r.verdicts[m.String()] = verdict
	if r.file == nil {
		return nil
	}
	_, err := fmt.Fprintf(r.file, "%s\t%s\n", m, verdict)
	return err
}

// sameFile is how much more a mutant of the same file says of a test than one of another file.
const sameFile = 20

// noticed returns how many mutants each test has noticed. Those of one file count more.
func (r *results) noticed(file string) map[string]int {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	counts := map[string]int{}
	for m, verdict := range r.verdicts {
		if strings.HasPrefix(m, file+":") {
			counts[verdict] += sameFile
		} else {
			counts[verdict]++
		}
	}
	for _, other := range []string{unrendered, equal, hidden, survived} {
		delete(counts, other)
	}
	return counts
}

// report prints who noticed which of the mutants, then the survivors, then the counts.
func (r *results) report(out io.Writer, mutants []mutant) {
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	killed, counts := map[string]int{}, map[string]int{}
	var survivors []mutant
	for _, m := range mutants {
		switch verdict := r.verdicts[m.String()]; verdict {
		case survived:
			survivors = append(survivors, m)
			fallthrough
		case unrendered, equal, hidden:
			counts[verdict]++
		default:
			counts["noticed"]++
			killed[verdict]++
			fmt.Fprintf(table, "%s\t%s\n", m, verdict)
		}
	}
	_ = table.Flush()
	fmt.Fprintln(out, "\nSurvivors:")
	for _, m := range survivors {
		fmt.Fprintln(out, m)
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
	fmt.Fprintf(out, "\n%d mutants: %d noticed, %d survived, %d do not render, %d render the same, %d render the same with the defaults.\n",
		len(mutants), counts["noticed"], counts[survived], counts[unrendered], counts[equal], counts[hidden])
}
