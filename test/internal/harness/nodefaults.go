package harness

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"slices"
	"strconv"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"holograph/test/internal/chart"
	"holograph/test/internal/wait"
)

// kubeSystem is the namespace of the control plane's pods.
const kubeSystem = metav1.NamespaceSystem

// The containers of the control plane, by the names that kubeadm gives them.
const (
	APIServer         = "kube-apiserver"
	ControllerManager = "kube-controller-manager"
	Etcd              = "etcd"
)

// Starve lowers the memory limit of a pod's first container on its node until the kernel kills the process for want of
// memory. The next container of the pod has the old limit.
func Starve(pod corev1.Pod) Fault {
	return func(ctx context.Context, s *Story) (Fix, error) {
		number, err := s.process(ctx, pod)
		if err != nil {
			return nil, err
		}
		// Version 1 of control groups refuses a limit below the use, so the limit follows the use until the process is gone.
		_, err = s.cluster.Exec(ctx, pod.Spec.NodeName, "sh", "-c", `
			v1=$(sed -n 's/^[0-9]*:memory://p' /proc/$1/cgroup); v2=$(sed -n 's/^0:://p' /proc/$1/cgroup)
			if [ -n "$v1" ]; then group=/sys/fs/cgroup/memory$v1 use=memory.usage_in_bytes limit=memory.limit_in_bytes
			else group=/sys/fs/cgroup$v2 use=memory.current limit=memory.max; fi
			[ -e "$group/$limit" ] || { echo "there is no $group/$limit" >&2; exit 1; }
			tries=0
			while [ -e /proc/$1 ] && [ $tries -lt 600 ]; do
				cat $group/$use >$group/$limit 2>/dev/null
				tries=$((tries + 1)); sleep 0.05
			done
			[ ! -e /proc/$1 ] || { echo "the process still runs" >&2; exit 1; }`, "starve", number)
		return nil, err
	}
}

// controlPlane returns the pod of a part of the control plane.
func (s *Story) controlPlane(ctx context.Context, part string) (corev1.Pod, error) {
	pod, err := s.Release.CoreV1().Pods(kubeSystem).Get(ctx, part+"-"+s.cluster.Node(), metav1.GetOptions{})
	if err != nil {
		return corev1.Pod{}, err
	}
	return *pod, nil
}

// KillControlPlane kills a part of the control plane, which the kubelet starts again.
func KillControlPlane(part string) Fault {
	return func(ctx context.Context, s *Story) (Fix, error) {
		pod, err := s.controlPlane(ctx, part)
		if err != nil {
			return nil, err
		}
		return nil, s.signal(ctx, pod, "KILL")
	}
}

// PauseControlPlane stops the process of a part of the control plane for that time, and returns when it runs again.
func PauseControlPlane(part string, length time.Duration) Fault {
	return func(ctx context.Context, s *Story) (Fix, error) {
		pod, err := s.controlPlane(ctx, part)
		if err != nil {
			return nil, err
		}
		number, err := s.process(ctx, pod)
		if err != nil {
			return nil, err
		}
		resume := func(ctx context.Context) error {
			_, err := s.cluster.Exec(ctx, pod.Spec.NodeName, "kill", "-CONT", number)
			return err
		}
		_, err = s.cluster.Exec(ctx, pod.Spec.NodeName, "sh", "-c", "kill -STOP $1 && sleep $2; kill -CONT $1", "pause", number,
			strconv.FormatFloat(length.Seconds(), 'f', -1, 64))
		if err != nil {
			return resume, err
		}
		return nil, nil
	}
}

// ControlPlaneReady is met when the API server reports a part of the control plane as Ready, and restarted that often or more
// in all.
func (s *Story) ControlPlaneReady(part string, restarts int32) wait.Condition {
	return wait.Condition{Name: fmt.Sprintf("%s to be Ready and restarted at least %d times", part, restarts), Unmet: func(ctx context.Context) error {
		pod, err := s.controlPlane(ctx, part)
		if err != nil {
			return err
		}
		status := pod.Status.ContainerStatuses[0]
		if !status.Ready || status.RestartCount < restarts {
			return fmt.Errorf("it is Ready: %t, and was restarted %d times", status.Ready, status.RestartCount)
		}
		return nil
	}}
}

// Restarts returns how often a part of the control plane was restarted.
func (s *Story) Restarts(part string) int32 {
	s.Helper()
	ctx, cancel := s.Within(time.Minute)
	defer cancel()
	pod, err := s.controlPlane(ctx, part)
	require.NoError(s, err)
	return pod.Status.ContainerStatuses[0].RestartCount
}

// Kubeconfig returns the path of the cluster's kubeconfig, for a program on this machine.
func (s *Story) Kubeconfig() string { return s.cluster.Kubeconfig }

// Nodes returns the names of the cluster's nodes. The first is the control plane.
func (s *Story) Nodes() []string { return s.cluster.Nodes() }

// Worker returns a node that runs renderers and not the load of [Story.Drive], so the story can break it.
func (s *Story) Worker() string {
	s.Helper()
	ctx, cancel := s.Within(time.Minute)
	defer cancel()
	list, err := s.Release.CoreV1().Pods(s.Release.Namespace).List(ctx, metav1.ListOptions{LabelSelector: "batch.kubernetes.io/job-name=" + loadName})
	require.NoError(s, err)
	loaded, rendering := map[string]bool{}, map[string]bool{}
	for _, pod := range list.Items {
		loaded[pod.Spec.NodeName] = true
	}
	for _, pod := range s.PodsOf(chart.Renderer) {
		rendering[pod.Spec.NodeName] = true
	}
	for _, node := range s.Nodes()[1:] {
		if rendering[node] && !loaded[node] {
			return node
		}
	}
	require.FailNow(s, "no worker runs renderers without the load", "renderers run on %v, the load on %v", rendering, loaded)
	return ""
}

