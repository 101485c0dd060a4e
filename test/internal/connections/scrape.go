package connections

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/relabel"
	yamlv3 "go.yaml.in/yaml/v3"
	"k8s.io/apimachinery/pkg/util/intstr"
	"sigs.k8s.io/yaml"

	"holograph/test/internal/chart"
)

// Labels are those of a target, an object or a series.
type Labels = map[string]string

// target is one port of a pod that a Prometheus scrapes.
type target struct {
	pod       *Pod
	container string
	port      int32
	labels    Labels
	// samples are the steps of relabeling that each sample goes through.
	samples []*relabel.Config
	// honorLabels is whether a sample's own labels take precedence over the target's.
	honorLabels bool
	// itself is whether the target is the Prometheus that scrapes it.
	itself bool
}

// prometheus is one Prometheus: the embedded one of a release, or the platform's.
type prometheus struct {
	pod     *Pod
	targets []target
	// idle are the jobs that find no target.
	idle []string
}

func (p *prometheus) String() string { return "the Prometheus " + p.pod.String() }

// job is a scrape job as far as it says what is scraped.
type job struct {
	Name        string `yaml:"job_name"`
	HonorLabels bool   `yaml:"honor_labels"`
	Discovery   []struct {
		Role       string
		Namespaces struct{ Names []string }
		Selectors  []struct{ Role, Label string }
	} `yaml:"kubernetes_sd_configs"`
	Targets []*relabel.Config `yaml:"relabel_configs"`
	Samples []*relabel.Config `yaml:"metric_relabel_configs"`
}

// embedded is the pod of a release's own Prometheus, nil where it has none.
func (c *Cluster) embedded(release *Release) *Pod {
	for _, pod := range c.pods {
		if pod.Namespace == release.Namespace && strings.HasSuffix(pod.Workload, "-"+string(chart.Prometheus)) {
			return pod
		}
	}
	return nil
}

// embeddedPrometheus reads the jobs of a release's own Prometheus.
func (c *Cluster) embeddedPrometheus(release *Release, pod *Pod) (*prometheus, error) {
	p := &prometheus{pod: pod}
	var config struct {
		Jobs []job `yaml:"scrape_configs"`
	}
	if err := yamlv3.Unmarshal([]byte(release.file(pod.Workload, "prometheus.yaml")), &config); err != nil {
		return nil, fmt.Errorf("prometheus.yaml: %w", err)
	}
	for _, job := range config.Jobs {
		before := len(p.targets)
		for _, discovery := range job.Discovery {
			for _, found := range c.pods {
				if !slices.Contains(discovery.Namespaces.Names, found.Namespace) {
					continue
				}
				chosen := true
				for _, selector := range discovery.Selectors {
					parsed, err := parseLabels(selector.Label)
					if err != nil {
						return nil, err
					}
					chosen = chosen && parsed(found.Labels)
				}
				if chosen {
					p.targets = append(p.targets, discovered(found, job)...)
				}
			}
		}
		if len(p.targets) == before {
			p.idle = append(p.idle, "scrape job "+job.Name)
		}
	}
	return p, nil
}

// platformPrometheus is the cluster's own, which finds targets by PodMonitors and by annotations, and otherwise has a job that
// gives the renderers the labels of signals.labels, as docs/sources.md asks for.
func (c *Cluster) platformPrometheus() (*prometheus, error) {
	p := &prometheus{pod: c.pod(platform, "prometheus-0")}
	for _, release := range c.Releases {
		if c.home(release) != nil {
			continue
		}
		monitored := false
		for _, object := range release.Rendered.Objects {
			if object.Kind() != "PodMonitor" {
				continue
			}
			monitored = true
			found, err := c.monitored(object)
			if err != nil {
				return nil, fmt.Errorf("%v: %w", object, err)
			}
			if len(found) == 0 {
				p.idle = append(p.idle, "PodMonitor "+object.Namespace()+"/"+object.Name())
			}
			p.targets = append(p.targets, found...)
		}
		for _, pod := range c.renderers(release) {
			if monitored {
				continue
			}
			if pod.Annotations["prometheus.io/scrape"] == "true" {
				p.targets = append(p.targets, annotated(pod))
				continue
			}
			port, found := pod.port(intstr.FromString("metrics"))
			if !found {
				port, _ = pod.port(intstr.FromString("http"))
			}
			names := release.labelNames()
			own := target{pod: pod, container: string(chart.Renderer), port: port, labels: Labels{"job": "renderers", "instance": "instance"}}
			for key, value := range map[string]string{"namespace": pod.Namespace, "pod": pod.Name, "container": string(chart.Renderer)} {
				if names[key] != "" {
					own.labels[names[key]] = value
				}
			}
			p.targets = append(p.targets, own)
		}
	}
	return p, nil
}

