package promises

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"holograph/test/internal/chart"
	"holograph/test/internal/harness"
	"holograph/test/internal/promise"
	"holograph/test/internal/wait"
)

var operationsPromises = []promise.Promise{
	{
		Subject: promise.Operations, Name: "settings changed",
		Says:   "Every frame is answered, and the replicas stay.",
		Fault:  "An upgrade changes the frame budget and the window of the overruns, which renderers, Prometheus and the adapter take up.",
		Within: 2 * time.Minute,
		Keep: func(e *promise.Experiment) {
			e.Break(upgrade(calm(nil)))
			operate(e, upgrade(calm(map[string]string{"frame.budget": "300ms", "signals.overruns.window": "40s"})))
		},
	},
	{
		Subject: promise.Operations, Name: "certificate renewed",
		Says:   "Every frame is answered, and the replicas stay. When the upgrade ends, the adapters serve with the new certificate, and the autoscaler reads its metrics within two minutes.",
		Fault:  "An upgrade has the chart issue another certificate for the adapter.",
		Within: 2 * time.Minute,
		Keep: func(e *promise.Experiment) {
			e.Break(upgrade(calm(nil)))
			before := certificate(e)
			renew := upgrade(calm(map[string]string{"prometheusAdapter.certificate.generation": "2"}))
			operate(e, func(ctx context.Context, s *harness.Story) (harness.Fix, error) {
				fix, err := renew(ctx, s)
				if err != nil {
					return fix, err
				}
				after := certificate(e)
				assert.NotEqual(e, before, after, "serial number of the certificate in the Secret after the upgrade")
				// An adapter that is not restarted serves with the old one until the kubelet has updated its volume, a
				// minute or more, and the API server refuses it for that time.
				served, err := servedCertificate(ctx, s)
				assert.Equal(e, after, served, "serial number of the certificate that an adapter serves with when the upgrade has ended, want that of the Secret")
				return fix, err
			})
		},
	},
	{
		Subject: promise.Operations, Name: "chart upgraded and rolled back",
		Says:   "Every frame is answered, and the replicas stay, on the way to another version of the chart and back.",
		Fault:  "The release is upgraded to this chart from a package of it with the version 0.0.1, and rolled back. No earlier version was published.",
		Within: 4 * time.Minute,
		Keep: func(e *promise.Experiment) {
			this := e.Chart
			e.Chart = versioned(e, "0.0.1")
			e.UpgradeWith(with(calm(nil)), "local")
			e.Chart = this
			operate(e, func(_ context.Context, s *harness.Story) (harness.Fix, error) {
				if err := s.Upgrade(harness.Upgrade{Examples: []string{"local"}, Set: with(calm(nil))}); err != nil {
					return nil, err
				}
				s.Rollback()
				return func(context.Context) error {
					return s.Upgrade(harness.Upgrade{Examples: []string{"local"}, Set: settings})
				}, nil
			})
		},
	},
	{
		Subject: promise.Operations, Name: "helm killed",
		Says:   "Every frame is answered, and the replicas stay. Helm refuses the next upgrade until `helm rollback` has ended the one that was cut off; then the upgrade succeeds.",
		Fault:  "`helm upgrade --wait` is killed while it waits for the new pods.",
		Within: 4 * time.Minute,
		Keep: func(e *promise.Experiment) {
			e.Break(upgrade(calm(nil)))
			set := calm(map[string]string{"renderer.podAnnotations.story": "killed"})
			operate(e, func(ctx context.Context, s *harness.Story) (harness.Fix, error) {
				fix := func(context.Context) error {
					return s.Upgrade(harness.Upgrade{Examples: []string{"local"}, Set: settings})
				}
				if err := s.KillUpgrade(ctx, harness.Upgrade{Examples: []string{"local"}, Set: with(set)}); err != nil {
					return nil, err
				}
				err := s.Upgrade(harness.Upgrade{Examples: []string{"local"}, Set: with(set)})
				if err == nil || !strings.Contains(err.Error(), "another operation (install/upgrade/rollback) is in progress") {
					return fix, fmt.Errorf("the upgrade after the one that was killed ended with %v, want Helm's refusal", err)
				}
				s.Rollback()
				return fix, s.Upgrade(harness.Upgrade{Examples: []string{"local"}, Set: with(set)})
			})
		},
	},
}

