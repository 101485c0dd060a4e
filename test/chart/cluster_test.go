package chart_test

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	apiregistrationv1 "k8s.io/kube-aggregator/pkg/apis/apiregistration/v1"
	"sigs.k8s.io/yaml"

	"holograph/test/internal/chart"
)

// refusalsOfTheCluster are the cases of what does not work on the cluster at hand.
var refusalsOfTheCluster = map[string]refusal{
	"adapter on a port of root": {
		`prometheusAdapter: {hostNetwork: true, port: 443}`,
		`prometheusAdapter.port: must be 1024 or higher with prometheusAdapter.hostNetwork (got 443), because on a node only root may listen on a lower port, and the adapter is not root: write another port, like 6443.`},
	"certificate without its CA": {
		`prometheusAdapter: {certificate: {existingSecret: mine}}`,
		`prometheusAdapter.certificate.caBundle: must be set with existingSecret (got none, with the Secret mine), because the API server could not verify the certificate: write the PEM of the CA that signed it, or the annotation cert-manager.io/inject-ca-from in prometheusAdapter.apiService.annotations.`},
	"CA without a certificate": {
		`prometheusAdapter: {certificate: {caBundle: "-----BEGIN CERTIFICATE-----\nMIIA\n-----END CERTIFICATE-----"}}`,
		`prometheusAdapter.certificate.caBundle: must be empty without existingSecret (got a value), because it verifies a certificate of your own: write prometheusAdapter.certificate.existingSecret, or leave caBundle empty.`},
	"CA that is written twice": {
		`prometheusAdapter: {apiService: {annotations: {cert-manager.io/inject-ca-from: a/b}}, certificate: {existingSecret: mine, caBundle: "-----BEGIN CERTIFICATE-----\nMIIA\n-----END CERTIFICATE-----"}}`,
		`prometheusAdapter.certificate.caBundle: must be empty with an annotation cert-manager.io/inject-ca-from in prometheusAdapter.apiService.annotations (got a value), because cert-manager replaces it: leave caBundle empty, or remove the annotation.`},
	"two sources of one certificate": {
		`prometheusAdapter: {certificate: {certManager: {enabled: true}, existingSecret: mine, caBundle: "-----BEGIN CERTIFICATE-----\nMIIA\n-----END CERTIFICATE-----"}}`,
		`prometheusAdapter.certificate.certManager.enabled: must be false with prometheusAdapter.certificate.existingSecret (got true, with the Secret mine), because the adapter serves with one certificate: set it to false, or leave existingSecret empty.`},
	"login with the name of the generated one": {
		`prometheus: {auth: {basicAuth: {existingSecret: holograph-prometheus-login}}}`,
		`prometheus.auth.basicAuth.existingSecret: must be another name than that of the Secret that Helm generates (got holograph-prometheus-login), because Helm deletes that Secret when existingSecret takes its place: create yours with another name, like prometheus-login.`},
	"certificate with the name of the generated one": {
		`prometheusAdapter: {certificate: {existingSecret: holograph-prometheus-adapter-certificate}, apiService: {annotations: {cert-manager.io/inject-ca-from: a/b}}}`,
		`prometheusAdapter.certificate.existingSecret: must be another name than that of the Secret that Helm generates (got holograph-prometheus-adapter-certificate), because Helm deletes that Secret when existingSecret takes its place: create yours with another name, like adapter-certificate.`},
	"root in a component that may not be root": {
		`kubeStateMetrics: {securityContext: {runAsUser: 0}}`,
		`kubeStateMetrics: must not run as user 0 with runAsNonRoot (got both), because the container would never start: write another runAsUser, or set runAsNonRoot to false.`},
	"claim that nothing uses": {
		`prometheus: {persistence: {existingClaim: history}}`,
		`prometheus.persistence.existingClaim: must be empty without prometheus.persistence.enabled (got history), because Prometheus would not use the claim, and its history would end with its pod: set prometheus.persistence.enabled to true, or leave existingClaim empty.`},
	"adapter that the policy of Prometheus does not know": {
		`{networkPolicy: {enabled: true, queriers: [{podSelector: {}}]}, prometheusAdapter: {hostNetwork: true}}`,
		`networkPolicy.queriers: must have the addresses of the nodes with prometheusAdapter.hostNetwork (got no ipBlock), because the adapter then queries the embedded Prometheus from the address of its node, which the policy does not admit otherwise, and nothing would scale: write them, like {ipBlock: {cidr: 10.0.0.0/16}}.`},
	"port of the kubelet": {
		`prometheusAdapter: {hostNetwork: true, port: 10250}`,
		`prometheusAdapter.port: must be free on the nodes with prometheusAdapter.hostNetwork (got 10250), because the kubelet or kube-proxy listens there and the adapter could not start: write another port, like 6443, or set hostNetwork to false.`},
}

