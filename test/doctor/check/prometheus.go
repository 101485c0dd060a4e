package check

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"math"
	"net"
	"net/url"
	"slices"
	"strings"
	"time"

	prometheusv1 "github.com/prometheus/client_golang/api/prometheus/v1"
	"github.com/prometheus/common/model"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"holograph/test/doctor/description"
	"holograph/test/internal/kube"
)

// staleScrapes is how many scrapes a sample may be old. One lost scrape ends a
// series, so that an older sample is not caused by one lost scrape.
const staleScrapes = 3

// noticing is how long Prometheus takes until it scrapes a pod that the API server tells it of: its discovery and its scrapes each
// take over changes every 5 s.
const noticing = 10 * time.Second

func hasPrometheus(p description.Path) bool { return p.Prometheus != nil }

// Prometheus is whether it answers.
var Prometheus = Link{
	Name:  "prometheus",
	Holds: "Prometheus to answer",
	on:    hasPrometheus,
	look: func(ctx context.Context, s subject) (string, error) {
		at := s.Path.Prometheus
		if at.Deployment != "" {
			if err := s.workloadRuns(ctx, at.Deployment); err != nil {
				return "", err
			}
		}
		if _, err := s.query(ctx, "vector(1)"); err != nil {
			remedy := "let the cluster reach your Prometheus, or write its URL under prometheus.url"
			if at.Deployment != "" {
				remedy = "read its log: " + s.kubectl("logs deployment/%s", at.Deployment)
			}
			cause := fmt.Sprintf("%s does not answer queries: %v", kube.Address(at.URL), plain(err))
			// In the cluster, and with the release's own login, the doctor shows what the adapter does. Elsewhere it
			// has less to show.
			var withheld *kube.Withheld
			if errors.As(err, &withheld) {
				cause = withheld.Error()
			}
			if withheld != nil || hasNoFile(err) || errors.Is(err, kube.ErrNoSelector) || turnedAway(err) && at.Given {
				return "", &Unseen{Cause: cause,
					Remedy: "run " + s.helm("test") + ", whose pod has the credentials, or name a URL that needs none with --prometheus"}
			}
			if turnedAway(err) {
				return "", s.notLetIn(cause)
			}
			return "", ofProxied(err, &Broken{Cause: cause, Remedy: remedy})
		}
		return kube.Address(at.URL) + " answers", nil
	},
}

// notLetIn says what to do about a Prometheus that answers 401 or 403 to the credentials that the release has for it.
func (s subject) notLetIn(cause string) error {
	at := s.Path.Prometheus
	switch {
	case at.Identity != "":
		return &Unseen{Cause: cause, Remedy: fmt.Sprintf("KEDA logs in with %s of keda.authenticationRef, which the doctor cannot; see what KEDA says: %s",
			at.Identity, s.kubectl("describe scaledobjects"))}
	case at.Deployment != "":
		return &Broken{Cause: cause, Remedy: "wait two minutes if its login was just changed; after that, compare the keys authorization and web.yaml " +
			"of the Secret in prometheus.auth.basicAuth.existingSecret, or generate a new login with another prometheus.auth.basicAuth.generation"}
	case s.Autoscaler != nil && s.Autoscaler.ScaledObject != "":
		return &Broken{Cause: cause, Remedy: "write credentials that it accepts under prometheus.auth, or name KEDA's own in keda.authenticationRef"}
	}
	return &Broken{Cause: cause, Remedy: "write credentials that it accepts under prometheus.auth"}
}

// workloadRuns says what keeps a Deployment of the chart from serving.
func (s subject) workloadRuns(ctx context.Context, name string) error {
	deployment, err := s.AppsV1().Deployments(s.Namespace).Get(ctx, name, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return broken("run "+s.upgrade(), "namespace %s has no Deployment %s", s.Namespace, name)
	}
	if err != nil {
		return err
	}
	if deployment.Status.ReadyReplicas > 0 {
		return nil
	}
	pods, err := s.LivePods(ctx, s.Namespace, metav1.FormatLabelSelector(deployment.Spec.Selector))
	if err != nil {
		return err
	}
	return s.rolledOut(deployment, pods)
}

// query evaluates an expression in the release's Prometheus.
func (s subject) query(ctx context.Context, expression string) (model.Vector, error) {
	if s.Path.Prometheus.Elsewhere {
		return nil, errElsewhere
	}
	api, err := s.PrometheusAt(s.Path.Prometheus.URL, s.Path.Prometheus.Access)
	if err != nil {
		return nil, err
	}
	return kube.Vector(ctx, api, expression)
}

