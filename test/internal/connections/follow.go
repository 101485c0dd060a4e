package connections

import (
	"cmp"
	"fmt"
	"maps"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"

	pmodel "github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/promql/parser"
	yamlv3 "go.yaml.in/yaml/v3"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/intstr"
	"sigs.k8s.io/prometheus-adapter/pkg/client"
	"sigs.k8s.io/yaml"

	"holograph/test/doctor/deletioncost"
	"holograph/test/doctor/description"
	"holograph/test/internal/chart"
	"holograph/test/internal/kube"
	"holograph/test/internal/promtool"
)

// Kind is a kind of connection.
type Kind string

// The kinds.
const (
	Asks       Kind = "who asks Prometheus reaches it"
	Sends      Kind = "Prometheus reaches whom it sends alerts and samples to"
	Scrapes    Kind = "Prometheus reaches what it scrapes"
	APIServer  Kind = "the API server reaches the adapter, and is reached by those who use it"
	Services   Kind = "a Service leads to a pod"
	Autoscales Kind = "the autoscaler finds its pods and its metrics"
	Selects    Kind = "a query selects series that are scraped"
)

// Kinds are all kinds of connections.
var Kinds = []Kind{Asks, Sends, Scrapes, APIServer, Services, Autoscales, Selects}

// Fault is a connection that cannot be: who does not reach whom, and which object forbids it.
type Fault struct {
	Kind Kind
	Text string
}

// follower collects the faults of a cluster.
type follower struct {
	*Cluster
	faults []Fault
}

func (f *follower) fault(kind Kind, format string, arguments ...any) {
	f.faults = append(f.faults, Fault{kind, fmt.Sprintf(format, arguments...)})
}

// Follow follows all connections of a cluster.
func Follow(c *Cluster) ([]Fault, error) {
	f := &follower{Cluster: c}
	f.followServices()
	f.followAPIServer()
	f.followScaled()
	if err := f.followQuestions(); err != nil {
		return nil, err
	}
	if err := f.followReceivers(); err != nil {
		return nil, err
	}
	if err := f.followPrometheuses(); err != nil {
		return nil, err
	}
	return f.faults, nil
}

// released are the pods of releases.
func (f *follower) released() []*Pod {
	var found []*Pod
	for _, pod := range f.pods {
		if pod.component() != "" {
			found = append(found, pod)
		}
	}
	return found
}

// lead is where a port of a Service leads: a port of a pod.
type lead struct {
	pod      *Pod
	port     int32
	protocol corev1.Protocol
}

// leads are those of a port of a Service, or what is in the way.
func (f *follower) leads(service *corev1.Service, number int32) (found []lead, broken string) {
	name := "Service " + service.Namespace + "/" + service.Name
	port := slices.IndexFunc(service.Spec.Ports, func(p corev1.ServicePort) bool { return p.Port == number })
	if port < 0 {
		return nil, fmt.Sprintf("%s has no port %d", name, number)
	}
	pods := f.selected(service.Namespace, service.Spec.Selector)
	if len(pods) == 0 {
		return nil, name + " selects no pod"
	}
	for _, pod := range pods {
		wanted := service.Spec.Ports[port].TargetPort
		if wanted == (intstr.IntOrString{}) {
			wanted = intstr.FromInt32(number)
		}
		target, has := pod.port(wanted)
		if !has {
			return nil, fmt.Sprintf("port %d of %s is port %s of %v, which has none of that name or number", number, name, wanted.String(), pod)
		}
		found = append(found, lead{pod, target, cmp.Or(service.Spec.Ports[port].Protocol, corev1.ProtocolTCP)})
	}
	return found, ""
}

// reach follows a connection to a port of a Service and returns what is in its way, "" where nothing is.
func (f *follower) reach(from *Pod, service *corev1.Service, number int32) string {
	found, broken := f.leads(service, number)
	for _, lead := range found {
		if broken == "" {
			broken = f.Forbidden(from, lead.pod, lead.port, lead.protocol)
		}
	}
	return broken
}

