// Package faults holds the stories about knowing what is wrong: what the alerts,
// the dashboard and the status page ask is there to be answered, and the doctor
// names the link that is broken.
package faults

import (
	"testing"

	"holograph/ci/supply"
	"holograph/test/internal/harness"
)

func TestMain(m *testing.M) { harness.Main(m, supply.Faults) }
