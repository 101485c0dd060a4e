package host

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestEverythingMissingIsReportedAtOnce(t *testing.T) {
	lacks := []missing{
		{what: "debootstrap", packages: []string{"debootstrap"}},
		{what: "root", remedy: "sudo make images"},
	}
	assert.EqualError(t, report(lacks), `this machine is not ready:
  - missing: debootstrap
    mend it: sudo apt-get update && sudo apt-get install --yes --no-install-recommends debootstrap
  - missing: root
    mend it: sudo make images`)
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
    mend it: sudo apt-get update && sudo apt-get install --yes --no-install-recommends chromium`)
	lacks, err := check(t.Context(), Needs{Browser: true})
	assert.NoError(t, err)
	assert.Equal(t, []missing{noBrowser}, lacks)
}