// openShift is a cluster that assigns user IDs.
var openShift = []string{"security.openshift.io/v1"}

// pods returns the pods of a rendering by their component.
func pods(t *testing.T, rendered *chart.Rendered) map[string]corev1.PodTemplateSpec {
	t.Helper()
	found := map[string]corev1.PodTemplateSpec{}
	for _, template := range rendered.PodTemplates(t) {
		found[template.Labels["app.kubernetes.io/component"]] = template
	}
	return found
}

// once is a rendering of values.
type once struct {
	values   chart.Values
	rendered *chart.Rendered
}

var renderedOnce struct {
	sync.Once
	all map[string]once
}

// everyRendering renders values of every kind without a cluster: all that the other tests render, each environment with each
// example for what the cluster has already, and each way to scale in each mode. It does so once in a process.
func everyRendering(t *testing.T) map[string]once {
	t.Helper()
	renderedOnce.Do(func() {
		renderedOnce.all = map[string]once{}
		for name, values := range everyValues(t) {
			renderedOnce.all[name] = once{values, chart.Render(t, values)}
		}
	})
	return renderedOnce.all
}

func everyValues(t *testing.T) map[string]chart.Values {
	t.Helper()
	all := renderings(t)
	for _, environment := range []string{"local", "development", "staging", "production"} {
		for _, has := range []string{"own-renderer", "existing-adapter", "prometheus-operator", "keda", "gpu", "sessions"} {
			all[environment+".yaml with "+has+".yaml"] = chart.Merge(chart.Example(t, environment), chart.Example(t, has))
		}
	}
	for _, way := range modes(t) {
		for _, scaler := range scalers(t) {
			c := combination{modes: []mode{way}, scaler: scaler, environment: "defaults"}
			if !slices.ContainsFunc(expectedRefusals, func(r expectedRefusal) bool { return r.when(c) }) {
				all[c.String()] = chart.Merge(c.values()...)
			}
		}
	}
	return all
}

// TestTwoRenderingsAreEqual renders all values twice without a cluster, as Argo CD does at each refresh. What differs
// is named in the notes with the values that make the renderings equal, and they do.
func TestTwoRenderingsAreEqual(t *testing.T) {
	t.Parallel()
	// The value that ends a difference, by the value's name in the notes.
	ends := map[string]chart.Values{
		"prometheusAdapter.certificate.certManager.enabled": chart.Set("prometheusAdapter.certificate.certManager.enabled", true),
		"prometheus.auth.basicAuth.existingSecret":          chart.Set("prometheus.auth.basicAuth.existingSecret", "prometheus-login"),
	}
	differing := 0
	for name, one := range everyRendering(t) {
		values, first, second := one.values, one.rendered, chart.Render(t, one.values)
		// What cert-manager replaces is only in the notes where an adapter is rendered.
		var fixes []chart.Values
		for key, fix := range ends {
			if strings.Contains(first.Notes, key) {
				fixes = append(fixes, fix)
			}
		}
		if first.Manifest == second.Manifest {
			continue
		}
		differing++
		assert.NotEmpty(t, fixes, "%s: two renderings differ, and the notes name no value that makes them equal", name)
		layers := append([]chart.Values{values}, fixes...)
		assert.Equal(t, chart.Render(t, layers...).Manifest, chart.Render(t, layers...).Manifest,
			"%s: two renderings differ, although the values that the notes name are set: Argo CD would show it as OutOfSync for ever", name)
	}
	assert.Positive(t, differing, "values whose renderings differ: the test compares nothing")
}

