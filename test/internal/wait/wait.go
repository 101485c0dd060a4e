// Package wait waits for named conditions until a deadline, and then says why a condition was not met. The conditions of
// a release are the doctor's links on the path from a late frame to a new pod, and numbers of replicas.
package wait

import (
	"context"
	"fmt"
	"time"
)

// interval is the time between two looks at a condition. A look is a request or two to a cluster on this machine.
const interval = 500 * time.Millisecond

// Condition is a state that is reached without the caller's help. Looking at it changes nothing.
type Condition struct {
	// Name completes "waited for".
	Name string
	// Unmet returns nil if the condition is met, else the reason why not. A read that failed is such a reason.
	Unmet func(ctx context.Context) error
}

// For waits until each condition has been met, one after the other, within one budget. The error names the condition that
// was not met, with the last reason.
func For(ctx context.Context, budget time.Duration, conditions ...Condition) error {
	deadline := time.Now().Add(budget)
	ctx, cancel := context.WithDeadline(ctx, deadline)
	defer cancel()
	ticker := time.NewTicker(interval)
	defer ticker.Stop()
	begun := time.Now()
	for _, condition := range conditions {
		var reason error
		for {
			now := condition.Unmet(ctx)
			if now == nil {
				break
			}
			// A look that ends at the deadline was cut short and gives no reason of its own. A client may give up a moment
			// before the context ends.
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
