package chart_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/tools/clientcmd"
	"sigs.k8s.io/yaml"

	"holograph/test/internal/chart"
)

// accessFiles returns which key of which Secret or ConfigMap the adapter finds under each path.
func accessFiles(t *testing.T, rendered *chart.Rendered) map[string]string {
	t.Helper()
	mounts := map[string]string{}
	for _, mount := range rendered.Container(t, chart.PrometheusAdapter).VolumeMounts {
		mounts[mount.Name] = mount.MountPath
	}
	files := map[string]string{}
	for _, volume := range rendered.Deployment(t, chart.PrometheusAdapter).Spec.Template.Spec.Volumes {
		if volume.Projected == nil {
			continue
		}
		for _, source := range volume.Projected.Sources {
			switch {
			case source.Secret != nil:
				for _, item := range source.Secret.Items {
					files[mounts[volume.Name]+"/"+item.Path] = "Secret " + source.Secret.Name + " " + item.Key
				}
			case source.ConfigMap != nil:
				for _, item := range source.ConfigMap.Items {
					files[mounts[volume.Name]+"/"+item.Path] = "ConfigMap " + source.ConfigMap.Name + " " + item.Key
				}
			}
		}
	}
	return files
}

// TestPrometheusWithToken: CA, client certificate and token are mounted from Secrets where the adapter's kubeconfig looks for
// them.
func TestPrometheusWithToken(t *testing.T) {
	t.Parallel()
	rendered := chart.Render(t, named(t, "token"))
	files := accessFiles(t, rendered)

	config, err := clientcmd.Load([]byte(rendered.ConfigMap(t, chart.PrometheusAdapter).Data["prometheus.kubeconfig"]))
	require.NoError(t, err)
	current := config.Contexts[config.CurrentContext]
	cluster, user := config.Clusters[current.Cluster], config.AuthInfos[current.AuthInfo]
	assert.Equal(t, map[string]string{
		cluster.CertificateAuthority: "Secret private-ca ca.pem",
		user.ClientCertificate:       "Secret client tls.crt",
		user.ClientKey:               "Secret client tls.key",
		user.TokenFile:               "Secret login token",
	}, files)
	assert.False(t, cluster.InsecureSkipTLSVerify, "the adapter does not verify Prometheus")
	assert.Equal(t, "https://prometheus.example/team", cluster.Server, "server of the kubeconfig: the adapter sends a token only over https")

	container := rendered.Container(t, chart.PrometheusAdapter)
	for _, argument := range []string{
		"--prometheus-url=https://prometheus.example/team",
		"--prometheus-auth-config=/etc/adapter/prometheus.kubeconfig",
		"--prometheus-header=X-Scope-OrgID=film",
		"--prometheus-header=AccountID=a=b",
	} {
		assert.Contains(t, container.Args, argument)
	}
	assert.Empty(t, container.Env)
}

// TestPrometheusWithLogin: the adapter's Authorization header comes from an environment variable that the kubelet sets from
// the Secret.
func TestPrometheusWithLogin(t *testing.T) {
	t.Parallel()
	rendered := chart.Render(t, named(t, "login"))
	assert.Equal(t, map[string]string{"/etc/prometheus-access/ca.crt": "ConfigMap holograph-prometheus-ca ca.crt"}, accessFiles(t, rendered))
	var ca string
	for _, config := range chart.Of[*corev1.ConfigMap](t, rendered) {
		if config.Name == "holograph-prometheus-ca" {
			ca = config.Data["ca.crt"]
		}
	}
	assert.Equal(t, "-----BEGIN CERTIFICATE-----\nMIIA\n-----END CERTIFICATE-----\n", ca)

	container := rendered.Container(t, chart.PrometheusAdapter)
	require.Len(t, container.Env, 1)
	assert.Equal(t, corev1.EnvVar{Name: "PROMETHEUS_AUTHORIZATION", ValueFrom: &corev1.EnvVarSource{SecretKeyRef: &corev1.SecretKeySelector{
		LocalObjectReference: corev1.LocalObjectReference{Name: "login"}, Key: "authorization",
	}}}, container.Env[0])
	assert.Contains(t, container.Args, "--prometheus-header=Authorization=$(PROMETHEUS_AUTHORIZATION)")
}

// TestPrometheusWithoutSecrets: for a Prometheus without a login, nothing of that is rendered. A change of the way to reach
// Prometheus restarts the adapter, which reads it only when it starts.
func TestPrometheusWithoutSecrets(t *testing.T) {
	t.Parallel()
	open := chart.Render(t, chart.Parse(t, "prometheus: {enabled: false, url: https://prometheus.example/team}"))
	assert.Empty(t, accessFiles(t, open))
	assert.NotContains(t, open.ConfigMap(t, chart.PrometheusAdapter).Data, "prometheus.kubeconfig")
	assert.NotContains(t, open.Container(t, chart.PrometheusAdapter).Args, "--prometheus-auth-config=/etc/adapter/prometheus.kubeconfig")

	closed := chart.Render(t, named(t, "token"))
	checksum := func(r *chart.Rendered) string {
		return r.Deployment(t, chart.PrometheusAdapter).Spec.Template.Annotations["checksum/config"]
	}
	assert.NotEqual(t, checksum(open), checksum(closed))
}

// TestRulesForAnExistingAdapter: the ConfigMap has the other team's rules first, then the same rules that the chart's own
// adapter gets. The notes name the ConfigMap and what to do with it.
func TestRulesForAnExistingAdapter(t *testing.T) {
	t.Parallel()
	want := chart.Render(t).AdapterConfig(t).Rules
	rendered := chart.Render(t, named(t, "existing adapter"))
	var config chart.AdapterConfig
	for _, candidate := range chart.Of[*corev1.ConfigMap](t, rendered) {
		if candidate.Namespace == "monitoring" {
			assert.Equal(t, "holograph-adapter-rules", candidate.Name)
			require.NoError(t, yaml.UnmarshalStrict([]byte(candidate.Data["config.yaml"]), &config))
		}
	}
	require.Len(t, config.Rules, 1+len(want))
	assert.Equal(t, `jobs_waiting{namespace!="",pod!=""}`, config.Rules[0].SeriesQuery)
	assert.Equal(t, `sum(<<.Series>>{<<.LabelMatchers>>}) by (<<.GroupBy>>)`, config.Rules[0].MetricsQuery)
	assert.Equal(t, want, config.Rules[1:])
	assert.Contains(t, rendered.Notes, "monitoring/holograph-adapter-rules")
	assert.Contains(t, rendered.Notes, "rules.existing=holograph-adapter-rules")

	other := chart.Render(t, named(t, "existing adapter"), chart.Set("prometheusAdapter.existing.configMap", "all-rules"))
	assert.Contains(t, other.Notes, "rules.existing=all-rules")
}
