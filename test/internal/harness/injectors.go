package harness

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	autoscalingv1 "k8s.io/api/autoscaling/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/util/retry"
	"sigs.k8s.io/yaml"

	"holograph/test/internal/chart"
	"holograph/test/internal/guest"
	"holograph/test/internal/kube"
	"holograph/test/internal/wait"
)

// Scale sets the replicas of a component's Deployment. The fix restores the old number, unless something else, such as the
// autoscaler, has changed it meanwhile.
func Scale(c chart.Component, replicas int32) Fault {
	return func(ctx context.Context, s *Story) (Fix, error) {
		return ScaleDeployment(s.Release.Namespace, s.name(c), replicas)(ctx, s)
	}
}

// ScaleDeployment is Scale for a Deployment that need not be the release's.
func ScaleDeployment(namespace, name string, replicas int32) Fault {
	return func(ctx context.Context, s *Story) (Fix, error) {
		deployments := s.Release.AppsV1().Deployments(namespace)
		scale := func(ctx context.Context, to func(now int32) int32) (before int32, err error) {
			return before, retry.RetryOnConflict(retry.DefaultRetry, func() error {
				var current *autoscalingv1.Scale
				if current, err = deployments.GetScale(ctx, name, metav1.GetOptions{}); err != nil {
					return err
				}
				before, current.Spec.Replicas = current.Spec.Replicas, to(current.Spec.Replicas)
				_, err = deployments.UpdateScale(ctx, current.Name, current, metav1.UpdateOptions{})
				return err
			})
		}
		before, err := scale(ctx, func(int32) int32 { return replicas })
		return func(ctx context.Context) error {
			_, err := scale(ctx, func(now int32) int32 {
				if now == replicas {
					return before
				}
				return now
			})
			if err != nil {
				return err
			}
			return wait.For(ctx, fixTimeout, s.rolledOut(namespace, name))
		}, err
	}
}

// RestartAtEnd breaks nothing. Its fix restarts a component. Apply it before a fault in what the component reads only when it
// starts: fixes run in reverse order, so the component then reads what is right again.
func RestartAtEnd(c chart.Component) Fault {
	return func(_ context.Context, s *Story) (Fix, error) {
		return func(ctx context.Context) error { return s.Restart(ctx, c) }, nil
	}
}

// EditPods changes the pod template of a component's Deployment, which rolls out new pods.
func EditPods(c chart.Component, change func(*corev1.PodSpec)) Fault {
	return func(ctx context.Context, s *Story) (Fix, error) {
		fix, err := edit(ctx, s.Release.AppsV1().Deployments(s.Release.Namespace), s.name(c),
			func(now *appsv1.Deployment) error { change(&now.Spec.Template.Spec); return nil },
			// The fix leaves the replicas to the autoscaler.
			func(now, before *appsv1.Deployment) { now.Spec.Template = before.Spec.Template })
		return then(fix, s.RolledOut(c)), err
	}
}

// EditYAML changes the decoded content of a YAML file in a component's ConfigMap.
func EditYAML(c chart.Component, file string, change func(content map[string]any) error) Fault {
	return func(ctx context.Context, s *Story) (Fix, error) {
		return edit(ctx, s.Release.CoreV1().ConfigMaps(s.Release.Namespace), s.name(c),
			func(now *corev1.ConfigMap) error {
				var content map[string]any
				if err := yaml.Unmarshal([]byte(now.Data[file]), &content); err != nil {
					return fmt.Errorf("%s in ConfigMap %s: %w", file, now.Name, err)
				}
				if err := change(content); err != nil {
					return fmt.Errorf("%s in ConfigMap %s: %w", file, now.Name, err)
				}
				text, err := yaml.Marshal(content)
				now.Data[file] = string(text)
				return err
			},
			func(now, before *corev1.ConfigMap) { now.Data[file] = before.Data[file] })
	}
}

// EditRules changes the rules of the release's prometheus-adapter. The adapter reads them when it starts, so they take effect
// with [Story.Restart].
func EditRules(change func(rules []any) []any) Fault {
	return EditYAML(chart.PrometheusAdapter, "config.yaml", func(content map[string]any) error {
		rules, _ := content["rules"].([]any)
		if len(rules) == 0 {
			return errors.New("it has no rules")
		}
		content["rules"] = change(rules)
		return nil
	})
}

// EditScrape changes the job by which the release's Prometheus scrapes a component. It takes effect when the kubelet has
// updated the ConfigMap in the pod.
func EditScrape(c chart.Component, change func(job map[string]any)) Fault {
	return EditYAML(chart.Prometheus, "prometheus.yaml", func(content map[string]any) error {
		jobs, _ := content["scrape_configs"].([]any)
		for _, job := range jobs {
			if job, _ := job.(map[string]any); job["job_name"] == string(c) {
				change(job)
				return nil
			}
		}
		return fmt.Errorf("it has no scrape job %s", c)
	})
}