// followServices: each port of each Service leads to a port of a pod, and clients reach the renderers' first, which is that
// of frames.
func (f *follower) followServices() {
	for _, service := range f.services {
		for i, port := range service.Spec.Ports {
			found, broken := f.leads(service, port.Port)
			if broken == "" && i == 0 && found[0].pod.component() == chart.Renderer {
				broken = f.reach(f.pod(gateway, "gateway"), service, port.Port)
			}
			if broken != "" {
				f.fault(Services, "clients of Service %s/%s cannot reach its port %d: %s", service.Namespace, service.Name, port.Port, broken)
			}
		}
	}
}

// followAPIServer: the API server forwards to a pod, and the pods that use it or resolve names can.
func (f *follower) followAPIServer() {
	for _, registered := range f.apiServices {
		reference := registered.Spec.Service
		if reference == nil {
			continue
		}
		number := int32(443)
		if reference.Port != nil {
			number = *reference.Port
		}
		service := f.service(reference.Namespace, reference.Name)
		if service == nil {
			f.fault(APIServer, "the API server cannot reach what serves %s: there is no Service %s/%s", registered.Name, reference.Namespace, reference.Name)
			continue
		}
		if reason := f.reach(Outside, service, number); reason != "" {
			f.fault(APIServer, "the API server cannot reach what serves %s: %s", registered.Name, reason)
		}
	}
	for _, pod := range f.released() {
		for _, protocol := range []corev1.Protocol{corev1.ProtocolUDP, corev1.ProtocolTCP} {
			if reason := f.Forbidden(pod, Outside, 53, protocol); reason != "" {
				f.fault(APIServer, "%v cannot resolve names over %s: %s", pod, protocol, reason)
			}
		}
		if pod.component() == chart.Renderer {
			continue
		}
		// Of its Service, and of its own for network plugins that resolve Services to their endpoints first.
		for _, port := range []int32{443, 6443} {
			if reason := f.Forbidden(pod, Outside, port, corev1.ProtocolTCP); reason != "" {
				f.fault(APIServer, "%v cannot reach the API server: %s", pod, reason)
			}
		}
	}
}

// followScaled: what is scaled or protected exists.
func (f *follower) followScaled() {
	for _, autoscaler := range f.autoscalers {
		reference := autoscaler.Spec.ScaleTargetRef
		if f.pod(autoscaler.Namespace, reference.Name) == nil {
			f.fault(Autoscales, "HorizontalPodAutoscaler %s/%s scales %s %s, which is not there", autoscaler.Namespace, autoscaler.Name, reference.Kind, reference.Name)
		}
	}
	for _, scaled := range f.scaledObjects {
		if f.pod(scaled.Namespace, scaled.Spec.ScaleTargetRef.Name) == nil {
			f.fault(Autoscales, "ScaledObject %s/%s scales %s, which is not there", scaled.Namespace, scaled.Name, scaled.Spec.ScaleTargetRef.Name)
		}
	}
	for _, budget := range f.budgets {
		if len(f.selected(budget.Namespace, budget.Spec.Selector.MatchLabels)) == 0 {
			f.fault(Autoscales, "PodDisruptionBudget %s/%s selects no pod", budget.Namespace, budget.Name)
		}
	}
}

// inCluster matches the host of a Service's URL.
var inCluster = regexp.MustCompile(`^([a-z0-9-]+)\.([a-z0-9-]+)\.svc(\.cluster\.local)?$`)

// asked is the Service and the port that a URL names, or the port alone where the URL leads elsewhere.
func (c *Cluster) asked(address string) (service *corev1.Service, name string, port int32, err error) {
	parsed, err := url.Parse(address)
	if err != nil {
		return nil, "", 0, err
	}
	number := parsed.Port()
	if number == "" {
		number = map[string]string{"https": "443"}[parsed.Scheme]
		if number == "" {
			number = "80"
		}
	}
	converted, err := strconv.ParseInt(number, 10, 32)
	if err != nil {
		return nil, "", 0, err
	}
	if match := inCluster.FindStringSubmatch(parsed.Hostname()); match != nil {
		return c.service(match[2], match[1]), match[2] + "/" + match[1], int32(converted), nil
	}
	return nil, "", int32(converted), nil
}