// TestCustomResourcesNameTheirDefaults: a field that the API server would add to a custom resource is in the manifest
// already. Argo CD compares lists as a whole, so a field that is added to an entry of one is a difference that stays.
func TestCustomResourcesNameTheirDefaults(t *testing.T) {
	t.Parallel()
	seen, missing := map[string]bool{}, map[string]string{}
	for name, one := range everyRendering(t) {
		for _, object := range one.rendered.Objects {
			seen[object.APIVersion()+"/"+object.Kind()] = true
			fields, err := object.MissingDefaults()
			require.NoError(t, err)
			for _, field := range fields {
				missing[object.Kind()+" "+field] = name
			}
		}
	}
	for field, name := range missing {
		assert.Fail(t, "the API server adds a field", "%s, with the values %s: Argo CD would show the object as OutOfSync for ever", field, name)
	}
	for _, kind := range chart.CustomKinds() {
		assert.True(t, seen[kind], "%s: no values of the test render one", kind)
	}
}

// TestCertManagerIssuesTheCertificate follows the certificate: cert-manager writes it into the Secret that the adapter
// mounts, for the name that the API server asks for, and its CA into both APIServices.
func TestCertManagerIssuesTheCertificate(t *testing.T) {
	t.Parallel()
	for name, issuer := range map[string]string{"cert-manager": "Issuer holograph-prometheus-adapter-tls-ca", "issuer": "ClusterIssuer internal-ca"} {
		rendered := chart.Render(t, named(t, name))
		assert.Empty(t, certificates(t, rendered), "%s: generated certificates, which differ in each rendering", name)
		byName := map[string]map[string]any{}
		var issuers []string
		for _, object := range rendered.Objects {
			assert.NoError(t, object.Validate())
			switch object.Kind() {
			case "Certificate":
				byName[object.Name()] = object["spec"].(map[string]any)
			case "Issuer":
				issuers = append(issuers, object.Name())
			}
		}
		const serving = "holograph-prometheus-adapter-tls"
		require.Contains(t, byName, serving, name)
		spec := byName[serving]
		ref := spec["issuerRef"].(map[string]any)
		assert.Equal(t, issuer, fmt.Sprint(ref["kind"], " ", ref["name"]), "%s: the issuer of the certificate", name)
		assert.Equal(t, "holograph-prometheus-adapter.holograph.svc", spec["dnsNames"].([]any)[0], "%s: the name that the API server verifies", name)
		for _, service := range chart.Each[*apiregistrationv1.APIService](t, rendered) {
			assert.Equal(t, "holograph/"+serving, service.Annotations["cert-manager.io/inject-ca-from"], "%s: whose CA cert-manager writes into %s", name, service.Name)
			assert.Empty(t, service.Spec.CABundle, "%s: caBundle of %s, which would be taken back from cert-manager at each sync", name, service.Name)
			assert.False(t, service.Spec.InsecureSkipTLSVerify, "%s: %s does not verify the adapter", name, service.Name)
		}
		var mounted []string
		for _, volume := range rendered.Deployment(t, chart.PrometheusAdapter).Spec.Template.Spec.Volumes {
			if volume.Secret != nil {
				mounted = append(mounted, volume.Secret.SecretName)
			}
		}
		assert.Equal(t, []string{spec["secretName"].(string)}, mounted, "%s: the Secret that the adapter serves with", name)

		if name == "issuer" {
			assert.Empty(t, issuers, "issuers beside the platform team's")
			continue
		}
		ca := byName["holograph-prometheus-adapter-tls-ca"]
		require.NotNil(t, ca, "the CA that the chart's issuer signs with")
		assert.Equal(t, true, ca["isCA"])
		assert.ElementsMatch(t, issuers, []string{"holograph-prometheus-adapter-tls-self-signed", "holograph-prometheus-adapter-tls-ca"})
	}
	long := chart.RenderWith(t, chart.Options{Release: strings.Repeat("a", 53), Values: []chart.Values{named(t, "cert-manager")}})
	for _, object := range long.Objects {
		if object.Kind() == "Certificate" {
			common, _ := object["spec"].(map[string]any)["commonName"].(string)
			assert.LessOrEqual(t, len(common), 64, "characters in the common name of %s: cert-manager takes no more", object.Name())
		}
	}
}

