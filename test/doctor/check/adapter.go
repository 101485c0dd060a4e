package check

import (
	"context"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"

	"holograph/test/doctor/description"
	"holograph/test/internal/kube"
)

// checksum is the annotation in which an adapter's pod carries that of the
// configuration that it started with.
const checksum = "checksum/config"

// maxConfig bounds the configuration that is read: the smallest YAML takes a hundred
// times its size to read. Kubernetes bounds a ConfigMap at 1 MiB.
const maxConfig = 512 << 10

// AdapterRule is whether the adapter's configuration has the release's rules.
var AdapterRule = Link{
	Name:  "adapter-rule",
	Holds: "the adapter's configuration to have the rules",
	on:    func(p description.Path) bool { return p.Adapter != nil },
	look: func(ctx context.Context, s subject) (string, error) {
		_, text, err := s.configuration(ctx)
		if err != nil {
			return "", err
		}
		at := s.Adapter.ConfigMap
		var config struct {
			Rules []map[string]any `json:"rules"`
		}
		if len(text) > maxConfig {
			return "", &Unseen{Cause: fmt.Sprintf("ConfigMap %s/%s: %s holds more than %d kB, which is more than is read of it", at.Namespace, at.Name, at.Key, maxConfig>>10),
				Remedy: "see whether it holds the release's rules, and what makes it so large"}
		}
		if err := yaml.Unmarshal([]byte(text), &config); err != nil {
			return "", broken("run "+s.upgrade(), "ConfigMap %s/%s: %s is not YAML: %v", at.Namespace, at.Name, at.Key, err)
		}
		for _, want := range s.Adapter.Rules {
			name := ruleName(want)
			var found map[string]any
			for _, rule := range config.Rules {
				// The adapter takes the last of several that give one name.
				if ruleName(rule) == name {
					found = rule
				}
			}
			if found == nil {
				return "", broken("run "+s.upgrade()+"; then restart the adapter, which reads its rules only when it starts",
					"ConfigMap %s/%s has %d rules and none that gives %s", at.Namespace, at.Name, len(config.Rules), name)
			}
			if differ := differing(want, found); len(differ) > 0 {
				return "", broken("run "+s.upgrade()+"; a rule of another team must not give the same name",
					"ConfigMap %s/%s gives %s by another rule than this release's: it differs in %s", at.Namespace, at.Name, name, strings.Join(differ, ", "))
			}
		}
		return fmt.Sprintf("%d in ConfigMap %s/%s", len(s.Adapter.Rules), at.Namespace, at.Name), nil
	},
}

// configuration returns the adapter's ConfigMap and the file in it.
func (s subject) configuration(ctx context.Context) (*corev1.ConfigMap, string, error) {
	at := s.Adapter.ConfigMap
	found, err := s.CoreV1().ConfigMaps(at.Namespace).Get(ctx, at.Name, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return nil, "", broken("run "+s.upgrade(), "namespace %s has no ConfigMap %s, which holds the adapter's rules", at.Namespace, at.Name)
	}
	if err != nil {
		return nil, "", err
	}
	return found, found.Data[at.Key], nil
}

func ruleName(rule map[string]any) string {
	name, _ := rule["name"].(map[string]any)
	as, _ := name["as"].(string)
	return as
}

// differing lists the keys in which two rules differ. A query's line breaks say
// nothing.
func differing(a, b map[string]any) []string {
	keys := map[string]bool{}
	for key := range a {
		keys[key] = true
	}
	for key := range b {
		keys[key] = true
	}
	var differ []string
	for _, key := range slices.Sorted(maps.Keys(keys)) {
		if !reflect.DeepEqual(unfolded(a[key]), unfolded(b[key])) {
			differ = append(differ, key)
		}
	}
	return differ
}

func unfolded(value any) any {
	if text, isText := value.(string); isText {
		return strings.Join(strings.Fields(text), " ")
	}
	return value
}

// AdapterPods is whether the adapter runs, with the configuration that it has now.
var AdapterPods = Link{
	Name:  "adapter-pods",
	Holds: "the adapter to run with its rules",
	on:    func(p description.Path) bool { return p.Adapter != nil && p.Adapter.Deployment != "" },
	look: func(ctx context.Context, s subject) (string, error) {
		if err := s.workloadRuns(ctx, s.Adapter.Deployment); err != nil {
			return "", err
		}
		pods, err := s.LivePods(ctx, s.Namespace, s.Adapter.Selector)
		if err != nil {
			return "", err
		}
		for _, pod := range pods {
			if !kube.Ready(pod) || pod.Annotations[checksum] == s.Adapter.Checksum {
				continue
			}
			cause := fmt.Sprintf("the adapter's pod %s started with another configuration than this release's, and it reads its rules only when it starts", pod.Name)
			if next, found := firstNotReady(pods); found && !hasEnded(next) {
				why, remedy := s.notReady(next)
				return "", broken(remedy, "%s; pod %s, which replaces it, is not Ready: %s", cause, next.Name, why)
			}
			return "", broken("wait for its rollout, or see what delays it: "+s.kubectl("rollout status deployment %s", s.Adapter.Deployment), "%s", cause)
		}
		return "Deployment " + s.Adapter.Deployment + " runs", nil
	},
}

// outdatedAdapter lists the adapter's pods that are older than the last change of
// its ConfigMap.
func (s subject) outdatedAdapter(ctx context.Context, config *corev1.ConfigMap) ([]corev1.Pod, error) {
	pods, err := s.LivePods(ctx, s.Namespace, s.Adapter.Selector)
	if err != nil {
		return nil, err
	}
	var changed time.Time
	for _, entry := range config.ManagedFields {
		if entry.Time != nil && entry.Time.After(changed) {
			changed = entry.Time.Time
		}
	}
	return slices.DeleteFunc(pods, func(pod corev1.Pod) bool { return hasEnded(pod) || !pod.CreationTimestamp.Time.Before(changed) }), nil
}

func (s subject) restartAdapter(pod corev1.Pod) error {
	return broken("restart it: "+s.kubectl("rollout restart deployment %s", s.Adapter.Deployment),
		"the adapter's pod %s started before ConfigMap %s/%s was last changed, and it reads its rules only when it starts",
		pod.Name, s.Adapter.ConfigMap.Namespace, s.Adapter.ConfigMap.Name)
}
