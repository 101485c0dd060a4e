package wait

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestForReportsTheLastReason(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		checks := 0
		err := For(t.Context(), 3*time.Second,
			Condition{"the first pod", func(context.Context) error { return nil }},
			Condition{"the second pod", func(context.Context) error {
				checks++
				if checks < 3 {
					return errors.New("not scheduled")
				}
				return errors.New("image missing")
			}})
		assert.EqualError(t, err, "waited 3s for the second pod: image missing")
	})
}

func TestForKeepsTheReasonWhenTheDeadlineInterruptsACheck(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		checks := 0
		err := For(t.Context(), 2*time.Second, Condition{"an answer", func(ctx context.Context) error {
			checks++
			if checks == 1 {
				return errors.New("no such series")
			}
			<-ctx.Done()
			return ctx.Err()
		}})
		assert.EqualError(t, err, "waited 2s for an answer: no such series")
	})
}

func TestForKeepsTheReasonWhenACheckEndsAfterTheDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		checks := 0
		err := For(t.Context(), 2*time.Second, Condition{"an answer", func(context.Context) error {
			checks++
			if checks == 1 {
				return errors.New("no such series")
			}
			time.Sleep(1500 * time.Millisecond)
			return errors.New("no time left")
		}})
		assert.EqualError(t, err, "waited 2s for an answer: no such series")
	})
}

func TestForEndsAsSoonAsTheConditionIsMet(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begun := time.Now()
		require.NoError(t, For(t.Context(), time.Minute, Condition{"five seconds", func(context.Context) error {
			if time.Since(begun) < 5*time.Second {
				return errors.New("too early")
			}
			return nil
		}}))
		assert.Equal(t, 5*time.Second, time.Since(begun))
	})
}
