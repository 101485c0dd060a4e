package program

// The programs that the project runs. Each one's version stands in the go.mod of
// its Folder and nowhere else.
var (
	// Renderer is the reference renderer of this repository.
	Renderer = Program{
		Name:     "renderer",
		Packages: map[string]string{"renderer": "./test/renderer"},
		LDFlags:  "-X main.version=%s",
		Sources:  []string{"test/renderer"},
	}
	// Doctor finds what is broken on the path of a release.
	Doctor = Program{
		Name:     "doctor",
		Packages: map[string]string{"doctor": "./test/doctor"},
		LDFlags:  "-X main.version=%s",
		Sources:  []string{"test/doctor", "test/internal/kube"},
	}
	// Front is what a platform team puts before its Prometheus, for the stories about
	// one that asks for certificates, credentials and tenants.
	Front = Program{
		Name:     "front",
		Packages: map[string]string{"front": "./test/sources/front"},
		Sources:  []string{"test/sources/front"},
	}
	// Helm installs the chart; the tests render with the same version's library.
	Helm = Program{
		Name:     "helm",
		Module:   "helm.sh/helm/v3",
		Packages: map[string]string{"helm": "helm.sh/helm/v3/cmd/helm"},
		// Without the last two, helm takes a cluster that it cannot ask for v1.20.
		LDFlags: "-X helm.sh/helm/v3/internal/version.version=%s" +
			" -X helm.sh/helm/v3/pkg/chartutil.k8sVersionMajor=1 -X helm.sh/helm/v3/pkg/chartutil.k8sVersionMinor=37",
	}
	// Helm4 installs the chart too, by server-side apply.
	Helm4 = Program{
		Name:     "helm4",
		Folder:   "ci/modules/helm4",
		Module:   "helm.sh/helm/v4",
		Packages: map[string]string{"helm": "helm.sh/helm/v4/cmd/helm"},
		LDFlags:  "-X helm.sh/helm/v4/internal/version.version=%s",
	}
	// HelmDocs writes the chart's README from its values.
	HelmDocs = Program{
		Name:     "helm-docs",
		Folder:   "ci/modules/helm-docs",
		Module:   "github.com/norwoodj/helm-docs",
		Packages: map[string]string{"helm-docs": "github.com/norwoodj/helm-docs/cmd/helm-docs"},
	}
	// Govulncheck finds known vulnerabilities in the programs.
	Govulncheck = Program{
		Name:     "govulncheck",
		Folder:   "ci/modules/govulncheck",
		Module:   "golang.org/x/vuln",
		Packages: map[string]string{"govulncheck": "golang.org/x/vuln/cmd/govulncheck"},
	}
	// VulnerabilityDatabase holds what is known, and indexdb, which indexes it.
	VulnerabilityDatabase = Program{
		Name:     "vulndb",
		Folder:   "ci/modules/govulncheck",
		Module:   "golang.org/x/vulndb",
		Packages: map[string]string{"indexdb": "golang.org/x/vulndb/cmd/indexdb"},
	}
	// Distribution is an OCI registry, which charts are pushed to and installed from.
	Distribution = Program{
		Name:     "distribution",
		Folder:   "ci/modules/distribution",
		Module:   "github.com/distribution/distribution/v3",
		Packages: map[string]string{"registry": "github.com/distribution/distribution/v3/cmd/registry"},
	}
	// Kind starts the clusters.
	Kind = Program{
		Name:     "kind",
		Module:   "sigs.k8s.io/kind",
		Packages: map[string]string{"kind": "sigs.k8s.io/kind"},
	}
	// Prometheus records the frames; promtool checks its rules.
	Prometheus = Program{
		Name:   "prometheus",
		Folder: "ci/modules/prometheus",
		Module: "github.com/prometheus/prometheus",
		Packages: map[string]string{
			"prometheus": "github.com/prometheus/prometheus/cmd/prometheus",
			"promtool":   "github.com/prometheus/prometheus/cmd/promtool",
		},
		LDFlags: "-X github.com/prometheus/common/version.Version=%s",
	}
	// PrometheusAdapter serves the metric on the custom metrics API.
	PrometheusAdapter = Program{
		Name:     "prometheus-adapter",
		Folder:   "ci/modules/prometheus-adapter",
		Module:   "sigs.k8s.io/prometheus-adapter",
		Packages: map[string]string{"adapter": "sigs.k8s.io/prometheus-adapter/cmd/adapter"},
	}
	// KubeStateMetrics exposes the HPA's state to Prometheus.
	KubeStateMetrics = Program{
		Name:     "kube-state-metrics",
		Folder:   "ci/modules/kube-state-metrics",
		Module:   "k8s.io/kube-state-metrics/v2",
		Packages: map[string]string{"kube-state-metrics": "k8s.io/kube-state-metrics/v2"},
	}
	// PrometheusOperator runs Prometheus from PodMonitors and PrometheusRules, where
	// a story is about those.
	PrometheusOperator = Program{
		Name:   "prometheus-operator",
		Folder: "ci/modules/prometheus-operator",
		Module: "github.com/prometheus-operator/prometheus-operator",
		Packages: map[string]string{
			"operator":                   "github.com/prometheus-operator/prometheus-operator/cmd/operator",
			"prometheus-config-reloader": "github.com/prometheus-operator/prometheus-operator/cmd/prometheus-config-reloader",
		},
		LDFlags: "-X github.com/prometheus/common/version.Version=%s",
	}
	// MetricsServer serves pods' CPU use, for the comparison with a policy that scales on it.
	MetricsServer = Program{
		Name:     "metrics-server",
		Folder:   "ci/modules/metrics-server",
		Module:   "sigs.k8s.io/metrics-server",
		Packages: map[string]string{"metrics-server": "sigs.k8s.io/metrics-server/cmd/metrics-server"},
	}
	// K6 drives the load.
	K6 = Program{
		Name:     "k6",
		Folder:   "ci/modules/k6",
		Module:   "go.k6.io/k6",
		Packages: map[string]string{"k6": "go.k6.io/k6"},
	}
	// KEDA scales in place of the autoscaler where keda.enabled says so.
	KEDA = Program{
		Name:   "keda",
		Folder: "ci/modules/keda",
		Module: "github.com/kedacore/keda/v2",
		Packages: map[string]string{
			"operator": "github.com/kedacore/keda/v2/cmd/operator",
			"adapter":  "github.com/kedacore/keda/v2/cmd/adapter",
		},
		LDFlags: "-X github.com/kedacore/keda/v2/version.Version=%s",
	}
	// Kubernetes is the cluster itself.
	Kubernetes = Program{
		Name:   "kubernetes",
		Folder: "ci/modules/kubernetes",
		Module: "k8s.io/kubernetes",
		Packages: map[string]string{
			"kube-apiserver":          "k8s.io/kubernetes/cmd/kube-apiserver",
			"kube-controller-manager": "k8s.io/kubernetes/cmd/kube-controller-manager",
			"kube-scheduler":          "k8s.io/kubernetes/cmd/kube-scheduler",
			"kube-proxy":              "k8s.io/kubernetes/cmd/kube-proxy",
			"kubeadm":                 "k8s.io/kubernetes/cmd/kubeadm",
			"kubelet":                 "k8s.io/kubernetes/cmd/kubelet",
			"kubectl":                 "k8s.io/kubernetes/cmd/kubectl",
		},
		// kubeadm, the API server and the clients compare these versions.
		LDFlags: "-X k8s.io/component-base/version.gitVersion=%s -X k8s.io/client-go/pkg/version.gitVersion=%s",
	}
	// KubernetesOldest is the oldest Kubernetes that Chart.yaml claims. Only read, for the description of its
	// API; nothing of it is built.
	KubernetesOldest = Program{
		Name:   "kubernetes-oldest",
		Folder: "ci/modules/kubernetes-oldest",
		Module: "k8s.io/kubernetes",
	}
	// Etcd stores the cluster's objects.
	Etcd = Program{
		Name:     "etcd",
		Folder:   "ci/modules/etcd",
		Module:   "go.etcd.io/etcd/server/v3",
		Packages: map[string]string{"etcd": "go.etcd.io/etcd/server/v3"},
	}
	// CoreDNS resolves the cluster's names.
	CoreDNS = Program{
		Name:     "coredns",
		Folder:   "ci/modules/coredns",
		Module:   "github.com/coredns/coredns",
		Packages: map[string]string{"coredns": "github.com/coredns/coredns"},
	}
	// Containerd runs the node's containers.
	Containerd = Program{
		Name:   "containerd",
		Folder: "ci/modules/containerd",
		Module: "github.com/containerd/containerd/v2",
		Packages: map[string]string{
			"containerd":              "github.com/containerd/containerd/v2/cmd/containerd",
			"ctr":                     "github.com/containerd/containerd/v2/cmd/ctr",
			"containerd-shim-runc-v2": "github.com/containerd/containerd/v2/cmd/containerd-shim-runc-v2",
		},
		LDFlags: "-X github.com/containerd/containerd/v2/version.Version=%s",
	}
	// Runc starts the containers' processes.
	Runc = Program{
		Name:     "runc",
		Folder:   "ci/modules/runc",
		Module:   "github.com/opencontainers/runc",
		Packages: map[string]string{"runc": "github.com/opencontainers/runc"},
		LDFlags:  "-X main.version=%s",
		Tags:     "seccomp,netgo,osusergo",
		CGO:      true,
	}
	// CNIPlugins connect the pods.
	CNIPlugins = Program{
		Name:   "cni-plugins",
		Folder: "ci/modules/cni-plugins",
		Module: "github.com/containernetworking/plugins",
		Packages: map[string]string{
			"host-local": "github.com/containernetworking/plugins/plugins/ipam/host-local",
			"loopback":   "github.com/containernetworking/plugins/plugins/main/loopback",
			"ptp":        "github.com/containernetworking/plugins/plugins/main/ptp",
			"portmap":    "github.com/containernetworking/plugins/plugins/meta/portmap",
		},
	}
	// CRITools is crictl, which kind and people use on the node.
	CRITools = Program{
		Name:     "cri-tools",
		Folder:   "ci/modules/cri-tools",
		Module:   "sigs.k8s.io/cri-tools",
		Packages: map[string]string{"crictl": "sigs.k8s.io/cri-tools/cmd/crictl"},
		LDFlags:  "-X sigs.k8s.io/cri-tools/pkg/version.Version=%s",
	}
)

// All returns every foreign program, the cluster's own first.
func All() []Program {
	return []Program{
		Kubernetes, KubernetesOldest, Etcd, CoreDNS, Containerd, Runc, CNIPlugins, CRITools,
		Prometheus, PrometheusAdapter, KubeStateMetrics, PrometheusOperator, KEDA, MetricsServer, K6, Helm, Kind,
		HelmDocs, Helm4, Distribution, Govulncheck, VulnerabilityDatabase,
	}
}

// Own returns the programs of this repository that go into images.
func Own() []Program {
	return []Program{Renderer, Doctor, Front}
}