// TestCertManagerInjectsTheCAOfAnExistingSecret: with cert-manager's annotation, the API server needs no CA in the values.
func TestCertManagerInjectsTheCAOfAnExistingSecret(t *testing.T) {
	t.Parallel()
	rendered := chart.Render(t, chart.Parse(t, `prometheusAdapter: {apiService: {annotations: {cert-manager.io/inject-ca-from: pki/adapter}}, certificate: {existingSecret: mine}}`))
	for _, service := range chart.Each[*apiregistrationv1.APIService](t, rendered) {
		assert.Equal(t, "pki/adapter", service.Annotations["cert-manager.io/inject-ca-from"])
		assert.Nil(t, service.Spec.CABundle)
	}
}

// TestTheClusterAssignsUserIDs: OpenShift admits no pod that names a user ID outside its namespace's range, so no pod of
// the chart names one there, or anywhere else where the values say so.
func TestTheClusterAssignsUserIDs(t *testing.T) {
	t.Parallel()
	assigned := chart.Set("global.security.userIDs", "assigned")
	for name, values := range renderings(t) {
		for where, options := range map[string]chart.Options{
			"on OpenShift": {Values: []chart.Values{values}, APIVersions: openShift},
			"by value":     {Values: []chart.Values{values, assigned}},
		} {
			for component, pod := range pods(t, chart.RenderWith(t, options)) {
				for _, id := range userIDs(pod.Spec) {
					assert.Nil(t, id, "%s, %s: a user or group ID in the pods of %s, which the cluster refuses", name, where, component)
				}
				if pod.Spec.SecurityContext != nil {
					assert.True(t, *pod.Spec.SecurityContext.RunAsNonRoot, "%s, %s: %s may run as root", name, where, component)
				}
			}
		}
	}
	for where, options := range map[string]chart.Options{
		"without OpenShift": {},
		"by value":          {Values: []chart.Values{chart.Set("global.security.userIDs", "fixed")}, APIVersions: openShift},
	} {
		for component, pod := range pods(t, chart.RenderWith(t, options)) {
			context := pod.Spec.SecurityContext
			assert.True(t, context.RunAsUser != nil && context.RunAsGroup != nil && context.FSGroup != nil,
				"%s: the pods of %s have no user ID, and the kubelet cannot tell whether an image's named user is root", where, component)
		}
	}
}

// userIDs are the user and group IDs that a pod names.
func userIDs(pod corev1.PodSpec) []*int64 {
	var ids []*int64
	if context := pod.SecurityContext; context != nil {
		ids = append(ids, context.RunAsUser, context.RunAsGroup, context.FSGroup)
	}
	for _, container := range slices.Concat(pod.InitContainers, pod.Containers) {
		if context := container.SecurityContext; context != nil {
			ids = append(ids, context.RunAsUser, context.RunAsGroup)
		}
	}
	return ids
}

