package harness

import (
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
