// Package nodes drains and kills nodes of a cluster of three, and checks what docs/faults.md promises of it. It also has the
// story of a node that is there before it is needed.
package nodes

import (
	"testing"

	"holograph/ci/supply"
	"holograph/test/internal/harness"
)

func TestMain(m *testing.M) { harness.Main(m, supply.Nodes) }
