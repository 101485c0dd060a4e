package sources

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/crypto/bcrypt"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"
	apiregistrationv1 "k8s.io/kube-aggregator/pkg/apis/apiregistration/v1"
	"k8s.io/utils/ptr"

	"holograph/ci/program"
	"holograph/test/internal/guest"
	"holograph/test/internal/harness"
	"holograph/test/internal/kube"
	"holograph/test/internal/load"
	"holograph/test/internal/wait"
)

const (
	// assignedUser is the user ID that testdata/user-ids.yaml gives to pods.
	assignedUser = int64(1000680000)
	// longestGap bounds the time without an answer of the custom metrics API while its certificate is renewed: the sync period
	// of the autoscaler.
	longestGap = 15 * time.Second
)

// TestCertManager: cert-manager issues the certificate of the adapter, and renews it together with its CA while the
// autoscaler scales. The adapter serves the new certificate without a restart, and the metric has no gap that the
// autoscaler would notice. The cluster assigns user IDs, as OpenShift does, and every pod of the release runs with them.
func TestCertManager(t *testing.T) {
	s := harness.New(t)
	s.Uninstall()
	s.Apply(guest.Namespace(s.Release.Namespace))

	s.Step("the cluster has cert-manager, by its own chart")
	installCertManager(s)

	s.Step("the cluster assigns user IDs, and refuses pods that name others")
	assignUserIDs(s)

	s.Step("install the chart with the values for GitOps")
	s.Apply(login(s, "prometheus-login"))
	s.WaitFor(time.Minute, certManagerAnswers(s.Release))
	s.UpgradeWith(map[string]string{
		"prometheus.auth.basicAuth.existingSecret":          "prometheus-login",
		"prometheusAdapter.certificate.certManager.enabled": "true",
		"global.security.userIDs":                           "assigned",
		// One pod more than the minimum shows that it scales.
		"autoscaling.maxReplicas": "3",
	}, "local")
	s.WaitFor(2*time.Minute, append(wait.Chain(s.Release), wait.Replicas(s.Release, 2))...)

	s.Step("the adapter serves a certificate that the CA from cert-manager verifies")
	before, err := served(s.Context(), s.Release)
	require.NoError(t, err)
	pods := podsOf(s)
	for _, pod := range pods {
		require.NotNil(t, pod.Spec.SecurityContext.RunAsUser, "user ID of %s, which the cluster assigns", pod.Name)
		assert.Equal(t, assignedUser, *pod.Spec.SecurityContext.RunAsUser, "user ID of %s, which the cluster assigns", pod.Name)
	}
	s.HelmTestPasses()

	s.Step("the autoscaler scales up by the metric")
	pod := s.MeasurePod()
	rate := loadPods * pod.FramesPerSecond()
	s.Drive(pod.Budget, load.Steady(rate, storyTimeout))
	s.WaitFor(2*time.Minute, wait.ReplicasAtLeast(s.Release, 3))

	s.Step("cert-manager renews the CA, and the certificate that it signs")
	active := activeSince(s)
	gap := longestSilence(s)
	const serving = "holograph-prometheus-adapter-tls"
	for _, certificate := range []string{serving + "-ca", serving} {
		renew(s, certificate)
	}
	s.WaitFor(2*time.Minute, wait.Condition{Name: "the adapter to serve the new certificate", Unmet: func(ctx context.Context) error {
		now, err := served(ctx, s.Release)
		if err == nil && now.SerialNumber.Cmp(before.SerialNumber) == 0 {
			err = fmt.Errorf("it serves the one of %s", before.NotBefore)
		}
		return err
	}})
	after, err := served(s.Context(), s.Release)
	require.NoError(t, err)
	assert.NotEqual(t, before.AuthorityKeyId, after.AuthorityKeyId, "ID of the CA that signed the certificate: the CA was renewed too")
	silence := gap()
	s.Logf("    the longest time without an answer of the custom metrics API: %s", silence.Round(time.Millisecond))
	assert.Less(t, silence, longestGap, "longest time without an answer of the custom metrics API while its certificate was renewed")
	assert.Equal(t, active, activeSince(s), "time since which the autoscaler has had its metrics: it must not lose them while the certificate is renewed")
	for _, old := range pods {
		if !strings.HasPrefix(old.Name, s.Release.Name+"-prometheus-adapter-") {
			continue
		}
		now, err := s.Release.CoreV1().Pods(s.Release.Namespace).Get(s.Context(), old.Name, metav1.GetOptions{})
		require.NoError(t, err, "read pod %s: the adapter must serve the new certificate without a new pod", old.Name)
		assert.Zero(t, now.Status.ContainerStatuses[0].RestartCount, "restarts of the adapter")
	}
	s.WaitFor(time.Minute, wait.Chain(s.Release)...)
}

