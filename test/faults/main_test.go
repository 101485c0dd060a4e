// Package faults holds the stories of a release on which something is wrong: the doctor names the broken link, what the
// alerts, the dashboard and the status page ask Prometheus has an answer while frames are late, and a stranger's pod gets
// nothing.
package faults

import (
	"testing"

	"holograph/ci/supply"
	"holograph/test/internal/harness"
)

func TestMain(m *testing.M) { harness.Main(m, supply.Faults) }
