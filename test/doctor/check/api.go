package check

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	autoscalingv2 "k8s.io/api/autoscaling/v2"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	apiregistrationv1 "k8s.io/kube-aggregator/pkg/apis/apiregistration/v1"

	"holograph/test/doctor/description"
	"holograph/test/internal/kube"
)

// APIService is whether the API server reaches who serves the autoscaler's
// metrics, under every version that is registered.
var APIService = Link{
	Name:  "api-service",
	Holds: "the APIServices of the metrics to be Available",
	on:    func(p description.Path) bool { return len(p.APIServices) > 0 },
	look: func(ctx context.Context, s subject) (string, error) {
		var registered []string
		for _, name := range s.APIServices {
			raw, err := kube.Raw(ctx, s.Discovery().RESTClient().Get().AbsPath("/apis/apiregistration.k8s.io/v1/apiservices", name))
			if apierrors.IsNotFound(err) {
				continue
			}
			// Reading them takes a ClusterRole. A release that registers none has none, because the person who
			// installs it may have no rights outside its namespace.
			if apierrors.IsForbidden(err) && (s.Adapter == nil || s.Adapter.Service == "") {
				return "may not be read here; what they lead to is looked at next", nil
			}
			if err != nil {
				return "", err
			}
			var service apiregistrationv1.APIService
			if err := json.Unmarshal(raw, &service); err != nil {
				return "", err
			}
			if err := s.available(service); err != nil {
				return "", err
			}
			registered = append(registered, name)
		}
		if len(registered) == 0 {
			return "", broken(s.registerRemedy(), "none is registered of %s", strings.Join(s.APIServices, ", "))
		}
		return strings.Join(registered, ", "), nil
	},
}

func (s subject) registerRemedy() string {
	switch {
	case s.Adapter != nil && s.Adapter.Deployment != "":
		return "run " + s.upgrade()
	case s.Autoscaler != nil && s.Autoscaler.ScaledObject != "":
		return "install KEDA, which serves external.metrics.k8s.io"
	}
	return "install an adapter or set prometheusAdapter.enabled; the chart prometheus-adapter registers none while rules.default is false and rules.custom is empty"
}

// available says why an APIService is not Available, or is not the release's.
func (s subject) available(service apiregistrationv1.APIService) error {
	points := "nothing"
	if at := service.Spec.Service; at != nil {
		points = at.Namespace + "/" + at.Name
	}
	bundled, own := s.Adapter != nil && s.Adapter.Service != "", ""
	if bundled {
		own = s.Namespace + "/" + s.Adapter.Service
	}
	ownRemedy := "run " + s.upgrade() + "; where another adapter is to serve it, set prometheusAdapter.enabled=false and give that one the rules"
	for _, condition := range service.Status.Conditions {
		if condition.Type != apiregistrationv1.Available {
			continue
		}
		if condition.Status == apiregistrationv1.ConditionTrue {
			if bundled && points != own {
				return broken(ownRemedy, "%s is served by Service %s and not by this release's %s", service.Name, points, own)
			}
			return nil
		}
		remedy := fmt.Sprintf("see to Service %s and the pods behind it: kubectl --namespace %s get service,endpointslices,pods", points, strings.Split(points, "/")[0])
		switch {
		case bundled && points != own:
			remedy = "it points at Service " + points + ", this release's adapter is " + own + ": " + ownRemedy
		case condition.Reason == "FailedDiscoveryCheck":
			remedy = fmt.Sprintf("let the control plane reach the pods of Service %s (firewall, NetworkPolicy) and trust their certificate (caBundle), and read their log", points)
		}
		return broken(remedy, "%s is not Available: %s: %s", service.Name, condition.Reason, condition.Message)
	}
	return broken("wait for the API server, or see kubectl describe apiservice "+service.Name, "%s has no condition Available yet", service.Name)
}

// wantedMetrics are the names of those that the autoscaler asks the custom metrics API for.
func (s subject) wantedMetrics() (names []string) {
	for _, signal := range s.Signals {
		names = append(names, signal.Metric)
	}
	return names
}

