package promises

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"holograph/test/internal/chart"
	"holograph/test/internal/guest"
	"holograph/test/internal/harness"
	"holograph/test/internal/promise"
	"holograph/test/internal/wait"
)

// kedaSettings are those of settings that a release without an adapter has.
var kedaSettings = promise.Settings(map[string]string{
	"autoscaling.behavior.scaleDown.stabilizationWindowSeconds": "30",
	"alerts.autoscalerInactive.for":                             "30s",
	"alerts.podUnseen.for":                                      "30s",
	"doctor.wait":                                               "1s",
})

// kedaTable has the promises of a release that KEDA scales.
var kedaTable = []promise.Promise{
	{
		Subject: promise.Adapter, Name: "KEDA operator gone",
		Says:   "The replicas hold. HolographAutoscalerInactive fires. Scaling resumes within three minutes after the operator is back.",
		Fault:  "With KEDA: its operator, from which its metrics server gets every value, is scaled to nothing.",
		Alerts: []string{"HolographAutoscalerInactive"},
		// After minutes without the operator, KEDA's metrics server waits 96 to 144 s between two attempts to connect
		// (pkg/metricsservice/client.go of KEDA 2.21 takes gRPC's default backoff), and the autoscaler decides once in 15 s.
		Within: 3 * time.Minute,
		Keep:   without("keda-operator"),
	},
	{
		Subject: promise.Adapter, Name: "KEDA metrics server gone",
		Says:   "The replicas hold. HolographAutoscalerInactive fires. Scaling resumes within two minutes after the metrics server is back.",
		Fault:  "With KEDA: its metrics server is scaled to nothing.",
		Alerts: []string{"HolographAutoscalerInactive"},
		Within: 2 * time.Minute,
		Keep:   without("keda-metrics-apiserver"),
	},
}

// without scales one of KEDA's Deployments to nothing.
func without(deployment string) func(e *promise.Experiment) {
	return func(e *promise.Experiment) {
		e.Load(loadPods)
		e.Settle(settleTime, enough)
		fix := e.Inject(harness.ScaleDeployment("keda", deployment, 0))
		// 14 s without the metrics server. Without the operator, the autoscaler still waited for an answer after 2 minutes.
		e.WaitFor(4*time.Minute, e.Blind())
		e.Hold(blindTime, e.Before, e.Before)
		e.Alerted(time.Minute)
		fix()
		e.Recovered(time.Now())
	}
}

// kedaRights are those that the doctor has with KEDA alone.
var kedaRights = []right{
	{chart.Doctor, "get", "scaledobjects.keda.sh", false, told("may not get scaledobjects of keda.sh")},
	{chart.Doctor, "list", "*.external.metrics.k8s.io", false, told("of external.metrics.k8s.io")},
}

// TestPromisesWithKEDA breaks what serves scaling where KEDA does, and takes the rights away that only such a release has.
func TestPromisesWithKEDA(t *testing.T) {
	s := harness.New(t)
	s.Uninstall()
	ctx, cancel := s.Within(10 * time.Minute)
	defer cancel()
	s.Step("the cluster has KEDA")
	require.NoError(t, guest.InstallKEDA(ctx, s.Release.Client))
	s.Step("install the chart")
	s.UpgradeWith(kedaSettings, "local", "keda")
	s.WaitFor(3*time.Minute, wait.Chain(s.Release)...)
	promise.Run(s, kedaTable)

	assert.Subset(t, append(losses(rights), losses(kedaRights)...), granted(s), "the verbs whose loss is tested, against those that the release's Roles grant with KEDA")
	each(s, kedaRights)
	// Other stories install the chart without KEDA, which needs the ScaledObject gone.
	s.Uninstall()
}
