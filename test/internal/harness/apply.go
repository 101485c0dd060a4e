package harness

import (
	"time"

	"github.com/stretchr/testify/require"

	"holograph/test/internal/guest"
)

// Apply brings the objects of a YAML stream into the cluster, in their order, in place of what an earlier
// story left of them. They stay with the cluster.
func (s *Story) Apply(manifest []byte) {
	s.Helper()
	ctx, cancel := s.Within(time.Minute)
	defer cancel()
	require.NoError(s, guest.Apply(ctx, s.Release.Client, manifest))
}
