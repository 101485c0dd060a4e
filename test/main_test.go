package test

import (
	"testing"

	"holograph/test/internal/harness"
)

func TestMain(m *testing.M) { harness.Main(m) }
