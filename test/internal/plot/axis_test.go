package plot

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestTicks(t *testing.T) {
	for top, want := range map[float64][]string{
		1:    {"0", "0.5", "1"},
		0.3:  {"0", "0.1", "0.2", "0.3"},
		45:   {"0", "20", "40", "60"},
		29.5: {"0", "10", "20", "30"},
		100:  {"0", "50", "100"},
		1200: {"0", "500", "1000", "1500"},
	} {
		var got []string
		for _, v := range Ticks(top, 4) {
			got = append(got, Number(v))
		}
		assert.Equal(t, want, got, "up to %v", top)
	}
	assert.Equal(t, []float64{0, 1, 2, 3}, WholeTicks(3, 6))
	assert.Equal(t, []float64{0, 2, 4, 6, 8, 10, 12}, WholeTicks(11, 6))
}

func TestTimeTicks(t *testing.T) {
	for _, test := range []struct {
		span time.Duration
		step time.Duration
		n    int // beside 0
	}{
		{time.Second, time.Second, 1},
		{50 * time.Second, 5 * time.Second, 10},
		{330 * time.Second, time.Minute, 5},
		{10 * time.Minute, time.Minute, 10},
		{3 * time.Hour, 30 * time.Minute, 6},
		{1000 * 24 * time.Hour, 128 * 24 * time.Hour, 7},
	} {
		ticks := TimeTicks(test.span, maxTimeTicks)
		require.Len(t, ticks, test.n+1, "%v", test.span)
		assert.Equal(t, test.step, ticks[1], "%v", test.span)
	}
	assert.Equal(t, "5:30", Clock(330*time.Second))
	assert.Equal(t, "59:59", Clock(time.Hour-time.Second))
	assert.Equal(t, "1:00:00", Clock(time.Hour-time.Millisecond))
}
