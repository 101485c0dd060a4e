package fleet

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"strings"

	"sigs.k8s.io/yaml"

	"holograph/test/internal/chart"
)

// Mode is a way in which the metric reaches the autoscaler.
type Mode string

// The modes.
const (
	// Pods is a value for each pod, the chart's default.
	Pods Mode = "pods"
	// Object is one number for all pods: metricType Object of both signals.
	Object Mode = "object"
	// KEDA is one number for all pods, by KEDA.
	KEDA Mode = "keda"
	// CachedKEDA is KEDA with useCachedMetrics, for which the chart has no value: KEDA then asks Prometheus once in a
	// pollingInterval, and answers the autoscaler with what it got.
	CachedKEDA Mode = "keda-cached"
)

// Modes are in the order in which they are measured.
var Modes = []Mode{Pods, Object, KEDA, CachedKEDA}

// ByKEDA reports whether KEDA serves the metric.
func (m Mode) ByKEDA() bool { return m == KEDA || m == CachedKEDA }

// Values returns the settings of Helm, "key=value", with which a release's signals have that mode.
func (m Mode) Values() []string {
	switch m {
	case Object:
		return []string{"signals.overruns.metricType=Object", "signals.demand.metricType=Object"}
	case KEDA, CachedKEDA:
		return []string{"autoscaling.provider=keda"}
	default:
		return nil
	}
}

// Namespaces is the number of namespaces that the fleets are spread over.
const Namespaces = 10

// Namespace returns the namespace of a fleet.
func Namespace(fleet int) string { return fmt.Sprintf("fleets-%d", fleet%Namespaces) }

// Release returns the name that the release of a fleet has.
func Release(fleet int) string { return fmt.Sprintf("fleet-%05d", fleet) }

// Name returns the name of a fleet's Deployment and autoscaler.
func Name(fleet int) string { return Release(fleet) + "-holograph-renderer" }

// The namespace and the release of a template. Neither is a part of the other, or of another text that the chart renders.
const (
	anyNamespace = "fleets-n"
	anyRelease   = "fleet-nnnnn"
)

// Template is a fleet's Deployment and autoscaler as the chart renders them, for a fleet of any number.
type Template struct {
	deployment, autoscaler string
}

// Render renders the chart for a fleet that is scaled in that mode between the numbers of pods, with values files.
func Render(files []string, mode Mode, least, most int) (Template, error) {
	layers := []chart.Values{chart.Set("autoscaling.minReplicas", least), chart.Set("autoscaling.maxReplicas", most)}
	for _, setting := range mode.Values() {
		path, value, _ := strings.Cut(setting, "=")
		layers = append(layers, chart.Set(path, value))
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			return Template{}, err
		}
		var values chart.Values
		if err := yaml.Unmarshal(text, &values); err != nil {
			return Template{}, fmt.Errorf("%s: %w", file, err)
		}
		layers = append(layers, values)
	}
	rendered, err := chart.Template(chart.Options{Release: anyRelease, Namespace: anyNamespace, Values: layers})
	if err != nil {
		return Template{}, err
	}
	var t Template
	for _, object := range rendered.Objects {
		into := &t.autoscaler
		switch object.Kind() {
		case "Deployment":
			into = &t.deployment
		case "ScaledObject":
			if mode == CachedKEDA {
				if err := cache(object); err != nil {
					return t, err
				}
			}
		case "HorizontalPodAutoscaler", "TriggerAuthentication":
		default:
			continue
		}
		text, err := yaml.Marshal(object)
		if err != nil {
			return t, err
		}
		*into += "---\n" + string(text)
	}
	if t.deployment == "" || t.autoscaler == "" {
		return t, errors.New("the chart renders no Deployment or no autoscaler for a fleet")
	}
	return t, nil
}

// cache makes KEDA answer the autoscaler from its cache.
func cache(scaledObject chart.Object) error {
	spec, _ := scaledObject["spec"].(map[string]any)
	triggers, _ := spec["triggers"].([]any)
	if len(triggers) == 0 {
		return errors.New("the ScaledObject has no triggers")
	}
	for _, trigger := range triggers {
		trigger.(map[string]any)["useCachedMetrics"] = true
	}
	return nil
}

// Deployments returns the manifests of the Deployments of the fleets from one number to another, the last not included.
func (t Template) Deployments(from, to int) []byte { return of(t.deployment, from, to) }

// Autoscalers returns those of their autoscalers, or of their ScaledObjects.
func (t Template) Autoscalers(from, to int) []byte { return of(t.autoscaler, from, to) }

func of(manifest string, from, to int) []byte {
	var out bytes.Buffer
	for fleet := from; fleet < to; fleet++ {
		// Writing to a buffer cannot fail.
		_, _ = strings.NewReplacer(anyNamespace, Namespace(fleet), anyRelease, Release(fleet)).WriteString(&out, manifest)
	}
	return out.Bytes()
}
