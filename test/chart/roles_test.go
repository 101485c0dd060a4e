package chart_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"

	"holograph/test/internal/chart"
)

// permissions lists what a ServiceAccount of the release may do, by namespace; "" is the whole cluster. A role that the
// chart does not render is listed by its name.
func permissions(t *testing.T, rendered *chart.Rendered, component chart.Component) map[string][]string {
	t.Helper()
	rules := map[string][]rbacv1.PolicyRule{}
	for _, role := range chart.Of[*rbacv1.Role](t, rendered) {
		rules["Role "+role.Namespace+"/"+role.Name] = role.Rules
	}
	for _, role := range chart.Of[*rbacv1.ClusterRole](t, rendered) {
		rules["ClusterRole /"+role.Name] = role.Rules
	}
	found := map[string][]string{}
	grant := func(namespace string, ref rbacv1.RoleRef, subjects []rbacv1.Subject) {
		t.Helper()
		if !slices.Contains(subjects, rbacv1.Subject{Kind: "ServiceAccount", Name: "holograph-" + string(component), Namespace: "holograph"}) {
			return
		}
		require.Equal(t, rbacv1.GroupName, ref.APIGroup, "API group of the role that a binding of %s refers to: the API server refuses any other", component)
		granted, isRendered := rules[ref.Kind+" "+namespace+"/"+ref.Name]
		if !isRendered {
			found[namespace] = append(found[namespace], ref.Kind+" "+ref.Name)
		}
		for _, rule := range granted {
			for _, resource := range rule.Resources {
				found[namespace] = append(found[namespace], fmt.Sprintf("%s %s.%s %s",
					strings.Join(rule.Verbs, ","), resource, strings.Join(rule.APIGroups, ","), strings.Join(rule.ResourceNames, ",")))
			}
		}
	}
	for _, binding := range chart.Of[*rbacv1.RoleBinding](t, rendered) {
		grant(binding.Namespace, binding.RoleRef, binding.Subjects)
	}
	for _, binding := range chart.Of[*rbacv1.ClusterRoleBinding](t, rendered) {
		grant("", binding.RoleRef, binding.Subjects)
	}
	return found
}

// TestComponentsMayOnlyDoTheirWork compares each component's permissions with what it calls. TestDoctorMayOnlyRead has
// those of the doctor.
func TestComponentsMayOnlyDoTheirWork(t *testing.T) {
	t.Parallel()
	rendered := chart.Render(t)
	for component, test := range map[chart.Component]struct {
		may map[string][]string
		why string
	}{
		chart.Renderer: {map[string][]string{}, "a renderer calls no Kubernetes API"},
		chart.Prometheus: {map[string][]string{"holograph": {"list,watch pods. "}},
			"service discovery lists and watches pods, and nothing else of Prometheus calls the API"},
		chart.KubeStateMetrics: {map[string][]string{"holograph": {"list,watch horizontalpodautoscalers.autoscaling ", "list,watch deployments.apps "}},
			"it lists and watches the resources that --resources names"},
		chart.PrometheusAdapter: {map[string][]string{
			"holograph":   {"list pods. "},
			"kube-system": {"Role extension-apiserver-authentication-reader"},
			"":            {"ClusterRole system:auth-delegator"},
		}, "it lists the pods that the autoscaler's selector names; an aggregated API server reads the API server's client CA " +
			"(Role extension-apiserver-authentication-reader) and asks who its caller is and what the caller may do (ClusterRole system:auth-delegator)"},
	} {
		assert.Equal(t, test.may, permissions(t, rendered, component), "the permissions of %s: %s", component, test.why)
	}
}

// TestKubeStateMetricsMayReadWhatItShows compares the flag --resources with the Role.
func TestKubeStateMetricsMayReadWhatItShows(t *testing.T) {
	t.Parallel()
	rendered := chart.Render(t)
	var allowed []string
	for _, role := range chart.Of[*rbacv1.Role](t, rendered) {
		if role.Name == "holograph-"+string(chart.KubeStateMetrics) {
			for _, rule := range role.Rules {
				allowed = append(allowed, rule.Resources...)
			}
		}
	}
	resources := flags(t, rendered.Container(t, chart.KubeStateMetrics))["resources"]
	assert.ElementsMatch(t, allowed, strings.Split(resources, ","),
		"kube-state-metrics logs an error every few seconds for a resource of --resources that its Role does not allow")
}

