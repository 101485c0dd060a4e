package check

import (
	"fmt"
	"regexp"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
)

// denial is how Kubernetes says no.
var denial = regexp.MustCompile(`User "([^"]+)" cannot (\S+) resource "([^"]+)" in API group "([^"]*)"(?: in the namespace "([^"]+)")?`)

// Unread says of a read that failed why, and what to do.
func Unread(err error) *Broken {
	if broken := forbidden(err.Error()); broken != nil {
		return broken
	}
	remedy := "see whether the API server answers: kubectl version"
	if apierrors.IsUnauthorized(err) {
		remedy = "log in to the cluster again, or name another kubeconfig"
	}
	return &Broken{Cause: "it could not be looked at: " + err.Error(), Remedy: remedy}
}

// forbidden returns the missing permission that a message tells of, whoever lacks
// it; nil where it tells of none.
func forbidden(message string) *Broken {
	match := denial.FindStringSubmatch(message)
	if match == nil {
		return nil
	}
	user, verb, resource, group, namespace := match[1], match[2], match[3], match[4], match[5]
	who := "user " + user
	if account, isAccount := strings.CutPrefix(user, "system:serviceaccount:"); isAccount {
		who = "ServiceAccount " + strings.Replace(account, ":", "/", 1)
	}
	role, scope := "ClusterRole", ""
	if namespace != "" {
		role, scope = "Role in namespace "+namespace, " in namespace "+namespace
	}
	named := resource
	if group != "" {
		named += " of " + group
	}
	return &Broken{
		Cause:  fmt.Sprintf("a permission is missing: %s may not %s %s%s", who, verb, named, scope),
		Remedy: fmt.Sprintf("bind %s to a %s with the rule %s; helm upgrade renders those of this chart", who, role, rule(group, resource, verb)),
	}
}

// rule is a rule of a Role, as YAML in one line.
func rule(group, resource, verb string) string {
	return fmt.Sprintf("{apiGroups: [%q], resources: [%q], verbs: [%q]}", group, resource, verb)
}
