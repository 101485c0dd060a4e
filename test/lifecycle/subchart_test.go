package lifecycle

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"

	"holograph/ci/program"
	"holograph/ci/repo"
	"holograph/test/internal/chart"
	"holograph/test/internal/harness"
	"holograph/test/internal/wait"
)

// TestSubchart: a chart that depends on Holograph scales by it, passes global values to it, and can switch it off.
func TestSubchart(t *testing.T) {
	s := begin(t, program.Helm4)
	s.Release = studio(s.Release.Client)
	s.Chart = umbrella(s)
	values := filepath.Join(t.TempDir(), "values.yaml")
	content, err := yaml.Marshal(chart.Values{"holograph": chart.Example(t, "local")})
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(values, content, 0o644))
	ctx, cancel := s.Within(4 * time.Minute)
	defer cancel()

	// The harness sets this for the chart of the checkout, but not below the name of a dependency.
	loaded := map[string]string{"holograph.renderer.image.pullPolicy": "Never"}

	s.Step("install a chart that depends on Holograph")
	require.NoError(t, s.Upgrade(harness.Upgrade{Values: []string{values}, Set: loaded}))
	s.WaitFor(2*time.Minute, wait.Chain(s.Release)...)
	deployment, err := s.Release.Deployment(ctx)
	require.NoError(t, err)
	require.Len(t, deployment.Spec.Template.Spec.ImagePullSecrets, 1)
	assert.Equal(t, "studio-registry", deployment.Spec.Template.Spec.ImagePullSecrets[0].Name, "name of the pull secret, which the parent sets under global")

	s.Step("switch Holograph off")
	require.NoError(t, s.Upgrade(harness.Upgrade{Values: []string{values}, Set: map[string]string{"holograph.enabled": "false"}}))
	s.WaitFor(time.Minute, s.NothingLeft())
	_, err = s.Release.CoreV1().ConfigMaps(s.Release.Namespace).Get(ctx, s.Release.Name+"-scenes", metav1.GetOptions{})
	assert.NoError(t, err, "read the parent's own ConfigMap, which must stay")
	_, err = s.Release.Deployment(ctx)
	assert.True(t, apierrors.IsNotFound(err), "error of reading the renderer's Deployment is %v, want NotFound", err)

	s.Uninstall()
}

// umbrella copies the parent chart, adds its dependency, and returns the copy's folder.
func umbrella(s *harness.Story) string {
	s.Helper()
	folder := s.TempDir()
	holograph, err := repo.Path("charts", "holograph")
	require.NoError(s, err)
	require.NoError(s, os.CopyFS(filepath.Join(folder, "holograph"), os.DirFS(holograph)))
	parent := filepath.Join(folder, "studio")
	require.NoError(s, os.CopyFS(parent, os.DirFS(filepath.Join("testdata", "umbrella"))))
	_, err = s.Helm("dependency", "update", parent)
	require.NoError(s, err)
	return parent
}
