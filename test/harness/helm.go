package harness

import (
	"context"
	"time"

	"github.com/gruntwork-io/terratest/modules/helm"
	"github.com/gruntwork-io/terratest/modules/k8s"
	"github.com/gruntwork-io/terratest/modules/logger"
	"github.com/stretchr/testify/require"

	"holograph/ci/repo"
)

// helmTimeout bounds each of helm's own waits. An installation with the images
// in the node takes 20 s.
const helmTimeout = 3 * time.Minute

// Install installs or upgrades the release to the chart of this checkout with
// values files of values-examples/, and waits until all of it is ready. A story
// that finds the release as it wants it costs one unchanged upgrade.
func (s *Story) Install(examples ...string) {
	s.Helper()
	s.UpgradeWith(nil, examples...)
}

// UpgradeWith is Install with single values set on top.
func (s *Story) UpgradeWith(set map[string]string, examples ...string) {
	s.Helper()
	options := s.helmOptions()
	options.SetValues = set
	for _, example := range examples {
		path, err := repo.Path("values-examples", example)
		require.NoError(s, err)
		options.ValuesFiles = append(options.ValuesFiles, path)
	}
	chart, err := repo.Path("charts", "holograph")
	require.NoError(s, err)
	ctx, cancel := s.Within(helmTimeout + time.Minute)
	defer cancel()
	options.ExtraArgs = map[string][]string{"upgrade": {"--install", "--create-namespace", "--reset-values", "--wait", "--timeout", helmTimeout.String()}}
	require.NoError(s, helm.UpgradeContextE(s, ctx, options, chart, s.Release.Name))
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

// Uninstall removes the release and waits until its objects are gone.
func (s *Story) Uninstall(ctx context.Context) {
	s.Helper()
	options := s.helmOptions()
	options.ExtraArgs = map[string][]string{"delete": {"--wait", "--cascade=foreground", "--timeout", helmTimeout.String()}}
	require.NoError(s, helm.DeleteContextE(s, ctx, options, s.Release.Name, true))
}

func (s *Story) helmOptions() *helm.Options {
	return &helm.Options{
		KubectlOptions: k8s.NewKubectlOptions("", s.cluster.Kubeconfig, s.Release.Namespace),
		// What helm prints is in the error where it fails, and noise where not.
		Logger: logger.Discard,
	}
}
