package check

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/prometheus/common/model"
	corev1 "k8s.io/api/core/v1"

	"holograph/test/doctor/description"
	"holograph/test/internal/kube"
)

// series lists what the renderer must export.
func (s subject) series() (all []description.Series) {
	for _, signal := range s.Signals {
		all = append(all, signal.Series...)
	}
	return all
}

// textOf writes a series as PromQL does: its name and the labels that it must have.
func textOf(series description.Series) string {
	labels := maps.Clone(series.Labels)
	if series.Bound != "" {
		if labels == nil {
			labels = map[string]string{}
		}
		labels["le"] = series.Bound
	}
	if len(labels) == 0 {
		return series.Name
	}
	return series.Name + "{" + matchersOf(labels) + "}"
}

func texts(all []description.Series) (texts []string) {
	for _, series := range all {
		texts = append(texts, textOf(series))
	}
	return texts
}

func matchersOf(labels map[string]string) string {
	var matchers []string
	for _, name := range slices.Sorted(maps.Keys(labels)) {
		matchers = append(matchers, fmt.Sprintf("%s=%q", name, labels[name]))
	}
	return strings.Join(matchers, ",")
}

// quoted matches names that Prometheus' old form does not allow.
var quoted = regexp.MustCompile(`[./-]`)

// selector selects the series of a name, with matchers.
func selector(name, matchers string) string {
	if quoted.MatchString(name) {
		return fmt.Sprintf("{%q,%s}", name, matchers)
	}
	return fmt.Sprintf("%s{%s}", name, matchers)
}

// page is what a pod exports of the series that it must export, by name.
type page map[string][]map[string]string

// of returns the labels of the exported series that the renderer must export. A page in text has names with underscores in
// place of dots, and of a native histogram the count.
func (p page) of(series description.Series) (found []map[string]string) {
	for _, labels := range slices.Concat(p[series.Name], p[onPage(series)]) {
		if has(labels, series.Labels) {
			found = append(found, labels)
		}
	}
	return found
}

func onPage(series description.Series) string {
	name := quoted.ReplaceAllString(series.Name, "_")
	if series.Native {
		name += "_count"
	}
	if name == series.Name {
		return ""
	}
	return name
}

func has(labels, wanted map[string]string) bool {
	for name, value := range wanted {
		if labels[name] != value {
			return false
		}
	}
	return true
}

// exports returns the labels of what a pod exports of some series.
func exports(ctx context.Context, c *kube.Client, pod corev1.Pod, port int, path string, wanted []description.Series) (page, error) {
	names := map[string]bool{}
	for _, series := range wanted {
		names[series.Name], names[onPage(series)] = true, true
	}
	delete(names, "")
	status, lines, err := c.SeriesOfPod(ctx, pod, port, path, names)
	if err != nil {
		return nil, err
	}
	if status != http.StatusOK {
		return nil, fmt.Errorf("it answers %s", strings.TrimSpace(fmt.Sprintf("%d %s", status, http.StatusText(status))))
	}
	found := page{}
	for name, series := range lines {
		for _, line := range series {
			found[name] = append(found[name], labelsOf(line))
		}
	}
	return found, nil
}

var labelOnPage = regexp.MustCompile(`([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\]|\\.)*)"`)

// labelsOf returns the labels of a line of a page, from its brace on.
func labelsOf(line []byte) map[string]string {
	labels := map[string]string{}
	if len(line) > 0 && line[0] == '{' {
		for _, label := range labelOnPage.FindAllSubmatch(line, -1) {
			labels[string(label[1])] = string(label[2])
		}
	}
	return labels
}

// boundsOf lists where the buckets of a histogram end, as they are written.
func boundsOf(buckets []map[string]string) (bounds []string) {
	seen := map[string]bool{}
	for _, labels := range buckets {
		if le, found := labels["le"]; found && !seen[le] {
			seen[le] = true
			bounds = append(bounds, le)
		}
	}
	slices.SortStableFunc(bounds, func(a, b string) int {
		x, _ := strconv.ParseFloat(a, 64)
		y, _ := strconv.ParseFloat(b, 64)
		switch {
		case x < y:
			return -1
		case x > y:
			return 1
		}
		return 0
	})
	return bounds
}

