package chart_test

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	apiregistrationv1 "k8s.io/kube-aggregator/pkg/apis/apiregistration/v1"

	"holograph/test/internal/chart"
)

// servingCertificate is what the adapter serves with and what the API server verifies it by.
type servingCertificate struct {
	secret      chart.Object
	certificate *x509.Certificate
	bundle      []byte
	checksum    string
}

// certificates returns the Secrets with certificates that a rendering makes.
func certificates(t *testing.T, rendered *chart.Rendered) []*corev1.Secret {
	t.Helper()
	return slices.DeleteFunc(chart.Of[*corev1.Secret](t, rendered), func(secret *corev1.Secret) bool {
		return secret.Type != corev1.SecretTypeTLS
	})
}

// serving checks that a rendering's certificate, key, APIServices and Deployment belong together.
func serving(t *testing.T, rendered *chart.Rendered, now time.Time) servingCertificate {
	t.Helper()
	var result servingCertificate
	for _, object := range rendered.Objects {
		if object.Kind() == "Secret" && object["type"] == string(corev1.SecretTypeTLS) {
			require.Nil(t, result.secret, "Secrets with a certificate: more than one")
			result.secret = object
		}
	}
	secrets := certificates(t, rendered)
	require.Len(t, secrets, 1)
	pair, err := tls.X509KeyPair(secrets[0].Data["tls.crt"], secrets[0].Data["tls.key"])
	require.NoError(t, err)
	result.certificate = pair.Leaf

	services := chart.Of[*apiregistrationv1.APIService](t, rendered)
	require.Len(t, services, 2)
	for _, service := range services {
		assert.False(t, service.Spec.InsecureSkipTLSVerify, "%s does not verify the adapter", service.Name)
		assert.Equal(t, string(secrets[0].Data["ca.crt"]), string(service.Spec.CABundle), service.Name)
		roots := x509.NewCertPool()
		require.True(t, roots.AppendCertsFromPEM(service.Spec.CABundle), "caBundle of %s is no PEM: %s", service.Name, service.Spec.CABundle)
		_, err := result.certificate.Verify(x509.VerifyOptions{
			Roots: roots,
			// The name that the API server's aggregator asks for.
			DNSName:     service.Spec.Service.Name + "." + service.Spec.Service.Namespace + ".svc",
			CurrentTime: now.Add(time.Minute),
		})
		require.NoError(t, err, service.Name)
		result.bundle = service.Spec.CABundle
	}
	deployment := rendered.Deployment(t, chart.PrometheusAdapter)
	result.checksum = deployment.Spec.Template.Annotations["checksum/certificate"]
	for _, volume := range deployment.Spec.Template.Spec.Volumes {
		if volume.Secret != nil {
			assert.Equal(t, secrets[0].Name, volume.Secret.SecretName)
		}
	}
	return result
}

// endingAt returns the Secret as if its certificate ended at another time.
func endingAt(secret chart.Object, end time.Time) chart.Object {
	return chart.Object(chart.Merge(secret, chart.Values{"metadata": map[string]any{"annotations": map[string]any{
		"holograph/certificate-not-after": strconv.FormatInt(end.Unix(), 10),
	}}}))
}

