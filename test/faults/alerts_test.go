package faults

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"holograph/ci/image"
	"holograph/test/internal/chart"
	"holograph/test/internal/harness"
	"holograph/test/internal/wait"
)

const (
	// runbook is where the release is told that its runbook is published.
	runbook = "https://runbooks.example/holograph"
	// repeat is how often the Alertmanager of testdata/alertmanager.yaml repeats the watchdog.
	repeat = 5 * time.Second
	// silence is how long a dead man's switch waits before it calls a person, in this story: three calls are missing. A
	// usual one waits for minutes.
	silence = 3 * repeat
	// resend is the time between two messages of Prometheus about an alert that fires. An Alertmanager keeps an alert for
	// four times as long after the last message: four minutes with Prometheus' own default.
	resend = 5 * time.Second
	// alertTime is for an alert to reach a person: a scrape, two evaluations, a message.
	alertTime = time.Minute
)

// call is what test/faults/pager keeps of an alert that an Alertmanager sent to it.
type call struct {
	At                  time.Time
	Receiver, Status    string
	Labels, Annotations map[string]string
}

// TestAlertsReachAPerson: what the chart's Prometheus tells an Alertmanager arrives at the service that calls people,
// with the address of the runbook; and once Prometheus is gone, the call that says that all is well stays away.
func TestAlertsReachAPerson(t *testing.T) {
	s := harness.New(t)
	s.Step("the cluster has an Alertmanager, which calls people")
	s.Apply(alertmanager(t))

	s.Step("install the chart with that Alertmanager")
	s.UpgradeWith(map[string]string{
		"prometheus.alertmanagers[0].url": "http://alertmanager.paging.svc:9093",
		"alerts.runbook":                  runbook,
		"alerts.adapterUnavailable.for":   "5s",
		// From the first message on: an Alertmanager keeps the latest end that it was ever told.
		"prometheus.extraArgs[0]": fmt.Sprintf("--rules.alert.resend-delay=%s", resend),
	}, "local")

	s.Step("the dead man's switch hears of the watchdog again and again")
	s.WaitFor(alertTime, watched(s, time.Now(), 3))

	s.Step("the adapter is gone: a person is told, and where to read on")
	s.Break(harness.Scale(chart.PrometheusAdapter, 0))
	var told call
	s.WaitFor(alertTime, wait.Condition{Name: "the pager to be told that the adapter is gone", Unmet: func(ctx context.Context) error {
		var err error
		told, err = last(ctx, s, "pager", "HolographAdapterUnavailable")
		return err
	}})
	assert.Equal(t, "firing", told.Status, "status of the alert")
	assert.Equal(t, "critical", told.Labels["severity"], "severity, by which an Alertmanager chooses whom to wake")
	assert.Equal(t, s.Release.Namespace, told.Labels["namespace"], "namespace of the alert")
	assert.Equal(t, runbook+"#holographadapterunavailable", told.Annotations["runbook_url"], "address of the alert's section of the runbook")
	assert.NotEmpty(t, told.Annotations["summary"], "what a person reads first")
	_, err := last(t.Context(), s, "pager", watchdog)
	require.ErrorIs(t, err, errNever, "the watchdog is told to the dead man's switch alone: it must wake nobody")

	s.Step("Prometheus is gone: the dead man's switch hears nothing any more")
	s.Break(harness.Scale(chart.Prometheus, 0))
	s.WaitFor(alertTime+4*resend+silence, wait.Condition{Name: "the watchdog to stay away", Unmet: func(ctx context.Context) error {
		told, err := last(ctx, s, "dead-mans-switch", watchdog)
		if err != nil {
			return err
		}
		if since := time.Since(told.At); since < silence {
			return fmt.Errorf("the last call is %s old, want %s", since.Round(time.Second), silence)
		}
		return nil
	}})
}

// watchdog is the alert that always fires.
const watchdog = "HolographWatchdog"

// alertmanager returns the manifests of an Alertmanager and of the pager.
func alertmanager(t *testing.T) []byte {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", "alertmanager.yaml"))
	require.NoError(t, err)
	images := map[string]func() (image.Image, error){"alertmanager": image.Alertmanager, "pager": image.Pager}
	return []byte(os.Expand(string(text), func(name string) string {
		require.Contains(t, images, name, "an image of testdata/alertmanager.yaml")
		img, err := images[name]()
		require.NoError(t, err)
		return img.Ref
	}))
}

// calls returns what the pager was sent, oldest first.
func calls(ctx context.Context, s *harness.Story) (all []call, err error) {
	text, err := s.Release.CoreV1().Services("paging").ProxyGet("http", "pager", "http", "/", nil).DoRaw(ctx)
	if err != nil {
		return nil, err
	}
	err = json.Unmarshal(text, &all)
	return all, err
}

// errNever is the error of last for an alert that the receiver was never told of.
var errNever = errors.New("it was never told of that alert")

// last returns the latest call to a receiver about an alert.
func last(ctx context.Context, s *harness.Story, receiver, alert string) (call, error) {
	all, err := calls(ctx, s)
	if err != nil {
		return call{}, err
	}
	for i := len(all) - 1; i >= 0; i-- {
		if all[i].Receiver == receiver && all[i].Labels["alertname"] == alert {
			return all[i], nil
		}
	}
	return call{}, fmt.Errorf("%s, among %d calls to all receivers: %w", alert, len(all), errNever)
}

// watched is met when the dead man's switch was told of the watchdog that many times since a time, with gaps that do not
// set it off.
func watched(s *harness.Story, since time.Time, times int) wait.Condition {
	return wait.Condition{Name: "calls of the watchdog", Unmet: func(ctx context.Context) error {
		all, err := calls(ctx, s)
		if err != nil {
			return err
		}
		var at []time.Time
		for _, call := range all {
			if call.Receiver == "dead-mans-switch" && call.Labels["alertname"] == watchdog && call.At.After(since) {
				at = append(at, call.At)
			}
		}
		if len(at) < times {
			return fmt.Errorf("there were %d, want %d", len(at), times)
		}
		if gap := at[len(at)-1].Sub(at[len(at)-2]); gap >= silence {
			return fmt.Errorf("%s are between the last two, want less than %s", gap.Round(time.Second), silence)
		}
		return nil
	}}
}
