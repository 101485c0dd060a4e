package timeline

import (
	"bytes"
	"flag"
	"math"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

var update = flag.Bool("update", false, "write the golden files anew")

// golden compares got with the file at path, and writes the file with -update.
func golden(t *testing.T, path string, got []byte) {
	t.Helper()
	if *update {
		require.NoError(t, os.WriteFile(path, got, 0o644))
	}
	want, err := os.ReadFile(path)
	require.NoError(t, err)
	// The files are long; the first line that differs says enough.
	wanted, lines := bytes.Split(want, []byte("\n")), bytes.Split(got, []byte("\n"))
	for i := range min(len(wanted), len(lines)) {
		require.Equal(t, string(wanted[i]), string(lines[i]), "line %d of %s; if the change is meant, run go test ./test/internal/timeline -update", i+1, path)
	}
	require.Len(t, lines, len(wanted), "lines of %s; if the change is meant, run go test ./test/internal/timeline -update", path)
}

var start = time.Date(2026, 1, 2, 15, 4, 5, 0, time.UTC)

// story is a made-up run of five and a half minutes, read every two seconds: a load of 45 frames per second
// from 0:20 to 3:20 onto pods that render eight frames a second each, with the readings lost twice.
func story() *Timeline {
	t := &Timeline{
		Title:       "Renderers scale on frames over budget, then back",
		MinReplicas: 2, MaxReplicas: 10,
		Events: []Event{{at(20), "load on"}, {at(200), "load off"}},
	}
	desired := func(second float64) float64 {
		switch {
		case second < 38:
			return 2
		case second < 54:
			return 4
		case second < 84:
			return 7
		case second < 238:
			return 8
		case second < 254:
			return 5
		case second < 270:
			return 3
		}
		return 2
	}
	// Rounded, so that the golden files are the same on every processor.
	read := func(v float64) Reading { return Read(math.Round(v*1000) / 1000) }
	for second := 0.0; second <= 330; second += 2 {
		offered := 4.0
		if second >= 20 && second < 200 {
			offered = 45
		}
		p := Point{At: at(second), OfferedFramesPerSecond: read(offered)}
		if lost := second == 128 || second >= 290 && second < 300; !lost {
			ready := min(desired(second), desired(second-6)) // a pod is ready six seconds later
			counted := offered + math.Sin(second)/2
			over := max(0, counted-8*ready)
			p.FramesPerSecond = read(counted)
			p.OverrunsPerSecond = read(over)
			p.DesiredReplicas = read(desired(second))
			p.ReadyReplicas = read(ready)
			p.InBudgetShare = read(1 - over/counted)
		}
		t.Add(p)
	}
	return t
}

// at is the time so many seconds after the start.
func at(seconds float64) time.Time { return start.Add(time.Duration(seconds * float64(time.Second))) }

// sampled is a timeline with one point a second, set by the reading of each.
func sampled(readings []Reading, set func(*Point, Reading)) *Timeline {
	t := new(Timeline)
	for i, r := range readings {
		p := Point{At: at(float64(i))}
		set(&p, r)
		t.Add(p)
	}
	return t
}

// readings are the values, where NaN is missing.
func readings(values ...float64) []Reading {
	var all []Reading
	for _, v := range values {
		all = append(all, Read(v))
	}
	return all
}

var missing = math.NaN()

func TestReading(t *testing.T) {
	for name, r := range map[string]Reading{"zero value": {}, "NaN": Read(missing), "infinite": Read(math.Inf(1))} {
		_, known := r.Value()
		assert.False(t, known, "%s: the reading is known", name)
		assert.Empty(t, r.String(), "%s: the text of a reading that is missing", name)
	}
	v, known := Read(0).Value()
	assert.True(t, known, "a zero is a reading")
	assert.Zero(t, v, "the reading of 0")
	assert.Equal(t, "0.1", Read(0.1).String())
}

func TestAddSortsByTime(t *testing.T) {
	var timeline Timeline
	for _, seconds := range []float64{2, 1, 3, 1} {
		timeline.Add(Point{At: at(seconds), ReadyReplicas: Read(float64(len(timeline.Points())))})
	}
	var order []string
	for _, p := range timeline.Points() {
		order = append(order, p.ReadyReplicas.String())
	}
	assert.Equal(t, []string{"1", "3", "0", "2"}, order, "points of one time stay in the order in which they were added")
}

func TestScalings(t *testing.T) {
	tests := map[string]struct {
		desired []Reading
		want    []ScalingEvent
	}{
		"none":                         {desired: readings(2, 2, 2)},
		"up and down":                  {desired: readings(2, 4, 4, 7, 2), want: []ScalingEvent{{at(1), 2, 4}, {at(3), 4, 7}, {at(4), 7, 2}}},
		"a gap is no scaling event":    {desired: readings(2, missing, missing, 2)},
		"a scaling event within a gap": {desired: readings(2, missing, 5), want: []ScalingEvent{{at(2), 2, 5}}},
		"the first reading is not":     {desired: readings(missing, 5, 5)},
		"nothing known":                {desired: readings(missing, missing)},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			assert.Equal(t, test.want, sampled(test.desired, func(p *Point, r Reading) { p.DesiredReplicas = r }).ScalingEvents())
		})
	}
	assert.True(t, ScalingEvent{From: 2, To: 4}.Up(), "whether the step from 2 to 4 replicas is up")
	assert.False(t, ScalingEvent{From: 4, To: 2}.Up(), "whether the step from 4 to 2 replicas is up")
	assert.Equal(t, "2→4", ScalingEvent{From: 2, To: 4}.String())
}

