package faults

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
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
	// runbook is the address of the runbook that the release is installed with.
	runbook = "https://runbooks.example/holograph"
	// repeat is the time after which the Alertmanager of testdata/alertmanager.yaml sends the watchdog again.
	repeat = 5 * time.Second
	// silence is the time without a watchdog after which this story's dead man's switch pages a person: three missed
	// notifications. In production it is minutes.
	silence = 3 * repeat
	// resend is the time after which Prometheus sends a firing alert to the Alertmanager again. The Alertmanager keeps the
	// alert for four times as long: four minutes with Prometheus' own default.
	resend = 5 * time.Second
	// alertTime bounds the time until an alert reaches a person: a scrape, two evaluations and a notification.
	alertTime = time.Minute
)

// notification is an alert that test/faults/pager received from the Alertmanager.
type notification struct {
	At                  time.Time
	Receiver, Status    string
	Labels, Annotations map[string]string
}

// TestAlertsReachAPerson: an alert of the chart's Prometheus reaches the paging service by way of an Alertmanager, with
// the address of the runbook. When Prometheus is gone, the dead man's switch receives no watchdog any more.
func TestAlertsReachAPerson(t *testing.T) {
	s := harness.New(t)
	s.Step("the cluster has an Alertmanager with a paging service")
	s.ApplyFile(filepath.Join("testdata", "alertmanager.yaml"), imagesOfAlerting(t))

	s.Step("install the chart with that Alertmanager")
	s.UpgradeWith(map[string]string{
		"prometheus.alertmanagers[0].url": "http://alertmanager.paging.svc:9093",
		"alerts.runbook":                  runbook,
		"alerts.adapterUnavailable.for":   "5s",
		// Prometheus sends an end time with each alert, and the Alertmanager keeps the latest one. So the short delay applies
		// from the start: one message with the default delay would keep the alert for four minutes.
		"prometheus.extraArgs[0]": fmt.Sprintf("--rules.alert.resend-delay=%s", resend),
	}, "local")

	s.Step("the dead man's switch receives the watchdog three times")
	s.WaitFor(alertTime, watchdogRepeats(s, time.Now(), 3))

	s.Step("the adapter is gone: a person is paged, with the address of the runbook")
	s.Break(harness.Scale(chart.PrometheusAdapter, 0))
	var page notification
	s.WaitFor(alertTime, wait.Condition{Name: "the pager to receive the alert HolographAdapterUnavailable", Unmet: func(ctx context.Context) error {
		var err error
		page, err = latest(ctx, s, "pager", "HolographAdapterUnavailable")
		return err
	}})
	assert.Equal(t, "firing", page.Status, "status of the alert")
	assert.Equal(t, "critical", page.Labels["severity"], "severity of the alert, by which an Alertmanager chooses whom to page")
	assert.Equal(t, s.Release.Namespace, page.Labels["namespace"], "namespace of the alert")
	assert.Equal(t, runbook+"#holographadapterunavailable", page.Annotations["runbook_url"], "address of the alert's section of the runbook")
	assert.NotEmpty(t, page.Annotations["summary"], "summary of the alert, which a person reads first")
	_, err := latest(t.Context(), s, "pager", watchdog)
	require.ErrorIs(t, err, errNeverReceived, "the pager received the watchdog, want only the dead man's switch to receive it: it must page nobody")

	s.Step("Prometheus is gone: the dead man's switch receives nothing any more")
	s.Break(harness.Scale(chart.Prometheus, 0))
	s.WaitFor(alertTime+4*resend+silence, wait.Condition{Name: "the watchdog to stop", Unmet: func(ctx context.Context) error {
		received, err := latest(ctx, s, "dead-mans-switch", watchdog)
		if err != nil {
			return err
		}
		if since := time.Since(received.At); since < silence {
			return fmt.Errorf("the last one was received %s ago, want %s", since.Round(time.Second), silence)
		}
		return nil
	}})
}

// watchdog is the alert that always fires.
const watchdog = "HolographWatchdog"

// imagesOfAlerting returns the references of the images of testdata/alertmanager.yaml.
func imagesOfAlerting(t *testing.T) map[string]string {
	t.Helper()
	alertmanager, err := image.Alertmanager()
	require.NoError(t, err)
	pager, err := image.Pager()
	require.NoError(t, err)
	return map[string]string{"alertmanager": alertmanager.Ref, "pager": pager.Ref}
}

// notifications returns what the pager received, oldest first.
func notifications(ctx context.Context, s *harness.Story) (all []notification, err error) {
	text, err := s.Release.CoreV1().Services("paging").ProxyGet("http", "pager", "http", "/", nil).DoRaw(ctx)
	if err != nil {
		return nil, err
	}
	err = json.Unmarshal(text, &all)
	return all, err
}

// errNeverReceived is the error of latest for an alert that the receiver never received.
var errNeverReceived = errors.New("it was never received")

// latest returns the last notification of an alert that a receiver received.
func latest(ctx context.Context, s *harness.Story, receiver, alert string) (notification, error) {
	all, err := notifications(ctx, s)
	if err != nil {
		return notification{}, err
	}
	for i := len(all) - 1; i >= 0; i-- {
		if all[i].Receiver == receiver && all[i].Labels["alertname"] == alert {
			return all[i], nil
		}
	}
	return notification{}, fmt.Errorf("%s at %s: %w, among %d notifications in all", alert, receiver, errNeverReceived, len(all))
}

// watchdogRepeats is met when the dead man's switch has received the watchdog that many times since a time, and the last
// two are less than silence apart.
func watchdogRepeats(s *harness.Story, since time.Time, times int) wait.Condition {
	return wait.Condition{Name: "the watchdog to be repeated", Unmet: func(ctx context.Context) error {
		all, err := notifications(ctx, s)
		if err != nil {
			return err
		}
		var at []time.Time
		for _, one := range all {
			if one.Receiver == "dead-mans-switch" && one.Labels["alertname"] == watchdog && one.At.After(since) {
				at = append(at, one.At)
			}
		}
		if len(at) < times {
			return fmt.Errorf("it was received %d times, want %d", len(at), times)
		}
		if gap := at[len(at)-1].Sub(at[len(at)-2]); gap >= silence {
			return fmt.Errorf("the last two were received %s apart, want less than %s", gap.Round(time.Second), silence)
		}
		return nil
	}}
}
