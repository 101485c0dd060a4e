package sources

import (
	"testing"

	"holograph/ci/image"
	"holograph/test/internal/harness"
)

func TestMain(m *testing.M) { harness.Main(m, image.Sources) }
