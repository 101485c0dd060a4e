// Package load sends frames to a release. It describes a load, runs it with k6 as a Job, reads the counts from k6's log, and
// records what the release does meanwhile.
package load

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"math"
	"net/url"
	"strconv"
	"strings"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"holograph/ci/image"
)

// scriptName is the key of the script in the ConfigMap and its name in the container.
const scriptName = "frames.js"

// script is the k6 script that requests the frames.
//
//go:embed frames.js
var script string

// labels returns the labels of every object of a load.
func labels(name string) map[string]string {
	return map[string]string{
		"app.kubernetes.io/name":      "k6",
		"app.kubernetes.io/instance":  name,
		"app.kubernetes.io/component": "load",
		"app.kubernetes.io/part-of":   "holograph",
	}
}

// ConfigMap returns the ConfigMap with the script for the Job of the same name.
func ConfigMap(namespace, name string) *corev1.ConfigMap {
	return &corev1.ConfigMap{
		TypeMeta:   metav1.TypeMeta{APIVersion: "v1", Kind: "ConfigMap"},
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name, Labels: labels(name)},
		Data:       map[string]string{scriptName: script},
	}
}

// Job returns the Job that requests the frames of the profile once from the renderer at address, such as
// http://holograph-renderer:8080. It reads its script from the ConfigMap of the same name. Its pod meets the restricted Pod
// Security Standard, and its log ends with the line that [ParseSummary] reads. The error says what is wrong with the address
// or the profile.
func Job(namespace, name, address string, p Profile) (*batchv1.Job, error) {
	if parsed, err := url.Parse(address); err != nil || parsed.Scheme != "http" || parsed.Host == "" {
		return nil, fmt.Errorf("the renderer's address is %q; write one such as http://holograph-renderer:8080", address)
	}
	if err := p.Validate(); err != nil {
		return nil, err
	}
	stages, err := json.Marshal(p.Stages)
	if err != nil {
		return nil, fmt.Errorf("writing the stages of the load: %w", err)
	}

	environment := []corev1.EnvVar{
		{Name: "FRAMES_URL", Value: strings.TrimSuffix(address, "/")},
		{Name: "FRAMES_PATH", Value: p.Path},
		{Name: "FRAMES_STAGES", Value: string(stages)},
		{Name: "FRAMES_BUDGET_MS", Value: milliseconds(p.Budget)},
		{Name: "FRAMES_TIMEOUT_MS", Value: milliseconds(p.Timeout())},
		{Name: "FRAMES_VUS", Value: strconv.Itoa(p.VUs())},
		{Name: "FRAMES_SLICE_MS", Value: milliseconds(p.Slice)},
		{Name: "FRAMES_MARK_MS", Value: milliseconds(p.Mark)},
	}
	// k6 used 90 MB with 125 VUs and 126 MB with 250. The limit is twice that, because k6 keeps every latency.
	memory := *resource.NewQuantity(int64(128+p.VUs()/2)<<20, resource.BinarySI)

	pod, err := Runner(name, scriptName, environment, memory)
	if err != nil {
		return nil, err
	}

	// Two minutes are for scheduling the pod and pulling its image.
	deadline := p.Duration() + p.Timeout() + 2*time.Minute
	return &batchv1.Job{
		TypeMeta:   metav1.TypeMeta{APIVersion: "batch/v1", Kind: "Job"},
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name, Labels: labels(name)},
		Spec: batchv1.JobSpec{
			// A second attempt would be a second load.
			BackoffLimit:          new(int32(0)),
			ActiveDeadlineSeconds: new(int64(math.Ceil(deadline.Seconds()))),
			Template:              corev1.PodTemplateSpec{ObjectMeta: metav1.ObjectMeta{Labels: labels(name)}, Spec: pod},
		},
	}, nil
}

// Runner returns a pod that runs a script with k6 once. The script is a key of that ConfigMap in the pod's namespace, and
// reads the environment. The pod meets the restricted Pod Security Standard. memory is its request and its limit.
func Runner(configMap, script string, environment []corev1.EnvVar, memory resource.Quantity) (corev1.PodSpec, error) {
	k6, err := image.K6()
	return corev1.PodSpec{
		RestartPolicy:                corev1.RestartPolicyNever,
		AutomountServiceAccountToken: new(false),
		EnableServiceLinks:           new(false),
		SecurityContext: &corev1.PodSecurityContext{
			RunAsNonRoot:   new(true),
			RunAsUser:      new(int64(65532)),
			RunAsGroup:     new(int64(65532)),
			SeccompProfile: &corev1.SeccompProfile{Type: corev1.SeccompProfileTypeRuntimeDefault},
		},
		Containers: []corev1.Container{{
			Name:    "k6",
			Image:   k6.Ref,
			Command: []string{"/usr/bin/k6"},
			// Without an address k6 does not open its REST API.
			Args: []string{"run", "--quiet", "--no-color", "--address", "", "/load/" + script},
			Env: append(environment,
				// k6 looks for its configuration below HOME, and needs none.
				corev1.EnvVar{Name: "HOME", Value: "/"},
				corev1.EnvVar{Name: "K6_NO_USAGE_REPORT", Value: "true"},
				corev1.EnvVar{Name: "K6_AUTO_EXTENSION_RESOLUTION", Value: "false"}),
			Resources: corev1.ResourceRequirements{
				// There is no CPU limit: a throttled k6 would send frames late, and they would count against the renderer.
				Requests: corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("100m"), corev1.ResourceMemory: memory},
				Limits:   corev1.ResourceList{corev1.ResourceMemory: memory},
			},
			SecurityContext: &corev1.SecurityContext{
				AllowPrivilegeEscalation: new(false),
				ReadOnlyRootFilesystem:   new(true),
				Capabilities:             &corev1.Capabilities{Drop: []corev1.Capability{"ALL"}},
			},
			VolumeMounts: []corev1.VolumeMount{{Name: "script", MountPath: "/load", ReadOnly: true}},
		}},
		Volumes: []corev1.Volume{{Name: "script", VolumeSource: corev1.VolumeSource{
			ConfigMap: &corev1.ConfigMapVolumeSource{LocalObjectReference: corev1.LocalObjectReference{Name: configMap}},
		}}},
	}, err
}

func milliseconds(d time.Duration) string {
	return strconv.FormatFloat(float64(d)/float64(time.Millisecond), 'f', -1, 64)
}
