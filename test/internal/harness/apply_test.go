package harness

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestExpand: names in braces are replaced, and nothing else that begins with a dollar sign.
func TestExpand(t *testing.T) {
	values := map[string]string{"prometheus": "prometheus:v3.14.0"}
	text, err := expand("image: ${prometheus}\nreplacement: $1:$$\n", values)
	require.NoError(t, err)
	assert.Equal(t, "image: prometheus:v3.14.0\nreplacement: $1:$$\n", text)
	_, err = expand("image: ${adapter}", values)
	assert.EqualError(t, err, "${adapter} has no value")
}
