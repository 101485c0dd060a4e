package cluster

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"holograph/ci/cache"
	"holograph/ci/state"
)

// start starts the owner's cluster and releases it.
func (m machine) start(o owner, purpose string, reuse bool) (*Cluster, string) {
	m.Helper()
	var out strings.Builder
	c, err := o.start(m.Context(), &out, purpose, reuse, nil)
	require.NoError(m, err)
	c.Release()
	return c, out.String()
}

func (m machine) down(o owner) string {
	m.Helper()
	var out strings.Builder
	require.NoError(m, o.down(m.Context(), &out))
	return out.String()
}

func TestDownRemovesWhatThisCheckoutMade(t *testing.T) {
	m := newMachine(t)
	mine, other := m.checkout(), m.checkout()
	up, _ := m.start(mine, Shown, true)
	kept, _ := m.start(mine, Tests+"-faults", true)
	theirs, _ := m.start(other, Shown, true)
	foreign := []string{"holograph", "holograph-test", "holograph-testing-prod-mirror", "holograph-tests-of-another-team", "kind"}
	for _, name := range foreign {
		m.add(name)
	}

	said := m.down(mine)

	assert.ElementsMatch(t, append(foreign, theirs.Name), m.clusters(), "clusters after make down: it must remove only those of this checkout")
	assert.Contains(t, said, "Removed: "+up.Name+"\nRemoved: "+kept.Name)
	assert.Contains(t, said, "Not removed: "+theirs.Name+", which was made from the checkout "+other.checkout+
		"; its owner removes it with: podman rm --force --volumes "+theirs.Name+"-control-plane")
	assert.Contains(t, said, "Not removed: holograph-tests-of-another-team, which has no mark of this project;")
	assert.NotContains(t, said, "Not removed: kind", "output of make down: a cluster that is not of this project")
	assert.NoFileExists(t, up.Kubeconfig)
	assert.FileExists(t, theirs.Kubeconfig)
}

// Two checkouts can have a cluster at the same time.
func TestCheckoutsAreApart(t *testing.T) {
	m := newMachine(t)
	one, two := m.checkout(), m.checkout()
	first, _ := m.start(one, Shown, true)
	second, _ := m.start(two, Shown, true)
	assert.NotEqual(t, first.Name, second.Name)
	assert.NotEqual(t, first.Kubeconfig, second.Kubeconfig)
	_, said := m.start(one, Shown, true)
	assert.Equal(t, "Using the cluster "+first.Name+" again.\n", said)
	assert.ElementsMatch(t, []string{first.Name, second.Name}, m.clusters())
	// The name with -control-plane is a host name, which has at most 64 characters.
	assert.Less(t, len(one.name(Tests+"-lifecycle")), 50)
}

// Two users can have a checkout at the same path, in containers that share one engine.
func TestUsersAreApart(t *testing.T) {
	m := newMachine(t)
	mine := m.checkout()
	t.Setenv("XDG_STATE_HOME", t.TempDir())
	theirs, err := ownerOf(mine.checkout)
	require.NoError(t, err)
	c, _ := m.start(theirs, Shown, true)
	said := m.down(mine)
	assert.Equal(t, []string{c.Name}, m.clusters())
	assert.Contains(t, said, "Not removed: "+c.Name+", which was made from this folder by another user, or with a state folder that was deleted;")
}

// A cluster of another owner with the name that this checkout needs is refused and not changed.
func TestAForeignClusterOfTheSameNameIsRefused(t *testing.T) {
	m := newMachine(t)
	mine, other := m.checkout(), m.checkout()
	name := mine.name(Shown)
	for title, test := range map[string]struct {
		mounts []mount
		says   string
	}{
		"no mark":               {nil, "which has no mark of this project;"},
		"another's mark":        {[]mount{{Destination: other.mark()}}, "which was made from the checkout " + other.checkout + ";"},
		"an incomplete mark":    {[]mount{{Destination: markFolder + "/" + mine.id}}, "which has no mark of this project;"},
		"a mark of a longer id": {[]mount{{Destination: markFolder + "/" + mine.id + "0/x"}}, "which was made from the checkout x;"},
	} {
		t.Run(title, func(t *testing.T) {
			m.add(name, test.mounts...)
			for _, reuse := range []bool{true, false} {
				_, err := mine.start(t.Context(), os.Stderr, Shown, reuse, nil)
				assert.ErrorContains(t, err, "a cluster of this name exists that does not belong to this checkout: "+name+", "+test.says+
					" its owner removes it with: podman rm --force --volumes "+name+"-control-plane")
			}
			m.down(mine)
			assert.Equal(t, []string{name}, m.clusters())
			assert.Empty(t, m.calls("kind"), "calls of kind")
		})
	}
}

