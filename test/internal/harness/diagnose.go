package harness

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"

	"holograph/test/doctor/report"
	"holograph/test/internal/kube"
)

// diagnoseTimeout bounds all of a story's diagnostics.
const diagnoseTimeout = 30 * time.Second

// logTail is how many lines of each container are kept.
const logTail = 2000

// diagnose writes the state of the release into the story's folder. Where something cannot be read, the file has the error.
func (s *Story) diagnose() {
	// s.Context() is canceled before the cleanups run.
	ctx, cancel := context.WithTimeout(context.Background(), diagnoseTimeout)
	defer cancel()
	for name, read := range map[string]func(context.Context, kube.Release) (string, error){
		"doctor.txt":         doctorReport,
		"events.txt":         events,
		"pods.yaml":          podsYAML,
		"hpa.yaml":           hpaYAML,
		"custom-metric.json": customMetric,
		"apiservices.txt":    apiServices,
		"prometheus.txt":     prometheusView,
	} {
		content, err := read(ctx, s.Release)
		if err != nil {
			content += "\ncould not be read: " + err.Error() + "\n"
		}
		s.write(name, content)
	}
	s.logs(ctx)
	s.Logf("diagnostics: %s", s.Artifacts)
}

func (s *Story) write(name, content string) {
	path := s.Artifact(name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		s.Logf("diagnostics: %v", err)
		return
	}
	if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
		s.Logf("diagnostics: %v", err)
	}
}

// doctorReport returns what the doctor prints.
func doctorReport(ctx context.Context, r kube.Release) (string, error) {
	return report.OfRelease(ctx, r).Text(), nil
}

func events(ctx context.Context, r kube.Release) (string, error) {
	list, err := r.CoreV1().Events(r.Namespace).List(ctx, metav1.ListOptions{})
	if err != nil {
		return "", err
	}
	var out strings.Builder
	for _, event := range list.Items {
		at := event.LastTimestamp.Time
		if at.IsZero() {
			at = event.EventTime.Time
		}
		fmt.Fprintf(&out, "%s %-8s %s/%s %s: %s\n", at.Format(time.TimeOnly), event.Type,
			event.InvolvedObject.Kind, event.InvolvedObject.Name, event.Reason, event.Message)
	}
	return out.String(), nil
}

func podsYAML(ctx context.Context, r kube.Release) (string, error) {
	list, err := r.CoreV1().Pods(r.Namespace).List(ctx, metav1.ListOptions{})
	return yamlOf(list, err)
}

func hpaYAML(ctx context.Context, r kube.Release) (string, error) {
	hpa, err := r.HPA(ctx)
	return yamlOf(hpa, err)
}

func yamlOf(object any, err error) (string, error) {
	if err != nil {
		return "", err
	}
	out, err := yaml.Marshal(object)
	return string(out), err
}

// customMetric returns the answer of the custom metrics API that the autoscaler gets.
func customMetric(ctx context.Context, r kube.Release) (string, error) {
	raw, err := r.RawPodMetric(ctx, kube.OverrunsMetric)
	return string(raw), err
}

func apiServices(ctx context.Context, r kube.Release) (string, error) {
	raw, err := r.Discovery().RESTClient().Get().AbsPath("/apis/apiregistration.k8s.io/v1/apiservices").DoRaw(ctx)
	if err != nil {
		return "", err
	}
	out, err := yaml.JSONToYAML(raw)
	return string(out), err
}

// prometheusView returns what Prometheus has of its targets, the renderer's counters and the chart's rules.
func prometheusView(ctx context.Context, r kube.Release) (string, error) {
	var out strings.Builder
	for _, expression := range []string{"up", kube.OverrunsMetric, "holograph_frames_total", `{__name__=~"holograph:.+"}`} {
		vector, err := r.Query(ctx, expression)
		fmt.Fprintf(&out, "# %s\n%s\n", expression, vector)
		if err != nil {
			return out.String(), err
		}
	}
	return out.String(), nil
}

func (s *Story) logs(ctx context.Context) {
	list, err := s.Release.CoreV1().Pods(s.Release.Namespace).List(ctx, metav1.ListOptions{})
	if err != nil {
		s.Logf("diagnostics: the pods could not be listed: %v", err)
		return
	}
	tail := int64(logTail)
	for _, pod := range list.Items {
		for _, container := range pod.Spec.Containers {
			log, err := s.Release.CoreV1().Pods(pod.Namespace).
				GetLogs(pod.Name, &corev1.PodLogOptions{Container: container.Name, TailLines: &tail}).DoRaw(ctx)
			if err != nil {
				log = []byte("could not be read: " + err.Error() + "\n")
			}
			s.write(filepath.Join("logs", pod.Name+"-"+container.Name+".log"), string(log))
		}
	}
}