// kubectl runs kubectl in the control plane's node.
func (s *Story) kubectl(ctx context.Context, args ...string) error {
	_, err := s.cluster.Exec(ctx, s.cluster.Node(), append([]string{"kubectl", "--kubeconfig=/etc/kubernetes/admin.conf"}, args...)...)
	return err
}

// Drain drains a node of the release's pods, as an administrator does before an upgrade, and waits until they are gone, at
// most for the timeout. The fix uncordons the node.
func Drain(node string, timeout time.Duration) Fault {
	return func(_ context.Context, s *Story) (Fix, error) {
		// kubectl keeps the timeout, which may be longer than that of other faults.
		ctx, cancel := s.Within(timeout + breakTimeout)
		defer cancel()
		back := func(ctx context.Context) error { return s.kubectl(ctx, "uncordon", node) }
		return back, s.kubectl(ctx, "drain", node, "--delete-emptydir-data", "--ignore-daemonsets", "--timeout="+timeout.String(),
			"--pod-selector=app.kubernetes.io/instance="+s.Release.Name)
	}
}

// KillNode kills a node without notice, as a loss of power does. The fix starts the node again, and waits until it is Ready.
func KillNode(node string) Fault {
	return func(ctx context.Context, s *Story) (Fix, error) {
		if !slices.Contains(s.Nodes()[1:], node) {
			return nil, errors.New("only a worker can be killed: the other node runs the API server")
		}
		return func(ctx context.Context) error { return s.cluster.Revive(ctx, node) }, s.cluster.Kill(ctx, node)
	}
}

// PodReady is met when the pod is Ready, or not Ready if ready is false, and its first container has been restarted that often.
func (s *Story) PodReady(name string, ready bool, restarts int32) wait.Condition {
	return wait.Condition{Name: fmt.Sprintf("pod %s to be Ready: %t, restarted %d times", name, ready, restarts), Unmet: func(ctx context.Context) error {
		pod, err := s.Release.CoreV1().Pods(s.Release.Namespace).Get(ctx, name, metav1.GetOptions{})
		if err != nil {
			return err
		}
		if len(pod.Status.ContainerStatuses) == 0 {
			return errors.New("it has no container yet")
		}
		status := pod.Status.ContainerStatuses[0]
		if status.Ready != ready || status.RestartCount != restarts {
			return fmt.Errorf("it is Ready: %t, restarted %d times", status.Ready, status.RestartCount)
		}
		return nil
	}}
}

// Ended returns the reason that Kubernetes gives for the last end of the pod's first container.
func (s *Story) Ended(name string) string {
	s.Helper()
	ctx, cancel := s.Within(time.Minute)
	defer cancel()
	pod, err := s.Release.CoreV1().Pods(s.Release.Namespace).Get(ctx, name, metav1.GetOptions{})
	require.NoError(s, err)
	if last := pod.Status.ContainerStatuses[0].LastTerminationState.Terminated; last != nil {
		return last.Reason
	}
	return "it has not ended"
}

// KillUpgrade starts an upgrade and kills helm as soon as the Deployment has changed. The release then has the status of a
// pending upgrade.
func (s *Story) KillUpgrade(ctx context.Context, u Upgrade) error {
	before, err := s.Release.Deployment(ctx)
	if err != nil {
		return err
	}
	set, files := s.values(u)
	args := []string{"upgrade", s.Release.Name, s.Chart, "--namespace", s.Release.Namespace, "--kubeconfig", s.cluster.Kubeconfig,
		"--reset-values", "--wait", "--timeout", helmTimeout.String()}
	for _, file := range files {
		args = append(args, "--values", file)
	}
	for key, value := range set {
		args = append(args, "--set", key+"="+value)
	}
	var printed bytes.Buffer
	helm := exec.CommandContext(ctx, "helm", args...)
	helm.Stdout, helm.Stderr = &printed, &printed
	if err := helm.Start(); err != nil {
		return err
	}
	changed := wait.For(ctx, time.Minute, wait.Condition{Name: "helm to have changed the Deployment", Unmet: func(ctx context.Context) error {
		now, err := s.Release.Deployment(ctx)
		if err == nil && now.Generation == before.Generation {
			err = errors.New("its generation is the same")
		}
		return err
	}})
	killed := helm.Process.Kill()
	// An error is expected: helm was killed.
	ended := helm.Wait()
	if changed != nil {
		return fmt.Errorf("%w; helm printed: %s", changed, printed.String())
	}
	if killed != nil || ended == nil {
		return fmt.Errorf("helm ended before it was killed, and printed: %s", printed.String())
	}
	return nil
}

// Rollout replaces a component's pods, as `kubectl rollout restart` does, and waits until the new ones are Ready.
func (s *Story) Rollout(c chart.Component) {
	s.Helper()
	ctx, cancel := s.Within(fixTimeout + time.Minute)
	defer cancel()
	require.NoError(s, s.kubectl(ctx, "--namespace="+s.Release.Namespace, "rollout", "restart", "deployment/"+s.name(c)))
	require.NoError(s, wait.For(ctx, fixTimeout, s.RolledOut(c)))
}