// A cluster with a node that lacks the mark has no owner.
func TestAClusterIsItsOwnersIfEveryNodeIs(t *testing.T) {
	m := newMachine(t)
	mine := m.checkout()
	c, _ := m.start(mine, Shown, true)
	worker := nodeOf(c.Name)
	worker.ID, worker.Name = "worker", c.Name+"-worker"
	require.NoError(t, put(m.world, worker))
	m.down(mine)
	assert.Len(t, m.clusters(), 2)
}

// The mark of a stopped node can be read.
func TestAStoppedClusterIsStillOwned(t *testing.T) {
	m := newMachine(t)
	mine := m.checkout()
	c, _ := m.start(mine, Shown, true)
	m.touch("stopped")
	m.down(mine)
	assert.Empty(t, m.clusters(), "clusters after make down: %s is stopped, and still of this checkout", c.Name)
}

// `make clean-cache` removes neither the cluster's kubeconfig nor its owner's key.
func TestAClusterOutlastsTheCache(t *testing.T) {
	m := newMachine(t)
	mine := m.checkout()
	c, _ := m.start(mine, Shown, true)
	require.NoError(t, cache.Clean(os.Stderr))
	assert.FileExists(t, c.Kubeconfig)
	m.fillCache()
	_, said := m.start(mine, Shown, true)
	assert.Equal(t, "Using the cluster "+c.Name+" again.\n", said)
	assert.Len(t, m.calls("kind create"), 1, "creations of the cluster")
	require.NoError(t, cache.Clean(os.Stderr))
	m.fillCache()
	m.down(mine)
	assert.Empty(t, m.clusters())
}

// A cluster is not removed while an archive for its replacement is missing.
func TestNothingIsRemovedBeforeANewOneCanBeMade(t *testing.T) {
	for title, test := range map[string]struct {
		lose func(m machine)
		says string
	}{
		"no node image": {func(m machine) { require.NoError(m, os.Remove(m.world+"/node-image")) }, "the engine has no node image"},
		"no archives": {func(m machine) {
			images, err := cache.Path("images")
			require.NoError(m, err)
			require.NoError(m, os.RemoveAll(images))
		}, "is not in the cache; run: make images"},
	} {
		t.Run(title, func(t *testing.T) {
			m := newMachine(t)
			mine := m.checkout()
			c, _ := m.start(mine, Shown, false)
			test.lose(m)
			_, err := mine.start(t.Context(), os.Stderr, Shown, false, nil)
			assert.ErrorContains(t, err, test.says)
			assert.Equal(t, []string{c.Name}, m.clusters())
		})
	}
}

// A cluster in which a test runs is neither removed nor used by another run.
func TestAClusterInUseIsLeft(t *testing.T) {
	m := newMachine(t)
	mine := m.checkout()
	c, err := mine.start(t.Context(), os.Stderr, Tests, false, nil)
	require.NoError(t, err)
	idle, _ := m.start(mine, Shown, true)
	// For `make down`, the process of this test is another run.
	busy := "the cluster " + c.Name + " is in use by process "

	var out strings.Builder
	assert.ErrorContains(t, mine.down(t.Context(), &out), busy)
	assert.Equal(t, "Removed: "+idle.Name+"\n", out.String())
	_, err = mine.start(t.Context(), os.Stderr, Tests, false, nil)
	assert.ErrorContains(t, err, busy)
	assert.Equal(t, []string{c.Name}, m.clusters())

	require.NoError(t, c.Delete(t.Context()))
	assert.Empty(t, m.clusters())
	m.start(mine, Tests, false)
}

// A failed run no longer uses the name.
func TestAFailedStartReleasesTheCluster(t *testing.T) {
	m := newMachine(t)
	mine := m.checkout()
	m.add(mine.name(Shown))
	_, err := mine.start(t.Context(), os.Stderr, Shown, true, nil)
	require.Error(t, err)
	release, err := state.TryLock("cluster-" + mine.name(Shown))
	require.NoError(t, err)
	release()
}

// The mark has no colons, because the engine splits the arguments of a mount at them.
func TestMarkIsAPathOfAMount(t *testing.T) {
	o := owner{checkout: `/home/Zoë B/a:b,c/"x"`, id: "0123456789abcdef"}
	assert.Regexp(t, `^/kind/holograph/0123456789abcdef/[A-Za-z0-9%+._-]+$`, o.mark())
}

// It is no error if another run removes a container between two requests.
func TestAContainerThatIsRemovedMeanwhile(t *testing.T) {
	m := newMachine(t)
	mine := m.checkout()
	m.start(mine, Shown, true)
	m.touch("going")
	m.down(mine)
	assert.NotEmpty(t, m.calls("podman container inspect going"))
	assert.Empty(t, m.clusters())
}

// The path of a checkout can be longer than the name of a folder, which has 255 bytes at most.
func TestMarkOfALongPath(t *testing.T) {
	o := owner{checkout: "/" + strings.Repeat("ö/", 300) + "end", id: "0123456789abcdef"}
	assert.Less(t, len(filepath.Base(o.mark())), 256)
	assert.Contains(t, o.mark(), "%2Fend")
}
