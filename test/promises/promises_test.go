package promises

import (
	"flag"
	"slices"
	"testing"
	"time"

	"holograph/test/internal/harness"
	"holograph/test/internal/promise"
	"holograph/test/internal/wait"
)

var updateGolden = flag.Bool("update", false, "write docs/faults.md and the promises of docs/faults.json")

// table has every promise of this folder but those of kedaTable and sessionTable. Each subject has a file.
var table = slices.Concat(prometheusPromises, adapterPromises, dataPromises, readingPromises, rendererPromises, controlPlanePromises, operationsPromises, overloadPromises)

// settings make alerts fire while a fault lasts, and give the adapter a second pod.
var settings = promise.Settings(map[string]string{
	"prometheusAdapter.replicaCount": "2",
	// Half of that in values-examples/local.yaml, so that a fault need not last longer to show.
	"autoscaling.behavior.scaleDown.stabilizationWindowSeconds": "30",
	"alerts.metricAbsent.for":                                   "30s",
	"alerts.autoscalerInactive.for":                             "30s",
	"alerts.adapterUnavailable.for":                             "30s",
	"alerts.podUnseen.for":                                      "30s",
})

// TestPromises breaks one thing after the other while frames arrive.
func TestPromises(t *testing.T) {
	s := harness.New(t)
	s.Step("install the chart")
	s.UpgradeWith(settings, "local")
	s.WaitFor(3*time.Minute, wait.Chain(s.Release)...)
	promise.Run(s, table)
}

// TestPage: docs/faults.json has every promise, and docs/faults.md is made of it.
func TestPage(t *testing.T) {
	promise.Check(t, slices.Concat(table, kedaTable, sessionTable), *updateGolden)
}
