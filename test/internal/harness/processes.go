package harness

import (
	"context"
	"fmt"
	"strings"

	"holograph/ci/command"
	"holograph/test/internal/chart"
)

// KillProcess kills the first process of each of a component's pods, at once and without notice. The kubelet starts their
// containers again.
func KillProcess(c chart.Component) Fault {
	return func(ctx context.Context, s *Story) (Fix, error) {
		_, err := s.signalAll(ctx, c, "KILL")
		return nil, err
	}
}

// Freeze stops the first process of each of a component's pods: it accepts connections and answers none. The fix continues
// those that still exist.
func Freeze(c chart.Component) Fault {
	return func(ctx context.Context, s *Story) (Fix, error) {
		frozen, err := s.signalAll(ctx, c, "STOP")
		return func(ctx context.Context) error {
			for _, process := range frozen {
				// The kubelet may have restarted the container.
				if err := s.inNode(ctx, "sh", "-c", "! test -e /proc/$0 || kill -CONT $0", process); err != nil {
					return err
				}
			}
			return nil
		}, err
	}
}

func (s *Story) signalAll(ctx context.Context, c chart.Component, signal string) ([]string, error) {
	found, err := s.processes(ctx, c)
	if err != nil {
		return nil, err
	}
	return found, s.inNode(ctx, append([]string{"kill", "-" + signal}, found...)...)
}

// processes returns the numbers that the first processes of a component's pods have in the node.
func (s *Story) processes(ctx context.Context, c chart.Component) ([]string, error) {
	var found []string
	for _, pod := range s.PodsOf(c) {
		_, container, _ := strings.Cut(pod.Status.ContainerStatuses[0].ContainerID, "://")
		number, err := command.Command{Args: []string{s.cluster.Engine(), "exec", s.cluster.Node(),
			"crictl", "inspect", "--output", "go-template", "--template", "{{.info.pid}}", container}}.Output(ctx)
		if err != nil {
			return nil, err
		}
		found = append(found, strings.TrimSpace(number))
	}
	if len(found) == 0 {
		return nil, fmt.Errorf("%s has no pods", s.name(c))
	}
	return found, nil
}

// inNode runs a program in the node.
func (s *Story) inNode(ctx context.Context, args ...string) error {
	return command.Command{Args: append([]string{s.cluster.Engine(), "exec", s.cluster.Node()}, args...)}.Run(ctx)
}
