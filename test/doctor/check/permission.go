package check

import (
	"errors"
	"fmt"
	"io/fs"
	"regexp"
	"strings"

	prometheusv1 "github.com/prometheus/client_golang/api/prometheus/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"holograph/test/internal/kube"
)

// denial matches the message with which Kubernetes refuses a request.
var denial = regexp.MustCompile(`User "([^"]+)" cannot (\S+) resource "([^"]+)" in API group "([^"]*)"(?: in the namespace "([^"]+)")?`)

// Unread says of a read of the cluster's objects that failed why, and what to do. The
// doctor has not seen them, so that it cannot say whether they are right.
func Unread(err error) *Unseen {
	if unseen := blind(err); unseen != nil {
		return unseen
	}
	return &Unseen{Cause: notSeen + plain(err).Error(), Remedy: askAPIServer}
}

const (
	notSeen      = "it could not be looked at: "
	askAPIServer = "see whether the API server answers: kubectl version"
)

// OutOfTime says that the doctor's own time is over.
func OutOfTime(err error) *Unseen {
	return &Unseen{Cause: "there was no time left to look: " + plain(err).Error(),
		Remedy: "ask again; if that changes nothing, see what answers so slowly"}
}

// blind returns why the doctor cannot look at anything, or nil if the error is about the object that it looks at.
func blind(err error) *Unseen {
	var wait *kube.Wait
	var away *kube.Unreachable
	switch {
	case errors.As(err, &wait):
		return &Unseen{Cause: notSeen + wait.Error(), Remedy: "ask again when that is over"}
	case errors.As(err, &away) && away.Who == kube.APIServer:
		return &Unseen{Cause: notSeen + away.Error(), Remedy: askAPIServer}
	case apierrors.IsUnauthorized(err):
		return &Unseen{Cause: notSeen + err.Error(), Remedy: "log in to the cluster again, or name another kubeconfig"}
	case apierrors.IsForbidden(err):
		if missing := forbidden(err.Error()); missing != nil {
			return &Unseen{Cause: missing.Cause, Remedy: missing.Remedy}
		}
		return &Unseen{Cause: notSeen + err.Error(), Remedy: "let the user of the doctor read it (Role, RoleBinding, admission)"}
	}
	return nil
}

// otherwise returns the doctor's own trouble that an error tells of, then a permission
// that somebody else lacks, then what a link makes of it.
func otherwise(err error, of *Broken) error {
	if unseen := blind(err); unseen != nil {
		return unseen
	}
	if missing := forbidden(err.Error()); missing != nil {
		return missing
	}
	return of
}

// ofProxied is otherwise for who is asked through the API server's proxy, and answers
// what it likes: only a permission for the proxy is taken from its words.
func ofProxied(err error, of *Broken) error {
	var relayed *kube.Relayed
	if match := denial.FindStringSubmatch(err.Error()); errors.As(err, &relayed) && match != nil && !strings.HasSuffix(match[3], "/proxy") {
		return of
	}
	if unseen := blind(err); unseen != nil {
		return unseen
	}
	return of
}

// turnedAway reports whether a Prometheus wants other credentials than it was shown.
func turnedAway(err error) bool {
	var said *prometheusv1.Error
	return errors.As(err, &said) && (strings.HasSuffix(said.Msg, " 401") || strings.HasSuffix(said.Msg, " 403"))
}

// hasNoFile reports whether a file of the doctor's pod is not here.
func hasNoFile(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrPermission)
}

// forbidden returns the missing permission that a message names, or nil if it names none.
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
