// Package command runs programs so that a failure explains itself: the full output goes to a log file, and the
// error carries its last lines and its path. Its [Board] tells a person what long work is doing.
package command

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"holograph/ci/cache"
)

// tailLines is how much of a failed program's output the error shows.
const tailLines = 15

// Command is a foreign program with its arguments.
type Command struct {
	// Dir is the working directory; empty is this process' own.
	Dir string
	// Env is added to this process' environment, as "NAME=value".
	Env []string
	// Stdin is fed to the program; nil is no input.
	Stdin io.Reader
	// Log names the log file under the cache's logs folder.
	Log string
	// Args is the program and its arguments.
	Args []string
}

// Run runs the program until it ends or ctx does, appending its output to the
// log file.
func (c Command) Run(ctx context.Context) error {
	_, err := c.Output(ctx)
	return err
}

// Output is Run, and returns what the program wrote to its standard output.
func (c Command) Output(ctx context.Context) (string, error) {
	path, err := cache.Path("logs", c.Log+".log")
	if err != nil {
		return "", err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return "", err
	}
	log, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return "", err
	}
	defer log.Close()
	fmt.Fprintf(log, "%s $ %s\n", time.Now().Format(time.RFC3339), strings.Join(c.Args, " "))

	var stdout, all bytes.Buffer
	cmd := exec.CommandContext(ctx, c.Args[0], c.Args[1:]...)
	cmd.Dir = c.Dir
	cmd.Env = append(os.Environ(), c.Env...)
	cmd.Stdin = c.Stdin
	cmd.Stdout = io.MultiWriter(&stdout, &all, log)
	cmd.Stderr = io.MultiWriter(&all, log)
	// A program that is told to end cleans up behind itself, debootstrap its mounts.
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	// One that does not is killed, and its children may hold its pipes open: kind leaves such ones.
	cmd.WaitDelay = 5 * time.Second
	if err := cmd.Run(); err != nil {
		if ctx.Err() != nil {
			err = fmt.Errorf("%w (%w)", context.Cause(ctx), err)
		}
		return "", fmt.Errorf("%s: %w\n%s\nfull log: %s", summary(c.Args), err, tail(all.String()), path)
	}
	return stdout.String(), nil
}

// summary names a command by its program and first argument: "go build".
func summary(args []string) string {
	name := filepath.Base(args[0])
	if len(args) > 1 {
		name += " " + args[1]
	}
	return name
}

func tail(output string) string {
	lines := strings.Split(strings.TrimRight(output, "\n"), "\n")
	if len(lines) > tailLines {
		lines = lines[len(lines)-tailLines:]
	}
	return "  " + strings.Join(lines, "\n  ")
}

// Interruptible makes the end of its context interrupt a program, which then ends its own programs and removes what it has
// half written. What has not ended after drain is killed.
func Interruptible(cmd *exec.Cmd, drain time.Duration) {
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = drain
}