// connect follows a connection to a URL: it returns the Service that the URL names, nil where it leads out of the cluster, and
// what is in the way, "" where nothing is.
func (f *follower) connect(from *Pod, address string) (service *corev1.Service, broken string) {
	service, name, port, err := f.asked(address)
	switch {
	case err != nil:
		return nil, err.Error()
	case service != nil:
		return service, f.reach(from, service, port)
	case name != "":
		return nil, "there is no Service " + name
	}
	return nil, f.Forbidden(from, Outside, port, corev1.ProtocolTCP)
}

// ask follows a question to Prometheus.
func (f *follower) ask(who string, from *Pod, address string, credential bool) {
	if address == "" {
		f.fault(Asks, "%s asks Prometheus and has no URL", who)
		return
	}
	service, reason := f.connect(from, address)
	if reason != "" {
		f.fault(Asks, "%s cannot reach Prometheus at %s: %s", who, address, reason)
	}
	if service != nil && !credential && f.embeddedBehind(service) != nil {
		f.fault(Asks, "%s has no login for the embedded Prometheus at %s", who, address)
	}
}

// embeddedBehind is the release whose embedded Prometheus a Service leads to, nil where it is another.
func (c *Cluster) embeddedBehind(service *corev1.Service) *Release {
	for _, release := range c.Releases {
		if pod := c.embedded(release); pod != nil && slices.Contains(c.selected(service.Namespace, service.Spec.Selector), pod) {
			return release
		}
	}
	return nil
}

// home is the release whose embedded Prometheus has the series of a release, nil where the platform's has them.
func (c *Cluster) home(release *Release) *Release {
	if c.embedded(release) != nil {
		return release
	}
	configured, _ := release.Values["prometheus"].(map[string]any)
	address, _ := configured["url"].(string)
	if service, _, _, err := c.asked(address); err == nil && service != nil {
		return c.embeddedBehind(service)
	}
	return nil
}

// hasCredential is whether an access has a credential to show.
func hasCredential(access kube.Access) bool {
	return access.AuthorizationFile+access.TokenFile+access.CertFile != "" || len(access.HeaderFiles) > 0
}

// followQuestions: the adapter, KEDA, the doctor and the writer of deletion costs of each release, and an adapter of the platform,
// reach the Prometheus that the manifests name, and the doctor reaches the renderers.
func (f *follower) followQuestions() error {
	for _, release := range f.Releases {
		var asked string
		for _, pod := range f.released() {
			if pod.Namespace != release.Namespace {
				continue
			}
			for _, container := range pod.Containers {
				if container.Name != string(chart.PrometheusAdapter) {
					continue
				}
				address, credential := "", false
				for _, argument := range container.Args {
					if value, is := strings.CutPrefix(argument, "--prometheus-url="); is {
						address = value
					}
					credential = credential || strings.HasPrefix(argument, "--prometheus-header=Authorization=") || strings.HasPrefix(argument, "--prometheus-auth-config=")
				}
				f.ask("the adapter "+pod.String(), pod, address, credential)
			}
			if pod.component() == chart.DeletionCost {
				told, err := deletioncost.Decode([]byte(release.file(pod.Workload, deletioncost.File)))
				if err != nil {
					return err
				}
				f.ask("the writer of deletion costs "+pod.String(), pod, told.Prometheus.URL, hasCredential(told.Prometheus.Access))
			}
			if pod.component() != chart.Doctor {
				continue
			}
			told, err := description.Decode([]byte(release.file(pod.Name, description.File)))
			if err != nil {
				return err
			}
			if told.Prometheus != nil {
				asked = told.Prometheus.URL
				f.ask("the doctor "+pod.String(), pod, told.Prometheus.URL, hasCredential(told.Prometheus.Access))
			}
			f.examine(pod, told)
		}
		triggered := false
		for _, scaled := range f.scaledObjects {
			if scaled.Namespace != release.Namespace {
				continue
			}
			triggered = true
			for _, trigger := range scaled.Spec.Triggers {
				if trigger.Type != "prometheus" {
					continue
				}
				who := fmt.Sprintf("KEDA's operator, for the trigger %s of ScaledObject %s/%s,", trigger.Name, scaled.Namespace, scaled.Name)
				f.ask(who, f.pod(keda, "keda-operator"), trigger.Metadata["serverAddress"], trigger.Metadata["authModes"] != "")
				if name := trigger.AuthenticationRef.Name; name != "" && !release.has("TriggerAuthentication", name) {
					f.fault(Asks, "%s has no credential: there is no TriggerAuthentication %s", who, name)
				}
			}
		}
		// Where the release has an autoscaler and no adapter, that of the platform asks.
		serves := f.pod(release.Namespace, release.workload("-"+string(chart.PrometheusAdapter))) != nil
		if f.scales(release) && !triggered && !serves && f.first() == release && asked != "" {
			f.ask("the platform's adapter", f.pod(platform, "adapter"), asked, true)
		}
	}
	return nil
}

