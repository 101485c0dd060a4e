package harness

import (
	"time"

	"github.com/stretchr/testify/require"

	"holograph/test/internal/wait"
)

// WaitFor waits for the conditions, one after the other, within one budget. If a condition is not met in time, the story ends
// with the reason.
func (s *Story) WaitFor(budget time.Duration, conditions ...wait.Condition) {
	s.Helper()
	ctx, cancel := s.Within(budget)
	defer cancel()
	for _, condition := range conditions {
		begun := time.Now()
		require.NoError(s, wait.For(ctx, budget, condition))
		if took := time.Since(begun); took > time.Second {
			s.Logf("    %s: after %s", condition.Name, took.Round(time.Second))
		}
	}
}
