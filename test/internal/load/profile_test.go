package load

import (
	"encoding/json"
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

var spike = Profile{
	Stages: Spike{Base: 2, Peak: 40, Before: 20 * time.Second, During: 3 * time.Minute, After: 30 * time.Second}.Stages(),
	Budget: 250 * time.Millisecond,
}

func TestProfile(t *testing.T) {
	tests := map[string]struct {
		stages   []Stage
		frames   float64
		duration time.Duration
		peak     float64
	}{
		"level":        {stages: []Stage{{10, 0}, {10, 30 * time.Second}}, frames: 300, duration: 30 * time.Second, peak: 10},
		"ramp":         {stages: []Stage{{10, 30 * time.Second}}, frames: 150, duration: 30 * time.Second, peak: 10},
		"up and down":  {stages: []Stage{{10, 10 * time.Second}, {10, 10 * time.Second}, {0, 20 * time.Second}}, frames: 250, duration: 40 * time.Second, peak: 10},
		"fractions":    {stages: []Stage{{2.5, 0}, {2.5, 1500 * time.Millisecond}}, frames: 3.75, duration: 1500 * time.Millisecond, peak: 2.5},
		"spike":        {stages: spike.Stages, frames: 20*2 + 180*40 + 30*2, duration: 230 * time.Second, peak: 40},
		"nothing":      {},
		"a bare step":  {stages: []Stage{{10, 0}}, peak: 10},
		"falls to two": {stages: []Stage{{10, 0}, {2, 10 * time.Second}}, frames: 60, duration: 10 * time.Second, peak: 10},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			p := Profile{Stages: test.stages}
			assert.InDelta(t, test.frames, p.Frames(), 1e-9)
			assert.Equal(t, test.duration, p.Duration())
			assert.Equal(t, test.peak, p.Peak())

			// The midpoint rule is exact for straight lines, and every step is between two slices.
			sum, slice := 0.0, 100*time.Millisecond
			for at := slice / 2; at < test.duration; at += slice {
				assert.InDelta(t, sum, p.FramesBy(at-slice/2), 1e-6, "frames until %v", at-slice/2)
				sum += p.FramesPerSecondAt(at) * slice.Seconds()
			}
			assert.InDelta(t, test.frames, sum, 1e-6, "integral of the rate, want the number of frames")
		})
	}
}

func TestFramesPerSecondAt(t *testing.T) {
	p := Profile{Stages: []Stage{{10, 10 * time.Second}, {40, 0}, {40, 5 * time.Second}, {0, 10 * time.Second}}}
	for at, want := range map[time.Duration]float64{
		-time.Second: 0, 0: 0, 5 * time.Second: 5,
		10*time.Second - 1: 10, 10 * time.Second: 40, 15*time.Second - 1: 40,
		20 * time.Second: 20, 25 * time.Second: 0, time.Hour: 0,
	} {
		assert.InDelta(t, want, p.FramesPerSecondAt(at), 1e-6, "at %v", at)
	}
}

func TestValidate(t *testing.T) {
	level := []Stage{{10, 0}, {10, time.Second}}
	tests := map[string]struct {
		profile Profile
		wantErr string
	}{
		"spike":           {profile: spike},
		"no stages":       {profile: Profile{Budget: time.Second}, wantErr: "the load offers no frame; write stages such as {FramesPerSecond: 20, Duration: 30s}"},
		"rate negative":   {profile: Profile{Stages: []Stage{{-1, 0}}, Budget: time.Second}, wantErr: "stage 1 of the load has the rate -1; write frames per second from 0 up"},
		"rate not known":  {profile: Profile{Stages: []Stage{{1, 0}, {math.NaN(), 1}}}, wantErr: "stage 2 of the load has the rate NaN; write frames per second from 0 up"},
		"rate infinite":   {profile: Profile{Stages: []Stage{{math.Inf(1), 0}}}, wantErr: "stage 1 of the load has the rate +Inf; write frames per second from 0 up"},
		"time negative":   {profile: Profile{Stages: []Stage{{1, -time.Second}}}, wantErr: "stage 1 of the load has the duration -1s; write whole milliseconds from 0 up"},
		"time too finely": {profile: Profile{Stages: []Stage{{1, time.Microsecond}}}, wantErr: "stage 1 of the load has the duration 1µs; write whole milliseconds from 0 up"},
		"slice too fine":  {profile: Profile{Stages: level, Budget: time.Second, Slice: time.Microsecond}, wantErr: "the load has the slice 1µs; write whole milliseconds from 0 up"},
		"mark negative":   {profile: Profile{Stages: level, Budget: time.Second, Mark: -time.Second}, wantErr: "the load has the mark -1s; write whole milliseconds from 0 up"},
		"path":            {profile: Profile{Stages: level, Budget: time.Second, Path: "view"}, wantErr: `the load has the path "view"; write one such as /view`},
		"no budget":       {profile: Profile{Stages: level}, wantErr: "the load has the budget 0s; write the renderer's frame budget such as 33ms"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			err := test.profile.Validate()
			if test.wantErr == "" {
				require.NoError(t, err)
				return
			}
			require.EqualError(t, err, test.wantErr)
		})
	}
}

func TestVUsHoldTheFramesOfOneTimeout(t *testing.T) {
	p := Profile{Stages: []Stage{{40, 0}, {40, time.Minute}}, Budget: 33 * time.Millisecond}
	assert.Equal(t, 2*time.Second, p.Timeout())
	assert.Equal(t, 101, p.VUs(), "virtual users: 40 frames a second times 2 s, a quarter more, and one")
	p.Budget = 2 * time.Second
	assert.Equal(t, 4*time.Second, p.Timeout())
	assert.Equal(t, 201, p.VUs())
}

func TestStagesAreWrittenAsK6NamesThem(t *testing.T) {
	encoded, err := json.Marshal([]Stage{{2.5, 0}, {2.5, 90 * time.Second}, {40, 1500 * time.Millisecond}})
	require.NoError(t, err)
	assert.Equal(t, `[{"target":2.5,"duration":"0ms"},{"target":2.5,"duration":"90000ms"},{"target":40,"duration":"1500ms"}]`, string(encoded))
}