// renderers are the pods of a release that render.
func (c *Cluster) renderers(release *Release) []*Pod {
	var found []*Pod
	for _, pod := range c.pods {
		if pod.Namespace == release.Namespace && pod.component() == chart.Renderer {
			found = append(found, pod)
		}
	}
	return found
}

// labelNames are the values signals.labels.
func (r *Release) labelNames() map[string]string {
	names := map[string]string{}
	signals, _ := r.Values["signals"].(map[string]any)
	configured, _ := signals["labels"].(map[string]any)
	for key, value := range configured {
		names[key], _ = value.(string)
	}
	return names
}

// file is one key of a ConfigMap of the release, "" where there is none.
func (r *Release) file(configMap, key string) string {
	for _, object := range r.Rendered.Objects {
		if object.Kind() == "ConfigMap" && object.Name() == configMap {
			data, _ := object["data"].(map[string]any)
			text, _ := data[key].(string)
			return text
		}
	}
	return ""
}

// unclean matches the characters of a label or annotation that a name in Prometheus cannot have.
var unclean = regexp.MustCompile(`[^a-zA-Z0-9_]`)

// meta are the labels that Prometheus' discovery gives one port of a pod.
func meta(pod *Pod, container, portName string, port int32) Labels {
	found := Labels{
		"__address__":                                   fmt.Sprintf("10.0.0.1:%d", port),
		"__meta_kubernetes_namespace":                   pod.Namespace,
		"__meta_kubernetes_pod_name":                    pod.Name,
		"__meta_kubernetes_pod_ip":                      "10.0.0.1",
		"__meta_kubernetes_pod_phase":                   "Running",
		"__meta_kubernetes_pod_ready":                   "true",
		"__meta_kubernetes_pod_node_name":               "node",
		"__meta_kubernetes_pod_container_name":          container,
		"__meta_kubernetes_pod_container_init":          "false",
		"__meta_kubernetes_pod_container_port_name":     portName,
		"__meta_kubernetes_pod_container_port_number":   fmt.Sprint(port),
		"__meta_kubernetes_pod_container_port_protocol": "TCP",
	}
	if pod.Workload != "" {
		found["__meta_kubernetes_pod_controller_kind"] = "ReplicaSet"
		found["__meta_kubernetes_pod_controller_name"] = pod.replicaSet()
	}
	for key, value := range pod.Labels {
		found["__meta_kubernetes_pod_label_"+unclean.ReplaceAllString(key, "_")] = value
	}
	for key, value := range pod.Annotations {
		found["__meta_kubernetes_pod_annotation_"+unclean.ReplaceAllString(key, "_")] = value
	}
	return found
}

// discovered are the targets that a job makes of a pod.
func discovered(pod *Pod, job job) []target {
	var found []target
	for _, container := range pod.Containers {
		for _, port := range container.Ports {
			labels := meta(pod, container.Name, port.Name, port.ContainerPort)
			labels["job"] = job.Name
			kept := relabeled(labels, job.Targets)
			if kept == nil {
				continue
			}
			itself := strings.HasPrefix(kept["__address__"], "localhost:")
			found = append(found, target{pod: pod, container: container.Name, port: port.ContainerPort, labels: visible(kept),
				samples: job.Samples, honorLabels: job.HonorLabels, itself: itself})
		}
	}
	return found
}

// relabeling is a step of a PodMonitor's relabelings.
type relabeling struct {
	SourceLabels                            []string
	TargetLabel, Regex, Action, Replacement *string
}

