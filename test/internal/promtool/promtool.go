// Package promtool asks Prometheus itself: promtool checks rules and configurations, a server on this machine answers
// queries, and its parser, as a library, takes expressions apart. All are of the version that the chart runs.
package promtool

import (
	"context"
	"fmt"
	"os/exec"

	"holograph/ci/program"
)

// Binary returns the path of the pinned promtool, built first where it is not in the cache.
// That takes minutes the first time and milliseconds afterwards.
func Binary(ctx context.Context) (string, error) {
	return program.Prometheus.Binary(ctx, "promtool")
}

// Run runs promtool in dir, where relative file names in args and in the files they name begin.
// The error carries everything that promtool printed, which is where it says what it found.
func Run(ctx context.Context, dir string, args ...string) error {
	binary, err := Binary(ctx)
	if err != nil {
		return err
	}
	command := exec.CommandContext(ctx, binary, args...)
	command.Dir = dir
	if output, err := command.CombinedOutput(); err != nil {
		return fmt.Errorf("promtool %v: %w\n%s", args, err, output)
	}
	return nil
}
