// Package promises holds the stories that take longer than a run of all others has room for.
package promises

import (
	"testing"

	"holograph/test/internal/harness"
)

func TestMain(m *testing.M) { harness.Main(m) }
