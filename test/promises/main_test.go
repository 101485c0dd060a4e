// Package promises breaks each thing that serves scaling while load runs, and checks what docs/faults.md promises of it.
package promises

import (
	"testing"

	"holograph/ci/supply"
	"holograph/test/internal/harness"
)

func TestMain(m *testing.M) { harness.Main(m, supply.Promises) }