// installCertManager installs cert-manager with its own chart. The chart's check of the API after an installation needs one
// more image, so certManagerAnswers takes its place.
func installCertManager(s *harness.Story) {
	s.Helper()
	directory, err := program.CertManager.ModuleDir(s.Context())
	require.NoError(s, err)
	version, err := program.CertManager.Version()
	require.NoError(s, err)
	manager := s.At("cert-manager", "cert-manager")
	manager.Chart = filepath.Join(directory, "deploy", "charts", "cert-manager")
	require.NoError(s, manager.Upgrade(harness.Upgrade{Set: map[string]string{
		"crds.enabled":                               "true",
		"image.tag":                                  version,
		"webhook.image.tag":                          version,
		"cainjector.image.tag":                       version,
		"startupapicheck.enabled":                    "false",
		"webhook.readinessProbe.periodSeconds":       "1",
		"webhook.readinessProbe.initialDelaySeconds": "1",
	}}))
}

// certManagerAnswers is met when cert-manager's webhook admits an Issuer. That takes a CA, which cainjector writes, for the
// API server to verify the webhook.
func certManagerAnswers(r kube.Release) wait.Condition {
	return wait.Condition{Name: "cert-manager's webhook to answer", Unmet: func(ctx context.Context) error {
		return guest.DryRun(ctx, r.Client, r.Namespace, []byte(`{apiVersion: cert-manager.io/v1, kind: Issuer, metadata: {name: asked}, spec: {selfSigned: {}}}`))
	}}
}

// assignUserIDs applies testdata/user-ids.yaml until the story ends.
func assignUserIDs(s *harness.Story) {
	s.Helper()
	manifest, err := os.ReadFile(filepath.Join("testdata", "user-ids.yaml"))
	require.NoError(s, err)
	policies := s.Release.AdmissionregistrationV1()
	s.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
		defer cancel()
		const name = "user-ids"
		for _, remove := range []func(context.Context, string, metav1.DeleteOptions) error{
			policies.ValidatingAdmissionPolicyBindings().Delete, policies.ValidatingAdmissionPolicies().Delete,
			policies.MutatingAdmissionPolicyBindings().Delete, policies.MutatingAdmissionPolicies().Delete,
		} {
			if err := remove(ctx, name, metav1.DeleteOptions{}); err != nil && !apierrors.IsNotFound(err) {
				s.Errorf("the policies on user IDs could not be removed: %v", err)
			}
		}
	})
	s.Apply(manifest)
	create := func(ctx context.Context, user *int64) (*corev1.Pod, error) {
		return s.Release.CoreV1().Pods(s.Release.Namespace).Create(ctx, &corev1.Pod{
			ObjectMeta: metav1.ObjectMeta{Name: "asked", Labels: map[string]string{"app.kubernetes.io/instance": s.Release.Name}},
			Spec: corev1.PodSpec{
				SecurityContext: &corev1.PodSecurityContext{RunAsUser: user, RunAsNonRoot: ptr.To(true),
					SeccompProfile: &corev1.SeccompProfile{Type: corev1.SeccompProfileTypeRuntimeDefault}},
				Containers: []corev1.Container{{Name: "asked", Image: "asked", SecurityContext: &corev1.SecurityContext{
					AllowPrivilegeEscalation: ptr.To(false), Capabilities: &corev1.Capabilities{Drop: []corev1.Capability{"ALL"}}}}},
			},
		}, metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}})
	}
	s.WaitFor(time.Minute, wait.Condition{Name: "pods to get a user ID, and pods with another one to be rejected", Unmet: func(ctx context.Context) error {
		pod, err := create(ctx, nil)
		if err != nil {
			return err
		}
		switch user := pod.Spec.SecurityContext.RunAsUser; {
		case user == nil:
			return fmt.Errorf("a pod that names no user ID has none, want %d", assignedUser)
		case *user != assignedUser:
			return fmt.Errorf("the user ID of a pod that names none is %d, want %d", *user, assignedUser)
		}
		nobody := int64(65534)
		if _, err := create(ctx, &nobody); err == nil || !strings.Contains(err.Error(), "not of the namespace's range") {
			return fmt.Errorf("the answer to a pod of user %d is %v, want a rejection", nobody, err)
		}
		return nil
	}})
}

