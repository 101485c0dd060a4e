package host

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestEverythingMissingIsReportedAtOnce(t *testing.T) {
	lacks := []missing{
		{what: "debootstrap", packages: []string{"debootstrap"}},
		{what: "root", remedy: "sudo make images"},
	}
	assert.EqualError(t, report(lacks), `this machine is not ready:
  - missing: debootstrap
    fix it: sudo apt-get update && sudo apt-get install --yes --no-install-recommends debootstrap
  - missing: root
    fix it: sudo make images`)
}

func TestPlanTellsPackagesFromWhatAPersonMustDo(t *testing.T) {
	packages, byHand := plan([]missing{
		{what: "a compiler", packages: []string{"gcc", "libc6-dev"}},
		{what: "an engine", packages: []string{"podman", "gcc"}},
		{what: "root", remedy: "sudo make images"},
	})
	assert.Equal(t, []string{"gcc", "libc6-dev", "podman"}, packages)
	assert.Equal(t, []missing{{what: "root", remedy: "sudo make images"}}, byHand)
}

func TestMissingBrowserSaysHowToInstallIt(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	_, err := Browser()
	assert.EqualError(t, err, `this machine is not ready:
  - missing: Chromium (a story looks at the status page)
    fix it: sudo apt-get update && sudo apt-get install --yes --no-install-recommends chromium`)
	lacks, err := check(t.Context(), Needs{Browser: true})
	assert.NoError(t, err)
	assert.Equal(t, []missing{noBrowser}, lacks)
}

func TestMissingKeyringSaysHowToInstallIt(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	lacks, err := check(t.Context(), Needs{RootFS: true})
	assert.NoError(t, err)
	packages, _ := plan(lacks)
	assert.Subset(t, packages, []string{"debootstrap", "gpgv"})

	had := keyring
	defer func() { keyring = had }()
	keyring = filepath.Join(t.TempDir(), "missing.gpg")
	lacks, err = check(t.Context(), Needs{RootFS: true})
	assert.NoError(t, err)
	assert.ErrorContains(t, report(lacks), `
  - missing: Debian's keys (debootstrap checks the signature of its packages)
    fix it: sudo apt-get update && sudo apt-get install --yes --no-install-recommends debian-archive-keyring`)
}

// What is done as root is said before it is done, word for word.
func TestPrepareSaysWhatItRunsAsRoot(t *testing.T) {
	runAs(t, 0)
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	t.Setenv("XDG_STATE_HOME", t.TempDir())
	bin := t.TempDir()
	t.Setenv("PATH", bin)
	calls, said := filepath.Join(bin, "calls"), filepath.Join(bin, "said")
	// Each stops at the first call of apt-get, to see what was said until then.
	require.NoError(t, os.WriteFile(filepath.Join(bin, "apt-get"), []byte("#!/bin/sh\necho \"$@\" >>"+calls+
		"\n[ -e "+said+".then ] || while read -r line; do echo \"$line\"; done <"+said+" >"+said+".then\n"), 0o755))
	require.NoError(t, os.WriteFile(filepath.Join(bin, "dpkg-query"), []byte("#!/bin/sh\nexit 1\n"), 0o755))
	out, err := os.Create(said)
	require.NoError(t, err)
	defer out.Close()

	assert.ErrorContains(t, Prepare(t.Context(), out, Needs{Browser: true}), "missing: Chromium", "the fake installs nothing")

	announced, err := os.ReadFile(said + ".then")
	require.NoError(t, err, "apt-get was not run")
	assert.Equal(t, `This machine lacks Chromium (a story looks at the status page).
Running as root: apt-get update
Running as root: apt-get install --yes --no-install-recommends chromium
`, string(announced))
	ran, err := os.ReadFile(calls)
	require.NoError(t, err)
	assert.Equal(t, "update\ninstall --yes --no-install-recommends chromium\n", string(ran))

	var undone strings.Builder
	require.NoError(t, Undo(&undone))
	assert.Equal(t, "Debian packages that make installed stay. To remove them: sudo apt-get purge --autoremove chromium\n", undone.String())
}

// make down removes the folder that make made: only that, and only while it is empty.
func TestModulesAreProvidedAndTakenBack(t *testing.T) {
	runAs(t, 0)
	had := modules
	defer func() { modules = had }()
	t.Setenv("XDG_STATE_HOME", t.TempDir())
	modules = filepath.Join(t.TempDir(), "modules")
	made := "As root, making the empty folder " + modules + ", which kind mounts into its nodes; `make down` removes it.\n"
	undo := func() string {
		var out strings.Builder
		require.NoError(t, Undo(&out))
		return out.String()
	}
	provide := func() string {
		var out strings.Builder
		require.NoError(t, ProvideModules(&out))
		return out.String()
	}

	assert.Equal(t, made, provide())
	assert.DirExists(t, modules)
	assert.Empty(t, provide(), "it is there")
	assert.Equal(t, "Removed the folder "+modules+", which was made for kind.\n", undo())
	assert.NoDirExists(t, modules)
	assert.Empty(t, undo(), "nothing is left to undo")

	provide()
	require.NoError(t, os.Mkdir(filepath.Join(modules, "6.1.0"), 0o755))
	assert.Equal(t, "The folder "+modules+", which was made for kind, stays: directory not empty.\n", undo())
	assert.DirExists(t, filepath.Join(modules, "6.1.0"))
	require.NoError(t, os.Remove(filepath.Join(modules, "6.1.0")))
	assert.Empty(t, provide(), "it is there, and now another's")
	assert.Empty(t, undo())
	assert.DirExists(t, modules)
}

// runAs has the package take the test's process for one of that user, until the test ends.
func runAs(t *testing.T, user int) {
	t.Helper()
	before := euid
	t.Cleanup(func() { euid = before })
	euid = func() int { return user }
}

func TestSudoIsSaid(t *testing.T) {
	t.Setenv("SUDO_USER", "")
	assert.Empty(t, Sudo())
	t.Setenv("SUDO_USER", "alice")
	runAs(t, 1000)
	assert.Empty(t, Sudo(), "a user without root's rights")
	runAs(t, 0)
	assert.Equal(t, "This runs as root (sudo of alice): the cache, the clusters and the engine's images are root's own. Without sudo alice does not find them, so go on with sudo.", Sudo())
}

// Installing podman again would not help.
func TestAnEngineThatIsBusyIsNotTakenForMissing(t *testing.T) {
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	t.Setenv(providerVariable, "podman")
	bin := t.TempDir()
	t.Setenv("PATH", bin)
	require.NoError(t, os.WriteFile(filepath.Join(bin, "podman"), []byte("#!/bin/sh\nexec /bin/sleep 60\n"), 0o755))
	had := answerTimeout
	defer func() { answerTimeout = had }()
	answerTimeout = 50 * time.Millisecond
	_, err := DetectEngine(t.Context())
	assert.ErrorContains(t, err, "podman is installed, but does not answer within 50ms")
	assert.NotErrorIs(t, err, ErrNoEngine)

	require.NoError(t, os.WriteFile(filepath.Join(bin, "podman"), []byte("#!/bin/sh\nexit 1\n"), 0o755))
	answerTimeout = time.Minute
	_, err = DetectEngine(t.Context())
	assert.ErrorIs(t, err, ErrNoEngine)
}
