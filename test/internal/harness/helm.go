package harness

import (
	"context"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/gruntwork-io/terratest/modules/helm"
	"github.com/gruntwork-io/terratest/modules/k8s"
	"github.com/gruntwork-io/terratest/modules/logger"
	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"holograph/ci/image"
	"holograph/ci/program"
	"holograph/ci/repo"
	"holograph/test/internal/chart"
	"holograph/test/internal/guest"
)

// helmTimeout bounds each of helm's own waits. An installation takes 20 s if the node has the images.
const helmTimeout = 3 * time.Minute

// UseHelm makes the rest of the story run that version of Helm. New begins with Helm 3.
func (s *Story) UseHelm(p program.Program) {
	s.Helper()
	binary, err := p.Binary(s.Context(), "helm")
	require.NoError(s, err)
	s.Setenv("PATH", filepath.Dir(binary)+string(os.PathListSeparator)+os.Getenv("PATH"))
	// Tests do not use the repositories and plugins of the user who runs them. They do not share the cache either: Helm 4
	// keeps the provenance of a package there, and uses it for the same package when that is signed again.
	for _, home := range []string{"HELM_CACHE_HOME", "HELM_CONFIG_HOME", "HELM_DATA_HOME"} {
		s.Setenv(home, s.TempDir())
	}
}

// Upgrade says what to upgrade the release to.
type Upgrade struct {
	// Examples are values files of values-examples, by their names without extension.
	Examples []string
	// Values are paths of further values files.
	Values []string
	// Set has single values that override the files.
	Set map[string]string
	// Flags are further flags of `helm upgrade`.
	Flags []string
}

// OtherRenderer is an upgrade to the renderer of test/sources/otherrenderer, which the release describes by values alone. The
// examples come after own-renderer.
func (s *Story) OtherRenderer(examples ...string) Upgrade {
	s.Helper()
	other, err := image.OtherRenderer()
	require.NoError(s, err)
	values, err := repo.Path("test/sources/testdata/other-renderer.yaml")
	require.NoError(s, err)
	colon := strings.LastIndex(other.Ref, ":")
	return Upgrade{
		// local has small pods and short intervals.
		Examples: append([]string{"local", "own-renderer"}, examples...),
		Values:   []string{values},
		Set: map[string]string{
			"renderer.image.repository":           other.Ref[:colon],
			"renderer.image.tag":                  other.Ref[colon+1:],
			"renderer.extraContainers[0].image":   other.Ref,
			"renderer.extraContainers[0].args[0]": "export",
		},
	}
}

// Install installs the story's chart, or upgrades the release to it, with values files of values-examples, by their names
// without extension. It waits until all of it is Ready. If the release already has these values, the upgrade changes nothing.
//
// All commands of helm go through Terratest, which runs the first helm on PATH. [Story.UseHelm] puts it there.
func (s *Story) Install(examples ...string) {
	s.Helper()
	require.NoError(s, s.Upgrade(Upgrade{Examples: examples}))
}

// UpgradeWith is Install with single values that override the values files.
func (s *Story) UpgradeWith(set map[string]string, examples ...string) {
	s.Helper()
	require.NoError(s, s.Upgrade(Upgrade{Examples: examples, Set: set}))
}

// Upgrade is Install for stories that need more than values, or the error. It creates the namespace itself, because the
// namespace must enforce the restricted Pod Security Standard.
func (s *Story) Upgrade(u Upgrade) error {
	s.Helper()
	s.Apply(guest.Namespace(s.Release.Namespace))
	options := s.helmOptions()
	options.SetValues, options.ValuesFiles = s.values(u)
	ctx, cancel := s.withinFix(helmTimeout + time.Minute)
	defer cancel()
	options.ExtraArgs = map[string][]string{"upgrade": append(u.Flags,
		"--install", "--reset-values", "--wait", "--timeout", helmTimeout.String())}
	defer s.Release.Redial()
	return helm.UpgradeContextE(s, ctx, options, s.Chart, s.Release.Name)
}

// values returns the single values and the values files of an upgrade.
func (s *Story) values(u Upgrade) (set map[string]string, files []string) {
	s.Helper()
	set = maps.Clone(u.Set)
	if s.Chart == s.checkout {
		// The chart checks that a node lists the image. A node lists a loaded image only after half a minute, and Never turns
		// the check off.
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

// HelmTest runs the tests of the release and returns what helm printed. It returns an error if a test failed.
func (s *Story) HelmTest() (string, error) {
	s.Helper()
	ctx, cancel := s.Within(helmTimeout)
	defer cancel()
	return helm.RunHelmCommandAndGetOutputContextE(s, ctx, s.helmOptions(), "test", s.Release.Name, "--timeout", helmTimeout.String())
}

// HelmTestPasses checks that the tests of the release find that every link holds.
func (s *Story) HelmTestPasses() {
	s.Helper()
	printed, err := s.HelmTest()
	require.NoError(s, err, printed)
	require.Contains(s, printed, "Every link holds.")
}

// Rollback rolls the release back to its previous revision, and waits until all of it is Ready.
func (s *Story) Rollback() {
	s.Helper()
	options := s.helmOptions()
	options.ExtraArgs = map[string][]string{"rollback": {"--wait", "--timeout", helmTimeout.String()}}
	ctx, cancel := s.Within(helmTimeout + time.Minute)
	defer cancel()
	// Helm takes revision 0 as the previous one.
	defer s.Release.Redial()
	require.NoError(s, helm.RollbackContextE(s, ctx, options, s.Release.Name, "0"))
}

// Uninstall removes the release if there is one, and waits until its objects are gone. It also deletes the pod of the last
// `helm test`, which Helm leaves behind, as the chart's README says.
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
		metav1.ListOptions{LabelSelector: s.Selector(chart.Doctor)}))
}

// Helm runs a command of the story's helm and returns its output.
func (s *Story) Helm(command string, args ...string) (string, error) {
	s.Helper()
	ctx, cancel := s.Within(helmTimeout + time.Minute)
	defer cancel()
	return helm.RunHelmCommandAndGetOutputContextE(s, ctx, s.helmOptions(), command, args...)
}

func (s *Story) helmOptions() *helm.Options {
	return &helm.Options{
		KubectlOptions: k8s.NewKubectlOptions("", s.cluster.Kubeconfig, s.Release.Namespace),
		// If helm fails, the error has its output.
		Logger: logger.Discard,
	}
}
