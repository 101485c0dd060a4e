// Package podsecurity checks pods as Kubernetes' Pod Security admission does.
package podsecurity

import (
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/pod-security-admission/api"
	"k8s.io/pod-security-admission/policy"
)

var evaluator = sync.OnceValues(func() (policy.Evaluator, error) { return policy.NewEvaluator(policy.DefaultChecks(), nil) })

// AssertRestricted fails the test if the named pod violates the restricted Pod Security Standard.
func AssertRestricted(t *testing.T, name string, metadata *metav1.ObjectMeta, spec *corev1.PodSpec) {
	t.Helper()
	checks, err := evaluator()
	require.NoError(t, err)
	restricted := api.LevelVersion{Level: api.LevelRestricted, Version: api.LatestVersion()}
	results := checks.EvaluatePod(restricted, metadata, spec)
	require.NotEmpty(t, results, "checks of the restricted Pod Security Standard")
	verdict := policy.AggregateCheckResults(results)
	assert.True(t, verdict.Allowed, "%s violates the restricted Pod Security Standard: %s", name, verdict.ForbiddenDetail())
}