// login returns the Secret with a login of the embedded Prometheus, as docs/sources.md describes it.
func login(s *harness.Story, name string) []byte {
	s.Helper()
	const user, password = "holograph", "a-password-of-ones-own"
	hash, err := bcrypt.GenerateFromPassword([]byte(password), bcrypt.MinCost)
	require.NoError(s, err)
	manifest, err := json.Marshal(&corev1.Secret{
		TypeMeta:   metav1.TypeMeta{APIVersion: "v1", Kind: "Secret"},
		ObjectMeta: metav1.ObjectMeta{Namespace: s.Release.Namespace, Name: name},
		Data: map[string][]byte{
			"username": []byte(user), "password": []byte(password),
			"authorization": []byte("Basic " + base64.StdEncoding.EncodeToString([]byte(user+":"+password))),
			"web.yaml":      fmt.Appendf(nil, "basic_auth_users: {%s: %q}", user, hash),
		},
	})
	require.NoError(s, err)
	return manifest
}

// podsOf returns the pods of the release.
func podsOf(s *harness.Story) []corev1.Pod {
	s.Helper()
	list, err := s.Release.CoreV1().Pods(s.Release.Namespace).List(s.Context(), metav1.ListOptions{LabelSelector: "app.kubernetes.io/instance=" + s.Release.Name})
	require.NoError(s, err)
	require.NotEmpty(s, list.Items)
	return list.Items
}

// served returns the certificate of the adapter. It returns an error if the CA in one of the two APIServices does not verify
// the certificate for the name that the API server connects to.
func served(ctx context.Context, r kube.Release) (*x509.Certificate, error) {
	var certificate *x509.Certificate
	for _, version := range []string{"v1beta1", "v1beta2"} {
		raw, err := kube.Raw(ctx, r.Discovery().RESTClient().Get().AbsPath("/apis/apiregistration.k8s.io/v1/apiservices/"+version+"."+kube.Group))
		if err != nil {
			return nil, err
		}
		var service apiregistrationv1.APIService
		if err := json.Unmarshal(raw, &service); err != nil {
			return nil, err
		}
		roots := x509.NewCertPool()
		if !roots.AppendCertsFromPEM(service.Spec.CABundle) || service.Spec.InsecureSkipTLSVerify {
			return nil, fmt.Errorf("%s does not verify the adapter: its caBundle is %q", service.Name, service.Spec.CABundle)
		}
		connection, err := r.Dial(ctx, r.Namespace, service.Spec.Service.Name, fmt.Sprint(*service.Spec.Service.Port))
		if err != nil {
			return nil, err
		}
		client := tls.Client(connection, &tls.Config{RootCAs: roots, ServerName: service.Spec.Service.Name + "." + r.Namespace + ".svc"})
		err = client.HandshakeContext(ctx)
		certificates := client.ConnectionState().PeerCertificates
		_ = client.Close()
		if err != nil {
			return nil, fmt.Errorf("the CA in %s: %w", service.Name, err)
		}
		certificate = certificates[0]
	}
	return certificate, nil
}

