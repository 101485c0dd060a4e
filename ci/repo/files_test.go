package repo

import (
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"sigs.k8s.io/yaml"
)

// workflow is what a file of .github/workflows says.
type workflow struct {
	Permissions map[string]string
	Jobs        map[string]struct {
		Permissions map[string]string
		Steps       []struct{ Uses, Run string }
	}
}

// read decodes a YAML file of the repository and returns its text.
func read(t *testing.T, into any, elem ...string) string {
	t.Helper()
	file, err := Path(elem...)
	require.NoError(t, err)
	text, err := os.ReadFile(file)
	require.NoError(t, err)
	if into != nil {
		require.NoError(t, yaml.Unmarshal(text, into), file)
	}
	return string(text)
}

// TestWorkflowsOnlyCallMake: what CI runs, everybody can run. The workflows call targets that exist, one a step, with an
// action for what the runner needs, and no job has more rights than it must.
func TestWorkflowsOnlyCallMake(t *testing.T) {
	makefile := read(t, nil, "Makefile")
	pattern, err := Path(".github", "workflows", "*.yml")
	require.NoError(t, err)
	files, err := filepath.Glob(pattern)
	require.NoError(t, err)
	require.NotEmpty(t, files)
	call := regexp.MustCompile(`^make ([a-z-]+)( [A-Z_]+=("[^"]*"|[^ ;&|]+))*$`)
	pinned := regexp.MustCompile(`^[a-z0-9-]+/[a-z0-9-]+@[0-9a-f]{40}$`)
	for _, file := range files {
		var w workflow
		name := filepath.Base(file)
		text := read(t, &w, ".github", "workflows", name)
		assert.Contains(t, text, "\npermissions: {}\n", "%s: a job without permissions of its own would have those of the token", name)
		assert.Empty(t, w.Permissions, "%s: permissions of every job", name)
		require.NotEmpty(t, w.Jobs, "%s: jobs", name)
		for job, does := range w.Jobs {
			require.NotEmpty(t, does.Permissions, "%s: the permissions of %s", name, job)
			for what, right := range does.Permissions {
				assert.True(t, what == "contents" && right == "read" || what == "packages" || what == "id-token" || what == "attestations",
					"%s: %s has the permission %s: %s", name, job, what, right)
			}
			calls := 0
			for _, step := range does.Steps {
				if step.Uses != "" {
					assert.Regexp(t, pinned, step.Uses, "%s: %s uses an action by a tag, which its owner may move: name the commit", name, job)
				}
				if step.Run == "" {
					continue
				}
				match := call.FindStringSubmatch(step.Run)
				if assert.NotNil(t, match, "%s: %s runs %q, want one call of make", name, job, step.Run) {
					calls++
					assert.Regexp(t, `(?m)^`+match[1]+`:.*## `, makefile, "%s: the Makefile has no target %s", name, match[1])
				}
			}
			assert.Positive(t, calls, "%s: calls of make in %s", name, job)
		}
	}
}

// TestDependabotReadsEveryGoMod: a module that it does not read has updates that nobody is told of.
func TestDependabotReadsEveryGoMod(t *testing.T) {
	var config struct {
		Updates []struct {
			Ecosystem   string `json:"package-ecosystem"`
			Directories []string
		}
	}
	read(t, &config, ".github", "dependabot.yml")
	root, err := Root()
	require.NoError(t, err)
	covered := map[string]bool{}
	for _, pattern := range []string{"go.mod", "test/*/go.mod", "ci/modules/*/go.mod"} {
		found, err := filepath.Glob(filepath.Join(root, filepath.FromSlash(pattern)))
		require.NoError(t, err)
		for _, file := range found {
			relative, err := filepath.Rel(root, filepath.Dir(file))
			require.NoError(t, err)
			covered[path.Join("/", filepath.ToSlash(relative))] = false
		}
	}
	require.Greater(t, len(covered), 20, "go.mod files")
	ecosystems := []string{}
	for _, update := range config.Updates {
		ecosystems = append(ecosystems, update.Ecosystem)
		for _, pattern := range update.Directories {
			matched := false
			for folder := range covered {
				if is, _ := path.Match(pattern, folder); is && update.Ecosystem == "gomod" {
					covered[folder], matched = true, true
				}
			}
			assert.True(t, matched || update.Ecosystem != "gomod", "dependabot.yml names %s, which has no go.mod", pattern)
		}
	}
	for folder, is := range covered {
		assert.True(t, is, "%s/go.mod is not in dependabot.yml", folder)
	}
	assert.True(t, slices.Contains(ecosystems, "github-actions"), "the actions of the workflows are not in dependabot.yml")
}

// TestLinksOfTheRepositorysFilesExist: SECURITY.md and CODEOWNERS name files that are there.
func TestLinksOfTheRepositorysFilesExist(t *testing.T) {
	root, err := Root()
	require.NoError(t, err)
	links := regexp.MustCompile(`\]\(([^)#:]+)[^)]*\)`).FindAllStringSubmatch(read(t, nil, "SECURITY.md"), -1)
	require.NotEmpty(t, links)
	for _, link := range links {
		assert.FileExists(t, filepath.Join(root, filepath.FromSlash(link[1])), "SECURITY.md")
	}
	for line := range strings.Lines(read(t, nil, ".github", "CODEOWNERS")) {
		pattern := strings.Fields(strings.TrimLeft(line, "# "))
		if len(pattern) > 1 && strings.HasPrefix(pattern[0], "/") {
			_, err := os.Stat(filepath.Join(root, filepath.FromSlash(pattern[0])))
			assert.NoError(t, err, "CODEOWNERS")
		}
	}
}