// followReceivers: each embedded Prometheus reaches its Alertmanagers and the endpoints of remote_write, with the proxies and the
// token endpoints on the way.
func (f *follower) followReceivers() error {
	for _, release := range f.Releases {
		pod := f.embedded(release)
		if pod == nil {
			continue
		}
		var config struct {
			Alerting struct {
				Alertmanagers []struct {
					Scheme string
					Static []struct{ Targets []string } `yaml:"static_configs"`
					DNS    []struct {
						Names []string
						Port  int
					} `yaml:"dns_sd_configs"`
				}
			}
			RemoteWrite []map[string]any `yaml:"remote_write"`
		}
		if err := yamlv3.Unmarshal([]byte(release.file(pod.Workload, "prometheus.yaml")), &config); err != nil {
			return fmt.Errorf("prometheus.yaml: %w", err)
		}
		send := func(what, address string) {
			if _, reason := f.connect(pod, address); reason != "" {
				f.fault(Sends, "the Prometheus %v cannot send %s to %s: %s", pod, what, address, reason)
			}
		}
		for i, alertmanager := range config.Alerting.Alertmanagers {
			var addresses []string
			for _, static := range alertmanager.Static {
				addresses = append(addresses, static.Targets...)
			}
			for _, discovery := range alertmanager.DNS {
				for _, name := range discovery.Names {
					addresses = append(addresses, fmt.Sprintf("%s:%d", name, discovery.Port))
				}
			}
			if len(addresses) == 0 {
				f.fault(Sends, "the Prometheus %v sends alerts to Alertmanager %d, which has no URL", pod, i)
			}
			for _, address := range addresses {
				send("alerts", alertmanager.Scheme+"://"+address)
			}
		}
		for i, endpoint := range config.RemoteWrite {
			if endpoint["url"] == nil {
				f.fault(Sends, "the Prometheus %v sends samples to endpoint %d, which has no URL", pod, i)
			}
			for _, address := range addressesIn(endpoint) {
				send("samples", address)
			}
		}
	}
	return nil
}

// addressesIn are the URLs of a part of Prometheus' configuration, at any depth.
func addressesIn(part map[string]any) []string {
	var found []string
	for _, value := range part {
		switch value := value.(type) {
		case map[string]any:
			found = append(found, addressesIn(value)...)
		case string:
			if strings.Contains(value, "://") {
				found = append(found, value)
			}
		}
	}
	return found
}