// hasBound compares bounds as numbers: 1, 1.0 and 1e+00 are one.
func hasBound(bounds []string, bound string) bool {
	want, err := strconv.ParseFloat(bound, 64)
	return err == nil && slices.ContainsFunc(bounds, func(le string) bool {
		value, err := strconv.ParseFloat(le, 64)
		return err == nil && value == want
	})
}

// maxBounds is how many bounds are shown.
const maxBounds = 30

// noBound says that no bucket ends at the budget, and where they do.
func (s subject) noBound(series description.Series, who string, bounds []string) error {
	shown := strings.Join(bounds[:min(len(bounds), maxBounds)], ", ")
	if len(bounds) > maxBounds {
		shown += fmt.Sprintf(" and %d more", len(bounds)-maxBounds)
	}
	return broken(fmt.Sprintf("write a frame.budget that is one of them, or let the renderer have a bucket that ends at %s", series.Bound),
		"%s %s with the bounds %s and none at %s, which is frame.budget, so nobody knows how many frames are late", who, series.Name, shown, series.Bound)
}

// valuesOf checks that the query of the release's owner gives a value of each pod.
func (s subject) valuesOf(ctx context.Context, signal description.Signal, pods []corev1.Pod) error {
	vector, err := s.query(ctx, signal.Query)
	if err != nil {
		return broken("write a query that Prometheus takes", "Prometheus does not answer signals.overruns.query: %v", plain(err))
	}
	values := s.byPod(vector)
	for _, pod := range pods {
		if _, found := values[pod.Name]; !found {
			return broken("wait for two scrapes of the pod, which a rate takes; if that changes nothing, check that Prometheus has the query's metrics of the pod: "+
				"if they are missing where the chart writes the scrape, add the beginning of their names to signals.otherMetrics, which for dropped_total is dropped; "+
				"if they are there, let the query give one value for each pod, 0 where no frame is late: add `or 0 *` a query that every pod has",
				"signals.overruns.query gives no value for pod %s that is a number from 0 to signals.frames.maxRate, and one for %d others", pod.Name, len(values))
		}
	}
	return nil
}

// ownLabels says which label of the renderer's the queries take for one of the scraper's, where that makes one of several
// series and Prometheus does not rename it.
func (s subject) ownLabels(ctx context.Context, pods []corev1.Pod) error {
	if len(s.ScrapeLabels) == 0 {
		return nil
	}
	for _, pod := range pods {
		page, err := exports(ctx, s.Client, pod, s.Renderer.Port, s.Renderer.Path, s.series())
		if err != nil {
			return err
		}
		for _, series := range s.series() {
			for _, label := range s.ScrapeLabels {
				if !tellsApart(page.of(series), label) {
					continue
				}
				vector, err := s.query(ctx, selector(series.Name, s.matchers()))
				if err != nil {
					return err
				}
				renamed := slices.ContainsFunc(vector, func(sample *model.Sample) bool { return sample.Metric["exported_"+model.LabelName(label)] != "" })
				if !renamed {
					return broken("remove it from signals.scrapeLabels, or let the renderer call it otherwise",
						"pod %s exports series of %s that differ only in the label %s, which signals.scrapeLabels has, so only the largest of them counts", pod.Name, series.Name, label)
				}
			}
		}
	}
	return nil
}

// tellsApart reports whether series differ in a label alone.
func tellsApart(series []map[string]string, label string) bool {
	seen := map[string]string{}
	for _, labels := range series {
		value, found := labels[label]
		if !found {
			continue
		}
		rest := maps.Clone(labels)
		delete(rest, label)
		other, another := seen[matchersOf(rest)]
		if another && other != value {
			return true
		}
		seen[matchersOf(rest)] = value
	}
	return false
}