// TestSecurityContextsAreValues: each component takes a context of the values, as for a cluster with other rules.
func TestSecurityContextsAreValues(t *testing.T) {
	t.Parallel()
	values := chart.Set("deletionCost.enabled", true)
	for _, component := range []string{"renderer", "prometheus", "prometheusAdapter", "kubeStateMetrics", "deletionCost", "doctor", "warmCapacity"} {
		values = chart.Merge(values, chart.Set(component, chart.Parse(t, `
podSecurityContext: {runAsUser: 1000680000, fsGroup: null, supplementalGroups: [5]}
securityContext: {seLinuxOptions: {level: "s0:c26,c5"}}`)))
	}
	for component, pod := range pods(t, chart.Render(t, warm(t), values)) {
		context := pod.Spec.SecurityContext
		assert.EqualValues(t, 1000680000, *context.RunAsUser, "runAsUser of %s", component)
		assert.Nil(t, context.FSGroup, "fsGroup of %s, which null removes", component)
		assert.Equal(t, []int64{5}, context.SupplementalGroups, component)
		assert.NotNil(t, pod.Spec.Containers[0].SecurityContext.SELinuxOptions, "SELinux options of %s, which the values name", component)
		assert.True(t, *pod.Spec.Containers[0].SecurityContext.ReadOnlyRootFilesystem, "%s: the rest of the default", component)
	}
}

// TestSupportingComponentsTakeExtraSettings: arguments, variables and annotations that the chart does not know reach their object,
// and an argument of the values wins over the chart's.
func TestSupportingComponentsTakeExtraSettings(t *testing.T) {
	t.Parallel()
	for key, component := range map[string]chart.Component{"prometheusAdapter": chart.PrometheusAdapter, "kubeStateMetrics": chart.KubeStateMetrics} {
		values := chart.Set(key, chart.Parse(t, `
extraArgs: [--v=6, --prometheus-verb=GET, '--resources=pods']
extraEnv: [{name: GODEBUG, value: netdns=go}]
service: {annotations: {owner: graphics}}`))
		rendered := chart.Render(t, values)
		container := rendered.Container(t, component)
		for name, want := range map[string]string{"v": "6", "prometheus-verb": "GET", "resources": "pods"} {
			assert.Equal(t, want, flags(t, container)[name], "the last --%s of %s, which is the one that counts", name, component)
		}
		assert.Contains(t, container.Env, corev1.EnvVar{Name: "GODEBUG", Value: "netdns=go"}, component)
		for _, service := range chart.Of[*corev1.Service](t, rendered) {
			want := ""
			if strings.HasSuffix(service.Name, string(component)) {
				want = "graphics"
			}
			assert.Equal(t, want, service.Annotations["owner"], "the owner of %s", service.Name)
		}
	}
	rendered := chart.Render(t, chart.Parse(t, `
deletionCost: {enabled: true, extraEnv: [{name: HTTPS_PROXY, value: "http://proxy"}]}
prometheus: {extraEnv: [{name: HTTPS_PROXY, value: "http://proxy"}], serviceAccount: {annotations: {eks.amazonaws.com/role-arn: "arn:aws:iam::1:role/writer"}}}
doctor: {extraEnv: [{name: HTTPS_PROXY, value: "http://proxy"}]}`))
	proxy := []corev1.EnvVar{{Name: "HTTPS_PROXY", Value: "http://proxy"}}
	assert.Equal(t, proxy, rendered.Container(t, chart.Prometheus).Env, "the environment variables of Prometheus")
	assert.Equal(t, proxy, rendered.Container(t, chart.DeletionCost).Env, "the environment variables of the writer of deletion costs")
	for _, doctor := range chart.Each[*corev1.Pod](t, rendered) {
		assert.Equal(t, proxy, doctor.Spec.Containers[0].Env, "the environment variables of the doctor")
	}
	for _, account := range chart.Of[*corev1.ServiceAccount](t, rendered) {
		want := ""
		if account.Name == "holograph-prometheus" {
			want = "arn:aws:iam::1:role/writer"
		}
		assert.Equal(t, want, account.Annotations["eks.amazonaws.com/role-arn"], "the identity of the service account %s: only those who need it have it", account.Name)
	}
	// Prometheus does not start with an argument that is there twice.
	arguments := chart.Render(t, chart.Parse(t, `prometheus: {extraArgs: [--query.timeout=20s, --web.enable-lifecycle]}`)).Container(t, chart.Prometheus).Args
	for argument, times := range map[string]int{"--query.timeout=20s": 1, "--query.timeout=30s": 0, "--web.enable-lifecycle": 1, "--query.max-samples=5000000": 1} {
		assert.Len(t, slices.DeleteFunc(slices.Clone(arguments), func(a string) bool { return a != argument }), times, "%s in the arguments of Prometheus", argument)
	}
	rendered = chart.Render(t, chart.Parse(t, `prometheusAdapter: {apiService: {annotations: {owner: graphics}}}`))
	for _, service := range chart.Each[*apiregistrationv1.APIService](t, rendered) {
		assert.Equal(t, "graphics", service.Annotations["owner"], service.Name)
	}
	// A login is an environment variable too.
	env := chart.Render(t, chart.Parse(t, `prometheusAdapter: {extraEnv: [{name: HTTPS_PROXY, value: "http://proxy"}]}`)).Container(t, chart.PrometheusAdapter).Env
	assert.Len(t, env, 2, "environment variables: the login of Prometheus and one of the values")
}

