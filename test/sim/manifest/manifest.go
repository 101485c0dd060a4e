// Package manifest reads what the simulator needs from a chart's rendered manifests: the HPA as the
// API server would store it, or the one that KEDA would make, the adapter's rules, the pods' names and Prometheus' scrape interval.
package manifest

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/prometheus/common/model"
	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	utilyaml "k8s.io/apimachinery/pkg/util/yaml"
	"k8s.io/kubernetes/pkg/apis/autoscaling"
	autoscalingapi "k8s.io/kubernetes/pkg/apis/autoscaling/v2"
	"k8s.io/kubernetes/pkg/apis/autoscaling/validation"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/prometheus-adapter/pkg/config"
	"sigs.k8s.io/yaml"

	"holograph/test/sim/adapter"
	"holograph/test/sim/fleet"
)

// Manifest is what the simulator takes from a release.
type Manifest struct {
	// HPA is defaulted and valid.
	HPA *autoscalingv2.HorizontalPodAutoscaler
	// Rules is the adapter's configuration.
	Rules config.MetricsDiscoveryConfig
	// Triggers are KEDA's, by the name of the External metric that its HPA asks for.
	Triggers map[string]adapter.Trigger
	// Pods says how the pods are called.
	Pods fleet.Identity
	// Selector is the Deployment's.
	Selector map[string]string
	// Places is how many sessions a pod has room for, 0 where demand is not of sessions.
	Places int
	// DeletionCosts says that something gives each pod a deletion cost of its demand.
	DeletionCosts bool
	// ScrapeInterval is that of the job that scrapes the renderer, 0 when the release brings no
	// Prometheus.
	ScrapeInterval time.Duration
}

// Parse reads a stream of YAML documents as `helm template` prints them.
func Parse(stream []byte) (*Manifest, error) {
	m := &Manifest{}
	reader := utilyaml.NewYAMLReader(bufio.NewReader(bytes.NewReader(stream)))
	deployments := map[string]appsv1.Deployment{}
	for {
		document, err := reader.Read()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, err
		}
		var meta metav1.TypeMeta
		if err := yaml.Unmarshal(document, &meta); err != nil {
			return nil, fmt.Errorf("manifests: %w", err)
		}
		switch {
		case meta.Kind == "HorizontalPodAutoscaler":
			if m.HPA != nil {
				return nil, errors.New("manifests: there are two HorizontalPodAutoscalers; the simulator wants one")
			}
			if meta.APIVersion != "autoscaling/v2" {
				return nil, fmt.Errorf("manifests: the HorizontalPodAutoscaler is %s; the simulator wants autoscaling/v2", meta.APIVersion)
			}
			m.HPA = &autoscalingv2.HorizontalPodAutoscaler{}
			if err := yaml.UnmarshalStrict(document, m.HPA); err != nil {
				return nil, fmt.Errorf("HorizontalPodAutoscaler: %w", err)
			}
		case meta.Kind == "ScaledObject":
			if m.HPA != nil {
				return nil, errors.New("manifests: there is a ScaledObject beside another autoscaler; the simulator wants one")
			}
			if err := m.scaledObject(document); err != nil {
				return nil, fmt.Errorf("ScaledObject: %w", err)
			}
		case meta.Kind == "Deployment":
			var d appsv1.Deployment
			if err := yaml.Unmarshal(document, &d); err != nil {
				return nil, fmt.Errorf("Deployment: %w", err)
			}
			deployments[d.Name] = d
			m.DeletionCosts = m.DeletionCosts || d.Labels["app.kubernetes.io/component"] == "deletion-cost"
		case meta.Kind == "ConfigMap":
			var c corev1.ConfigMap
			if err := yaml.Unmarshal(document, &c); err != nil {
				return nil, fmt.Errorf("ConfigMap: %w", err)
			}
			if err := m.configMap(c); err != nil {
				return nil, fmt.Errorf("ConfigMap %s: %w", c.Name, err)
			}
		}
	}
	if m.HPA == nil {
		return nil, errors.New("manifests: there is no HorizontalPodAutoscaler; set autoscaling.enabled to true")
	}
	if m.HPA.Namespace == "" {
		m.HPA.Namespace = metav1.NamespaceDefault
	}
	autoscalingapi.SetDefaults_HorizontalPodAutoscaler(m.HPA)
	var internal autoscaling.HorizontalPodAutoscaler
	if err := autoscalingapi.Convert_v2_HorizontalPodAutoscaler_To_autoscaling_HorizontalPodAutoscaler(m.HPA, &internal, nil); err != nil {
		return nil, fmt.Errorf("HorizontalPodAutoscaler: %w", err)
	}
	// What the API server allows when an HPA is created (pkg/registry/autoscaling).
	options := validation.HorizontalPodAutoscalerSpecValidationOptions{MinReplicasLowerBound: 1,
		ObjectMetricsValidationOptions: validation.CrossVersionObjectReferenceValidationOptions{AllowEmptyAPIGroup: true}}
	if list := validation.ValidateHorizontalPodAutoscaler(&internal, options); len(list) > 0 {
		return nil, fmt.Errorf("HorizontalPodAutoscaler: %w", list[0])
	}
	d, ok := deployments[m.HPA.Spec.ScaleTargetRef.Name]
	if !ok {
		return nil, fmt.Errorf("manifests: there is no Deployment %s, which the HorizontalPodAutoscaler scales", m.HPA.Spec.ScaleTargetRef.Name)
	}
	if d.Spec.Selector == nil || len(d.Spec.Template.Spec.Containers) == 0 {
		return nil, fmt.Errorf("manifests: Deployment %s has no selector or no container", d.Name)
	}
	m.Selector = d.Spec.Selector.MatchLabels
	pods := d.Spec.Template.Spec
	grace := time.Duration(ptr.Deref(pods.TerminationGracePeriodSeconds, corev1.DefaultTerminationGracePeriodSeconds)) * time.Second
	m.Pods = fleet.Identity{Namespace: m.HPA.Namespace, Name: d.Name, Container: pods.Containers[0].Name, Labels: d.Spec.Template.Labels, Grace: grace}
	return m, nil
}

func (m *Manifest) configMap(c corev1.ConfigMap) error {
	for key, text := range c.Data {
		switch {
		case key == "config.yaml" && strings.Contains(text, "metricsQuery"):
			if err := yaml.UnmarshalStrict([]byte(text), &m.Rules); err != nil {
				return fmt.Errorf("%s: %w", key, err)
			}
		case strings.Contains(text, "scrape_configs:"):
			var prometheus struct {
				Global struct {
					ScrapeInterval string `json:"scrape_interval"`
				} `json:"global"`
				ScrapeConfigs []struct {
					JobName        string `json:"job_name"`
					ScrapeInterval string `json:"scrape_interval"`
				} `json:"scrape_configs"`
			}
			if err := yaml.Unmarshal([]byte(text), &prometheus); err != nil {
				return fmt.Errorf("%s: %w", key, err)
			}
			interval := prometheus.Global.ScrapeInterval
			for _, job := range prometheus.ScrapeConfigs {
				if strings.HasSuffix(job.JobName, "renderer") && job.ScrapeInterval != "" {
					interval = job.ScrapeInterval
				}
			}
			if interval == "" {
				interval = "1m" // Prometheus' own default
			}
			d, err := model.ParseDuration(interval)
			if err != nil {
				return fmt.Errorf("%s: scrape_interval: %w", key, err)
			}
			m.ScrapeInterval = time.Duration(d)
		}
	}
	return nil
}
