package image

import (
	"fmt"
	"maps"
	"os"
	"strings"

	"sigs.k8s.io/yaml"

	"holograph/ci/program"
	"holograph/ci/repo"
)

// K6 returns the image of the load generator.
func K6() (Image, error) {
	version, err := program.K6.Version()
	return Image{
		Ref:     "docker.io/grafana/k6:" + strings.TrimPrefix(version, "v"),
		Program: program.K6, Binary: "k6", Path: "/usr/bin/k6",
	}, err
}

// Chart returns the images that the chart's default values name, with the names and tags from there. A test compares the
// tags with the versions that the go.mod files pin.
func Chart() ([]Image, error) {
	images := []struct {
		component string
		image     Image
	}{
		{"renderer", Image{Program: program.Renderer, Binary: "renderer", Path: "/renderer", Local: true}},
		{"prometheus", Image{Program: program.Prometheus, Binary: "prometheus", Path: "/bin/prometheus", Beside: []string{"promtool"}}},
		{"prometheusAdapter", Image{Program: program.PrometheusAdapter, Binary: "adapter", Path: "/adapter"}},
		{"kubeStateMetrics", Image{Program: program.KubeStateMetrics, Binary: "kube-state-metrics", Path: "/kube-state-metrics"}},
		{"doctor", Image{Program: program.Doctor, Binary: "doctor", Path: "/doctor", Local: true}},
	}
	var values map[string]struct {
		Image struct{ Registry, Repository, Tag, Digest string }
	}
	if err := readValues(&values); err != nil {
		return nil, err
	}
	version, err := repo.AppVersion()
	if err != nil {
		return nil, err
	}
	all := make([]Image, 0, len(images))
	for _, entry := range images {
		named := values[entry.component].Image
		if named.Repository == "" {
			return nil, fmt.Errorf("charts/holograph/values.yaml names no %s.image.repository", entry.component)
		}
		if named.Tag == "" {
			named.Tag = version
		}
		entry.image.Ref = strings.TrimPrefix(named.Registry+"/"+named.Repository+":"+named.Tag, "/")
		if entry.image.Digest = named.Digest; named.Digest == "" {
			entry.image.Digest = digests[entry.image.Ref]
		}
		all = append(all, entry.image)
	}
	return all, nil
}

// digests are the digests of upstream's images for all platforms together. Two independent sources agree on each. An image
// without one is pulled by its tag, and the digest that it had is kept beside its archive.
var digests = map[string]string{
	"quay.io/prometheus/prometheus:v3.14.0":                         "sha256:5ce7540c3c00ef4ab0c9d2c995c6a5b9c421f44b4a115d97a2c7af3b1c21cbb0",
	"registry.k8s.io/kube-state-metrics/kube-state-metrics:v2.18.0": "sha256:1545919b72e3ae035454fc054131e8d0f14b42ef6fc5b2ad5c751cafa6b2130e",
}

// PrometheusOperator returns the image of the operator.
func PrometheusOperator() (Image, error) {
	return ofPrometheusOperator("prometheus-operator", "operator")
}

// ConfigReloader returns the image of the sidecar that the operator adds to each Prometheus.
func ConfigReloader() (Image, error) {
	return ofPrometheusOperator("prometheus-config-reloader", "prometheus-config-reloader")
}

func ofPrometheusOperator(repository, binary string) (Image, error) {
	version, err := program.PrometheusOperator.Version()
	return Image{
		Ref:     "quay.io/prometheus-operator/" + repository + ":" + version,
		Program: program.PrometheusOperator, Binary: binary, Path: "/bin/" + binary,
	}, err
}

// Alertmanager returns the image of Alertmanager.
func Alertmanager() (Image, error) {
	version, err := program.Alertmanager.Version()
	return Image{
		Ref:     "quay.io/prometheus/alertmanager:" + version,
		Program: program.Alertmanager, Binary: "alertmanager", Path: "/bin/alertmanager",
	}, err
}