func servesCustomMetrics(p description.Path) bool {
	return slices.ContainsFunc(p.APIServices, func(name string) bool { return strings.HasSuffix(name, "."+kube.Group) })
}

// Discovery is whether the metrics are listed, in the version that clients prefer.
var Discovery = Link{
	Name:  "discovery",
	Holds: "discovery to list the metrics",
	on:    servesCustomMetrics,
	look: func(ctx context.Context, s subject) (string, error) {
		version, err := s.MetricsVersion(ctx)
		if err != nil {
			return "", otherwise(err, &Broken{Cause: err.Error(), Remedy: "see whether its APIServices are Available: kubectl get apiservices"})
		}
		listed, err := s.Metrics(ctx)
		if err != nil {
			return "", otherwise(err, &Broken{
				Cause:  fmt.Sprintf("%s/%s does not answer: %v", kube.Group, version, err),
				Remedy: fmt.Sprintf("see what is wrong with it: kubectl describe apiservice %s.%s", version, kube.Group),
			})
		}
		for _, signal := range s.Signals {
			if metric := signal.Resource + "/" + signal.Metric; !slices.Contains(listed, metric) {
				return "", s.notListed(ctx, version, metric, listed)
			}
		}
		return fmt.Sprintf("%s/%s lists %s", kube.Group, version, strings.Join(s.wantedMetrics(), ", ")), nil
	},
}

func (s subject) notListed(ctx context.Context, version, metric string, listed []string) error {
	others := "nothing at all"
	if len(listed) > 0 {
		others = strings.Join(listed[:min(len(listed), 5)], ", ")
		if len(listed) > 5 {
			others += fmt.Sprintf(" and %d more", len(listed)-5)
		}
	}
	if s.Adapter == nil {
		return broken("give your adapter the rules that the installation notes print ("+s.helm("get notes")+"), and restart it: it reads its rules only when it starts",
			"%s/%s does not list %s; it lists %s", kube.Group, version, metric, others)
	}
	if s.Adapter.Deployment == "" {
		return broken(fmt.Sprintf("let your adapter use ConfigMap %s/%s and restart it, since it reads its rules only when it starts; then wait for its relist, and read its log",
			s.Adapter.ConfigMap.Namespace, s.Adapter.ConfigMap.Name),
			"%s/%s does not list %s; it lists %s", kube.Group, version, metric, others)
	}
	config, _, err := s.configuration(ctx)
	if err != nil {
		return err
	}
	outdated, err := s.outdatedAdapter(ctx, config)
	if err != nil {
		return err
	}
	if len(outdated) > 0 {
		return s.restartAdapter(outdated[0])
	}
	return broken(fmt.Sprintf("wait for the adapter's next relist, every %s; if that changes nothing, read its log: %s",
		s.Adapter.RelistInterval, s.kubectl("logs deployment/%s", s.Adapter.Deployment)),
		"%s/%s does not list %s; it lists %s", kube.Group, version, metric, others)
}

// Values is whether there is a value of each metric: for every Ready pod, or for all of them together.
var Values = Link{
	Name:  "values",
	Holds: "a value of each metric for the renderer's pods",
	on: func(p description.Path) bool {
		return servesCustomMetrics(p) || len(p.APIServices) > 0 && hasAutoscaler(p)
	},
	look: func(ctx context.Context, s subject) (string, error) {
		if !servesCustomMetrics(s.Path) {
			return s.totals(ctx)
		}
		pods, err := s.readyPods(ctx)
		if err != nil {
			return "", err
		}
		selector, err := s.scaledSelector(ctx)
		if err != nil {
			return "", err
		}
		var found []string
		for _, signal := range s.Signals {
			metric := signal.Metric
			if signal.Resource != "pods" {
				value, err := s.MetricOfObject(ctx, s.Namespace, signal.Resource, s.Renderer.Name, metric)
				if err != nil {
					return "", s.noTotal(err, metric)
				}
				found = append(found, fmt.Sprintf("%s %s of all pods", metric, value.String()))
				continue
			}
			values, err := s.MetricOfPods(ctx, s.Namespace, selector, metric)
			if err != nil {
				return "", s.noValues(err)
			}
			for _, pod := range pods {
				if _, has := values[pod.Name]; !has {
					return "", broken(s.noValueRemedy(metric), "there is no value of %s for pod %s, and one for %d others", metric, pod.Name, len(values))
				}
			}
			found = append(found, fmt.Sprintf("%s of %d pods", metric, len(pods)))
		}
		return strings.Join(found, ", "), nil
	},
}

