package report_test

import (
	"bytes"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"holograph/test/sim/report"
	"holograph/test/sim/sim"
)

func TestTable(t *testing.T) {
	var out bytes.Buffer
	report.Table(&out, []report.Row{{Name: "mine", Summary: sim.Summary{Frames: 1000, Late: 5, WorstMinute: 0.8, Recovery: 90 * time.Second, Reversals: 1, Changes: 4, PodHours: 6, OracleHours: 5}}})
	assert.Equal(t, `      in budget  worst minute  recovery  reversals  changes  pod-hours  oracle  × oracle
mine    99.50 %        80.0 %      90 s        1.0      4.0       6.00    5.00      1.20
`, out.String())
}

func TestSumAddsFramesAndAveragesCost(t *testing.T) {
	a := report.Sum([]sim.Summary{{Frames: 100, Late: 1, Reversals: 1, PodHours: 2, OracleHours: 1}, {Frames: 300, Late: 1, Reversals: 0.5, PodHours: 1, OracleHours: 1}})
	assert.Equal(t, 0.005, a.Bad())
	assert.Equal(t, 1.5, a.Cost)
	assert.Equal(t, 1.5, a.Reversals)
}
