package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"testing/fstest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func noEnvironment(string) (string, bool) { return "", false }

// start runs the renderer and returns its log, line by line, and its exit code once it ends.
func start(t *testing.T, ctx context.Context, args ...string) (lines func() map[string]any, exit <-chan int) {
	t.Helper()
	log, stdout := io.Pipe()
	done := make(chan int, 1)
	go func() {
		done <- run(ctx, args, noEnvironment, os.DirFS("/"), stdout, io.Discard)
		stdout.Close()
	}()
	scanner := bufio.NewScanner(log)
	return func() map[string]any {
		t.Helper()
		require.True(t, scanner.Scan(), "the log ends early")
		var line map[string]any
		require.NoError(t, json.Unmarshal(scanner.Bytes(), &line))
		return line
	}, done
}

func status(t *testing.T, url string) int {
	t.Helper()
	response, err := http.Get(url)
	require.NoError(t, err)
	defer response.Body.Close()
	_, err = io.Copy(io.Discard, response.Body)
	require.NoError(t, err)
	return response.StatusCode
}

func TestRunServesUntilItIsTerminated(t *testing.T) {
	ctx, terminate := context.WithCancel(t.Context())
	next, exit := start(t, ctx, "--listen-address=127.0.0.1:0", "--drain-delay=0s", "--frame-budget=1m", "--frame-width=16", "--frame-height=16")

	starting := next()
	assert.Equal(t, "starting", starting["msg"])
	assert.Equal(t, "dev", starting["version"])
	assert.Equal(t, "1m0s", starting["frame_budget"])
	base := "http://" + starting["address"].(string)
	assert.Equal(t, "warmed up", next()["msg"])
	// The line "ready" comes before the answer, and the pipe holds it until it is read.
	ready := make(chan int, 1)
	go func() { ready <- status(t, base+"/readyz") }()
	assert.Equal(t, "ready", next()["msg"])
	assert.Equal(t, http.StatusOK, <-ready)
	assert.Equal(t, http.StatusOK, status(t, fmt.Sprintf("%s/frame?scheduled=%d", base, time.Now().UnixMicro())))

	terminate()
	assert.Equal(t, "draining", next()["msg"])
	assert.Equal(t, "stopped", next()["msg"])
	assert.Equal(t, 0, <-exit)
}

func TestMainDrainsOnSIGTERM(t *testing.T) {
	ctx, stop := untilSignal()
	defer stop()
	next, exit := start(t, ctx, "--listen-address=127.0.0.1:0", "--drain-delay=0s")
	assert.Equal(t, "starting", next()["msg"])
	assert.Equal(t, "warmed up", next()["msg"])
	require.NoError(t, syscall.Kill(syscall.Getpid(), syscall.SIGTERM))
	assert.Equal(t, "draining", next()["msg"])
	assert.Equal(t, "stopped", next()["msg"])
	assert.Equal(t, 0, <-exit)
}

// A pod that is stopped may get SIGTERM several times; the frames that it has taken are answered all the same.
func TestMoreSIGTERMsChangeNothing(t *testing.T) {
	ctx, stop := untilSignal()
	defer stop()
	next, exit := start(t, ctx, "--listen-address=127.0.0.1:0", "--drain-delay=3s", "--frame-budget=1m")
	base := "http://" + next()["address"].(string)
	assert.Equal(t, "warmed up", next()["msg"])
	for i := range 3 {
		require.NoError(t, syscall.Kill(syscall.Getpid(), syscall.SIGTERM))
		if i == 0 {
			assert.Equal(t, "draining", next()["msg"])
		}
		assert.Equal(t, http.StatusOK, status(t, fmt.Sprintf("%s/frame?scheduled=%d", base, time.Now().UnixMicro())))
	}
	assert.Equal(t, "stopped", next()["msg"])
	assert.Equal(t, 0, <-exit)
}

// A person who presses Ctrl-C twice wants the end at once. The process is this test's own program.
func TestSecondSIGINTEndsAtOnce(t *testing.T) {
	if os.Getenv("HOLOGRAPH_INTERRUPTED") != "" {
		os.Args = os.Args[:1]
		main()
	}
	program := exec.Command(os.Args[0], "-test.run=^TestSecondSIGINTEndsAtOnce$")
	program.Env = append(os.Environ(), "HOLOGRAPH_INTERRUPTED=1", "HOLOGRAPH_LISTEN_ADDRESS=127.0.0.1:0", "HOLOGRAPH_GRACE_PERIOD=24h", "HOLOGRAPH_DRAIN_DELAY=1h")
	log, err := program.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, program.Start())
	lines := bufio.NewScanner(log)
	for lines.Scan() {
		if strings.Contains(lines.Text(), "warmed up") || strings.Contains(lines.Text(), "draining") {
			require.NoError(t, program.Process.Signal(syscall.SIGINT))
		}
	}
	require.Error(t, program.Wait())
	assert.Equal(t, 130, program.ProcessState.ExitCode())
}

func TestRunRefusesWhatItCannotDo(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer taken.Close()

	for _, test := range []struct {
		name string
		args []string
		env  map[string]string
		root fstest.MapFS
		code int
		want string
	}{
		{
			name: "wrong flag",
			args: []string{"--frame-budget=0s"},
			code: 2,
			want: "--frame-budget is \"0s\"; write a duration from 1ms to 1m0s such as 33ms\n",
		},
		{
			name: "wrong variable",
			env:  map[string]string{"HOLOGRAPH_CONCURRENCY": "0"},
			code: 2,
			want: "HOLOGRAPH_CONCURRENCY is \"0\"; write a whole number from 1 to 1024\n",
		},
		{
			name: "address in use",
			args: []string{"--listen-address", taken.Addr().String()},
			code: 1,
			want: "listen tcp " + taken.Addr().String() + ": bind: address already in use\n",
		},
		{
			name: "strange cgroup",
			root: fstest.MapFS{
				"proc/self/cgroup":      {Data: []byte("0::/\n")},
				"sys/fs/cgroup/cpu.max": {Data: []byte("0 100000\n")},
			},
			code: 1,
			want: "cannot tell how many cores to use: /sys/fs/cgroup/cpu.max holds \"0\" where a number of microseconds is expected\n",
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			lookup := func(name string) (string, bool) {
				value, ok := test.env[name]
				return value, ok
			}
			var stdout, stderr bytes.Buffer
			assert.Equal(t, test.code, run(t.Context(), test.args, lookup, test.root, &stdout, &stderr))
			assert.Equal(t, test.want, stderr.String())
			assert.Empty(t, stdout.String())
		})
	}
}

func TestHelpIsNoError(t *testing.T) {
	var stdout, stderr bytes.Buffer
	assert.Equal(t, 0, run(t.Context(), []string{"--help"}, noEnvironment, fstest.MapFS{}, &stdout, &stderr))
	assert.Contains(t, stdout.String(), "--frame-budget, HOLOGRAPH_FRAME_BUDGET (default 33ms)")
	assert.Empty(t, stderr.String())
}

func TestCapacityFollowsTheCgroup(t *testing.T) {
	limit := &fstest.MapFile{Data: []byte("10000 100000\n")}
	root := fstest.MapFS{
		"proc/self/cgroup":      {Data: []byte("0::/\n")},
		"sys/fs/cgroup/cpu.max": limit,
	}
	cores := capacity(root, 0.1)
	assert.Equal(t, 0.1, cores())
	limit.Data = []byte("50000 100000\n")
	assert.Equal(t, 0.5, cores(), "the pod was resized in place")
	limit.Data = []byte("unreadable")
	assert.Equal(t, 0.5, cores(), "the last good answer")
}