// examine: the doctor reaches each renderer's metrics.
func (f *follower) examine(doctor *Pod, told description.Path) {
	selector, err := parseLabels(told.Renderer.Selector)
	if err != nil {
		f.fault(Scrapes, "the doctor %v knows the renderers by %q: %v", doctor, told.Renderer.Selector, err)
		return
	}
	found, port := false, int32(told.Renderer.Port)
	for _, pod := range f.pods {
		if pod.Namespace != told.Namespace || !selector(pod.Labels) {
			continue
		}
		found = true
		if !slices.ContainsFunc(pod.Containers, func(c corev1.Container) bool {
			return slices.ContainsFunc(c.Ports, func(p corev1.ContainerPort) bool { return p.ContainerPort == port })
		}) {
			f.fault(Scrapes, "the doctor %v reads metrics at port %d of %v, which has no such port", doctor, port, pod)
		}
		if reason := f.Forbidden(doctor, pod, port, corev1.ProtocolTCP); reason != "" {
			f.fault(Scrapes, "the doctor %v cannot read the metrics of %v: %s", doctor, pod, reason)
		}
	}
	if !found {
		f.fault(Scrapes, "the doctor %v looks for renderers with %q, and there are none", doctor, told.Renderer.Selector)
	}
}

// first is the release that serves the others.
func (c *Cluster) first() *Release { return c.Releases[0] }

// scales is whether an autoscaler of the chart's scales a release.
func (f *follower) scales(release *Release) bool {
	for _, autoscaler := range f.autoscalers {
		if autoscaler.Namespace == release.Namespace {
			return true
		}
	}
	return false
}

// has is whether a release renders an object.
func (r *Release) has(kind, name string) bool {
	return slices.ContainsFunc(r.Rendered.Objects, func(o chart.Object) bool { return o.Kind() == kind && o.Name() == name })
}

// workload is the name of a release's Deployment with an ending, "" where there is none.
func (r *Release) workload(ending string) string {
	for _, object := range r.Rendered.Objects {
		if object.Kind() == "Deployment" && strings.HasSuffix(object.Name(), ending) {
			return object.Name()
		}
	}
	return ""
}

// followPrometheuses: each Prometheus reaches its targets, has the renderers among them, and has the series that it is asked for.
func (f *follower) followPrometheuses() error {
	homes := map[*Release][]*Release{}
	for _, release := range f.Releases {
		home := f.home(release)
		homes[home] = append(homes[home], release)
	}
	for home, releases := range homes {
		var p *prometheus
		var err error
		if home != nil {
			p, err = f.embeddedPrometheus(home, f.embedded(home))
		} else {
			p, err = f.platformPrometheus()
		}
		if err != nil {
			return err
		}
		for _, idle := range p.idle {
			f.fault(Scrapes, "%v scrapes nothing: %s finds no pod", p, idle)
		}
		for _, target := range p.targets {
			if target.itself {
				continue
			}
			if _, found := target.pod.port(intstr.FromInt32(target.port)); !found {
				f.fault(Scrapes, "%v scrapes port %d of %v, which has no such port", p, target.port, target.pod)
			}
			if reason := f.Forbidden(p.pod, target.pod, target.port, corev1.ProtocolTCP); reason != "" {
				f.fault(Scrapes, "%v cannot scrape %v: %s", p, target.pod, reason)
			}
		}
		for _, release := range releases {
			for _, renderer := range f.renderers(release) {
				if !slices.ContainsFunc(p.targets, func(t target) bool { return t.pod == renderer }) {
					f.fault(Scrapes, "%v does not scrape %v: no job of it finds that pod", p, renderer)
				}
			}
		}
		if err := f.followQueries(p, releases); err != nil {
			return err
		}
	}
	return nil
}

