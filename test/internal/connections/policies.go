package connections

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// Outside is the end of a connection that no pod is: the API server, a resolver, a server elsewhere. Its address is 192.0.2.1.
var Outside *Pod

var outsideAddress = netip.MustParseAddr("192.0.2.1")

// Forbidden says which NetworkPolicies forbid a connection to a port of a pod, "" where they allow it.
func (c *Cluster) Forbidden(from, to *Pod, port int32, protocol corev1.Protocol) string {
	target := fmt.Sprintf("port %d of %v", port, to)
	if names, open := c.side(from, to, port, protocol, networkingv1.PolicyTypeEgress, to); !open {
		return fmt.Sprintf("%s forbids egress to %s", names, target)
	}
	if names, open := c.side(to, from, port, protocol, networkingv1.PolicyTypeIngress, to); !open {
		return fmt.Sprintf("%s forbids ingress from %v to %s", names, from, target)
	}
	return ""
}

// side evaluates the policies of one end, as a network plugin does: each that selects the pod denies all that none of them
// allows. Listening is the pod that the port is of.
func (c *Cluster) side(own, other *Pod, port int32, protocol corev1.Protocol, direction networkingv1.PolicyType, listening *Pod) (names string, open bool) {
	if own == Outside {
		return "", true
	}
	var isolating []string
	for _, policy := range c.policies {
		if policy.Namespace != own.Namespace || !matches(policy.Spec.PodSelector, own.Labels) || !slices.Contains(directions(policy), direction) {
			continue
		}
		isolating = append(isolating, "NetworkPolicy "+policy.Namespace+"/"+policy.Name)
		if direction == networkingv1.PolicyTypeEgress {
			for _, rule := range policy.Spec.Egress {
				if portMatches(rule.Ports, port, protocol, listening) && peerMatches(rule.To, policy.Namespace, other) {
					return "", true
				}
			}
			continue
		}
		for _, rule := range policy.Spec.Ingress {
			if portMatches(rule.Ports, port, protocol, listening) && peerMatches(rule.From, policy.Namespace, other) {
				return "", true
			}
		}
	}
	return strings.Join(isolating, " and "), len(isolating) == 0
}

// directions are those that a policy is about.
func directions(policy *networkingv1.NetworkPolicy) []networkingv1.PolicyType {
	if types := policy.Spec.PolicyTypes; len(types) > 0 {
		return types
	}
	if len(policy.Spec.Egress) > 0 {
		return []networkingv1.PolicyType{networkingv1.PolicyTypeIngress, networkingv1.PolicyTypeEgress}
	}
	return []networkingv1.PolicyType{networkingv1.PolicyTypeIngress}
}

func portMatches(allowed []networkingv1.NetworkPolicyPort, port int32, protocol corev1.Protocol, listening *Pod) bool {
	for _, candidate := range allowed {
		if candidate.Protocol == nil && protocol != corev1.ProtocolTCP || candidate.Protocol != nil && *candidate.Protocol != protocol {
			continue
		}
		switch {
		case candidate.Port == nil:
			return true
		case candidate.Port.Type == intstr.String:
			if listening == nil {
				continue
			}
			if number, found := listening.port(*candidate.Port); found && number == port {
				return true
			}
		case candidate.Port.IntVal == port, candidate.EndPort != nil && candidate.Port.IntVal <= port && port <= *candidate.EndPort:
			return true
		}
	}
	return len(allowed) == 0
}

func peerMatches(peers []networkingv1.NetworkPolicyPeer, namespace string, other *Pod) bool {
	for _, peer := range peers {
		if peer.IPBlock != nil {
			if other == Outside && inBlock(peer.IPBlock) {
				return true
			}
			continue
		}
		if other == Outside ||
			peer.NamespaceSelector == nil && other.Namespace != namespace ||
			peer.NamespaceSelector != nil && !matches(*peer.NamespaceSelector, map[string]string{"kubernetes.io/metadata.name": other.Namespace}) {
			continue
		}
		if peer.PodSelector == nil || matches(*peer.PodSelector, other.Labels) {
			return true
		}
	}
	return len(peers) == 0
}

// inBlock reports whether the address outside is in a block of addresses.
func inBlock(block *networkingv1.IPBlock) bool {
	within := func(cidr string) bool {
		prefix, err := netip.ParsePrefix(cidr)
		return err == nil && prefix.Contains(outsideAddress)
	}
	return within(block.CIDR) && !slices.ContainsFunc(block.Except, within)
}

// matches reports whether a selector of an object selects labels. One that Kubernetes refuses selects nothing.
func matches(selector metav1.LabelSelector, set map[string]string) bool {
	parsed, err := metav1.LabelSelectorAsSelector(&selector)
	return err == nil && parsed.Matches(labels.Set(set))
}