// Relabeling is a rule of relabel_configs in Prometheus' configuration.
type Relabeling struct {
	SourceLabels []string `json:"source_labels,omitempty"`
	Regex        string   `json:"regex,omitempty"`
	TargetLabel  string   `json:"target_label,omitempty"`
	Replacement  string   `json:"replacement,omitempty"`
	Action       string   `json:"action,omitempty"`
}

// Relabel appends rules to relabel_configs of a component's scrape job in the release's Prometheus.
func Relabel(c chart.Component, rules ...Relabeling) Fault {
	return EditScrape(c, func(job map[string]any) {
		before, _ := job["relabel_configs"].([]any)
		for _, rule := range rules {
			before = append(before, rule)
		}
		job["relabel_configs"] = before
	})
}

// EditAutoscaler changes the renderer's HorizontalPodAutoscaler.
func EditAutoscaler(change func(*autoscalingv2.HorizontalPodAutoscalerSpec)) Fault {
	return func(ctx context.Context, s *Story) (Fix, error) {
		return edit(ctx, s.Release.AutoscalingV2().HorizontalPodAutoscalers(s.Release.Namespace), s.name(chart.Renderer),
			func(now *autoscalingv2.HorizontalPodAutoscaler) error { change(&now.Spec); return nil },
			func(now, before *autoscalingv2.HorizontalPodAutoscaler) { now.Spec = before.Spec })
	}
}

// Replicas has the autoscaler run exactly that many pods.
func Replicas(replicas int32) Fault {
	return EditAutoscaler(func(spec *autoscalingv2.HorizontalPodAutoscalerSpec) {
		spec.MinReplicas, spec.MaxReplicas = &replicas, replicas
	})
}

// Pin limits the autoscaler to that many pods, and lowers its targets so that any load makes it want more.
func Pin(replicas int32) Fault {
	return EditAutoscaler(func(spec *autoscalingv2.HorizontalPodAutoscalerSpec) {
		spec.MaxReplicas = replicas
		for _, metric := range spec.Metrics {
			metric.Pods.Target.AverageValue = resource.NewMilliQuantity(1, resource.DecimalSI)
		}
	})
}

// DeleteAutoscaler deletes the renderer's HorizontalPodAutoscaler.
func DeleteAutoscaler() Fault {
	return func(ctx context.Context, s *Story) (Fix, error) {
		return remove(ctx, s.Release.AutoscalingV2().HorizontalPodAutoscalers(s.Release.Namespace), s.name(chart.Renderer))
	}
}

// Unbind takes a component's Role away from its ServiceAccount.
func Unbind(c chart.Component) Fault {
	return func(ctx context.Context, s *Story) (Fix, error) {
		return remove(ctx, s.Release.RbacV1().RoleBindings(s.Release.Namespace), s.name(c))
	}
}

// Revoke takes one verb on a resource, such as deployments.apps, from a component's Role, or from its ClusterRole where the
// Role does not grant it. What the component's pods have read before stays with them: [Story.Restart] has them begin anew.
func Revoke(c chart.Component, verb, resource string) Fault {
	return func(ctx context.Context, s *Story) (Fix, error) {
		roles, clusterRoles := s.Release.RbacV1().Roles(s.Release.Namespace), s.Release.RbacV1().ClusterRoles()
		role, err := roles.Get(ctx, s.name(c), metav1.GetOptions{})
		if err != nil {
			return nil, err
		}
		if _, granted := without(role.Rules, verb, resource); granted {
			return edit(ctx, roles, role.Name, func(now *rbacv1.Role) error {
				now.Rules, _ = without(now.Rules, verb, resource)
				return nil
			}, func(now, before *rbacv1.Role) { now.Rules = before.Rules })
		}
		return edit(ctx, clusterRoles, s.clusterName(c), func(now *rbacv1.ClusterRole) error {
			rules, granted := without(now.Rules, verb, resource)
			if !granted {
				return fmt.Errorf("neither Role %s nor ClusterRole %s grants %s on %s", role.Name, now.Name, verb, resource)
			}
			now.Rules = rules
			return nil
		}, func(now, before *rbacv1.ClusterRole) { now.Rules = before.Rules })
	}
}