// errElsewhere is the error of a Prometheus that requires credentials where the doctor runs outside the cluster. A
// description names the files that hold them. The doctor does not read those files on this machine, because anyone who
// may write the description could have them sent to an address of their choice.
var errElsewhere = fmt.Errorf("it wants credentials that are files of the doctor's pod: %w", fs.ErrNotExist)

// matchers select the renderer's series.
func (s subject) matchers() string {
	return matchersOf(s.wanted())
}

// wanted are the labels that each of the renderer's series has, but for its pod.
func (s subject) wanted() map[string]string {
	labels := map[string]string{s.Labels.Namespace: s.Namespace}
	if s.Labels.Container != "" {
		labels[s.Labels.Container] = s.Renderer.Container
	}
	maps.Copy(labels, s.Matchers)
	return labels
}

// byPod turns a result into the largest value of each pod.
func (s subject) byPod(vector model.Vector) map[string]float64 {
	values := map[string]float64{}
	for _, sample := range vector {
		pod := string(sample.Metric[model.LabelName(s.Labels.Pod)])
		if value, seen := values[pod]; !seen || math.IsNaN(value) || float64(sample.Value) > value {
			values[pod] = float64(sample.Value)
		}
	}
	return values
}

// Targets is whether Prometheus scrapes every Ready pod.
var Targets = Link{
	Name:  "targets",
	Holds: "Prometheus to scrape every renderer pod",
	on:    hasPrometheus,
	look: func(ctx context.Context, s subject) (string, error) {
		pods, err := s.readyPods(ctx)
		if err != nil {
			return "", err
		}
		vector, err := s.query(ctx, fmt.Sprintf("up{%s}", s.matchers()))
		if err != nil {
			return "", err
		}
		up := s.byPod(vector)
		var others model.Vector
		for _, pod := range pods {
			value, found := up[pod.Name]
			if !found {
				// Under other labels it is a target all the same; that they are wrong is the
				// next link's.
				if others == nil {
					if others, err = s.query(ctx, "up"); err != nil {
						return "", err
					}
				}
				value, found = ofPod(others, pod)
			}
			switch {
			case !found:
				return "", s.unlessNew(ctx, pod, s.noTarget(pod))
			case value != 1:
				return "", s.unlessNew(ctx, pod, s.targetDown(ctx, pod))
			}
		}
		return fmt.Sprintf("%d of %d up", len(pods), len(pods)), nil
	},
}

// ofPod finds a target of the pod whatever its labels: by a label that holds the
// pod's name, or an address of the pod's.
func ofPod(targets model.Vector, pod corev1.Pod) (up float64, found bool) {
	for _, target := range targets {
		if describes(target.Metric, pod) {
			up, found = max(up, float64(target.Value)), true
		}
	}
	return up, found
}

func describes(labels model.Metric, pod corev1.Pod) bool {
	for _, value := range labels {
		host, _, err := net.SplitHostPort(string(value))
		if string(value) == pod.Name || err == nil && pod.Status.PodIP != "" && host == pod.Status.PodIP {
			return true
		}
	}
	return false
}

// unlessNew returns what is wrong with a pod's target, with the remedy to wait where a first scrape may still end that: until
// Prometheus has noticed the pod, an interval until the scrape begins, and another until it ends.
func (s subject) unlessNew(ctx context.Context, pod corev1.Pod, wrong *Broken) error {
	interval, err := s.scrapeInterval()
	if err != nil {
		return err
	}
	limit := noticing + 2*interval
	// By Prometheus' clock: this machine's may be wrong.
	now, err := s.query(ctx, "vector(time())")
	if err != nil {
		return err
	}
	since := readySince(pod)
	// Not every server with Prometheus' query API says when it started.
	if api, err := s.PrometheusAt(s.Path.Prometheus.URL, s.Path.Prometheus.Access); err == nil {
		if info, err := api.Runtimeinfo(ctx); err == nil && info.StartTime.After(since) {
			since = info.StartTime
		}
	}
	// Compared as numbers, because not every number that Prometheus may answer is a time.
	if len(now) != 1 || !(math.Abs(float64(now[0].Value)-float64(since.Unix())) < limit.Seconds()) {
		return wrong
	}
	return &Broken{Cause: wrong.Cause,
		Remedy: fmt.Sprintf("wait, as a first scrape ends up to %s after the pod is Ready and Prometheus has started", limit)}
}

// readySince is when a pod became Ready.
func readySince(pod corev1.Pod) (since time.Time) {
	for _, condition := range pod.Status.Conditions {
		if condition.Type == corev1.PodReady {
			since = condition.LastTransitionTime.Time
		}
	}
	return since
}

