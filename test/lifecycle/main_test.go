// Package lifecycle holds the stories of a release's life: how it comes into a
// cluster, is changed, and goes.
package lifecycle

import (
	"testing"

	"holograph/ci/supply"
	"holograph/test/internal/harness"
)

func TestMain(m *testing.M) { harness.Main(m, supply.Lifecycle) }