// KEDAOperator returns the image of the operator, which creates an autoscaler for each ScaledObject.
func KEDAOperator() (Image, error) { return ofKEDA("keda", "operator", "/keda") }

// KEDAMetricsServer returns the image of the server of external.metrics.k8s.io.
func KEDAMetricsServer() (Image, error) {
	return ofKEDA("keda-metrics-apiserver", "adapter", "/keda-adapter")
}

func ofKEDA(repository, binary, path string) (Image, error) {
	version, err := program.KEDA.Version()
	return Image{
		Ref:     "ghcr.io/kedacore/" + repository + ":" + strings.TrimPrefix(version, "v"),
		Program: program.KEDA, Binary: binary, Path: path,
	}, err
}

// CertManagerController returns the image of the controller, which issues and renews certificates.
func CertManagerController() (Image, error) { return ofCertManager("controller") }

// CertManagerWebhook returns the image of the admission webhook for cert-manager's resources.
func CertManagerWebhook() (Image, error) { return ofCertManager("webhook") }

// CertManagerInjector returns the image of cainjector, which writes CAs into APIServices.
func CertManagerInjector() (Image, error) { return ofCertManager("cainjector") }

func ofCertManager(binary string) (Image, error) {
	version, err := program.CertManager.Version()
	return Image{
		Ref:     "quay.io/jetstack/cert-manager-" + binary + ":" + version,
		Program: program.CertManager, Binary: binary, Path: "/app/cmd/" + binary + "/" + binary,
	}, err
}

// KubeNetworkPolicies returns the image that enforces NetworkPolicies on a node.
func KubeNetworkPolicies() (Image, error) {
	version, err := program.KubeNetworkPolicies.Version()
	return Image{
		Ref:     "registry.k8s.io/networking/kube-network-policies:" + version,
		Program: program.KubeNetworkPolicies, Binary: "netpol", Path: "/bin/netpol",
	}, err
}

// AuthProxy returns the image of the reverse proxy before a Prometheus that several teams share.
func AuthProxy() (Image, error) {
	version, err := repo.AppVersion()
	return Image{Ref: "localhost/holograph-authproxy:" + version, Program: program.AuthProxy, Binary: "authproxy", Path: "/authproxy", Local: true}, err
}

// OtherRenderer returns the image of a renderer that shares nothing with the reference renderer, and of its exporter.
func OtherRenderer() (Image, error) {
	version, err := repo.AppVersion()
	return Image{Ref: "localhost/other-renderer:" + version, Program: program.OtherRenderer, Binary: "other-renderer", Path: "/other-renderer", Local: true}, err
}

// Pager returns the image that takes the place of a paging service.
func Pager() (Image, error) {
	version, err := repo.AppVersion()
	return Image{Ref: "localhost/holograph-pager:" + version, Program: program.Pager, Binary: "pager", Path: "/pager", Local: true}, err
}

// Crowd returns the image that answers scrapes in place of pods without a process.
func Crowd() (Image, error) {
	version, err := repo.AppVersion()
	return Image{Ref: "localhost/holograph-crowd:" + version, Program: program.Crowd, Binary: "crowd", Path: "/crowd", Local: true}, err
}

// MetricsServer returns the image that serves pods' CPU use to the autoscaler.
func MetricsServer() (Image, error) {
	version, err := program.MetricsServer.Version()
	return Image{
		Ref:     "registry.k8s.io/metrics-server/metrics-server:" + version,
		Program: program.MetricsServer, Binary: "metrics-server", Path: "/metrics-server",
	}, err
}

// readValues decodes the chart's default values, without the keys at the top that have no keys below them: they have no
// image.
func readValues(into any) error {
	path, err := repo.Path("charts", "holograph", "values.yaml")
	if err != nil {
		return err
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	var top map[string]any
	if err := yaml.Unmarshal(data, &top); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	maps.DeleteFunc(top, func(_ string, value any) bool {
		_, group := value.(map[string]any)
		return !group
	})
	groups, err := yaml.Marshal(top)
	if err != nil {
		return err
	}
	return yaml.Unmarshal(groups, into)
}
