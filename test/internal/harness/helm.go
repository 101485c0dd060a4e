package harness

import (
	"context"
	"maps"
	"os"
	"path/filepath"
	"time"

	"github.com/gruntwork-io/terratest/modules/helm"
	"github.com/gruntwork-io/terratest/modules/k8s"
	"github.com/gruntwork-io/terratest/modules/logger"
	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"holograph/ci/program"
	"holograph/ci/repo"
	"holograph/test/internal/guest"
)

// helmTimeout bounds each of helm's own waits. An installation with the images in the node takes 20 s.
const helmTimeout = 3 * time.Minute

// UseHelm has the rest of the story run the helm of that program; New begins with Helm 3's.
func (s *Story) UseHelm(p program.Program) {
	s.Helper()
	binary, err := p.Binary(s.Context(), "helm")
	require.NoError(s, err)
	s.Setenv("PATH", filepath.Dir(binary)+string(os.PathListSeparator)+os.Getenv("PATH"))
	// The repositories and plugins of the person who runs the tests are no part of them. Nor is the cache: Helm 4 keeps a
	// package's provenance there, and takes it for that of the same package signed again.
	for _, home := range []string{"HELM_CACHE_HOME", "HELM_CONFIG_HOME", "HELM_DATA_HOME"} {
		s.Setenv(home, s.TempDir())
	}
}

// Upgrade says what to bring the release to.
type Upgrade struct {
	// Examples are values files of values-examples, by their names without extension.
	Examples []string
	// Values are paths of further values files.
	Values []string
	// Set holds single values on top.
	Set map[string]string
	// Flags are further flags of `helm upgrade`.
	Flags []string
}

// Install installs or upgrades the release to the story's chart with values files of values-examples, by their names
// without extension, and waits until all of it is Ready. For a story that finds the release as it wants it this is an
// upgrade without changes.
//
// All of helm's commands go through Terratest, which runs the first helm on PATH: [Story.UseHelm] puts one there.
func (s *Story) Install(examples ...string) {
	s.Helper()
	require.NoError(s, s.Upgrade(Upgrade{Examples: examples}))
}

// UpgradeWith is Install with single values set on top.
func (s *Story) UpgradeWith(set map[string]string, examples ...string) {
	s.Helper()
	require.NoError(s, s.Upgrade(Upgrade{Examples: examples, Set: set}))
}

// Upgrade is Install for stories that give more than values, or that look at the error. The release's namespace enforces
// the restricted Pod Security Standard, which Helm would not make it do.
func (s *Story) Upgrade(u Upgrade) error {
	s.Helper()
	s.Apply(guest.Namespace(s.Release.Namespace))
	options := s.helmOptions()
	options.SetValues, options.ValuesFiles = s.values(u)
	ctx, cancel := s.Within(helmTimeout + time.Minute)
	defer cancel()
	options.ExtraArgs = map[string][]string{"upgrade": append(u.Flags,
		"--install", "--reset-values", "--wait", "--timeout", helmTimeout.String())}
	return helm.UpgradeContextE(s, ctx, options, s.Chart, s.Release.Name)
}

// values returns what an upgrade sets, and its values files.
func (s *Story) values(u Upgrade) (set map[string]string, files []string) {
	s.Helper()
	set = maps.Clone(u.Set)
	if s.Chart == s.checkout {
		// The images were loaded into the node. It lists them half a minute later, for which the chart would look.
		if set == nil {
			set = map[string]string{}
		}
		set["renderer.image.pullPolicy"] = "Never"
	}
	for _, example := range u.Examples {
		path, err := repo.Path("values-examples", example+".yaml")
		require.NoError(s, err)
		files = append(files, path)
	}
	return set, append(files, u.Values...)
}

// HelmTest runs the release's tests and returns what helm printed. It returns an error where a test failed.
func (s *Story) HelmTest() (string, error) {
	s.Helper()
	ctx, cancel := s.Within(helmTimeout)
	defer cancel()
	return helm.RunHelmCommandAndGetOutputContextE(s, ctx, s.helmOptions(), "test", s.Release.Name, "--timeout", helmTimeout.String())
}

// Rollback takes the release back to its previous revision and waits.
func (s *Story) Rollback() {
	s.Helper()
	options := s.helmOptions()
	options.ExtraArgs = map[string][]string{"rollback": {"--wait", "--timeout", helmTimeout.String()}}
	ctx, cancel := s.Within(helmTimeout + time.Minute)
	defer cancel()
	// Revision 0 is the previous one.
	require.NoError(s, helm.RollbackContextE(s, ctx, options, s.Release.Name, "0"))
}

// Uninstall removes the release, where there is one, and waits until its objects are gone. It deletes the pod of the
// last `helm test` too, which Helm leaves, as the chart's README says.
func (s *Story) Uninstall() {
	s.Helper()
	ctx, cancel := s.Within(helmTimeout + time.Minute)
	defer cancel()
	s.uninstall(ctx)
}

func (s *Story) uninstall(ctx context.Context) {
	s.Helper()
	options := s.helmOptions()
	options.ExtraArgs = map[string][]string{"delete": {"--ignore-not-found", "--wait", "--cascade=foreground", "--timeout", helmTimeout.String()}}
	require.NoError(s, helm.DeleteContextE(s, ctx, options, s.Release.Name, true))
	require.NoError(s, s.Release.CoreV1().Pods(s.Release.Namespace).DeleteCollection(ctx, metav1.DeleteOptions{},
		metav1.ListOptions{LabelSelector: "app.kubernetes.io/component=doctor,app.kubernetes.io/instance=" + s.Release.Name}))
}

// Helm runs the story's helm and returns what it printed.
func (s *Story) Helm(command string, args ...string) (string, error) {
	s.Helper()
	ctx, cancel := s.Within(helmTimeout + time.Minute)
	defer cancel()
	return helm.RunHelmCommandAndGetOutputContextE(s, ctx, s.helmOptions(), command, args...)
}

func (s *Story) helmOptions() *helm.Options {
	return &helm.Options{
		KubectlOptions: k8s.NewKubectlOptions("", s.cluster.Kubeconfig, s.Release.Namespace),
		// Where helm fails, the error holds what it printed.
		Logger: logger.Discard,
	}
}
