// Package harness is what stories are written with. A story is a test on a cluster that says what happens and what must then
// be true. The harness starts the cluster, installs the release, waits for conditions, injects faults and fixes them again,
// and keeps diagnostics when a story fails.
package harness

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"path"
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

// stopTimeout bounds the removal of releases and of the cluster after the tests.
const stopTimeout = 2 * time.Minute

// shared is the one cluster of this test binary. The first story starts it.
var shared struct {
	sync.Once
	sets    []supply.Set
	cluster *cluster.Cluster
	client  *kube.Client
	err     error
}

// Main runs the tests of a package, and then removes their cluster. The cluster has the images that every cluster has, and
// those of the sets. Call Main as the body of TestMain.
func Main(m *testing.M, sets ...supply.Set) {
	shared.sets = sets
	code := m.Run()
	if err := stop(); err != nil {
		fmt.Fprintln(os.Stderr, "removing the test cluster:", err)
		code = 1
	}
	os.Exit(code)
}

// start starts the shared cluster. It writes its progress to standard error, because the log of a test is shown only when
// the test ends.
func start() {
	// This handles Ctrl-C during the start. Later, go test does.
	ctx, cancel := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer cancel()
	if shared.err = supply.Check(ctx, shared.sets...); shared.err != nil {
		return
	}
	if shared.cluster, shared.err = cluster.Start(ctx, os.Stderr, clusterName(), cluster.Kept(), shared.sets...); shared.err != nil {
		return
	}
	shared.client, shared.err = kube.Connect(shared.cluster.Kubeconfig)
}

// clusterName returns the name of the package's cluster, which ends with that of the package's folder.
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
	if cluster.Kept() {
		fmt.Fprintf(os.Stderr, "%s is set: the cluster %s stays. Reach it with:\n  export KUBECONFIG=%s\nand remove it with:\n  make down\n",
			cluster.KeepVariable, shared.cluster.Name, shared.cluster.Kubeconfig)
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), stopTimeout)
	defer cancel()
	return shared.cluster.Delete(ctx)
}

// Story is a test, or a part of one, on the shared cluster.
type Story struct {
	*testing.T
	// Release is the release that the story installs.
	Release kube.Release
	// Chart is the chart that Install installs. It is the folder of this checkout's chart, unless the story sets another
	// folder, a package or a reference in a registry.
	Chart string
	// Artifacts is the folder for the story's data and pictures and, if the story fails, its diagnostics.
	Artifacts string

	// checkout is the folder of this checkout's chart.
	checkout string
	cluster  *cluster.Cluster
	// others are the stories that At returned.
	others []*Story
	// fixes undo the faults of Break. broken says that there was a fault, and wasHealthy that every link held before the
	// first one.
	fixes              []func()
	broken, wasHealthy bool
	// diagnosed says that the story, or a part of it, has failed and has written diagnostics.
	diagnosed bool
}

// releaseName is the name under which the README installs the chart.
const releaseName = "holograph"

// New begins a story on the shared cluster, and starts the cluster for the first story. With -short it skips the test.
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
		checkout:  chart,
		Artifacts: artifacts,
		cluster:   shared.cluster,
	}
	s.UseHelm(program.Helm)
	t.Cleanup(s.end)
	return s
}

// At returns the story of another release in the same cluster. The release is removed when this story ends.
func (s *Story) At(namespace, name string) *Story {
	other := *s
	other.others, other.fixes, other.broken = nil, nil, false
	other.Release.Namespace, other.Release.Name = namespace, name
	other.Artifacts = s.Artifact(name)
	s.others = append(s.others, &other)
	return &other
}

// Run runs a part of the story as a subtest, on the same cluster and the same release. `go test -run` can select the part,
// and its failure ends no other part. The end of the part fixes its faults and removes its load.
func (s *Story) Run(name string, part func(s *Story)) bool {
	s.Helper()
	return s.T.Run(name, func(t *testing.T) {
		t.Helper()
		one := *s
		one.T, one.others, one.fixes, one.broken, one.diagnosed = t, nil, nil, false, false
		one.Artifacts = s.Artifact(path.Base(t.Name()))
		require.NoError(t, os.MkdirAll(one.Artifacts, 0o755))
		t.Cleanup(func() {
			t.Helper()
			one.end()
			s.diagnosed = s.diagnosed || one.diagnosed
		})
		part(&one)
	})
}

// end writes diagnostics if the story failed, fixes what it broke, and removes the releases of At.
func (s *Story) end() {
	s.Helper()
	stories := append([]*Story{s}, s.others...)
	// Diagnostics show the release as it was when the story failed, before the fixes. If only a fix fails, they come after it.
	diagnose := func() {
		if !s.Failed() || s.diagnosed {
			return
		}
		s.diagnosed = true
		for _, story := range stories {
			story.diagnose()
		}
	}
	diagnose()
	for _, story := range stories {
		story.fix()
	}
	diagnose()
	// s.Context() is canceled before the cleanups run.
	ctx, cancel := context.WithTimeout(context.Background(), stopTimeout)
	defer cancel()
	for _, other := range s.others {
		other.uninstall(ctx)
	}
}

// Step logs the time and what the story does next.
func (s *Story) Step(format string, args ...any) {
	s.Helper()
	s.Logf("%s  %s", time.Now().Format(time.TimeOnly), fmt.Sprintf(format, args...))
}

// Artifact returns the path of a file in the story's folder.
func (s *Story) Artifact(name string) string { return filepath.Join(s.Artifacts, name) }

// Within returns a context that ends after the budget or with the test. It ends early enough before the deadline of the test
// binary to leave time for diagnostics.
func (s *Story) Within(budget time.Duration) (context.Context, context.CancelFunc) {
	return s.within(s.Context(), budget)
}

// withinFix is Within for what also fixes a fault: the context of a test ends before that.
func (s *Story) withinFix(budget time.Duration) (context.Context, context.CancelFunc) {
	return s.within(context.WithoutCancel(s.Context()), budget)
}

func (s *Story) within(parent context.Context, budget time.Duration) (context.Context, context.CancelFunc) {
	if deadline, ok := s.Deadline(); ok {
		budget = min(budget, time.Until(deadline)-reserve)
	}
	return context.WithTimeout(parent, budget)
}

// reserve is the time that is kept before the deadline of the test binary for diagnostics and for the removal of the
// cluster. They took 20 s on 2 busy cores.
const reserve = 45 * time.Second