// followQueries: each query to a Prometheus selects series that it has, and what scales has a result.
func (f *follower) followQueries(p *prometheus, releases []*Release) error {
	var asked []query
	for _, release := range releases {
		rules, err := f.rules(release)
		if err != nil {
			return err
		}
		served, err := f.served(release)
		if err != nil {
			return err
		}
		asked = slices.Concat(asked, rules, served, f.triggered(release))
	}
	for i := range asked {
		if err := asked[i].parse(); err != nil {
			return err
		}
	}
	have := f.stored(p, releases, asked)
	for _, q := range asked {
		missing := false
		for _, selector := range selectors(q.expr) {
			if selectorName(selector) == "ALERTS" {
				continue
			}
			if reason := have.missing(selector); reason != "" {
				missing = true
				f.fault(Selects, "%s asks %v for what it does not have: %s", q.who, p, reason)
			}
		}
		if q.answered && !missing && len(have.eval(q.expr).series) == 0 {
			f.fault(Selects, "%s asks %v and gets no result, because series that it joins have no labels in common: %s", q.who, p, q.text)
		}
	}
	return nil
}

// stored are the series that a Prometheus has of those that it is asked for: what its targets export, as relabeling leaves it,
// and what its rules record.
func (f *follower) stored(p *prometheus, releases []*Release, asked []query) *store {
	recorded := map[string]bool{}
	for _, q := range asked {
		recorded[q.record] = true
	}
	have := &store{}
	for _, q := range asked {
		for _, selector := range selectors(q.expr) {
			name := selectorName(selector)
			switch {
			// The chart's own rules record these, and a renderer exports none of them.
			case recorded[name], strings.HasPrefix(name, "holograph:"), name == "ALERTS":
			case name == "up":
				for _, target := range p.targets {
					up := maps.Clone(target.labels)
					up[nameLabel] = name
					have.add(up)
				}
			case strings.HasPrefix(name, "kube_"):
				f.storeObjects(p, have, selector)
			default:
				exporter := chart.Renderer
				if strings.HasPrefix(name, "prometheus_") {
					exporter = chart.Prometheus
				}
				for _, target := range p.targets {
					if target.pod.component() != exporter {
						continue
					}
					var scraped []string
					for _, release := range releases {
						scraped = slices.AppendSeq(scraped, maps.Values(release.labelNames()))
					}
					own := ownLabels(selector, append(scraped, "namespace", "pod", "container", "job", "instance"))
					own[nameLabel] = name
					have.add(target.sample(own))
				}
			}
		}
	}
	// A rule may use what a later one records.
	for grown := true; grown; {
		grown = false
		for _, q := range asked {
			if q.record == "" {
				continue
			}
			for _, series := range have.eval(q.expr).series {
				series = maps.Clone(series)
				series[nameLabel] = q.record
				maps.Copy(series, q.labels)
				grown = have.add(series) || grown
			}
		}
	}
	return have
}

// storeObjects adds kube-state-metrics' series of one metric: those of the one that is scraped, or, in the platform's Prometheus,
// those of the cluster's own, whose scrape keeps the label namespace unless the values name another.
func (f *follower) storeObjects(p *prometheus, have *store, selector *parser.VectorSelector) {
	name := selectorName(selector)
	var exporters []target
	for _, target := range p.targets {
		if target.container == string(chart.KubeStateMetrics) {
			exporters = append(exporters, target)
		}
	}
	if len(exporters) == 0 && p.pod.Namespace == platform {
		shown, _ := f.first().Values["kubeStateMetrics"].(map[string]any)
		exporters = []target{{honorLabels: shown["namespaceLabel"] == "namespace", labels: Labels{"job": "objects", "instance": "instance", "namespace": platform}}}
	}
	for _, exporter := range exporters {
		for _, object := range f.objects(name) {
			if !seen(exporter, object["namespace"]) {
				continue
			}
			own := ownLabels(selector, []string{"namespace", "horizontalpodautoscaler", "deployment", "job", "instance"})
			maps.Copy(own, object)
			own[nameLabel] = name
			for _, more := range measured(name) {
				maps.Copy(own, more)
				have.add(exporter.sample(own))
			}
		}
	}
}

