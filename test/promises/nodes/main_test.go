// Package nodes holds the promises for days on which a node is taken away, on a cluster of three, and the story of a node
// that is there before it is needed.
package nodes

import (
	"testing"

	"holograph/ci/supply"
	"holograph/test/internal/harness"
)

func TestMain(m *testing.M) { harness.Main(m, supply.Nodes) }