func TestPeaksAndReadyReplicasAt(t *testing.T) {
	timeline := sampled(readings(2, 4, missing, 3, missing, missing, missing, missing, missing), func(p *Point, r Reading) { p.ReadyReplicas = r })
	assert.Equal(t, Read(4), timeline.PeakReadyReplicas())
	assert.Equal(t, Reading{}, new(Timeline).PeakReadyReplicas(), "none was read")

	require.Equal(t, 3*time.Second, timeline.LongestGap())
	assert.Equal(t, Reading{}, timeline.ReadyReplicasAt(at(-1)), "before the first reading")
	assert.Equal(t, Read(2), timeline.ReadyReplicasAt(at(0.5)))
	assert.Equal(t, Read(4), timeline.ReadyReplicasAt(at(2)), "the last reading answers for a short gap")
	assert.Equal(t, Read(3), timeline.ReadyReplicasAt(at(6)))
	assert.Equal(t, Reading{}, timeline.ReadyReplicasAt(at(6.5)), "but not for a long one")
	assert.Zero(t, new(Timeline).LongestGap(), "longest gap of a timeline without points")
}

func TestOverrunsCeasedAt(t *testing.T) {
	tests := map[string]struct {
		overruns []Reading
		from, to float64
		want     time.Time
		wantErr  string
	}{
		"they cease":                   {overruns: readings(0, 5, 5, 0, 0, 0, 0), to: 6, want: at(3)},
		"below the limit":              {overruns: readings(0, 5, 5, 0.1, 0, 0.1, 0), to: 6, want: at(3)},
		"they come again":              {overruns: readings(0, 5, 0, 0, 5, 0, 0, 0), to: 7, want: at(5)},
		"they come again after that":   {overruns: readings(0, 5, 0, 0, 0, 5, 5), to: 6, want: at(2)},
		"a short gap in the quiet":     {overruns: readings(0, 5, 0, missing, missing, 0, 0), to: 6, want: at(2)},
		"a gap hides the very end":     {overruns: readings(0, 5, missing, 0, 0, 0), to: 5, want: at(3)},
		"after the window":             {overruns: readings(0, 5, 0, 0, 0, 9, 9), to: 4, want: at(2)},
		"still on":                     {overruns: readings(0, 5, 5, 5, 5), to: 4, wantErr: "overruns were still more than 0.01 of the frames after 4s of 4s; wanted are 2s without"},
		"too late":                     {overruns: readings(0, 5, 5, 5, 0), to: 4, wantErr: "overruns were still more than 0.01 of the frames after 3s of 4s"},
		"never any":                    {overruns: readings(0, 0, 0, 0), to: 3, wantErr: "overruns were never more than 0.01 of the frames in the 3s, so none could cease"},
		"only before the window":       {overruns: readings(9, 0, 0, 0), from: 1, to: 3, wantErr: "overruns were never more than 0.01 of the frames in the 2s"},
		"nothing known":                {overruns: readings(missing, missing, missing), to: 2, wantErr: "the overruns are not known in all of the 2s"},
		"a long gap in the quiet":      {overruns: readings(5, 0, missing, missing, missing, 0, 0), to: 6, wantErr: "the overruns seem to have ceased after 1s of 6s, but then they are not known for 4s"},
		"a long gap until the quiet":   {overruns: readings(5, missing, missing, missing, 0, 0, 0), to: 6, wantErr: "the overruns seem to have ceased after 4s of 6s, but then they are not known for 4s"},
		"a long gap after the quiet":   {overruns: readings(5, 0, 0, missing, missing, missing, missing), to: 6, wantErr: "the overruns seem to have ceased after 1s of 6s, but then they are not known for 4s"},
		"gone for good while overrun":  {overruns: readings(0, 5, missing, missing, missing, missing), to: 5, wantErr: "overruns were still more than 0.01 of the frames after 1s of 5s"},
		"a gap ended by more overruns": {overruns: readings(5, 0, missing, missing, missing, missing, 5, 0, 0, 0), to: 9, want: at(7)},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			timeline := sampled(test.overruns, func(p *Point, r Reading) { p.OfferedFramesPerSecond, p.OverrunsPerSecond = Read(10), r })
			ceased, err := timeline.OverrunsCeasedAt(at(test.from), at(test.to), 0.01, 2*time.Second)
			if test.wantErr != "" {
				require.ErrorContains(t, err, test.wantErr)
				return
			}
			require.NoError(t, err)
			assert.Equal(t, test.want, ceased)
		})
	}
}

