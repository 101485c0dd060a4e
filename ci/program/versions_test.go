package program

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"holograph/ci/repo"
)

var update = flag.Bool("update", false, "rewrite docs/versions.md from the go.mod files")

// The table of versions in the docs says what the go.mod files pin.
func TestVersionsTable(t *testing.T) {
	var table strings.Builder
	table.WriteString("# Versions\n\nEvery foreign program, the Go module that it is built from, and the file that pins it.\n" +
		"`make update` writes this page.\n\n| program | module | version | pinned in |\n|---|---|---|---|\n")
	for _, p := range All() {
		version, err := p.Version()
		require.NoError(t, err)
		folder := strings.TrimPrefix(p.Folder+"/", "/")
		fmt.Fprintf(&table, "| %s | %s | %s | [%[4]sgo.mod](../%[4]sgo.mod) |\n", p.Name, p.Module, version, folder)
	}
	path, err := repo.Path("docs", "versions.md")
	require.NoError(t, err)
	if *update {
		require.NoError(t, os.WriteFile(path, []byte(table.String()), 0o644))
	}
	got, err := os.ReadFile(path)
	require.NoError(t, err)
	assert.Equal(t, table.String(), string(got), "docs/versions.md is stale; run: make update")
}

// A folder below ci/modules that no program uses would be pinned for nothing.
func TestEveryModuleFolderIsUsed(t *testing.T) {
	root, err := repo.Path("ci", "modules")
	require.NoError(t, err)
	entries, err := os.ReadDir(root)
	require.NoError(t, err)
	var folders, used []string
	for _, entry := range entries {
		folders = append(folders, "ci/modules/"+entry.Name())
	}
	for _, p := range All() {
		if p.Folder != "" {
			used = append(used, p.Folder)
		}
	}
	slices.Sort(used)
	assert.Equal(t, folders, slices.Compact(used))
}

func TestKeyFollowsTheRecipe(t *testing.T) {
	base, err := Runc.Key()
	require.NoError(t, err)
	for title, change := range map[string]func(*Program){
		"tags":     func(p *Program) { p.Tags = "" },
		"flags":    func(p *Program) { p.LDFlags = "" },
		"C":        func(p *Program) { p.CGO = false },
		"packages": func(p *Program) { p.Packages = map[string]string{"runc": "./other"} },
		"module":   func(p *Program) { p.Folder = "ci/modules/etcd" },
	} {
		changed := Runc
		change(&changed)
		key, err := changed.Key()
		require.NoError(t, err)
		assert.NotEqual(t, base, key, title)
	}
}

func TestAProgramOfThisRepositoryFollowsItsSources(t *testing.T) {
	base, err := Renderer.Key()
	require.NoError(t, err)
	other := Renderer
	other.Sources = []string{"test/renderer/hologram"}
	key, err := other.Key()
	require.NoError(t, err)
	assert.NotEqual(t, base, key)
}

// What a program of this repository is built from is below its Sources, else a
// change of it would leave an old binary in use.
func TestSourcesAreAllThatIsBuilt(t *testing.T) {
	root, err := repo.Root()
	require.NoError(t, err)
	for _, p := range Own() {
		for _, built := range p.Packages {
			list := exec.Command("go", "list", "-deps", "-f", "{{.Dir}}", built)
			list.Dir = root
			out, err := list.Output()
			require.NoError(t, err)
			for _, folder := range strings.Fields(string(out)) {
				own, err := filepath.Rel(root, folder)
				require.NoError(t, err)
				if strings.HasPrefix(own, "..") {
					continue
				}
				assert.True(t, slices.ContainsFunc(p.Sources, func(source string) bool {
					return own == source || strings.HasPrefix(own, source+"/")
				}), "%s is built from %s, which is not among its Sources", p.Name, own)
			}
		}
	}
}
