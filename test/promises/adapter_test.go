package promises

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"holograph/test/internal/chart"
	"holograph/test/internal/harness"
	"holograph/test/internal/promise"
	"holograph/test/internal/wait"
)

var adapterPromises = []promise.Promise{
	{
		Subject: promise.Adapter, Name: "one adapter crashes",
		Says:   "With two adapters, nobody notices: the autoscaler never lacks a value.",
		Fault:  "The process of one of two adapters is killed whenever it runs, for a minute.",
		Within: time.Minute,
		Keep: func(e *promise.Experiment) {
			e.Load(loadPods)
			e.Settle(settleTime, enough)
			e.Inject(harness.Crash(chart.PrometheusAdapter))
			begun := time.Now()
			// A decision every 15 s.
			e.WaitFor(2*time.Minute, wait.Condition{Name: "four decisions to pass", Unmet: func(ctx context.Context) error {
				require.NoError(e, e.Reads().Unmet(ctx), "the autoscaler lacks a value %s after one of two adapters began to crash", time.Since(begun).Round(time.Second))
				if passed := time.Since(begun); passed < time.Minute {
					return fmt.Errorf("%s have passed", passed.Round(time.Second))
				}
				return nil
			}})
		},
	},
	{
		Subject: promise.Adapter, Name: "adapters gone",
		Says:   "The replicas hold. HolographAdapterUnavailable and HolographAutoscalerInactive fire. The deletion of a namespace and other requests that read every API wait until the adapter is back. Scaling resumes within a minute after that.",
		Fault:  "The adapter is scaled to nothing, and a namespace is deleted meanwhile.",
		Alerts: []string{"HolographAdapterUnavailable", "HolographAutoscalerInactive"},
		Within: time.Minute,
		Keep: func(e *promise.Experiment) {
			e.Load(loadPods)
			e.Settle(settleTime, enough)
			fix := e.Inject(harness.Scale(chart.PrometheusAdapter, 0))
			namespace := deletedNamespace(e)
			e.WaitFor(time.Minute, e.Blind())
			e.Hold(blindTime, e.Before, maximum)
			e.Alerted(time.Minute)
			if err := gone(e, namespace).Unmet(e.Context()); err == nil {
				e.Note("The namespace was gone during the outage.")
			}
			fix()
			begun := time.Now()
			e.Recovered(begun)
			e.WaitFor(time.Minute, gone(e, namespace))
			e.Note("The namespace was gone %s after the adapter was back.", time.Since(begun).Round(time.Second))
		},
	},
	{
		Subject: promise.Adapter, Name: "adapters hang",
		Says:   "The replicas hold. HolographAdapterUnavailable fires. The kubelet restarts the adapters, and scaling resumes by itself within three minutes.",
		Fault:  "The processes of all adapters are stopped (SIGSTOP) and not continued.",
		Alerts: []string{"HolographAdapterUnavailable"},
		Within: 3 * time.Minute,
		Keep: func(e *promise.Experiment) {
			e.Load(loadPods)
			e.Settle(settleTime, enough)
			again := restarted(e, chart.PrometheusAdapter)
			e.Inject(harness.Freeze(chart.PrometheusAdapter))
			begun := time.Now()
			e.Hold(blindTime, e.Before, maximum)
			e.Recovered(begun, again)
		},
	},
}

// deletedNamespace returns the name of a namespace that has been created and deleted.
func deletedNamespace(e *promise.Experiment) string {
	ctx, cancel := e.Within(time.Minute)
	defer cancel()
	namespaces := e.Release.CoreV1().Namespaces()
	made, err := namespaces.Create(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{GenerateName: "deleted-"}}, metav1.CreateOptions{})
	require.NoError(e, err)
	require.NoError(e, namespaces.Delete(ctx, made.Name, metav1.DeleteOptions{}))
	return made.Name
}

// gone is met when there is no such namespace.
func gone(e *promise.Experiment, namespace string) wait.Condition {
	return wait.Condition{Name: "namespace " + namespace + " to be gone", Unmet: func(ctx context.Context) error {
		found, err := e.Release.CoreV1().Namespaces().Get(ctx, namespace, metav1.GetOptions{})
		if apierrors.IsNotFound(err) {
			return nil
		}
		if err != nil {
			return err
		}
		if len(found.Status.Conditions) == 0 {
			return errors.New("it is still there")
		}
		return errors.New(found.Status.Conditions[0].Message)
	}}
}
