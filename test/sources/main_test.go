package sources

import (
	"testing"

	"holograph/ci/image"
	"holograph/test/harness"
)

func TestMain(m *testing.M) { harness.Main(m, image.Sources) }
