package timing

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
)

// storiesAtATime is how many folders run at a time. A story waits most of the time, for scrapes and for decisions of the
// autoscaler, so that two clusters fit on two cores.
const storiesAtATime = 2

// labelled is a line of one of several outputs: "faults    | the line".
var labelled = regexp.MustCompile(`^([a-z]+) +\| (.*)`)

// Stories runs the tests of each folder of test/, which has a cluster of its own, two folders at a time in the given order.
// It writes their lines to out as they come, each with its folder in front. A folder that fails stops no other; the error
// names those that did.
func Stories(ctx context.Context, out io.Writer, timeout time.Duration, folders []string) error {
	if len(folders) == 0 {
		return errors.New("which folders of test/ to run is missing")
	}
	width := len(slices.MaxFunc(folders, func(a, b string) int { return len(a) - len(b) }))
	var mu sync.Mutex
	var failures []string
	var group errgroup.Group
	group.SetLimit(storiesAtATime)
	for _, folder := range folders {
		group.Go(func() error {
			write := func(line string) {
				mu.Lock()
				defer mu.Unlock()
				fmt.Fprintf(out, "%-*s | %s\n", width, folder, line)
			}
			output := &lines{to: io.Discard, line: write}
			cmd := exec.CommandContext(ctx, "go", "test", "-count=1", "-timeout", timeout.String(), "-v", "./test/"+folder)
			cmd.Stdout, cmd.Stderr = output, output
			if err := wait(ctx, cmd); err != nil {
				write(fmt.Sprintf("go test ./test/%s: %s", folder, err))
				mu.Lock()
				defer mu.Unlock()
				failures = append(failures, folder)
			}
			return nil
		})
	}
	_ = group.Wait() // which folders failed is in failures
	if len(failures) > 0 {
		slices.Sort(failures)
		return fmt.Errorf("stories failed in %s; `go test -count=1 -v -run 'TestName' ./test/%s` runs one of them", strings.Join(failures, ", "), failures[0])
	}
	return nil
}