// serves returns values with so many servedNamespaces.
func serves(n int) chart.Values {
	namespaces := make([]any, n)
	for i := range namespaces {
		namespaces[i] = fmt.Sprintf("film-%d", i)
	}
	return chart.Set("servedNamespaces", namespaces)
}

// TestAdapterMayListPodsForEachAutoscaler: the adapter sends the API server as many requests as the autoscalers of all
// servedNamespaces cause, and at least 50 a second: its own default of 5 is enough for 37 autoscalers.
func TestAdapterMayListPodsForEachAutoscaler(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		values     []chart.Values
		qps, burst string
	}{
		"one autoscaler":                {nil, "50", "100"},
		"61 with two metrics":           {[]chart.Values{serves(60)}, "50", "100"},
		"201 with two metrics":          {[]chart.Values{serves(200)}, "54", "108"},
		"201 with a total and a metric": {[]chart.Values{serves(200), chart.Set("signals.demand.metricType", "Object")}, "50", "100"},
		"extraArgs":                     {[]chart.Values{chart.Set("prometheusAdapter.extraArgs", []any{"--client-qps=80"})}, "80", "100"},
	} {
		got := flags(t, chart.Render(t, c.values...).Container(t, chart.PrometheusAdapter))
		assert.Equal(t, c.qps, got["client-qps"], "requests a second of the adapter: %s", name)
		assert.Equal(t, c.burst, got["client-burst"], "requests at one time of the adapter: %s", name)
	}
}

// TestPrometheusHasConnectionsForKEDA: each trigger of KEDA keeps a connection open. With all of them taken, the liveness probe
// gets none.
func TestPrometheusHasConnectionsForKEDA(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		values []chart.Values
		want   string
	}{
		"one namespace":             {nil, "100"},
		"15 with two signals":       {[]chart.Values{serves(14)}, "100"},
		"16 with two signals":       {[]chart.Values{serves(15)}, "104"},
		"201 with two signals":      {[]chart.Values{serves(200)}, "844"},
		"201 with late frames only": {[]chart.Values{serves(200), chart.Set("signals.demand.enabled", false)}, "442"},
		"extraArgs":                 {[]chart.Values{serves(200), chart.Set("prometheus.extraArgs", []any{"--web.max-connections=2000"})}, "2000"},
	} {
		got := flags(t, chart.Render(t, c.values...).Container(t, chart.Prometheus))
		assert.Equal(t, c.want, got["web.max-connections"], "connections that Prometheus accepts: %s", name)
	}
}

