// Package harness gives the stories their cluster, their installed release, their waiting and their evidence. A
// story holds none of that: it says what happens and what must be true.
package harness

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"holograph/ci/cluster"
	"holograph/ci/program"
	"holograph/ci/repo"
	"holograph/ci/supply"
	"holograph/test/internal/kube"
)

const (
	// keepVariable keeps the cluster after the tests, and uses it again.
	keepVariable = "KEEP_CLUSTER"
	// stopTimeout bounds what is done after the tests.
	stopTimeout = 2 * time.Minute
)

// shared is the one cluster of this test binary, started by the first story that
// asks for it.
var shared struct {
	sync.Once
	sets    []supply.Set
	cluster *cluster.Cluster
	client  *kube.Client
	err     error
}

// Main runs the tests of a package and then removes the cluster that they
// shared, which holds the images of the sets too. Use it as the body of TestMain.
func Main(m *testing.M, sets ...supply.Set) {
	shared.sets = sets
	code := m.Run()
	if err := stop(); err != nil {
		fmt.Fprintln(os.Stderr, "removing the test cluster:", err)
		code = 1
	}
	os.Exit(code)
}

func keep() bool { return os.Getenv(keepVariable) != "" }

// start brings up the shared cluster. Its progress goes to standard error: a
// test's log is shown only when the test has ended.
func start() {
	// A first Ctrl-C ends the start; go test itself ends the rest.
	ctx, cancel := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer cancel()
	if shared.err = supply.Check(ctx, shared.sets...); shared.err != nil {
		return
	}
	if shared.cluster, shared.err = cluster.Start(ctx, os.Stderr, clusterName(), keep(), shared.sets...); shared.err != nil {
		return
	}
	shared.client, shared.err = kube.Connect(shared.cluster.Kubeconfig)
}

// clusterName is that of the package's own cluster. go test runs a package in its
// folder, so that the folder tells them apart.
func clusterName() string {
	folder, err := os.Getwd()
	if base := filepath.Base(folder); err == nil && base != "test" {
		return cluster.Tests + "-" + base
	}
	return cluster.Tests
}

func stop() error {
	if shared.cluster == nil {
		return nil
	}
	if keep() {
		fmt.Fprintf(os.Stderr, "%s is set: the cluster %s stays. Reach it with:\n  export KUBECONFIG=%s\nand remove it with:\n  make down\n",
			keepVariable, shared.cluster.Name, shared.cluster.Kubeconfig)
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), stopTimeout)
	defer cancel()
	return shared.cluster.Delete(ctx)
}

// Story is one test on the shared cluster.
type Story struct {
	*testing.T
	// Release is the installed chart.
	Release kube.Release
	// Chart is what Install installs: this checkout's chart, unless the story names
	// another folder, a package or a registry's reference.
	Chart string
	// Artifacts is the folder of this test's evidence: data, pictures and, where
	// it fails, diagnostics.
	Artifacts string

	cluster *cluster.Cluster
	// others are the further releases of At.
	others []*Story
}

// releaseName is the name that the README installs under.
const releaseName = "holograph"

// New begins a story on the shared cluster. It skips in -short mode: that is
// what needs no cluster.
func New(t *testing.T) *Story {
	t.Helper()
	if testing.Short() {
		t.Skip("needs a cluster; run without -short")
	}
	shared.Do(start)
	require.NoError(t, shared.err)
	chart, err := repo.Path("charts", "holograph")
	require.NoError(t, err)
	artifacts, err := repo.Path(".artifacts", t.Name())
	require.NoError(t, err)
	require.NoError(t, os.RemoveAll(artifacts))
	require.NoError(t, os.MkdirAll(artifacts, 0o755))
	s := &Story{
		T:         t,
		Release:   kube.Release{Client: shared.client, Namespace: releaseName, Name: releaseName},
		Chart:     chart,
		Artifacts: artifacts,
		cluster:   shared.cluster,
	}
	s.UseHelm(program.Helm)
	t.Cleanup(s.end)
	return s
}

// At returns the story of another release beside this one, which the story may
// install and which is removed at its end.
func (s *Story) At(namespace, name string) *Story {
	other := *s
	other.Release.Namespace, other.Release.Name = namespace, name
	other.Artifacts = s.Artifact(name)
	s.others = append(s.others, &other)
	return &other
}

// end keeps what the cluster knows about a failure, and then removes what the next
// story does not expect.
func (s *Story) end() {
	for _, story := range append([]*Story{s}, s.others...) {
		if s.Failed() {
			story.diagnose()
		}
	}
	// Not s.Context(): that ended before the cleanups.
	ctx, cancel := context.WithTimeout(context.Background(), stopTimeout)
	defer cancel()
	for _, other := range s.others {
		other.uninstall(ctx)
	}
}

// Step logs the beginning of a part of the story, with the time since the
// story's start left to the test log.
func (s *Story) Step(format string, args ...any) {
	s.Helper()
	s.Logf("%s  %s", time.Now().Format(time.TimeOnly), fmt.Sprintf(format, args...))
}

// Artifact returns the path of a file of evidence.
func (s *Story) Artifact(name string) string { return filepath.Join(s.Artifacts, name) }

// Within returns a context that ends with the test, or before the test binary's
// own deadline, so that diagnostics still find a cluster.
func (s *Story) Within(budget time.Duration) (context.Context, context.CancelFunc) {
	if deadline, ok := s.Deadline(); ok {
		budget = min(budget, time.Until(deadline)-reserve)
	}
	return context.WithTimeout(s.Context(), budget)
}

// reserve is kept back from the test binary's deadline for diagnostics and for
// the removal of the cluster: 20 s when measured on 2 busy cores.
const reserve = 45 * time.Second