// renew makes cert-manager issue a Certificate again, as `cmctl renew` does, and waits for the new certificate.
func renew(s *harness.Story, name string) {
	s.Helper()
	all, err := dynamic.NewForConfig(s.Release.Config)
	require.NoError(s, err)
	certificates := all.Resource(schema.GroupVersionResource{Group: "cert-manager.io", Version: "v1", Resource: "certificates"}).Namespace(s.Release.Namespace)
	stored := func(ctx context.Context) ([]byte, error) {
		secret, err := s.Release.CoreV1().Secrets(s.Release.Namespace).Get(ctx, name, metav1.GetOptions{})
		if err != nil {
			return nil, err
		}
		return secret.Data["tls.crt"], nil
	}
	old, err := stored(s.Context())
	require.NoError(s, err)
	require.NotEmpty(s, old, "certificate in the Secret %s", name)
	s.WaitFor(30*time.Second, wait.Condition{Name: name + " to be marked for renewal", Unmet: func(ctx context.Context) error {
		certificate, err := certificates.Get(ctx, name, metav1.GetOptions{})
		if err != nil {
			return err
		}
		conditions, _, err := unstructured.NestedSlice(certificate.Object, "status", "conditions")
		if err != nil {
			return err
		}
		conditions = append(conditions, map[string]any{
			"type": "Issuing", "status": "True", "reason": "ManuallyTriggered", "message": "the story renews it",
			"lastTransitionTime": time.Now().UTC().Format(time.RFC3339),
		})
		if err := unstructured.SetNestedSlice(certificate.Object, conditions, "status", "conditions"); err != nil {
			return err
		}
		_, err = certificates.UpdateStatus(ctx, certificate, metav1.UpdateOptions{})
		return err
	}})
	s.WaitFor(time.Minute, wait.Condition{Name: "cert-manager to renew " + name, Unmet: func(ctx context.Context) error {
		now, err := stored(ctx)
		switch {
		case err != nil:
			return err
		case len(now) == 0:
			return errors.New("its Secret has no certificate")
		case bytes.Equal(now, old):
			return errors.New("its Secret has the old certificate")
		}
		return nil
	}})
}

// activeSince returns the time since which the autoscaler has had its metrics.
func activeSince(s *harness.Story) metav1.Time {
	s.Helper()
	hpa, err := s.Release.HPA(s.Context())
	require.NoError(s, err)
	active := kube.Condition(hpa, autoscalingv2.ScalingActive)
	require.True(s, active != nil && active.Status == corev1.ConditionTrue, "the autoscaler has no metric: its conditions are %v", hpa.Status.Conditions)
	return active.LastTransitionTime
}

// longestSilence starts to read the custom metrics API five times a second. The returned function stops that, and returns
// the longest time between two answers with a value.
func longestSilence(s *harness.Story) func() time.Duration {
	ctx, stop := context.WithCancel(s.Context())
	result := make(chan time.Duration, 1)
	go func() {
		last, longest := time.Now(), time.Duration(0)
		ticker := time.NewTicker(200 * time.Millisecond)
		defer ticker.Stop()
		for {
			values, err := s.Release.PodMetric(ctx, kube.OverrunsMetric)
			now := time.Now()
			longest = max(longest, now.Sub(last))
			if err == nil && len(values) > 0 {
				last = now
			}
			select {
			case <-ctx.Done():
				result <- longest
				return
			case <-ticker.C:
			}
		}
	}()
	return func() time.Duration {
		stop()
		return <-result
	}
}
