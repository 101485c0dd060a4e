package harness

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"

	"holograph/test/internal/chart"
	"holograph/test/internal/wait"
)

// liar is the name of the pod that serves false metrics in place of a renderer, and of its ConfigMap.
const liar = "liar"

// Lie makes Prometheus scrape false metrics in place of those of a renderer pod. A second Prometheus serves them: once a
// second it records each metric as the result of a query, such as "1e6 * vector(time())". The renderer itself keeps running.
func Lie(pod string, queries map[string]string) Fault {
	return func(ctx context.Context, s *Story) (Fix, error) {
		prometheus, err := s.Release.AppsV1().Deployments(s.Release.Namespace).Get(ctx, s.name(chart.Prometheus), metav1.GetOptions{})
		if err != nil {
			return nil, err
		}
		ip, err := s.startLiar(ctx, prometheus.Spec.Template.Spec.Containers[0].Image, queries)
		remove := s.removeLiar
		if err != nil {
			return remove, err
		}
		to := func(label, value string) Relabeling {
			return Relabeling{SourceLabels: []string{"__meta_kubernetes_pod_name"}, Regex: pod, TargetLabel: label, Replacement: value}
		}
		redirect := EditScrape(chart.Renderer, func(job map[string]any) {
			// Renderers ignore this parameter of /federate.
			job["params"] = map[string]any{"match[]": []string{`{__name__=~"holograph_.+"}`}}
			rules, _ := job["relabel_configs"].([]any)
			job["relabel_configs"] = append(rules, to("__address__", ip+":9090"), to("__metrics_path__", "/federate"))
		})
		back, err := redirect(ctx, s)
		return func(ctx context.Context) error {
			if back != nil {
				if err := back(ctx); err != nil {
					return err
				}
			}
			return remove(ctx)
		}, err
	}
}

func (s *Story) startLiar(ctx context.Context, image string, queries map[string]string) (ip string, err error) {
	var rules []any
	for _, metric := range slices.Sorted(maps.Keys(queries)) {
		rules = append(rules, map[string]any{"record": metric, "expr": queries[metric]})
	}
	group, err := yaml.Marshal(map[string]any{"groups": []any{map[string]any{"name": "lies", "interval": "1s", "rules": rules}}})
	if err != nil {
		return "", err
	}
	meta := metav1.ObjectMeta{Name: liar, Namespace: s.Release.Namespace}
	_, err = s.Release.CoreV1().ConfigMaps(meta.Namespace).Create(ctx, &corev1.ConfigMap{ObjectMeta: meta, Data: map[string]string{
		"prometheus.yaml": "rule_files: [/etc/prometheus/rules.yaml]\n", "rules.yaml": string(group),
	}}, metav1.CreateOptions{})
	if err != nil {
		return "", err
	}
	_, err = s.Release.CoreV1().Pods(meta.Namespace).Create(ctx, &corev1.Pod{ObjectMeta: meta, Spec: corev1.PodSpec{
		AutomountServiceAccountToken:  new(false),
		TerminationGracePeriodSeconds: new(int64(1)),
		SecurityContext: &corev1.PodSecurityContext{
			RunAsNonRoot: new(true), RunAsUser: new(int64(65532)), FSGroup: new(int64(65532)),
			SeccompProfile: &corev1.SeccompProfile{Type: corev1.SeccompProfileTypeRuntimeDefault},
		},
		Containers: []corev1.Container{{
			Name: liar, Image: image, Command: []string{"/bin/prometheus"},
			Args: []string{"--config.file=/etc/prometheus/prometheus.yaml", "--storage.tsdb.path=/data"},
			SecurityContext: &corev1.SecurityContext{
				AllowPrivilegeEscalation: new(false), ReadOnlyRootFilesystem: new(true),
				Capabilities: &corev1.Capabilities{Drop: []corev1.Capability{"ALL"}},
			},
			VolumeMounts: []corev1.VolumeMount{{Name: "config", MountPath: "/etc/prometheus"}, {Name: "data", MountPath: "/data"}},
		}},
		Volumes: []corev1.Volume{
			{Name: "config", VolumeSource: corev1.VolumeSource{ConfigMap: &corev1.ConfigMapVolumeSource{LocalObjectReference: corev1.LocalObjectReference{Name: liar}}}},
			{Name: "data", VolumeSource: corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{}}},
		},
	}}, metav1.CreateOptions{})
	if err != nil {
		return "", err
	}
	err = wait.For(ctx, time.Minute, wait.Condition{Name: "the liar to run", Unmet: func(ctx context.Context) error {
		pod, err := s.Release.CoreV1().Pods(meta.Namespace).Get(ctx, liar, metav1.GetOptions{})
		if err != nil {
			return err
		}
		if ip = pod.Status.PodIP; pod.Status.Phase != corev1.PodRunning || ip == "" {
			return fmt.Errorf("it is %s", pod.Status.Phase)
		}
		return nil
	}})
	return ip, err
}

func (s *Story) removeLiar(ctx context.Context) error {
	if err := s.Release.CoreV1().ConfigMaps(s.Release.Namespace).Delete(ctx, liar, metav1.DeleteOptions{}); err != nil && !apierrors.IsNotFound(err) {
		return err
	}
	pods := s.Release.CoreV1().Pods(s.Release.Namespace)
	if err := pods.Delete(ctx, liar, metav1.DeleteOptions{}); err != nil && !apierrors.IsNotFound(err) {
		return err
	}
	return wait.For(ctx, time.Minute, wait.Condition{Name: "the liar to be gone", Unmet: func(ctx context.Context) error {
		_, err := pods.Get(ctx, liar, metav1.GetOptions{})
		if apierrors.IsNotFound(err) {
			return nil
		}
		if err != nil {
			return err
		}
		return errors.New("it is still there")
	}})
}

// ScrapeTwice adds a second scrape job for a component to the release's Prometheus, under another name.
func ScrapeTwice(c chart.Component) Fault {
	return EditYAML(chart.Prometheus, "prometheus.yaml", func(content map[string]any) error {
		jobs, _ := content["scrape_configs"].([]any)
		for _, job := range jobs {
			if first, _ := job.(map[string]any); first["job_name"] == string(c) {
				second := maps.Clone(first)
				second["job_name"] = string(c) + "-again"
				content["scrape_configs"] = append(jobs, second)
				return nil
			}
		}
		return fmt.Errorf("it has no scrape job %s", c)
	})
}
