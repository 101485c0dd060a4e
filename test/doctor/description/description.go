// Package description is what the doctor knows of a release beforehand: the names along the path from a late
// frame to a new pod. The chart writes them from the values that its objects are made of, so they stand once.
package description

import (
	"context"
	"fmt"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"

	"holograph/test/internal/kube"
)

// File is the name of the description, in its ConfigMap and where it is mounted.
const File = "doctor.yaml"

// Path describes a release's path. What is nil or empty is not on it.
type Path struct {
	// Release is Helm's name for it, in the namespace ReleaseNamespace. Its objects are in Namespace, which namespaceOverride
	// makes another.
	Release          string `json:"release"`
	ReleaseNamespace string `json:"releaseNamespace"`
	Namespace        string `json:"namespace"`
	// Signals are what the release scales on, in the autoscaler's order.
	Signals []Signal `json:"signals"`
	// Labels are the names of Prometheus labels.
	Labels Labels `json:"labels"`
	// Matchers are labels with the values that every series has, such as that of the cluster.
	Matchers map[string]string `json:"matchers,omitempty"`
	// ScrapeLabels are labels that the queries take for the scraper's. Empty where the release sees to that.
	ScrapeLabels []string `json:"scrapeLabels,omitempty"`
	// Renderer is where the signals come from.
	Renderer Renderer `json:"renderer"`
	// Prometheus is who measures; nil where the chart was told of none.
	Prometheus *Prometheus `json:"prometheus,omitempty"`
	// Adapter is where the release's rules are; nil where they are not the release's.
	Adapter *Adapter `json:"adapter,omitempty"`
	// APIServices are those under which the autoscaler may find its metrics.
	APIServices []string `json:"apiServices,omitempty"`
	// Autoscaler is who decides; nil where nobody does.
	Autoscaler *Autoscaler `json:"autoscaler,omitempty"`
}

// Signal is one metric that the release scales on.
type Signal struct {
	// Metric is its name on the custom metrics API.
	Metric string `json:"metric"`
	// Resource is what it is a metric of there: "pods", or "deployments.apps" for one number for all pods.
	Resource string `json:"resource"`
	// FirstValue is how long after its start a fleet of new pods has a value, such as 75s.
	FirstValue string `json:"firstValue"`
	// Series are what it is computed from.
	Series []Series `json:"series"`
	// Query gives its value of each pod, where the release's owner wrote it.
	Query string `json:"query,omitempty"`
}

// Series is a metric that the renderer exports.
type Series struct {
	// Name is the exported metric's, Value the chart's value that says so.
	Name  string `json:"name"`
	Value string `json:"value"`
	// Labels are those that it must have.
	Labels map[string]string `json:"labels,omitempty"`
	// Bound is where the bucket of a histogram must end that counts frames in budget.
	Bound string `json:"bound,omitempty"`
	// Native says that it is a native histogram, of which a page in text shows the count alone.
	Native bool `json:"native,omitempty"`
}

// Labels are the names of the Prometheus labels that hold a sample's origin.
type Labels struct {
	Namespace string `json:"namespace"`
	Pod       string `json:"pod"`
	Container string `json:"container"`
}

// Renderer is the workload that is scaled and how its metrics are read.
type Renderer struct {
	// APIVersion, Kind and Name are the workload's: the chart's own Deployment, or a
	// Deployment, StatefulSet or Rollout that was there before.
	APIVersion string `json:"apiVersion"`
	Kind       string `json:"kind"`
	Name       string `json:"name"`
	// Own says that the chart makes it.
	Own bool `json:"own"`
	// Selector selects its pods.
	Selector string `json:"selector"`
	// Container exports the metrics, at Port and Path.
	Container string `json:"container"`
	Port      int    `json:"port"`
	Path      string `json:"path"`
}

// Prometheus is the Prometheus that is asked.
type Prometheus struct {
	URL string `json:"url"`
	// Access has the credentials that its clients must send.
	kube.Access `json:",inline"`
	// Deployment is the embedded one's; empty for another Prometheus.
	Deployment     string `json:"deployment,omitempty"`
	ScrapeInterval string `json:"scrapeInterval"`
	// Identity is what KEDA logs in with instead, by kind and name, and what the doctor cannot show.
	Identity string `json:"identity,omitempty"`
	// Given says that the caller named the URL, and that the release's credentials are not meant for it.
	Given bool `json:"-"`
	// Elsewhere says that the files of its access are another machine's.
	Elsewhere bool `json:"-"`
}

