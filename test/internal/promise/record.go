package promise

import (
	"bytes"
	"cmp"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"
	"testing"
	"text/template"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"holograph/ci/repo"
)

// Seconds is a time in whole seconds. Zero is none.
type Seconds time.Duration

// MarshalJSON writes the time as "23s".
func (s Seconds) MarshalJSON() ([]byte, error) { return json.Marshal(s.String()) }

// UnmarshalJSON reads what MarshalJSON writes.
func (s *Seconds) UnmarshalJSON(text []byte) error {
	var written string
	if err := json.Unmarshal(text, &written); err != nil || written == "" {
		return err
	}
	d, err := time.ParseDuration(written)
	*s = Seconds(d)
	return err
}

func (s Seconds) String() string {
	if s == 0 {
		return ""
	}
	return max(time.Duration(s).Round(time.Second), time.Second).String()
}

// Frames are those of an experiment: Lost ones were sent and got no answer in time.
type Frames struct{ Offered, Sent, Late, Refused, Lost int }

func (f Frames) String() string {
	return fmt.Sprintf("%d of %d lost, %d late, %d refused", f.Lost, f.Offered, f.Late, f.Refused)
}

// Result is what a run measured.
type Result struct {
	Date                    string
	Recovery                Seconds `json:",omitempty"`
	Before, Lowest, Highest int32
	Frames                  Frames
	Alerts                  []string `json:",omitempty"`
	Notes                   []string `json:",omitempty"`
}

func (r Result) replicas() string {
	if r.Lowest == r.Highest {
		return fmt.Sprint(r.Lowest)
	}
	return fmt.Sprintf("%d to %d", r.Lowest, r.Highest)
}

// Row is a promise in the record. Run is nil until it has been kept once.
type Row struct {
	Subject     Subject
	Folder      string
	Name        string
	Says, Fault string
	Within      Seconds `json:",omitempty"`
	Run         *Result
}

func row(folder string, p Promise, run *Result) Row {
	return Row{Subject: p.Subject, Folder: folder, Name: p.Name, Says: p.Says, Fault: p.Fault, Within: Seconds(p.Within), Run: run}
}

// Replicas are those while the fault lasted, from the lowest to the highest number.
func (r Row) Replicas() string { return r.Run.replicas() }

// Alerts are the names of those that fired and that do not tell of the load alone.
func (r Row) Alerts() string {
	return cmp.Or(strings.Join(slices.DeleteFunc(slices.Clone(r.Run.Alerts), ofLoad.MatchString), ", "), "none")
}

// Recovery is the time that was measured and the one that is promised.
func (r Row) Recovery() string {
	if r.Run.Recovery == 0 {
		return "nothing to recover from"
	}
	return fmt.Sprintf("%s (promised: %s)", r.Run.Recovery, r.Within)
}

// The files of the record and the page.
const (
	recordFile = "docs/faults.json"
	pageFile   = "docs/faults.md"
)

func read() (rows []Row, err error) {
	file, err := repo.Path(recordFile)
	if err != nil {
		return nil, err
	}
	text, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err == nil {
		err = json.Unmarshal(text, &rows)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", recordFile, err)
	}
	return rows, nil
}

// write writes the record, and the page that is made of it.
func write(rows []Row) error {
	slices.SortStableFunc(rows, func(a, b Row) int {
		return cmp.Or(cmp.Compare(a.Subject, b.Subject), strings.Compare(a.Folder, b.Folder))
	})
	record := &bytes.Buffer{}
	encoder := json.NewEncoder(record)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	if err := encoder.Encode(rows); err != nil {
		return err
	}
	text, err := page(rows)
	if err != nil {
		return err
	}
	for name, content := range map[string][]byte{recordFile: record.Bytes(), pageFile: text} {
		file, err := repo.Path(name)
		if err != nil {
			return err
		}
		if err := os.WriteFile(file, content, 0o644); err != nil {
			return err
		}
	}
	return nil
}

// same says whether two rows are of one promise.
func same(a, b Row) bool { return a.Folder == b.Folder && a.Name == b.Name }

