// Package wait waits for named conditions until a deadline, and then returns why a condition was not met. It has the
// conditions of a release: the links between a late frame and a new pod, as the doctor checks them, and numbers of replicas.
package wait

import (
	"cmp"
	"context"
	"fmt"
	"time"
)

// interval is the time between two checks of a condition that does not say another. A check is a request or two to a cluster on
// this machine.
const interval = 500 * time.Millisecond

// Condition is a state to wait for. Checking it changes nothing.
type Condition struct {
	// Name completes "waited for".
	Name string
	// Unmet returns nil if the condition is met, and otherwise the reason why it is not. A failed read is a reason too.
	Unmet func(ctx context.Context) error
	// Every is the time between two checks, for those that cost more than a request or two; 0 is half a second.
	Every time.Duration
}

// For waits for the conditions, one after the other, within one budget. The error names the condition that was not met, with
// the last reason.
func For(ctx context.Context, budget time.Duration, conditions ...Condition) error {
	deadline := time.Now().Add(budget)
	ctx, cancel := context.WithDeadline(ctx, deadline)
	defer cancel()
	ticker := time.NewTicker(interval)
	defer ticker.Stop()
	begun := time.Now()
	for _, condition := range conditions {
		ticker.Reset(cmp.Or(condition.Every, interval))
		var reason error
		for {
			now := condition.Unmet(ctx)
			if now == nil {
				break
			}
			// A check that ends at the deadline was interrupted, so its error is not the reason. A client may give up a
			// moment before the context ends.
			over := ctx.Err() != nil || !time.Now().Before(deadline)
			if reason == nil || !over {
				reason = now
			}
			if !over {
				select {
				case <-ctx.Done():
					over = true
				case <-ticker.C:
				}
			}
			if over {
				return fmt.Errorf("waited %s for %s: %w", time.Since(begun).Round(time.Second), condition.Name, reason)
			}
		}
	}
	return nil
}
