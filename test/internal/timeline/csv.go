package timeline

import (
	"encoding/csv"
	"fmt"
	"io"
	"slices"
	"strconv"
	"time"
)

// column is one reading of a point in the CSV.
type column struct {
	name    string
	reading func(*Point) *Reading
}

var columns = []column{
	{"offered_frames_per_second", func(p *Point) *Reading { return &p.OfferedFramesPerSecond }},
	{"frames_per_second", func(p *Point) *Reading { return &p.FramesPerSecond }},
	{"overruns_per_second", func(p *Point) *Reading { return &p.OverrunsPerSecond }},
	{"desired_replicas", func(p *Point) *Reading { return &p.DesiredReplicas }},
	{"ready_replicas", func(p *Point) *Reading { return &p.ReadyReplicas }},
	{"in_budget_share", func(p *Point) *Reading { return &p.InBudgetShare }},
}

// timeLayout keeps milliseconds, so that a spreadsheet reads the times and a round trip loses little.
const timeLayout = "2006-01-02T15:04:05.000Z07:00"

func header() []string {
	names := []string{"time"}
	for _, c := range columns {
		names = append(names, c.name)
	}
	return names
}

// WriteCSV writes a header and one row per point: the time in UTC to the millisecond, and the readings,
// empty where they are missing. Title, bounds and events are not part of it.
func (t *Timeline) WriteCSV(w io.Writer) error {
	rows := [][]string{header()}
	for _, p := range t.points {
		row := []string{p.At.UTC().Format(timeLayout)}
		for _, c := range columns {
			row = append(row, c.reading(&p).String())
		}
		rows = append(rows, row)
	}
	if err := csv.NewWriter(w).WriteAll(rows); err != nil {
		return fmt.Errorf("writing the timeline: %w", err)
	}
	return nil
}

// ReadCSV reads what [Timeline.WriteCSV] wrote. The error names the line and the column.
func ReadCSV(r io.Reader) (*Timeline, error) {
	rows, err := csv.NewReader(r).ReadAll()
	if err != nil {
		return nil, fmt.Errorf("reading the timeline: %w", err)
	}
	if len(rows) == 0 || !slices.Equal(rows[0], header()) {
		return nil, fmt.Errorf("the timeline's first line is not %q", header())
	}
	t := new(Timeline)
	for i, row := range rows[1:] {
		line := i + 2
		at, err := time.Parse(time.RFC3339, row[0])
		if err != nil {
			return nil, fmt.Errorf("line %d of the timeline has the time %q; write one such as 2026-01-02T15:04:05.000Z", line, row[0])
		}
		p := Point{At: at}
		for j, c := range columns {
			text := row[j+1]
			if text == "" {
				continue
			}
			v, err := strconv.ParseFloat(text, 64)
			if err != nil {
				return nil, fmt.Errorf("line %d of the timeline has %q as %s; write a number, or nothing where it is not known", line, text, c.name)
			}
			*c.reading(&p) = Read(v)
		}
		t.Add(p)
	}
	return t, nil
}