// measured are the labels that a metric of kube-state-metrics has beside those of its object.
func measured(metric string) []Labels {
	if metric != "kube_horizontalpodautoscaler_status_condition" {
		return []Labels{{}}
	}
	var found []Labels
	for _, condition := range []string{"AbleToScale", "ScalingActive", "ScalingLimited"} {
		for _, status := range []string{"true", "false", "unknown"} {
			found = append(found, Labels{"condition": condition, "status": status})
		}
	}
	return found
}

// seen is whether a kube-state-metrics reads the objects of a namespace.
func seen(exporter target, namespace string) bool {
	if exporter.pod == nil {
		return true
	}
	for _, container := range exporter.pod.Containers {
		for _, argument := range container.Args {
			if list, is := strings.CutPrefix(argument, "--namespaces="); is {
				return slices.Contains(strings.Split(list, ","), namespace)
			}
		}
	}
	return true
}

// objects are the labels of the objects that a metric of kube-state-metrics is about.
func (f *follower) objects(metric string) []Labels {
	var found []Labels
	if strings.HasPrefix(metric, "kube_horizontalpodautoscaler_") {
		for _, autoscaler := range f.autoscalers {
			found = append(found, Labels{"namespace": autoscaler.Namespace, "horizontalpodautoscaler": autoscaler.Name})
		}
		for _, scaled := range f.scaledObjects {
			found = append(found, Labels{"namespace": scaled.Namespace, "horizontalpodautoscaler": scaled.Spec.Advanced.HorizontalPodAutoscalerConfig.Name})
		}
		// Without any, rules on them have nothing to record. They are followed as if there were one of the renderer's name.
		if len(found) == 0 {
			for _, release := range f.Releases {
				found = append(found, Labels{"namespace": release.Namespace, "horizontalpodautoscaler": release.workload("-" + string(chart.Renderer))})
			}
		}
		return found
	}
	for _, deployment := range f.deployments {
		found = append(found, Labels{"namespace": deployment.Namespace, "deployment": deployment.Name})
	}
	return found
}

// rules are the recording rules and alerts of a release, which its Prometheus evaluates.
func (f *follower) rules(release *Release) ([]query, error) {
	type file struct {
		Groups []struct {
			Rules []struct {
				Alert, Record, Expr string
				Labels              map[string]string
			}
		}
	}
	var files []file
	if pod := f.embedded(release); pod != nil {
		var one file
		if err := yaml.Unmarshal([]byte(release.file(pod.Workload, "rules.yaml")), &one); err != nil {
			return nil, fmt.Errorf("rules.yaml: %w", err)
		}
		files = append(files, one)
	}
	for _, object := range release.Rendered.Objects {
		if object.Kind() != "PrometheusRule" || f.embedded(release) != nil {
			continue
		}
		text, err := yaml.Marshal(object["spec"])
		if err != nil {
			return nil, err
		}
		var one file
		if err := yaml.Unmarshal(text, &one); err != nil {
			return nil, err
		}
		files = append(files, one)
	}
	var found []query
	for _, one := range files {
		for _, group := range one.Groups {
			for _, rule := range group.Rules {
				found = append(found, query{who: "the rule " + rule.Alert + rule.Record, text: rule.Expr, record: rule.Record, labels: rule.Labels})
			}
		}
	}
	return found, nil
}

// triggered are KEDA's queries for a release.
func (f *follower) triggered(release *Release) []query {
	var found []query
	for _, scaled := range f.scaledObjects {
		for _, trigger := range scaled.Spec.Triggers {
			if scaled.Namespace == release.Namespace && trigger.Type == "prometheus" {
				found = append(found, query{who: "KEDA's trigger " + trigger.Name, text: trigger.Metadata["query"], answered: true})
			}
		}
	}
	return found
}