func TestInBudgetShareBetween(t *testing.T) {
	const none = -1
	tests := map[string]struct {
		seconds, frames, shares []float64
		from, to                float64
		want                    float64
	}{
		"all in budget":                 {seconds: []float64{0, 1, 2}, frames: []float64{9, 9, 9}, shares: []float64{1, 1, 1}, to: 2, want: 1},
		"weighted by frames":            {seconds: []float64{0, 1, 2}, frames: []float64{0, 30, 10}, shares: []float64{1, 1, 0}, to: 2, want: 0.75},
		"weighted by time":              {seconds: []float64{0, 1, 2, 3, 5}, frames: []float64{1, 1, 1, 1, 1}, shares: []float64{1, 1, 1, 1, 0}, to: 5, want: 0.6},
		"a long pause tells no more":    {seconds: []float64{0, 1, 2, 100}, frames: []float64{1, 1, 1, 1}, shares: []float64{1, 1, 1, 0}, to: 100, want: 0.4},
		"a missing share is not zero":   {seconds: []float64{0, 1, 2}, frames: []float64{9, 9, 9}, shares: []float64{1, missing, 1}, to: 2, want: 1},
		"missing frames do not count":   {seconds: []float64{0, 1, 2}, frames: []float64{9, missing, 9}, shares: []float64{1, 0, 1}, to: 2, want: 1},
		"the window alone":              {seconds: []float64{0, 1, 2, 3}, frames: []float64{9, 9, 9, 9}, shares: []float64{0, 0, 1, 0}, from: 1, to: 2, want: 1},
		"no frames, no share":           {seconds: []float64{0, 1, 2}, frames: []float64{0, 0, 0}, shares: []float64{1, 1, 1}, to: 2, want: none},
		"nothing known":                 {seconds: []float64{0, 1}, frames: []float64{1, missing}, shares: []float64{1, missing}, to: 1, want: none},
		"an empty window":               {seconds: []float64{0, 1}, frames: []float64{1, 1}, shares: []float64{1, 1}, from: 5, to: 6, want: none},
		"the first point tells nothing": {seconds: []float64{0}, frames: []float64{1}, shares: []float64{1}, to: 1, want: none},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			var timeline Timeline
			for i, seconds := range test.seconds {
				timeline.Add(Point{At: at(seconds), FramesPerSecond: Read(test.frames[i]), InBudgetShare: Read(test.shares[i])})
			}
			share, known := timeline.InBudgetShareBetween(at(test.from), at(test.to)).Value()
			require.Equal(t, test.want != none, known)
			if known {
				assert.InDelta(t, test.want, share, 1e-12)
			}
		})
	}
}

// The story as a scaling test asks it.
func TestStory(t *testing.T) {
	timeline := story()
	ceased, err := timeline.OverrunsCeasedAt(at(20), at(200), 0.01, time.Minute)
	require.NoError(t, err)
	assert.Equal(t, at(60), ceased)
	assert.Equal(t, Read(2), timeline.ReadyReplicasAt(at(20)))
	assert.Equal(t, Read(7), timeline.ReadyReplicasAt(ceased))
	assert.Equal(t, Read(8), timeline.PeakReadyReplicas())
	var events []string
	for _, s := range timeline.ScalingEvents() {
		events = append(events, s.String())
	}
	assert.Equal(t, []string{"2→4", "4→7", "7→8", "8→5", "5→3", "3→2"}, events)
}