// cannotList is what prometheus-adapter says where it could not list pods. The
// reason is in its log alone.
const cannotList = "unable to list matching resources"

// noValues says why the adapter has no answer.
func (s subject) noValues(err error) error {
	if strings.Contains(err.Error(), cannotList) {
		return broken(fmt.Sprintf("bind the adapter's ServiceAccount to a Role in namespace %s with the rule %s; helm upgrade renders that of this chart's adapter; its log has the reason%s",
			s.Namespace, rule("", "pods", "list"), s.adapterLog()),
			"%v, which the adapter says when it may not list pods in namespace %s", err, s.Namespace)
	}
	return otherwise(err, &Broken{Cause: err.Error(), Remedy: "read the adapter's log" + s.adapterLog()})
}

// noTotal says why the adapter has no number for all pods: it finds none, or cannot look.
func (s subject) noTotal(err error, metric string) error {
	if strings.Contains(err.Error(), "could not find the metric") {
		return broken(s.noValueRemedy(metric)+", and that Prometheus has the metric up of the pods: where samples are sent to Prometheus it has not, and signals.demand.metricType must be Pods",
			"there is no value of %s for Deployment %s, as no pod has one", metric, s.Renderer.Name)
	}
	return s.noValues(err)
}

func (s subject) adapterLog() string {
	if s.Adapter == nil || s.Adapter.Deployment == "" {
		return ""
	}
	return ": " + s.kubectl("logs deployment/%s", s.Adapter.Deployment)
}

func (s subject) noValueRemedy(metric string) string {
	remedy := ""
	for _, signal := range s.Signals {
		if signal.Metric != metric {
			continue
		}
		remedy = fmt.Sprintf("wait, as new pods have a first value %s after their start", signal.FirstValue)
		if len(signal.Series) > 1 && signal.Series[1].Bound == "" {
			remedy += fmt.Sprintf("; if that changes nothing, see that %s is above 0 and no more than a number can say", signal.Series[1].Name)
		}
	}
	return remedy
}

// totals checks the metrics that KEDA serves to the autoscaler.
func (s subject) totals(ctx context.Context) (string, error) {
	hpa, err := s.hpa(ctx)
	if err != nil {
		return "", err
	}
	object, err := s.scaledObject(ctx)
	if err != nil {
		return "", err
	}
	var found []string
	for _, metric := range hpa.Spec.Metrics {
		if metric.Type != autoscalingv2.ExternalMetricSourceType || metric.External == nil {
			continue
		}
		name := metric.External.Metric.Name
		// KEDA queries for anyone who asks, and counts each failure towards keda.fallback.failureThreshold, so the doctor would
		// cause the fallback by asking again and again. The autoscaler's next query says whether this has ended.
		if failures := object.Status.Health[name].NumberOfFailures; failures > 0 {
			return "", broken("read the log of KEDA's operator, which asks Prometheus, and wait for its next query, at most 15 s later by default",
				"%s: the last queries of KEDA failed, %d in a row", name, failures)
		}
		value, err := s.ExternalMetric(ctx, s.Namespace, metric.External.Metric)
		if err != nil {
			return "", otherwise(err, &Broken{Cause: fmt.Sprintf("%s: %v", name, err), Remedy: "read the log of KEDA's operator, which asks Prometheus"})
		}
		found = append(found, name+" "+value.String())
	}
	if len(found) == 0 {
		return "", broken("read the log of KEDA's operator", "the HPA %s that KEDA made has no external metric", hpa.Name)
	}
	return strings.Join(found, ", "), nil
}
