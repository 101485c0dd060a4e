package program

import (
	"os"

	"holograph/ci/repo"
)

// modules is the folder with a folder for each foreign program, named like the program.
const modules = "ci/modules"

// The programs of this repository that go into images.
var (
	// Renderer is the reference renderer of this repository.
	Renderer = Program{Name: "renderer", Own: "./test/renderer", LDFlags: "-X main.version=%s"}
	// Doctor finds what is broken on the path from a late frame to a new pod.
	Doctor = Program{Name: "doctor", Own: "./test/doctor", LDFlags: "-X main.version=%s"}
	// AuthProxy is the reverse proxy of a Prometheus that several teams share, for the story about one that requires
	// certificates, credentials and tenants.
	AuthProxy = Program{Name: "authproxy", Own: "./test/sources/authproxy"}
	// OtherRenderer shares nothing with the reference renderer, for the story that describes a
	// renderer by values alone. Its exporter is the same binary.
	OtherRenderer = Program{Name: "other-renderer", Own: "./test/sources/otherrenderer"}
	// Pager takes the place of a paging service, for the story in which alerts reach a person.
	Pager = Program{Name: "pager", Own: "./test/faults/pager"}
	// Crowd answers scrapes in place of kwok's pods, for the measurement of large fleets.
	Crowd = Program{Name: "crowd", Own: "./test/scale/crowd"}
)

// The foreign programs that something asks for by name.
var (
	// Kubernetes is the cluster itself.
	Kubernetes = foreign("kubernetes")
	// KubernetesOldest is the oldest Kubernetes that Chart.yaml claims. The tests read the
	// description of its API; nothing of it is built.
	KubernetesOldest = foreign("kubernetes-oldest")
	// Etcd stores the cluster's objects.
	Etcd = foreign("etcd")
	// CoreDNS resolves the cluster's names.
	CoreDNS = foreign("coredns")
	// Containerd runs the node's containers.
	Containerd = foreign("containerd")
	// Runc starts the containers' processes.
	Runc = foreign("runc")
	// CNIPlugins connect the pods.
	CNIPlugins = foreign("cni-plugins")
	// CRITools is crictl, which kind and people use on the node.
	CRITools = foreign("cri-tools")
	// Prometheus records the frames; promtool checks its rules.
	Prometheus = foreign("prometheus")
	// PrometheusAdapter serves the metric on the custom metrics API.
	PrometheusAdapter = foreign("prometheus-adapter")
	// KubeStateMetrics exposes the HPA's state to Prometheus.
	KubeStateMetrics = foreign("kube-state-metrics")
	// PrometheusOperator runs Prometheus from PodMonitors and PrometheusRules, where
	// a story is about those.
	PrometheusOperator = foreign("prometheus-operator")
	// KEDA scales in place of the autoscaler where autoscaling.provider says so.
	KEDA = foreign("keda")
	// Karpenter adds nodes for a CapacityBuffer, with kwok's nodes in place of a cloud's.
	Karpenter = foreign("karpenter")
	// CertManager issues the adapter's certificate where the values say so. Its folder has the main packages too,
	// because no proxy has cert-manager's own.
	CertManager = foreign("cert-manager")
	// MetricsServer serves pods' CPU use, for the comparison with a policy that scales on it.
	MetricsServer = foreign("metrics-server")
	// KubeNetworkPolicies enforces NetworkPolicies on the node, for the story of a stranger's pod: kind's own network is
	// without them.
	KubeNetworkPolicies = foreign("kube-network-policies")
	// Alertmanager tells people of alerts, where a story is about what reaches them.
	Alertmanager = foreign("alertmanager")
	// Kwok plays nodes and pods that have no processes, for the measurement of large fleets and for Karpenter.
	Kwok = foreign("kwok")
	// K6 sends the load.
	K6 = foreign("k6")
	// Helm installs the chart; the tests render with the same version's library, so the
	// repository's own go.mod pins it.
	Helm = root("helm")
	// Helm4 installs the chart too, by server-side apply.
	Helm4 = foreign("helm4")
	// HelmDocs writes the chart's README from its values.
	HelmDocs = foreign("helm-docs")
	// Kind starts the clusters; the repository's own go.mod pins it, as ci reads the
	// node image's name from its library.
	Kind = root("kind")
	// Distribution is an OCI registry, which charts are pushed to and installed from.
	Distribution = foreign("distribution")
	// Govulncheck finds known vulnerabilities in the programs.
	Govulncheck = foreign("govulncheck")
	// VulnerabilityDatabase holds what is known, and indexdb, which indexes it.
	VulnerabilityDatabase = foreign("vulndb")
)

// odd holds what the builds of some foreign programs need beside the go.mod, by the
// program's name.
var odd = map[string]Program{
	// Without the last two, helm takes a cluster that it cannot ask for v1.20.
	"helm": {LDFlags: "-X helm.sh/helm/v3/internal/version.version=%s" +
		" -X helm.sh/helm/v3/pkg/chartutil.k8sVersionMajor=1 -X helm.sh/helm/v3/pkg/chartutil.k8sVersionMinor={minor}"},
	"helm4": {LDFlags: "-X helm.sh/helm/v4/internal/version.version=%s"},
	// The chart's configuration finds targets in Kubernetes and Alertmanagers by their names. The other ways to find
	// targets bring the libraries of twenty clouds, more than half of what there is to compile.
	"prometheus": {LDFlags: "-X github.com/prometheus/common/version.Version=%s",
		Tags: "remove_all_sd,enable_kubernetes_sd,enable_dns_sd"},
	"prometheus-operator": {LDFlags: "-X github.com/prometheus/common/version.Version=%s"},
	// Its pages are made by npm, and are not in the module.
	"alertmanager": {LDFlags: "-X github.com/prometheus/common/version.Version=%s", Stubs: []string{"ui/app/dist/index.html"}},
	"keda":         {LDFlags: "-X github.com/kedacore/keda/v2/version.Version=%s"},
	// kubeadm, the API server and the clients compare these versions.
	"kubernetes":            {LDFlags: "-X k8s.io/component-base/version.gitVersion=%s -X k8s.io/client-go/pkg/version.gitVersion=%s"},
	"etcd":                  {Renamed: "etcd"},
	"kube-network-policies": {Renamed: "netpol"},
	"karpenter":             {Renamed: "karpenter"},
	"containerd":            {LDFlags: "-X github.com/containerd/containerd/v2/version.Version=%s"},
	"runc":                  {LDFlags: "-X main.version=%s", Tags: "seccomp,netgo,osusergo", CGO: true},
	"cri-tools":             {LDFlags: "-X sigs.k8s.io/cri-tools/pkg/version.Version=%s"},
}

// foreign describes the program that a folder of ci/modules pins.
func foreign(name string) Program {
	p := odd[name]
	p.Name, p.Folder = name, modules+"/"+name
	return p
}

// root describes a program that the repository's own go.mod pins.
func root(name string) Program {
	p := odd[name]
	p.Name = name
	return p
}

// All returns every foreign program: those of the repository's own go.mod, then one for each
// folder of ci/modules.
func All() ([]Program, error) {
	path, err := repo.Path(modules)
	if err != nil {
		return nil, err
	}
	folders, err := os.ReadDir(path)
	if err != nil {
		return nil, err
	}
	all := []Program{Helm, Kind}
	for _, folder := range folders {
		all = append(all, foreign(folder.Name()))
	}
	return all, nil
}

// Own returns the programs of this repository that go into images.
func Own() []Program {
	return []Program{Renderer, Doctor, AuthProxy, OtherRenderer, Pager, Crowd}
}
