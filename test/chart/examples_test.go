package chart_test

import (
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"holograph/ci/repo"
	"holograph/test/internal/chart"
)

func TestExamplesSayWhomTheyAreFor(t *testing.T) {
	t.Parallel()
	for _, name := range chart.Examples(t) {
		path, err := repo.Path("values-examples", name+".yaml")
		require.NoError(t, err)
		text, err := os.ReadFile(path)
		require.NoError(t, err)
		lines := strings.SplitN(string(text), "\n", 3)
		require.Len(t, lines, 3, name)
		assert.Regexp(t, `^# For `, lines[0], "%s.yaml: the first line says whom it is for", name)
		assert.Regexp(t, `^# \S`, lines[1], "%s.yaml: the second line says what it brings", name)
	}
}
