package harness

import (
	"fmt"
	"os"
	"regexp"
	"strings"
	"time"

	"github.com/stretchr/testify/require"

	"holograph/test/internal/guest"
)

// Apply applies the objects of a YAML stream in order. They remain when the story ends.
func (s *Story) Apply(manifest []byte) {
	s.Helper()
	ctx, cancel := s.withinFix(time.Minute)
	defer cancel()
	require.NoError(s, guest.Apply(ctx, s.Release.Client, manifest))
}

// ApplyFile is Apply for a file in which ${name} stands for the value of that name, such as the reference of an image.
func (s *Story) ApplyFile(path string, values map[string]string) {
	s.Helper()
	text, err := os.ReadFile(path)
	require.NoError(s, err)
	manifest, err := expand(string(text), values)
	require.NoError(s, err, "%s", path)
	s.Apply([]byte(manifest))
}

// placeholder matches a name in braces. The $1 of a relabeling is none.
var placeholder = regexp.MustCompile(`\$\{\w+\}`)

// expand puts the values in place of their names.
func expand(text string, values map[string]string) (string, error) {
	var err error
	expanded := placeholder.ReplaceAllStringFunc(text, func(name string) string {
		value, known := values[strings.Trim(name, "${}")]
		if !known {
			err = fmt.Errorf("%s has no value", name)
		}
		return value
	})
	return expanded, err
}
