package load

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"holograph/ci/program"
)

// offer runs the script in k6 against a renderer that answers with handler, stops k6 when stop is closed, and returns the
// summary.
func offer(t *testing.T, profile Profile, handler http.Handler, stop <-chan struct{}) Summary {
	t.Helper()
	renderer := httptest.NewServer(handler)
	t.Cleanup(renderer.Close)
	k6, err := program.K6.Binary(t.Context(), "k6")
	require.NoError(t, err)
	path := filepath.Join(t.TempDir(), scriptName)
	require.NoError(t, os.WriteFile(path, []byte(script), 0o600))
	job, err := Job("frames", "load", renderer.URL, profile)
	require.NoError(t, err)

	container := job.Spec.Template.Spec.Containers[0]
	command := exec.CommandContext(t.Context(), k6, append(container.Args[:len(container.Args)-1:len(container.Args)-1], path)...)
	for _, variable := range container.Env {
		command.Env = append(command.Env, variable.Name+"="+variable.Value)
	}
	var log bytes.Buffer
	command.Stdout, command.Stderr = &log, &log
	require.NoError(t, command.Start())
	ended := make(chan error, 1)
	go func() { ended <- command.Wait() }()
	select {
	case <-stop:
		require.NoError(t, command.Process.Signal(syscall.SIGTERM))
		<-ended // with an error, because it was stopped
	case err := <-ended:
		require.NoError(t, err, "k6 printed:\n%s", &log)
	}
	summary, err := ParseSummary(bytes.NewReader(log.Bytes()))
	require.NoError(t, err, "k6 printed:\n%s", &log)
	return summary
}

// answer writes the headers of the reference renderer's answer to a frame in budget.
func answer(w http.ResponseWriter) {
	w.Header().Set("Holograph-Over-Budget", "false")
	w.Header().Set("Holograph-Client-Over-Budget", "false")
}

func TestFramesWithoutAnAnswerWhenTheLoadIsStoppedHaveNoOutcome(t *testing.T) {
	stop := make(chan struct{})
	asked := make(chan struct{}, 1000)
	go func() {
		for range 60 {
			<-asked
		}
		close(stop)
	}()
	profile := Profile{Stages: []Stage{{100, 0}, {100, time.Minute}}, Budget: 33 * time.Millisecond}
	summary := offer(t, profile, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked <- struct{}{}
		select {
		case <-time.After(time.Second):
		case <-r.Context().Done():
		}
		answer(w)
	}), stop)
	assert.GreaterOrEqual(t, summary.Sent, 60, "frames sent before k6 was stopped")
	assert.Zero(t, summary.Failed, "failed frames: a frame without an answer at the end has no outcome")
	assert.Empty(t, summary.Failures, "reasons of failed frames")
}

func TestAFailedFrameSaysWhy(t *testing.T) {
	answers := map[string]struct {
		answer http.HandlerFunc
		want   string
	}{
		"status": {func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "no", http.StatusBadRequest) },
			` ms: status 400, over budget by the client's clock: undefined$`},
		"clock": {func(w http.ResponseWriter, _ *http.Request) {
			answer(w)
			w.Header().Set("Holograph-Client-Over-Budget", "unknown")
		}, ` ms: status 200, over budget by the client's clock: unknown$`},
		"connection": {func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, ` ms: EOF$`},
	}
	for name, test := range answers {
		t.Run(name, func(t *testing.T) {
			profile := Profile{Stages: []Stage{{10, 0}, {10, time.Second}}, Budget: 33 * time.Millisecond}
			summary := offer(t, profile, test.answer, nil)
			assert.Equal(t, 10, summary.Failed)
			require.Len(t, summary.Failures, maxFailures)
			assert.Regexp(t, `^after \d\.\d s and \d+`+test.want, summary.Failures[0])
			assert.Contains(t, summary.String(), "; the first failed "+summary.Failures[0]+"; ")
		})
	}
}

// TestAFrameOfAnotherRendererIsJudgedByTheClientsClock: frames of a renderer whose answers do not say whether a frame was in
// budget still count as in budget, late, refused or failed.
func TestAFrameOfAnotherRendererIsJudgedByTheClientsClock(t *testing.T) {
	answers := map[string]struct {
		answer http.HandlerFunc
		want   func(Summary) int
	}{
		"in budget": {func(http.ResponseWriter, *http.Request) {}, func(s Summary) int { return s.InBudget }},
		"late":      {func(http.ResponseWriter, *http.Request) { time.Sleep(1100 * time.Millisecond) }, func(s Summary) int { return s.Late }},
		"refused":   {func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "no", http.StatusServiceUnavailable) }, func(s Summary) int { return s.Refused }},
		"failed":    {http.NotFound, func(s Summary) int { return s.Failed }},
	}
	for name, test := range answers {
		t.Run(name, func(t *testing.T) {
			profile := Profile{Path: "/view", Stages: []Stage{{10, 0}, {10, time.Second}}, Budget: time.Second}
			summary := offer(t, profile, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				assert.Equal(t, "/view", r.URL.String(), "path of a frame")
				test.answer(w, r)
			}), nil)
			assert.Equal(t, 10, test.want(summary), "frames %s of 10: %s", name, summary)
		})
	}
}