// operate does something to the release under load that must lose no frame and no replica.
func operate(e *promise.Experiment, operation harness.Fault) {
	e.Load(loadPods)
	// Pods that late frames have added stay for the window of calm.
	e.Settle(settleTime+5*time.Minute, enough)
	begun := time.Now()
	e.Inject(operation)
	e.Recovered(begun, e.RolledOut(chart.Renderer))
	e.Hold(decisions/2, enough, maximum-1)
	summary := e.Counts()
	assert.Zero(e, summary.Failed, "frames without an answer")
	assert.Zero(e, summary.NeverStarted, "frames that the load could not start")
}

// upgrade is an upgrade with these values. The fix takes them back.
func upgrade(set map[string]string) harness.Fault {
	return func(_ context.Context, s *harness.Story) (harness.Fix, error) {
		return func(context.Context) error {
				return s.Upgrade(harness.Upgrade{Examples: []string{"local"}, Set: settings})
			},
			s.Upgrade(harness.Upgrade{Examples: []string{"local"}, Set: with(set)})
	}
}

// calm adds the chart's own stabilization window to the values. The signals of a new pod count in full only after their
// windows, so demand reads low during a rollout: four in a row, a minute together, took a fleet from 3 replicas to 2 with the
// folder's window of 30 s.
func calm(set map[string]string) map[string]string {
	all := map[string]string{"autoscaling.behavior.scaleDown.stabilizationWindowSeconds": "300"}
	maps.Copy(all, set)
	return all
}

// with returns the folder's settings and these.
func with(set map[string]string) map[string]string {
	all := maps.Clone(settings)
	maps.Copy(all, set)
	return all
}

// certificate returns the serial number of the adapter's certificate in its Secret.
func certificate(e *promise.Experiment) string {
	e.Helper()
	ctx, cancel := e.Within(time.Minute)
	defer cancel()
	secret, err := e.Release.CoreV1().Secrets(e.Release.Namespace).Get(ctx, adapterName(e.Story)+"-certificate", metav1.GetOptions{})
	require.NoError(e, err)
	block, _ := pem.Decode(secret.Data["tls.crt"])
	require.NotNil(e, block, "the certificate in Secret %s, want PEM", secret.Name)
	stored, err := x509.ParseCertificate(block.Bytes)
	require.NoError(e, err)
	return stored.SerialNumber.Text(16)
}

// servedCertificate returns the serial number of the certificate that one of the Ready adapters serves with.
func servedCertificate(ctx context.Context, s *harness.Story) (string, error) {
	plain, err := s.Release.Dial(ctx, s.Release.Namespace, adapterName(s), "443")
	if err != nil {
		return "", err
	}
	// The certificate is only looked at: nothing is sent.
	connection := tls.Client(plain, &tls.Config{InsecureSkipVerify: true})
	defer connection.Close()
	if err := connection.HandshakeContext(ctx); err != nil {
		return "", err
	}
	return connection.ConnectionState().PeerCertificates[0].SerialNumber.Text(16), nil
}

// adapterName is the name of the adapter's objects.
func adapterName(s *harness.Story) string {
	return s.Release.Name + "-" + string(chart.PrometheusAdapter)
}

// versioned is a copy of the story's chart that has another version.
func versioned(e *promise.Experiment, version string) string {
	e.Helper()
	copied := filepath.Join(e.TempDir(), "holograph")
	require.NoError(e, os.CopyFS(copied, os.DirFS(e.Chart)))
	file := filepath.Join(copied, "Chart.yaml")
	text, err := os.ReadFile(file)
	require.NoError(e, err)
	var changed bytes.Buffer
	for line := range bytes.Lines(text) {
		if bytes.HasPrefix(line, []byte("version:")) {
			line = []byte("version: " + version + "\n")
		}
		changed.Write(line)
	}
	require.NotEqual(e, string(text), changed.String(), "Chart.yaml with another version")
	require.NoError(e, os.WriteFile(file, changed.Bytes(), 0o600))
	return copied
}

// wants is met when the Deployment is to have at least that many pods.
func wants(e *promise.Experiment, atLeast int32) wait.Condition {
	return wait.Condition{Name: fmt.Sprintf("the Deployment to want at least %d pods", atLeast), Unmet: func(ctx context.Context) error {
		deployment, err := e.Release.Deployment(ctx)
		if err == nil && *deployment.Spec.Replicas < atLeast {
			err = fmt.Errorf("it wants %d", *deployment.Spec.Replicas)
		}
		return err
	}}
}