// relabelConfigs returns what the Prometheus Operator writes of relabelings into Prometheus' configuration.
func relabelConfigs(relabelings []relabeling) ([]*relabel.Config, error) {
	var all []*relabel.Config
	for _, r := range relabelings {
		config := relabel.DefaultRelabelConfig
		for _, name := range r.SourceLabels {
			config.SourceLabels = append(config.SourceLabels, model.LabelName(name))
		}
		if r.Regex != nil {
			var err error
			if config.Regex, err = relabel.NewRegexp(*r.Regex); err != nil {
				return nil, err
			}
		}
		if r.TargetLabel != nil {
			config.TargetLabel = *r.TargetLabel
		}
		if r.Action != nil {
			config.Action = relabel.Action(strings.ToLower(*r.Action))
		}
		if r.Replacement != nil {
			config.Replacement = *r.Replacement
		}
		all = append(all, &config)
	}
	return all, nil
}

// monitored are the targets that the Prometheus Operator makes of a PodMonitor: it sets namespace, container, pod, endpoint and
// job before the relabeling that the PodMonitor asks for.
func (c *Cluster) monitored(object chart.Object) ([]target, error) {
	type endpoint struct {
		Port                           string
		HonorLabels                    bool
		Relabelings, MetricRelabelings []relabeling
	}
	var monitor struct {
		Spec struct {
			JobLabel            string
			Selector            struct{ MatchLabels map[string]string }
			PodMetricsEndpoints []endpoint
		}
	}
	text, err := yaml.Marshal(object)
	if err != nil {
		return nil, err
	}
	if err := yaml.Unmarshal(text, &monitor); err != nil {
		return nil, err
	}
	var found []target
	for _, pod := range c.selected(object.Namespace(), monitor.Spec.Selector.MatchLabels) {
		for _, endpoint := range monitor.Spec.PodMetricsEndpoints {
			targets, err := relabelConfigs(endpoint.Relabelings)
			if err != nil {
				return nil, err
			}
			samples, err := relabelConfigs(endpoint.MetricRelabelings)
			if err != nil {
				return nil, err
			}
			for _, container := range pod.Containers {
				for _, port := range container.Ports {
					if port.Name != endpoint.Port {
						continue
					}
					labels := meta(pod, container.Name, port.Name, port.ContainerPort)
					labels["namespace"], labels["container"], labels["pod"], labels["endpoint"] = pod.Namespace, container.Name, pod.Name, port.Name
					labels["job"] = object.Namespace() + "/" + object.Name()
					if name := pod.Labels[monitor.Spec.JobLabel]; name != "" {
						labels["job"] = name
					}
					if kept := relabeled(labels, targets); kept != nil {
						found = append(found, target{pod: pod, container: container.Name, port: port.ContainerPort, labels: visible(kept),
							samples: samples, honorLabels: endpoint.HonorLabels})
					}
				}
			}
		}
	}
	return found, nil
}

// annotated is the target that the job kubernetes-pods of the community's chart prometheus makes of an annotated pod: it scrapes
// the port of the annotation, sets namespace, pod, node and the pod's labels, and sets no container, because the
// annotations are the pod's. A sample's own labels take precedence.
func annotated(pod *Pod) target {
	var port int32
	fmt.Sscan(pod.Annotations["prometheus.io/port"], &port)
	found := target{pod: pod, port: port, honorLabels: true,
		labels: Labels{"job": "kubernetes-pods", "instance": "instance", "namespace": pod.Namespace, "pod": pod.Name, "node": "node"}}
	for key, value := range pod.Labels {
		found.labels[unclean.ReplaceAllString(key, "_")] = value
	}
	return found
}

// relabeled runs labels through steps of relabeling, and is nil where one of them drops the target.
func relabeled(from Labels, steps []*relabel.Config) Labels {
	builder := labels.NewBuilder(labels.FromMap(from))
	for _, step := range steps {
		step.NameValidationScheme = model.UTF8Validation
	}
	if !relabel.ProcessBuilder(builder, steps...) {
		return nil
	}
	return builder.Labels().Map()
}

// visible are the labels that a target's samples get.
func visible(all Labels) Labels {
	kept := Labels{"instance": all["__address__"]}
	for key, value := range all {
		if !strings.HasPrefix(key, "__") {
			kept[key] = value
		}
	}
	return kept
}

// sample is what Prometheus keeps of a sample that a target exports, nil where it drops it.
func (t target) sample(own Labels) Labels {
	stored := maps.Clone(own)
	for key, value := range t.labels {
		if existing, both := stored[key]; both {
			if t.honorLabels {
				continue
			}
			stored["exported_"+key] = existing
		}
		stored[key] = value
	}
	return relabeled(stored, t.samples)
}