// TestAPIServerReachesTheAdapter: for a firewall in between, the adapter listens on another port, or on its node.
func TestAPIServerReachesTheAdapter(t *testing.T) {
	t.Parallel()
	for _, values := range []string{`port: 10250`, `port: 8443, hostNetwork: true`} {
		rendered := chart.Render(t, chart.Parse(t, "{networkPolicy: {enabled: true, queriers: [{ipBlock: {cidr: 10.0.0.0/16}}]}, prometheusAdapter: {"+values+"}}"))
		for _, object := range rendered.Objects {
			assert.NoError(t, object.Validate())
		}
		container := rendered.Container(t, chart.PrometheusAdapter)
		port := container.Ports[0].ContainerPort
		assert.Contains(t, values, fmt.Sprint(port), "the port that the Service sends to")
		assert.Equal(t, fmt.Sprint(port), flags(t, container)["secure-port"], "the port that the adapter listens on")
		deployment := rendered.Deployment(t, chart.PrometheusAdapter)
		pod := deployment.Spec.Template.Spec
		host := strings.Contains(values, "hostNetwork")
		assert.Equal(t, host, pod.HostNetwork)
		if host {
			assert.Equal(t, corev1.DNSClusterFirstWithHostNet, pod.DNSPolicy, "otherwise the adapter does not find Prometheus' Service")
			assert.Equal(t, "0", deployment.Spec.Strategy.RollingUpdate.MaxSurge.String(), "a second pod could not listen on the same node, and a rollout would hang on a cluster of one node")
		}
	}
}

// TestQueriesAreSentByTheVerbOfTheValues: a tenancy proxy forbids POST. Those who can send GET do, for every Prometheus and way to
// scale. KEDA sends nothing else, so its triggers are the same.
func TestQueriesAreSentByTheVerbOfTheValues(t *testing.T) {
	t.Parallel()
	const own = `{prometheus: {enabled: false, url: "https://prometheus.example"}, kubeStateMetrics: {enabled: false}}`
	for name, values := range map[string]chart.Values{
		"the embedded Prometheus":     nil,
		"another Prometheus":          chart.Parse(t, own),
		"KEDA":                        chart.Set("autoscaling.provider", "keda"),
		"KEDA and another Prometheus": chart.Merge(chart.Parse(t, own), chart.Set("autoscaling.provider", "keda")),
	} {
		triggers := map[string]any{}
		for _, verb := range []string{"POST", "GET"} {
			rendered := chart.Render(t, values, chart.Set("prometheus.verb", verb))
			if scaled, found := ofKind(rendered, "ScaledObject")["holograph-renderer"]; found {
				triggers[verb] = valueAt(t, scaled, "spec", "triggers")
			} else {
				assert.Equal(t, verb, flags(t, rendered.Container(t, chart.PrometheusAdapter))["prometheus-verb"], "%s: the verb of the adapter", name)
			}
			var path struct{ Prometheus struct{ Verb string } }
			require.NoError(t, yaml.Unmarshal([]byte(rendered.ConfigMap(t, chart.Doctor).Data["doctor.yaml"]), &path))
			want := verb
			if verb == "POST" {
				want = "" // the doctor's default
			}
			assert.Equal(t, want, path.Prometheus.Verb, "%s: the verb of the doctor, which must look as the adapter does", name)
		}
		assert.Equal(t, triggers["POST"], triggers["GET"], "%s: the triggers, want them without the verb", name)
	}
}

// TestKeysForAnchorsAreAccepted: keys that begin with x- hold YAML anchors and nothing else.
func TestKeysForAnchorsAreAccepted(t *testing.T) {
	t.Parallel()
	values := chart.Parse(t, `
x-media: &media {pool: media}
x-list: [1]
x-shared: {resources: [1]}
renderer: {nodeSelector: *media}`)
	rendered := chart.Render(t, values)
	assert.Equal(t, map[string]string{"pool": "media"}, rendered.Deployment(t, chart.Renderer).Spec.Template.Spec.NodeSelector)
	_, err := chart.Template(chart.Options{Values: []chart.Values{chart.Set("media", true)}})
	assert.ErrorContains(t, err, "media", "another unknown key is refused")
}
