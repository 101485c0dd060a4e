package timeline

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestCSVGolden(t *testing.T) {
	var csv bytes.Buffer
	require.NoError(t, story().WriteCSV(&csv))
	golden(t, "testdata/story.csv", csv.Bytes())
}
