// Package sources has the stories of the other ways to serve the metric: with an adapter or a Prometheus that the cluster
// has already, with those of another release, and with KEDA.
package sources

import (
	"testing"

	"holograph/ci/supply"
	"holograph/test/internal/harness"
)

func TestMain(m *testing.M) { harness.Main(m, supply.Sources) }