// adapterRules are those that the metrics of a release are served by: in a ConfigMap of the release or, where it has none, of
// the release that serves it, or in the notes of an installation without an adapter.
func (f *follower) adapterRules(release *Release) ([]chart.AdapterRule, error) {
	for _, candidate := range []*Release{release, f.first()} {
		for _, object := range candidate.Rendered.Objects {
			data, _ := object["data"].(map[string]any)
			text, _ := data["config.yaml"].(string)
			if object.Kind() != "ConfigMap" || !strings.HasPrefix(text, "rules:") {
				continue
			}
			var config chart.AdapterConfig
			err := yaml.Unmarshal([]byte(text), &config)
			return config.Rules, err
		}
	}
	notes := f.first().Rendered.Notes
	begin := strings.Index(notes, "\n  - seriesQuery:")
	if begin < 0 {
		return nil, nil
	}
	var text strings.Builder
	for line := range strings.Lines(notes[begin+1:]) {
		if strings.TrimSpace(line) != "" && !strings.HasPrefix(line, "  ") {
			break
		}
		text.WriteString(line)
	}
	var rules []chart.AdapterRule
	err := yaml.Unmarshal([]byte(text.String()), &rules)
	return rules, err
}

// served are the queries of an adapter for the metrics that the autoscalers of a release ask for.
func (f *follower) served(release *Release) ([]query, error) {
	var found []query
	rules, err := f.adapterRules(release)
	if err != nil {
		return nil, fmt.Errorf("the adapter's rules: %w", err)
	}
	for _, autoscaler := range f.autoscalers {
		if autoscaler.Namespace != release.Namespace {
			continue
		}
		for _, metric := range autoscaler.Spec.Metrics {
			var name, object string
			resource := schema.GroupResource{Resource: "pods"}
			switch {
			case metric.Pods != nil:
				name = metric.Pods.Metric.Name
				if pod := f.pod(autoscaler.Namespace, autoscaler.Spec.ScaleTargetRef.Name); pod != nil {
					object = pod.Name
				}
			case metric.Object != nil:
				name, object = metric.Object.Metric.Name, metric.Object.DescribedObject.Name
				resource = schema.GroupResource{Group: "apps", Resource: "deployments"}
			default:
				continue
			}
			served := false
			for _, rule := range rules {
				queries, err := asServed(rule, name, resource, autoscaler.Namespace, object)
				if err != nil {
					return nil, fmt.Errorf("the adapter's rule for %s: %w", name, err)
				}
				served = served || len(queries) > 0
				found = append(found, queries...)
			}
			if !served {
				f.fault(Autoscales, "HorizontalPodAutoscaler %s/%s asks for %s of %s, which no rule of the adapter serves", autoscaler.Namespace, autoscaler.Name, name, resource)
			}
		}
	}
	return found, nil
}

// asServed are the queries of one rule for a metric: how it finds the series, and what it asks. There are none where the rule is about
// another metric.
func asServed(rule chart.AdapterRule, name string, resource schema.GroupResource, namespace, object string) ([]query, error) {
	parsed, err := promtool.Parse(rule.SeriesQuery)
	if err != nil {
		return nil, err
	}
	list := selectors(parsed)
	if len(list) != 1 {
		return nil, fmt.Errorf("the series query is no selector: %s", rule.SeriesQuery)
	}
	namer, err := chart.Namer(rule.DiscoveryRule)
	if err != nil {
		return nil, err
	}
	series := client.Series{Name: selectorName(list[0]), Labels: pmodel.LabelSet{}}
	for label := range rule.Resources.Overrides {
		series.Labels[pmodel.LabelName(label)] = "any"
	}
	if served, err := namer.MetricNameForSeries(series); err != nil || served != name {
		return nil, nil
	}
	if resources, _ := namer.ResourcesForSeries(series); !slices.Contains(resources, resource) {
		return nil, nil
	}
	text, err := namer.QueryForSeries(series.Name, resource, namespace, labels.Everything(), object)
	if err != nil {
		return nil, err
	}
	return []query{
		{who: "the discovery of the adapter's rule for " + name, text: rule.SeriesQuery, answered: true},
		{who: "the adapter's rule for " + name, text: string(text), answered: true},
	}, nil
}
