package harness

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"holograph/test/internal/chart"
)

// process returns the process ID of a pod's first container on the pod's node.
func (s *Story) process(ctx context.Context, pod corev1.Pod) (string, error) {
	if len(pod.Status.ContainerStatuses) == 0 {
		return "", fmt.Errorf("pod %s has no container", pod.Name)
	}
	_, id, _ := strings.Cut(pod.Status.ContainerStatuses[0].ContainerID, "://")
	number, err := s.cluster.Exec(ctx, pod.Spec.NodeName, "crictl", "inspect", "--output", "go-template", "--template", "{{.info.pid}}", id)
	if err != nil {
		return "", err
	}
	number = strings.TrimSpace(number)
	if n, err := strconv.Atoi(number); err != nil || n < 2 {
		return "", fmt.Errorf("the process ID of container %s on node %s is %q, want a number above 1", id, pod.Spec.NodeName, number)
	}
	return number, nil
}

// signal sends a signal to the process of a pod's first container.
func (s *Story) signal(ctx context.Context, pod corev1.Pod, signal string) error {
	number, err := s.process(ctx, pod)
	if err != nil {
		return err
	}
	_, err = s.cluster.Exec(ctx, pod.Spec.NodeName, "kill", "-"+signal, number)
	return err
}

// KillProcess kills the process of a component's first pod without notice. The kubelet restarts its container.
func KillProcess(c chart.Component) Fault {
	return func(ctx context.Context, s *Story) (Fix, error) {
		_, err := s.killFirst(ctx, c)
		return nil, err
	}
}

// killFirst kills the process of a component's first pod, and returns the pod's name.
func (s *Story) killFirst(ctx context.Context, c chart.Component) (pod string, err error) {
	pods := s.PodsOf(c)
	if len(pods) == 0 {
		return "", fmt.Errorf("%s has no pod", s.name(c))
	}
	return pods[0].Name, s.signal(ctx, pods[0], "KILL")
}

// Crash kills the process of a component's first pod whenever it runs. The kubelet waits longer each time before it restarts
// the container. The fix leaves the process alone.
func Crash(c chart.Component) Fault {
	return func(ctx context.Context, s *Story) (Fix, error) {
		name, err := s.killFirst(ctx, c)
		if err != nil {
			return nil, err
		}
		crashing, stop := context.WithCancel(context.WithoutCancel(ctx))
		stopped := make(chan struct{})
		go func() {
			defer close(stopped)
			for {
				// Between two lives of the container this fails.
				if pod, err := s.Release.CoreV1().Pods(s.Release.Namespace).Get(crashing, name, metav1.GetOptions{}); err == nil {
					_ = s.signal(crashing, *pod, "KILL")
				}
				select {
				case <-crashing.Done():
					return
				case <-time.After(time.Second):
				}
			}
		}()
		return func(context.Context) error {
			stop()
			<-stopped
			return nil
		}, nil
	}
}

// Replace deletes the pods of a component. Its Deployment creates others.
func Replace(c chart.Component) Fault {
	return func(ctx context.Context, s *Story) (Fix, error) {
		for _, pod := range s.PodsOf(c) {
			if err := s.Release.CoreV1().Pods(pod.Namespace).Delete(ctx, pod.Name, metav1.DeleteOptions{}); err != nil {
				return nil, err
			}
		}
		return nil, nil
	}
}

// Hang stops the process of a pod's first container. It still accepts connections, and answers none of them until the
// container is restarted.
func Hang(pod corev1.Pod) Fault {
	return func(ctx context.Context, s *Story) (Fix, error) { return nil, s.signal(ctx, pod, "STOP") }
}

// Freeze stops the processes of all pods of a component. The fix continues those whose containers were not restarted.
func Freeze(c chart.Component) Fault {
	return func(ctx context.Context, s *Story) (Fix, error) {
		frozen := map[string]string{}
		resume := func(ctx context.Context) error {
			for process, node := range frozen {
				if _, err := s.cluster.Exec(ctx, node, "sh", "-c", "! test -e /proc/$0 || kill -CONT $0", process); err != nil {
					return err
				}
			}
			return nil
		}
		pods := s.PodsOf(c)
		if len(pods) == 0 {
			return nil, fmt.Errorf("%s has no pods", s.name(c))
		}
		for _, pod := range pods {
			process, err := s.process(ctx, pod)
			if err != nil {
				return resume, err
			}
			frozen[process] = pod.Spec.NodeName
			if _, err := s.cluster.Exec(ctx, pod.Spec.NodeName, "kill", "-STOP", process); err != nil {
				return resume, err
			}
		}
		return resume, nil
	}
}