// Adapter is the prometheus-adapter that is given the release's rules.
type Adapter struct {
	// ConfigMap holds its configuration, with the rules among others.
	ConfigMap ConfigMap `json:"configMap"`
	// Rules are the release's, as they must stand there.
	Rules []map[string]any `json:"rules"`
	// Deployment, Service and Selector are the bundled adapter's, Checksum that of the
	// configuration that its pods start with; empty for another.
	Deployment string `json:"deployment,omitempty"`
	Service    string `json:"service,omitempty"`
	Selector   string `json:"selector,omitempty"`
	Checksum   string `json:"checksum,omitempty"`
	// RelistInterval is how often it looks which metrics exist.
	RelistInterval string `json:"relistInterval"`
}

// ConfigMap names a file in a ConfigMap.
type ConfigMap struct {
	Namespace string `json:"namespace"`
	Name      string `json:"name"`
	Key       string `json:"key"`
}

// Autoscaler is who decides on the number of pods.
type Autoscaler struct {
	HorizontalPodAutoscaler string `json:"horizontalPodAutoscaler"`
	// ScaledObject is KEDA's object that makes the HorizontalPodAutoscaler; empty
	// where the chart makes it itself.
	ScaledObject string `json:"scaledObject,omitempty"`
	// ScalesToZero is whether it may remove all pods.
	ScalesToZero bool `json:"scalesToZero,omitempty"`
}

// Decode reads a description. What it does not know it refuses: another version
// of the chart wrote it, and a doctor that passes over a part would say that all
// is well.
func Decode(text []byte) (Path, error) {
	var p Path
	if len(text) > maxText {
		return p, Unknown{fmt.Errorf("it holds more than %d kB", maxText>>10)}
	}
	if err := yaml.UnmarshalStrict(text, &p); err != nil {
		return Path{}, Unknown{err}
	}
	return p, nil
}

// Unknown is the error of a description that this doctor does not understand.
type Unknown struct{ Err error }

// Error implements error.
func (u Unknown) Error() string {
	return fmt.Sprintf("%s is not one that this doctor knows: %v", File, u.Err)
}

// maxText bounds a description: the smallest YAML takes a hundred times its size to
// read. That of a release with everything is 4 kB.
const maxText = 256 << 10

// Missing says that a namespace holds no description of a release.
type Missing struct{ Release, Namespace string }

// Error implements error.
func (m Missing) Error() string {
	return fmt.Sprintf("namespace %s holds no ConfigMap that describes a release %s", m.Namespace, m.Release)
}

// Several says that a namespace holds more than one description of a release, so that nobody knows which one is the chart's.
type Several struct {
	Release, Namespace string
	// Names are those of the ConfigMaps.
	Names []string
}

// Error implements error.
func (s Several) Error() string {
	shown := strings.Join(s.Names[:min(len(s.Names), maxNames)], ", ")
	if more := len(s.Names) - maxNames; more > 0 {
		shown += fmt.Sprintf(" and %d more", more)
	}
	return fmt.Sprintf("namespace %s holds %d ConfigMaps that describe a release %s, want one: %s", s.Namespace, len(s.Names), s.Release, shown)
}

// maxNames is how many ConfigMaps are named.
const maxNames = 5

// Read returns the path of a release that is installed in a namespace.
func Read(ctx context.Context, c *kube.Client, namespace, release string) (Path, error) {
	selector := "app.kubernetes.io/component=doctor,app.kubernetes.io/instance=" + release
	list, err := c.CoreV1().ConfigMaps(namespace).List(ctx, metav1.ListOptions{LabelSelector: selector})
	if err != nil {
		return Path{}, err
	}
	if len(list.Items) == 0 {
		return Path{}, Missing{Release: release, Namespace: namespace}
	}
	if len(list.Items) > 1 {
		// Anyone who may write ConfigMaps could otherwise put one of theirs in place of the chart's.
		several := Several{Release: release, Namespace: namespace}
		for _, found := range list.Items {
			several.Names = append(several.Names, found.Name)
		}
		slices.Sort(several.Names)
		return Path{}, several
	}
	p, err := Decode([]byte(list.Items[0].Data[File]))
	if err == nil && p.Prometheus != nil && !c.Inside {
		login := p.Prometheus.Login
		p.Prometheus.Elsewhere = p.Prometheus.Files() && login == nil
		// Anyone who may write here could otherwise have others read a Secret that they may not read themselves.
		if login != nil && login.Namespace != namespace {
			return Path{}, fmt.Errorf("ConfigMap %s in %s describes a login in the namespace %s, want it in %[2]s: no Secret of another namespace is read", list.Items[0].Name, namespace, login.Namespace)
		}
	}
	return p, err
}
