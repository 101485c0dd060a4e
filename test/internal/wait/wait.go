// Package wait waits for named conditions with a deadline, and says at the deadline why a condition was not met.
// The links of the path from a late frame to a new pod are such conditions; what a link is, the doctor says.
package wait

import (
	"context"
	"fmt"
	"time"
)

// interval is how often a condition is looked at. Each look is a request or two
// to a cluster on this machine.
const interval = 500 * time.Millisecond

// Condition is something that comes true on its own. It only reads.
type Condition struct {
	// Name completes "waited for".
	Name string
	// Unmet returns nil once the condition is met, else the reason why not. A read
	// that failed is a reason like any other: it must not pass for an observation.
	Unmet func(ctx context.Context) error
}

// For waits until every condition was met, one after the other, within the
// budget they share. The error names the condition that was not, and the last
// reason.
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
			// A look that the deadline cut short says nothing about the condition. A client may give up on it a moment
			// before the context says so.
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
