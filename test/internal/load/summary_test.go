package load

import (
	"math"
	"os"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const counts = `{"sent":10,"in_budget":4,"late":3,"refused":2,"failed":1,"never_started":5,"late_at_client":3,` +
	`"latency_ms":{"p50":7,"p95":88.4,"p99":102,"max":114},"start_delay_ms":{"p50":1,"p95":2,"p99":3,"max":4}}`

func TestParseSummaryOfARun(t *testing.T) {
	// testdata/dropped.log is the log of a real run: ten VUs, twenty frames per second, and a server that did not answer for
	// two seconds.
	log, err := os.Open("testdata/dropped.log")
	require.NoError(t, err)
	defer log.Close()

	summary, err := ParseSummary(log)
	require.NoError(t, err)
	assert.Equal(t, Summary{
		Sent: 138, InBudget: 118, Failed: 20, NeverStarted: 22,
		Latency:    &Spread{6 * time.Millisecond, 12 * time.Millisecond, 21 * time.Millisecond, 25 * time.Millisecond},
		StartDelay: &Spread{1100 * time.Millisecond, 1103 * time.Millisecond, 1105 * time.Millisecond, 1105 * time.Millisecond},
	}, summary)
	assert.Equal(t, 160, summary.Offered())
	assert.InDelta(t, 118.0/160, summary.InBudgetShare(), 1e-12, "share of frames in budget: frames that never started lower it")
	assert.Equal(t, "160 frames offered: 118 in budget, 0 late, 0 refused, 20 failed, 22 never started", summary.String())
}

func TestParseSummary(t *testing.T) {
	tests := map[string]struct {
		log     string
		wantErr string
	}{
		"the line alone":      {log: summaryPrefix + " " + counts + "\n"},
		"no newline at end":   {log: summaryPrefix + " " + counts},
		"carriage returns":    {log: "starting\r\n" + summaryPrefix + " " + counts + "\r\n"},
		"a very long line":    {log: strings.Repeat("x", 1<<20) + "\n" + summaryPrefix + " " + counts + "\n"},
		"empty log":           {log: "", wantErr: `the log of k6 holds no summary; its last line is ""`},
		"k6 gave up":          {log: "starting\nlevel=error msg=\"no such host\"\n\n", wantErr: `the log of k6 holds no summary; its last line is "level=error msg=\"no such host\""`},
		"prefix inside":       {log: "msg=" + summaryPrefix + " " + counts, wantErr: "the log of k6 holds no summary"},
		"two runs in one log": {log: strings.Repeat(summaryPrefix+" "+counts+"\n", 2), wantErr: "the log of k6 holds two summaries; read the log of one pod"},
		"cut off":             {log: summaryPrefix + " " + counts[:40], wantErr: "the summary in the log of k6 cannot be read: unexpected end of JSON input"},
		"count missing":       {log: summaryPrefix + strings.Replace(counts, `"refused":2,`, "", 1), wantErr: "the summary in the log of k6 lacks the count refused"},
		"count negative":      {log: summaryPrefix + strings.Replace(counts, `"late":3`, `"late":-3`, 1), wantErr: "the summary in the log of k6 has -3 as the count late"},
		"more than sent":      {log: summaryPrefix + strings.Replace(counts, `"sent":10`, `"sent":9`, 1), wantErr: "the summary in the log of k6 has more frames with an outcome (10) than sent (9)"},
		"time negative":       {log: summaryPrefix + strings.Replace(counts, `"p50":7`, `"p50":-7`, 1), wantErr: "the summary in the log of k6 has {-7 88.4 102 114} as latency_ms"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			summary, err := ParseSummary(strings.NewReader(test.log))
			if test.wantErr != "" {
				require.ErrorContains(t, err, test.wantErr)
				assert.Zero(t, summary, "the summary beside an error")
				return
			}
			require.NoError(t, err)
			assert.Equal(t, Summary{
				Sent: 10, InBudget: 4, Late: 3, Refused: 2, Failed: 1, NeverStarted: 5, LateAtClient: 3,
				Latency:    &Spread{7 * time.Millisecond, 88 * time.Millisecond, 102 * time.Millisecond, 114 * time.Millisecond},
				StartDelay: &Spread{1 * time.Millisecond, 2 * time.Millisecond, 3 * time.Millisecond, 4 * time.Millisecond},
			}, summary)
		})
	}
}

func TestParseSummaryReportsAnUnreadableLog(t *testing.T) {
	_, err := ParseSummary(iotest.TimeoutReader(iotest.OneByteReader(strings.NewReader("starting"))))
	assert.EqualError(t, err, "reading the log of k6: timeout")
}

func TestInBudgetShareOfNothingIsNotANumber(t *testing.T) {
	assert.True(t, math.IsNaN(Summary{}.InBudgetShare()), "share in budget of no frames is %v, want NaN", Summary{}.InBudgetShare())
}

func FuzzParseSummary(f *testing.F) {
	f.Add("starting\n" + summaryPrefix + " " + counts + "\n")
	f.Add(summaryPrefix + ` {"sent":0,"in_budget":0,"late":0,"refused":0,"failed":0,"never_started":0,"late_at_client":0,"latency_ms":null,"start_delay_ms":null}`)
	f.Add(summaryPrefix + ` {"sent":1e99}`)
	f.Add(summaryPrefix + " null")
	f.Fuzz(func(t *testing.T, log string) {
		summary, err := ParseSummary(strings.NewReader(log))
		if err != nil {
			assert.Zero(t, summary, "the summary beside an error")
			return
		}
		share := summary.InBudgetShare()
		assert.True(t, summary.Offered() == 0 && math.IsNaN(share) || share >= 0 && share <= 1, "share %v of %+v", share, summary)
		for _, s := range []*Spread{summary.Latency, summary.StartDelay} {
			assert.True(t, s == nil || min(s.P50, s.P95, s.P99, s.Max) >= 0, "%+v", s)
		}
	})
}
