package sim

import (
	"fmt"
	"runtime/debug"
	"testing"
	"testing/synctest"
)

// bubble calls f in a testing/synctest bubble of its own: clocks and timers inside f start at
// 2000-01-01 00:00 UTC and move on at once when every goroutine of the bubble waits.
// A panic in f comes back as an error with its stack.
//
// synctest asks for a *testing.T, which it only uses as the parent of the one it hands out,
// so an empty one serves outside `go test` as well.
func bubble(f func()) (err error) {
	synctest.Test(new(testing.T), func(*testing.T) {
		defer func() {
			if p := recover(); p != nil {
				err = fmt.Errorf("the simulation panicked: %v\n%s", p, debug.Stack())
			}
		}()
		f()
	})
	return err
}