// keep puts a row into the record, in place of the one of an earlier run.
func keep(kept Row) error {
	rows, err := read()
	if err != nil {
		return err
	}
	if i := slices.IndexFunc(rows, func(r Row) bool { return same(r, kept) }); i >= 0 {
		rows[i] = kept
	} else {
		rows = append(rows, kept)
	}
	return write(rows)
}

// merge returns the record with the folder's promises as its table has them now, in the table's order, and with the
// results of their last runs.
func merge(rows []Row, folder string, table []Promise) []Row {
	merged := slices.DeleteFunc(slices.Clone(rows), func(r Row) bool { return r.Folder == folder })
	for _, p := range table {
		now := row(folder, p, nil)
		if i := slices.IndexFunc(rows, func(r Row) bool { return same(r, now) }); i >= 0 {
			now.Run = rows[i].Run
		}
		merged = append(merged, now)
	}
	return merged
}

// Check compares the package's table with the record, and the page with the record: every promise has a row with its
// present words, and no row is of a promise that is gone. With update it writes both.
func Check(t *testing.T, table []Promise, update bool) {
	t.Helper()
	rows, err := read()
	require.NoError(t, err)
	here := folder(t)
	names := map[string]bool{}
	for _, p := range table {
		assert.False(t, names[p.Name], "two promises have the name %s", p.Name)
		names[p.Name] = true
		assert.NotEmpty(t, p.Subject.String(), "subject of %s", p.Name)
		assert.NotEmpty(t, p.Says, "what %s says", p.Name)
		assert.NotEmpty(t, p.Fault, "fault of %s", p.Name)
		// The table's alerts are those of the last run.
		if i := slices.IndexFunc(rows, func(r Row) bool { return same(r, row(here, p, nil)) }); i >= 0 && rows[i].Run != nil {
			assert.NoError(t, alarm(p.Alerts, rows[i].Run.Alerts), "the last run of %s", p.Name)
		}
	}
	// The record has them by subject, and a folder may have a table for each way to install the chart.
	table = slices.SortedStableFunc(slices.Values(table), func(a, b Promise) int { return cmp.Compare(a.Subject, b.Subject) })
	if update {
		require.NoError(t, write(merge(rows, here, table)))
		return
	}
	of := func(rows []Row) (own []Row, names []string) {
		for _, r := range rows {
			if r.Folder == here {
				own, names = append(own, r), append(names, r.Name)
			}
		}
		return own, names
	}
	wanted, wantedNames := of(merge(rows, here, table))
	found, foundNames := of(rows)
	if assert.Equal(t, wantedNames, foundNames, "the rows of %s in %s: run make update", here, recordFile) {
		for i, r := range wanted {
			assert.Equal(t, r, found[i], "what %s says of %q, against the table of %s: run make update", recordFile, r.Name, here)
		}
	}
	want, err := page(rows)
	require.NoError(t, err)
	file, err := repo.Path(pageFile)
	require.NoError(t, err)
	got, err := os.ReadFile(file)
	require.NoError(t, err)
	assert.Equal(t, string(want), string(got), "%s is not what %s says: run make update", pageFile, recordFile)
}

//go:embed faults.md.tmpl
var pageTemplate string

// part is a subject's part of the page.
type part struct {
	Subject Subject
	Rows    []Row
}

func page(rows []Row) ([]byte, error) {
	var parts []part
	for number := range subjects {
		subject := Subject(number)
		p := part{Subject: subject}
		for _, r := range rows {
			if r.Subject == subject {
				p.Rows = append(p.Rows, r)
			}
		}
		if len(p.Rows) > 0 {
			parts = append(parts, p)
		}
	}
	parsed, err := template.New(path.Base(pageFile)).Parse(pageTemplate)
	if err != nil {
		return nil, err
	}
	text := &bytes.Buffer{}
	err = parsed.Execute(text, map[string]any{"Parts": parts, "Limits": limits})
	return text.Bytes(), err
}
