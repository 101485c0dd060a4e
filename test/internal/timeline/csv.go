package timeline

import (
	"encoding/csv"
	"fmt"
	"io"
)

// column is one reading of a point in the CSV.
type column struct {
	name    string
	reading func(Point) Reading
}

var columns = []column{
	{"offered_frames_per_second", func(p Point) Reading { return p.OfferedFramesPerSecond }},
	{"frames_per_second", func(p Point) Reading { return p.FramesPerSecond }},
	{"overruns_per_second", func(p Point) Reading { return p.OverrunsPerSecond }},
	{"desired_replicas", func(p Point) Reading { return p.DesiredReplicas }},
	{"ready_replicas", func(p Point) Reading { return p.ReadyReplicas }},
	{"in_budget_share", func(p Point) Reading { return p.InBudgetShare }},
}

// timeLayout keeps milliseconds, which a spreadsheet reads too.
const timeLayout = "2006-01-02T15:04:05.000Z07:00"

// WriteCSV writes a header and one row per point: the time in UTC to the millisecond, and the readings,
// empty where they are missing. Title, bounds and events are not part of it.
func (t *Timeline) WriteCSV(w io.Writer) error {
	header := []string{"time"}
	for _, c := range columns {
		header = append(header, c.name)
	}
	rows := [][]string{header}
	for _, p := range t.points {
		row := []string{p.At.UTC().Format(timeLayout)}
		for _, c := range columns {
			row = append(row, c.reading(p).String())
		}
		rows = append(rows, row)
	}
	if err := csv.NewWriter(w).WriteAll(rows); err != nil {
		return fmt.Errorf("writing the timeline: %w", err)
	}
	return nil
}