// TestPodsRunAsTheirOwnServiceAccount: permissions are of no use to a pod that runs as another ServiceAccount.
func TestPodsRunAsTheirOwnServiceAccount(t *testing.T) {
	t.Parallel()
	rendered := chart.Render(t)
	accounts := map[string]*corev1.ServiceAccount{}
	for _, account := range chart.Of[*corev1.ServiceAccount](t, rendered) {
		accounts[account.Name] = account
	}
	for name, template := range rendered.PodTemplates(t) {
		pod := template.Spec
		assert.Equal(t, name, pod.ServiceAccountName, "the ServiceAccount of the pods of %s", name)
		require.Contains(t, accounts, pod.ServiceAccountName, "the ServiceAccounts of the release: %s would not start", name)
		if name == "holograph-"+string(chart.Renderer) {
			continue
		}
		for _, automount := range []*bool{pod.AutomountServiceAccountToken, accounts[name].AutomountServiceAccountToken} {
			assert.True(t, automount == nil || *automount, "%s gets no token: it calls the Kubernetes API and needs one", name)
		}
	}
	assert.Len(t, accounts, len(rendered.PodTemplates(t)), "ServiceAccounts, one for each kind of pod")
}

// TestRenderersGetNoToken: a renderer calls no Kubernetes API, and a token in its pod would be a credential for anyone who
// takes over the process.
func TestRenderersGetNoToken(t *testing.T) {
	t.Parallel()
	for _, automount := range []bool{false, true} {
		values := chart.Values{}
		if automount {
			values = chart.Set("renderer.serviceAccount.automount", true)
		}
		rendered := chart.Render(t, values)
		for _, account := range chart.Of[*corev1.ServiceAccount](t, rendered) {
			if account.Name == "holograph-renderer" {
				require.NotNil(t, account.AutomountServiceAccountToken, "automountServiceAccountToken of the renderer's ServiceAccount is unset, and unset mounts a token")
				assert.Equal(t, automount, *account.AutomountServiceAccountToken, "automountServiceAccountToken of the renderer's ServiceAccount")
			}
		}
		pod := rendered.Deployment(t, chart.Renderer).Spec.Template.Spec
		require.NotNil(t, pod.AutomountServiceAccountToken, "automountServiceAccountToken of the renderer's pods is unset, and unset mounts a token where the ServiceAccount is another's")
		assert.Equal(t, automount, *pod.AutomountServiceAccountToken, "automountServiceAccountToken of the renderer's pods")
	}
	assert.NotContains(t, strings.Join(rendersWithoutAccount(t), " "), "holograph-renderer", "the ServiceAccount of a release that creates none")
}

// TestNoTokenWithoutRights: in every way to install the chart, a pod that is given a token has a Role that the token is for.
func TestNoTokenWithoutRights(t *testing.T) {
	t.Parallel()
	with := 0
	for mode, values := range renderings(t) {
		rendered := chart.Render(t, values)
		accounts, bound := map[string]*corev1.ServiceAccount{}, map[string]bool{}
		for _, account := range chart.Of[*corev1.ServiceAccount](t, rendered) {
			accounts[account.Name] = account
		}
		bind := func(subjects []rbacv1.Subject) {
			for _, subject := range subjects {
				bound[subject.Name] = bound[subject.Name] || subject.Kind == "ServiceAccount" && subject.Namespace == chart.DefaultNamespace
			}
		}
		for _, binding := range chart.Of[*rbacv1.RoleBinding](t, rendered) {
			bind(binding.Subjects)
		}
		for _, binding := range chart.Of[*rbacv1.ClusterRoleBinding](t, rendered) {
			bind(binding.Subjects)
		}
		for name, template := range rendered.PodTemplates(t) {
			pod := template.Spec
			mounted := pod.AutomountServiceAccountToken
			if account := accounts[pod.ServiceAccountName]; mounted == nil && account != nil {
				mounted = account.AutomountServiceAccountToken
			}
			if mounted == nil || *mounted {
				with++
				assert.True(t, bound[pod.ServiceAccountName], "%s: the pods of %s get a token of the ServiceAccount %q, which no Role is bound to: a credential that nothing uses", mode, name, pod.ServiceAccountName)
			}
		}
	}
	assert.Positive(t, with, "pods with a token")
}

// rendersWithoutAccount returns the names of the ServiceAccounts of a release whose renderers use one that exists.
func rendersWithoutAccount(t *testing.T) (names []string) {
	t.Helper()
	rendered := chart.Render(t, chart.Parse(t, "renderer: {serviceAccount: {create: false, name: team}}"))
	for _, account := range chart.Of[*corev1.ServiceAccount](t, rendered) {
		names = append(names, account.Name)
	}
	assert.Equal(t, "team", rendered.Deployment(t, chart.Renderer).Spec.Template.Spec.ServiceAccountName)
	unnamed := chart.Render(t, chart.Set("renderer.serviceAccount.create", false))
	assert.Equal(t, "default", unnamed.Deployment(t, chart.Renderer).Spec.Template.Spec.ServiceAccountName)
	return names
}

// flags returns a container's arguments of the form --name=value, by name; of one that is given twice, the last.
func flags(t *testing.T, container corev1.Container) map[string]string {
	t.Helper()
	found := map[string]string{}
	for _, argument := range container.Args {
		name, value, _ := strings.Cut(strings.TrimPrefix(argument, "--"), "=")
		found[name] = value
	}
	return found
}