// scrapeInterval is the time between two scrapes of the renderers.
func (s subject) scrapeInterval() (time.Duration, error) {
	interval, err := model.ParseDuration(s.Path.Prometheus.ScrapeInterval)
	return time.Duration(interval), err
}

// noTarget says what a pod needs to be scraped: by whom, and who writes its workload.
func (s subject) noTarget(pod corev1.Pod) *Broken {
	embedded, r := s.Path.Prometheus.Deployment, s.Renderer
	cause := fmt.Sprintf("the Prometheus at %s does not scrape pod %s, which is none of its targets", kube.Address(s.Path.Prometheus.URL), pod.Name)
	if embedded != "" {
		cause = fmt.Sprintf("Prometheus does not scrape pod %s, which is none of its targets", pod.Name)
	}
	remedy := ""
	switch {
	case embedded != "" && r.Own:
		remedy = fmt.Sprintf("run %s; if that changes nothing, see what it says of its discovery: %s", s.upgrade(), s.kubectl("logs deployment/%s", embedded))
	case embedded != "":
		remedy = fmt.Sprintf("let container %s (renderer.metrics.container) of the pods declare port %d (renderer.metrics.port), and let the pods belong to %s %s "+
			"and have the labels %s (autoscaling.target.podLabels), or write there what they have, and run %s; "+
			"Prometheus' page /service-discovery says which of these a pod lacks: %s",
			r.Container, r.Port, r.Kind, r.Name, r.Selector, s.upgrade(), s.kubectl("port-forward deployment/%s 9090", embedded))
	case r.Own:
		remedy = fmt.Sprintf("let your Prometheus scrape the renderer's pods: podMonitor.enabled with the labels that it selects by, or scrapeAnnotations.enabled; "+
			"if it is another release's, list %s in that release's servedNamespaces", s.Namespace)
	default:
		remedy = fmt.Sprintf("let your Prometheus scrape the pods: podMonitor.enabled with the labels that it selects by, where container %s must declare port %d, "+
			"or prometheus.io/scrape, port and path in the pod template of %s %s; the Prometheus of another release does not find them",
			r.Container, r.Port, r.Kind, r.Name)
	}
	return &Broken{Cause: cause, Remedy: remedy}
}

// targetDown says what the scrape of a pod failed with, where Prometheus tells.
func (s subject) targetDown(ctx context.Context, pod corev1.Pod) *Broken {
	where, why := "", "it does not say why"
	if api, err := s.PrometheusAt(s.Path.Prometheus.URL, s.Path.Prometheus.Access); err == nil {
		// Not every server with Prometheus' query API lists its targets.
		if targets, err := api.Targets(ctx); err == nil {
			for _, target := range targets.Active {
				labels := model.Metric{}
				for name, value := range target.Labels {
					labels[name] = value
				}
				if target.Health == prometheusv1.HealthBad && describes(labels, pod) {
					where, why = " at "+target.ScrapeURL, target.LastError
				}
			}
		}
	}
	remedy := fmt.Sprintf("let it scrape port %d, path %s (renderer.metrics), and let its NetworkPolicy and the pods' allow that; what is embedded is written anew by %s",
		s.Renderer.Port, s.Renderer.Path, s.upgrade())
	if strings.Contains(why, "HTTP status 3") {
		remedy = "write under renderer.metrics.path the path to which the renderer redirects, because a Prometheus that serves other namespaces follows no redirect"
	}
	if strings.Contains(why, "limit exceeded") {
		remedy = "let the renderer export less, above all fewer values of its labels, or raise prometheus.scrapeLimits and run " + s.upgrade()
	}
	return &Broken{Cause: fmt.Sprintf("Prometheus' scrape of pod %s%s fails: %s", pod.Name, where, why), Remedy: remedy}
}