// without returns the rules without a verb on a resource, and whether they had it.
func without(rules []rbacv1.PolicyRule, verb, resource string) (left []rbacv1.PolicyRule, granted bool) {
	name, group, _ := strings.Cut(resource, ".")
	is := func(wanted string) func(string) bool { return func(other string) bool { return other == wanted } }
	for _, rule := range rules {
		if !slices.Contains(rule.APIGroups, group) || !slices.Contains(rule.Resources, name) || !slices.Contains(rule.Verbs, verb) {
			left = append(left, rule)
			continue
		}
		granted = true
		others, otherVerbs := rule, rule
		others.Resources = slices.DeleteFunc(slices.Clone(rule.Resources), is(name))
		otherVerbs.Resources = []string{name}
		otherVerbs.Verbs = slices.DeleteFunc(slices.Clone(rule.Verbs), is(verb))
		for _, rest := range []rbacv1.PolicyRule{others, otherVerbs} {
			if len(rest.Resources) > 0 && len(rest.Verbs) > 0 {
				left = append(left, rest)
			}
		}
	}
	return left, granted
}

// DeleteClusterBinding takes a role in the whole cluster away from a component's ServiceAccount. The binding has the names
// of the release, the component and the role.
func DeleteClusterBinding(c chart.Component, role string) Fault {
	return func(ctx context.Context, s *Story) (Fix, error) {
		return remove(ctx, s.Release.RbacV1().ClusterRoleBindings(), s.clusterName(c)+role)
	}
}

// DeleteSystemBinding takes a role in kube-system away from a component's ServiceAccount.
func DeleteSystemBinding(c chart.Component, role string) Fault {
	return func(ctx context.Context, s *Story) (Fix, error) {
		return remove(ctx, s.Release.RbacV1().RoleBindings("kube-system"), s.clusterName(c)+role)
	}
}

// clusterName is the beginning of the name of a component's objects outside the release's namespace.
func (s *Story) clusterName(c chart.Component) string { return s.Release.Namespace + ":" + s.name(c) }

// MisdirectAPI points the APIService of the custom metrics API at a Service that does not exist.
func MisdirectAPI() Fault {
	return func(ctx context.Context, s *Story) (Fix, error) {
		point := func(ctx context.Context, service string) error {
			return s.Release.Discovery().RESTClient().Patch(types.MergePatchType).
				AbsPath("/apis/apiregistration.k8s.io/v1/apiservices/v1beta1." + kube.Group).
				Body(fmt.Appendf(nil, `{"spec":{"service":{"name":%q}}}`, service)).Do(ctx).Error()
		}
		return func(ctx context.Context) error { return point(ctx, s.name(chart.PrometheusAdapter)) }, point(ctx, "nobody")
	}
}

// CutOff makes the node reject every packet between the component's current pods and other pods. The kubelet and the API
// server still reach them, because they run on the node itself.
func CutOff(c chart.Component) Fault {
	return func(ctx context.Context, s *Story) (Fix, error) {
		var rules [][]string
		for _, pod := range s.PodsOf(c) {
			rules = append(rules, []string{"FORWARD", "--source", pod.Status.PodIP, "--jump", "REJECT"},
				[]string{"FORWARD", "--destination", pod.Status.PodIP, "--jump", "REJECT"})
		}
		if len(rules) == 0 {
			return nil, fmt.Errorf("%s has no pods", s.name(c))
		}
		return s.iptables(ctx, rules...)
	}
}

// Sever makes the node reject every packet from the current pods of one component to those of another.
func Sever(from, to chart.Component) Fault {
	return func(ctx context.Context, s *Story) (Fix, error) {
		addresses := func(c chart.Component) string {
			var all []string
			for _, pod := range s.PodsOf(c) {
				all = append(all, pod.Status.PodIP)
			}
			return strings.Join(all, ",")
		}
		// One command for all pods: each takes ten seconds on a busy machine.
		return s.iptables(ctx, []string{"FORWARD", "--source", addresses(from), "--destination", addresses(to), "--jump", "REJECT"})
	}
}

// iptables inserts rules on the node, before the existing ones. The fix deletes them.
func (s *Story) iptables(ctx context.Context, rules ...[]string) (Fix, error) {
	run := func(ctx context.Context, action string, rule []string) error {
		_, err := s.cluster.Exec(ctx, s.cluster.Node(), append([]string{"iptables", "--wait", action}, rule...)...)
		return err
	}
	var applied [][]string
	fix := func(ctx context.Context) error {
		var failed []error
		for _, rule := range applied {
			failed = append(failed, run(ctx, "--delete", rule))
		}
		return errors.Join(failed...)
	}
	for _, rule := range rules {
		if err := run(ctx, "--insert", rule); err != nil {
			return fix, err
		}
		applied = append(applied, rule)
	}
	return fix, nil
}

