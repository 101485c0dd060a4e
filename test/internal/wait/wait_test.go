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
			Condition{Name: "the first pod", Unmet: func(context.Context) error { return nil }},
			Condition{Name: "the second pod", Unmet: func(context.Context) error {
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
		err := For(t.Context(), 2*time.Second, Condition{Name: "an answer", Unmet: func(ctx context.Context) error {
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
		err := For(t.Context(), 2*time.Second, Condition{Name: "an answer", Unmet: func(context.Context) error {
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
		require.NoError(t, For(t.Context(), time.Minute, Condition{Name: "five seconds", Unmet: func(context.Context) error {
			if time.Since(begun) < 5*time.Second {
				return errors.New("too early")
			}
			return nil
		}}))
		assert.Equal(t, 5*time.Second, time.Since(begun))
	})
}

func TestForChecksAnExpensiveConditionLessOften(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		checks := 0
		err := For(t.Context(), 14*time.Second, Condition{Name: "all fleets", Every: 5 * time.Second, Unmet: func(context.Context) error {
			checks++
			return errors.New("there are 3")
		}})
		assert.EqualError(t, err, "waited 14s for all fleets: there are 3")
		assert.Equal(t, 3, checks, "checks at the start, after 5 s and after 10 s")
	})
}