func TestCertificate(t *testing.T) {
	t.Parallel()
	now := time.Now()
	first := serving(t, chart.Render(t), now)
	assert.WithinDuration(t, now.AddDate(0, 0, 3650), first.certificate.NotAfter, 48*time.Hour)

	upgrade := func(found chart.Object, values ...chart.Values) servingCertificate {
		t.Helper()
		return serving(t, chart.RenderWith(t, chart.Options{Cluster: []chart.Object{found}, Values: values}), now)
	}
	renewed := func(after servingCertificate, why string) {
		t.Helper()
		assert.NotEqual(t, first.certificate.Raw, after.certificate.Raw, why)
		assert.NotEqual(t, first.checksum, after.checksum, "checksum after a new certificate, which restarts the adapter")
		assert.True(t, strings.HasSuffix(strings.TrimSpace(string(after.bundle)), strings.TrimSpace(string(first.bundle))),
			"until then its old certificate is verified still")
	}
	certificates := func(bundle []byte) (count int) {
		for block, rest := pem.Decode(bundle); block != nil; block, rest = pem.Decode(rest) {
			count++
		}
		return count
	}

	second := upgrade(first.secret)
	assert.Equal(t, first.secret, second.secret, "Secret after an upgrade")
	assert.Equal(t, first.checksum, second.checksum, "checksum after an upgrade, which must not restart the adapter")

	third := upgrade(first.secret, chart.Set("prometheusAdapter.certificate.generation", 2))
	renewed(third, "another generation was asked for")
	fourth := upgrade(third.secret, chart.Set("prometheusAdapter.certificate.generation", 3))
	assert.Equal(t, 2, certificates(fourth.bundle), "the bundle keeps only the previous CA")

	renewed(upgrade(endingAt(first.secret, now.AddDate(0, 0, 1215))), "less than a third of 3650 days is left")
	assert.Equal(t, first.certificate.Raw, upgrade(endingAt(first.secret, now.AddDate(0, 0, 1218))).certificate.Raw, "certificate with more than a third of its time left, want it kept")
	renewed(upgrade(first.secret, chart.Set("prometheusAdapter.certificate.validityDays", 90)), "another validity was asked for")

	torn := chart.Object(chart.Merge(first.secret, chart.Values{"data": map[string]any{"tls.key": ""}}))
	assert.NotEqual(t, first.certificate.Raw, upgrade(torn).certificate.Raw, "certificate after the Secret lost its key, want a new one")
}

func TestOwnCertificate(t *testing.T) {
	t.Parallel()
	ca := "-----BEGIN CERTIFICATE-----\nMIIA\n-----END CERTIFICATE-----\n"
	rendered := chart.Render(t, chart.Values{"prometheusAdapter": map[string]any{"certificate": map[string]any{
		"existingSecret": "mine", "caBundle": ca,
	}}})
	assert.Empty(t, certificates(t, rendered), "generated certificates, want none with existingSecret")
	for _, service := range chart.Each[*apiregistrationv1.APIService](t, rendered) {
		assert.Equal(t, ca, string(service.Spec.CABundle), "caBundle of %s", service.Name)
		assert.False(t, service.Spec.InsecureSkipTLSVerify, "%s does not verify the adapter", service.Name)
	}
	var mounted []string
	for _, volume := range rendered.Deployment(t, chart.PrometheusAdapter).Spec.Template.Spec.Volumes {
		if volume.Secret != nil {
			mounted = append(mounted, volume.Secret.SecretName)
		}
	}
	assert.Equal(t, []string{"mine"}, mounted)
}

// TestNothingOfAnAdapterThatDoesNotRun: where KEDA scales, or nothing does, no autoscaler asks the adapter, so the release
// has none of its objects, whatever else the values say of it.
func TestNothingOfAnAdapterThatDoesNotRun(t *testing.T) {
	t.Parallel()
	adapter := chart.Parse(t, `prometheusAdapter: {replicaCount: 2, certificate: {certManager: {enabled: true}}}`)
	for name, scaler := range map[string]string{"KEDA": `autoscaling: {provider: keda}`, "no autoscaler": `autoscaling: {enabled: false}`} {
		for _, object := range chart.Render(t, adapter, chart.Parse(t, scaler)).Objects {
			assert.NotContains(t, object.Name(), string(chart.PrometheusAdapter), "with %s the release has the %s", name, object)
		}
	}
}

// TestTypesOfSecrets: Kubernetes lets no upgrade change the type of a Secret, and checks that one of the type tls has both keys.
func TestTypesOfSecrets(t *testing.T) {
	t.Parallel()
	types := map[string]corev1.SecretType{}
	for _, secret := range chart.Of[*corev1.Secret](t, chart.Render(t)) {
		types[secret.Name] = secret.Type
	}
	assert.Equal(t, map[string]corev1.SecretType{"holograph-prometheus-adapter-certificate": corev1.SecretTypeTLS, loginSecret: corev1.SecretTypeOpaque}, types,
		"the types of the Secrets: with another one, the next upgrade would fail")
}