// EnforcePolicies makes the node enforce NetworkPolicies, as the networks of many clusters do and kind's does not. It runs
// kube-network-policies, which decides on the first packet of each connection. That program gets its packets by a rule of
// nftables, for which the kernel needs CONFIG_NFT_QUEUE. Not every kernel has it, so a rule of iptables with the older target
// NFQUEUE takes its place. Like upstream's rule, it leaves out the packets of root on the node, such as the kubelet's probes
// and the API server's requests.
func EnforcePolicies() Fault {
	return func(ctx context.Context, s *Story) (Fix, error) {
		manifest, err := guest.NetworkPolicies(ctx)
		if err != nil {
			return nil, err
		}
		const namespace, name = "kube-system", "kube-network-policies"
		stop := func(ctx context.Context) error {
			return errors.Join(
				s.Release.AppsV1().DaemonSets(namespace).Delete(ctx, name, metav1.DeleteOptions{}),
				s.Release.CoreV1().ServiceAccounts(namespace).Delete(ctx, name, metav1.DeleteOptions{}),
				s.Release.RbacV1().ClusterRoleBindings().Delete(ctx, name, metav1.DeleteOptions{}),
				s.Release.RbacV1().ClusterRoles().Delete(ctx, name, metav1.DeleteOptions{}),
			)
		}
		if err := guest.Apply(ctx, s.Release.Client, manifest); err != nil {
			return stop, err
		}
		// The kernel drops the packets of a queue that nothing reads.
		err = wait.For(ctx, breakTimeout, wait.Condition{Name: name + " to read packets", Unmet: func(ctx context.Context) error {
			queues, err := s.cluster.Exec(ctx, s.cluster.Node(), "cat", "/proc/net/netfilter/nfnetlink_queue")
			for line := range strings.Lines(queues) {
				if number, _, _ := strings.Cut(strings.TrimSpace(line), " "); number == guest.PolicyQueue {
					return nil
				}
			}
			if err == nil {
				err = fmt.Errorf("nothing reads queue %s of the node", guest.PolicyQueue)
			}
			return err
		}})
		if err != nil {
			return stop, err
		}
		remove, err := s.iptables(ctx, []string{"POSTROUTING", "--table", "mangle", "--match", "conntrack", "--ctstate", "NEW",
			"--match", "owner", "!", "--uid-owner", "0", "--jump", "NFQUEUE", "--queue-num", guest.PolicyQueue})
		return func(ctx context.Context) error { return errors.Join(remove(ctx), stop(ctx)) }, err
	}
}

// then returns a fix that also waits for a condition.
func then(fix Fix, condition wait.Condition) Fix {
	if fix == nil {
		return nil
	}
	return func(ctx context.Context) error {
		if err := fix(ctx); err != nil {
			return err
		}
		return wait.For(ctx, fixTimeout, condition)
	}
}

// editable is what a typed client of client-go has for objects of type T that edit changes.
type editable[T any] interface {
	Get(ctx context.Context, name string, options metav1.GetOptions) (T, error)
	Update(ctx context.Context, object T, options metav1.UpdateOptions) (T, error)
}

// edit changes an object. The fix calls back with the object as it is then, and as it was before the change.
func edit[T any](ctx context.Context, client editable[T], name string, change func(now T) error, back func(now, before T)) (Fix, error) {
	before, err := client.Get(ctx, name, metav1.GetOptions{})
	if err != nil {
		return nil, err
	}
	update := func(ctx context.Context, change func(T) error) error {
		return retry.RetryOnConflict(retry.DefaultRetry, func() error {
			now, err := client.Get(ctx, name, metav1.GetOptions{})
			if err != nil {
				return err
			}
			if err := change(now); err != nil {
				return err
			}
			_, err = client.Update(ctx, now, metav1.UpdateOptions{})
			return err
		})
	}
	return func(ctx context.Context) error {
		return update(ctx, func(now T) error { back(now, before); return nil })
	}, update(ctx, change)
}

// removable is what a typed client of client-go has for objects of type T that remove deletes.
type removable[T any] interface {
	Get(ctx context.Context, name string, options metav1.GetOptions) (T, error)
	Create(ctx context.Context, object T, options metav1.CreateOptions) (T, error)
	Delete(ctx context.Context, name string, options metav1.DeleteOptions) error
}

// remove deletes an object. The fix creates it again.
func remove[T metav1.Object](ctx context.Context, client removable[T], name string) (Fix, error) {
	before, err := client.Get(ctx, name, metav1.GetOptions{})
	if err != nil {
		return nil, err
	}
	// The API server rejects a new object with a resource version.
	before.SetResourceVersion("")
	return func(ctx context.Context) error {
		_, err := client.Create(ctx, before, metav1.CreateOptions{})
		return err
	}, client.Delete(ctx, name, metav1.DeleteOptions{})
}
