package promise

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestMerge: a table replaces its folder's promises and keeps what their last runs measured.
func TestMerge(t *testing.T) {
	run := &Result{Date: "2026-11-29", Recovery: Seconds(23 * time.Second), Lowest: 4, Highest: 4}
	rows := []Row{
		{Subject: Node, Folder: "nodes", Name: "node killed", Run: run},
		{Subject: Prometheus, Folder: "one", Name: "killed", Says: "old words", Run: run},
		{Subject: Prometheus, Folder: "one", Name: "dropped", Run: run},
	}
	merged := merge(rows, "one", []Promise{{Subject: Prometheus, Name: "killed", Says: "new words"}, {Subject: Data, Name: "added"}})
	assert.Equal(t, []Row{
		rows[0],
		{Subject: Prometheus, Folder: "one", Name: "killed", Says: "new words", Run: run},
		{Subject: Data, Folder: "one", Name: "added"},
	}, merged)
}

// TestPage: a promise that has not been kept yet says so, and a row survives being written and read.
func TestPage(t *testing.T) {
	rows := []Row{
		{Subject: Prometheus, Name: "killed", Says: "Holds.", Fault: "Killed.", Within: Seconds(time.Minute), Run: &Result{
			Date: "2026-11-29", Recovery: Seconds(23 * time.Second), Lowest: 3, Highest: 4, Frames: Frames{Offered: 90, Sent: 90, Late: 2}}},
		{Subject: Node, Name: "gone", Says: "Bears it.", Fault: "Killed."},
	}
	text, err := json.Marshal(rows)
	require.NoError(t, err)
	var back []Row
	require.NoError(t, json.Unmarshal(text, &back))
	assert.Equal(t, rows, back)
	written, err := page(rows)
	require.NoError(t, err)
	assert.Contains(t, string(written), "\n| killed | Holds. | Killed. | 23s (promised: 1m0s) | 3 to 4 | 0 of 90 lost, 2 late, 0 refused | none | 2026-11-29 |\n")
	assert.Contains(t, string(written), "\n| gone | Bears it. | Killed. | | | | | not run yet |\n")
	assert.Contains(t, string(written), "\n## What the chart cannot promise\n")
}

func TestAlarm(t *testing.T) {
	promised := []string{"HolographScrapeFailing"}
	assert.NoError(t, alarm(promised, []string{"HolographMetricAbsent", "HolographScrapeFailing"}))
	assert.NoError(t, alarm(nil, []string{"HolographErrorBudgetBurnFast"}))
	assert.ErrorContains(t, alarm(promised, nil), `the alerts that fired are [], want HolographScrapeFailing among them`)
	assert.ErrorContains(t, alarm(nil, promised), `the alerts that fired are ["HolographScrapeFailing"], want none but those about the load`)
}
