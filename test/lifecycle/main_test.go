// Package lifecycle has the stories of the life of a release: its installation, upgrades, rollbacks and removal, with Helm 3
// and Helm 4.
package lifecycle

import (
	"testing"

	"holograph/ci/supply"
	"holograph/test/internal/harness"
)

func TestMain(m *testing.M) { harness.Main(m, supply.Lifecycle) }
