// Package stories runs the stories of each folder on a cluster of its own, one after the other. What a folder needs beyond
// what every cluster has is obtained while the stories before it run.
package stories

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path"
	"syscall"
	"time"

	"holograph/ci/command"
)

// drain bounds the wait for a program that was interrupted.
const drain = 5 * time.Minute

// Run runs `go test` with the flags for ./test and then for each folder below it, also after a failure. A folder's set has
// the folder's name. The error joins those of all folders.
func Run(ctx context.Context, out, errOut io.Writer, flags, folders []string) error {
	ctx, cancel := context.WithCancel(ctx)
	obtained := obtain(ctx, errOut, folders)
	// The background ends before this does.
	defer func() {
		cancel()
		for range obtained {
		}
	}()
	failed := test(ctx, out, errOut, flags, "test")
	for _, folder := range folders {
		err := <-obtained
		if err == nil {
			err = test(ctx, out, errOut, flags, path.Join("test", folder))
		}
		failed = errors.Join(failed, err)
	}
	return failed
}

// obtain obtains the set of each folder in this order, and sends the outcome of each. It does so at the lowest priority: a
// story must not wait for a compiler, and has time to spare.
func obtain(ctx context.Context, errOut io.Writer, folders []string) <-chan error {
	outcomes := make(chan error, len(folders))
	go func() {
		defer close(outcomes)
		for _, folder := range folders {
			this, err := os.Executable()
			if err == nil {
				err = yield(ctx, errOut, this, "images", folder)
			}
			if err != nil {
				err = fmt.Errorf("images of test/%s: %w", folder, err)
			}
			outcomes <- err
		}
	}()
	return outcomes
}

func test(ctx context.Context, out, errOut io.Writer, flags []string, folder string) error {
	args := append([]string{"go", "test"}, flags...)
	if err := run(ctx, out, errOut, append(args, "./"+folder)...); err != nil {
		return fmt.Errorf("go test ./%s: %w", folder, err)
	}
	return nil
}

// yield runs a program that gets the CPU when nothing else wants it.
func yield(ctx context.Context, errOut io.Writer, args ...string) error {
	cmd := exec.CommandContext(ctx, "nice", append([]string{"-n", "19"}, args...)...)
	cmd.Stdout, cmd.Stderr = errOut, errOut
	command.Interruptible(cmd, drain)
	// Linux gives each session the same share of the CPU, whatever the priority of its processes (sched(7), autogroups): at
	// priority 19 alone, a compiler took half of both cores from the cluster. A session of its own can have a priority too.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := cmd.Start(); err != nil {
		return err
	}
	// A kernel without autogroups compares the processes.
	_ = os.WriteFile(fmt.Sprintf("/proc/%d/autogroup", cmd.Process.Pid), []byte("19"), 0)
	return cmd.Wait()
}

func run(ctx context.Context, out, errOut io.Writer, args ...string) error {
	cmd := exec.CommandContext(ctx, args[0], args[1:]...)
	cmd.Stdout, cmd.Stderr = out, errOut
	command.Interruptible(cmd, drain)
	return cmd.Run()
}
