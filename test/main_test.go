package test

import (
	"testing"

	"holograph/test/harness"
)

func TestMain(m *testing.M) { harness.Main(m) }