// Series is whether Prometheus has fresh samples of what every Ready pod exports,
// under the labels by which the autoscaler's metric is computed.
var Series = Link{
	Name:  "series",
	Holds: "Prometheus to have the metrics of every renderer pod",
	on:    hasPrometheus,
	look: func(ctx context.Context, s subject) (string, error) {
		pods, err := s.readyPods(ctx)
		if err != nil {
			return "", err
		}
		interval, err := s.scrapeInterval()
		if err != nil {
			return "", err
		}
		// In seconds: not every number that Prometheus may answer is a duration.
		limit := staleScrapes * interval.Seconds()
		oldest := 0.0
		for _, series := range s.series() {
			labels := s.wanted()
			maps.Copy(labels, series.Labels)
			// Prometheus' own clock is on both sides.
			vector, err := s.query(ctx, fmt.Sprintf("time() - timestamp(%s)", selector(series.Name, matchersOf(labels))))
			if err != nil {
				return "", err
			}
			ages := map[string]float64{}
			for _, sample := range vector {
				if series.Bound != "" && !hasBound([]string{string(sample.Metric["le"])}, series.Bound) {
					continue
				}
				pod := string(sample.Metric[model.LabelName(s.Labels.Pod)])
				age := float64(sample.Value)
				if youngest, seen := ages[pod]; !seen || math.IsNaN(youngest) || age < youngest {
					ages[pod] = age
				}
			}
			for _, pod := range pods {
				age, found := ages[pod.Name]
				switch {
				case !found:
					return "", s.noSeries(ctx, series, pod)
				case !(math.Abs(age) <= limit):
					return "", broken("see whether Prometheus keeps up: its log, its memory, its disk, its clock",
						"Prometheus' last sample of %s of pod %s is %s old, at a scrape interval of %s", textOf(series), pod.Name, seconds(age), s.Path.Prometheus.ScrapeInterval)
				}
				oldest = max(oldest, age)
			}
		}
		for _, signal := range s.Signals {
			if signal.Query != "" {
				if err := s.valuesOf(ctx, signal, pods); err != nil {
					return "", err
				}
			}
		}
		if err := s.ownLabels(ctx, pods); err != nil {
			return "", err
		}
		return fmt.Sprintf("%d of each of %d pods, at most %s old", len(s.series()), len(pods), seconds(oldest)), nil
	},
}

// seconds writes a number of seconds, which need not be a duration.
func seconds(of float64) string {
	if math.Abs(of) < math.MaxInt64/float64(time.Second) {
		return time.Duration(of * float64(time.Second)).Round(time.Second).String()
	}
	return fmt.Sprintf("%v s", of)
}

// noSeries says what Prometheus has of a pod in place of the series that it should
// have.
func (s subject) noSeries(ctx context.Context, series description.Series, pod corev1.Pod) error {
	vector, err := s.query(ctx, bare(series.Name))
	if err != nil {
		return err
	}
	want := s.wanted()
	want[s.Labels.Pod] = pod.Name
	maps.Copy(want, series.Labels)
	if series.Bound != "" {
		var buckets []map[string]string
		for _, sample := range vector {
			labels := map[string]string{}
			for name, value := range sample.Metric {
				labels[string(name)] = string(value)
			}
			if has(labels, want) {
				buckets = append(buckets, labels)
			}
		}
		if bounds := boundsOf(buckets); len(bounds) > 0 {
			return s.noBound(series, "Prometheus has of pod "+pod.Name, bounds)
		}
	}
	name := textOf(series)
	for _, sample := range vector {
		if !describes(sample.Metric, pod) {
			continue
		}
		var wrong []string
		for label, value := range want {
			if string(sample.Metric[model.LabelName(label)]) != value {
				wrong = append(wrong, fmt.Sprintf("%s=%q", label, value))
			}
		}
		slices.Sort(wrong)
		return broken("write under signals.labels the names that your Prometheus uses, or let its relabelling set these; what is embedded is written anew by "+s.upgrade(),
			"Prometheus has %s of pod %s under other labels: %s, without %s", series.Name, pod.Name, sample.Metric, strings.Join(wrong, ", "))
	}
	if series.Native {
		return broken("let it scrape native histograms (scrape_native_histograms), or write signals.overruns.histogram.type: classic; what is embedded is written anew by "+s.upgrade(),
			"Prometheus scrapes pod %s and has no %s of it", pod.Name, name)
	}
	return broken("see whether Prometheus scrapes another path or port of the pod, stores its names with dots in place of underscores (metric_name_escaping_scheme), or drops the series (metric_relabel_configs, sample_limit); what is embedded is written anew by "+s.upgrade(),
		"Prometheus scrapes pod %s and has no %s of it", pod.Name, name)
}

// bare selects all series of a name.
func bare(name string) string {
	if quoted.MatchString(name) {
		return fmt.Sprintf("{%q}", name)
	}
	return name
}

// plain takes off what an HTTP client wraps around an error: a method and a URL
// that say less than the text around.
func plain(err error) error {
	var away *kube.Unreachable
	if errors.As(err, &away) && away.Who != kube.APIServer {
		// Who that is the text around says.
		return away.Err
	}
	var wrapped *url.Error
	if errors.As(err, &wrapped) {
		return wrapped.Err
	}
	return err
}
