// Package faults has the stories in which something is wrong. The doctor names the broken link, alerts reach a person, the
// alerts, the dashboard and the status page have data while frames are late, and NetworkPolicies keep out the pods of other
// namespaces.
package faults

import (
	"testing"

	"holograph/ci/supply"
	"holograph/test/internal/harness"
)

func TestMain(m *testing.M) { harness.Main(m, supply.Faults) }
