package cluster

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"holograph/ci/program"
	"holograph/ci/supply"
)

// worldVariable is set to the folder in which the fake engine and the fake kind keep their containers, each as the answer of
// `container inspect`, and their record of calls.
const worldVariable = "HOLOGRAPH_FAKE_WORLD"

// The fakes are shell scripts, because a test of ownership runs dozens of them.
const (
	fakeEngine = `#!/bin/sh
cd "$HOLOGRAPH_FAKE_WORLD" || exit 1
echo podman "$@" >>calls
case $1 in
info) echo v2 ;;
ps)
	# One that another run removes before the next question.
	[ -e going ] && rm going && echo going
	[ -e stopped ] && [ "$2" != --all ] && exit 0
	for file in *.json; do [ -e "$file" ] && echo "${file%.json}"; done
	exit 0
	;;
container) cat "$3.json" ;;
image) [ -e node-image ] ;;
exec) [ ! -e stopped ] ;;
*) exit 1 ;;
esac
`
	fakeKind = `#!/bin/sh
cd "$HOLOGRAPH_FAKE_WORLD" || exit 1
echo kind "$@" >>calls
verb=$1
while [ $# -gt 0 ]; do
	case $1 in
	--name) name=$2 ;;
	--kubeconfig) kubeconfig=$2 ;;
	esac
	shift
done
case $verb in
create)
	while read -r key value; do [ "$key" = containerPath: ] && mark=$value; done
	: >"$kubeconfig"
	echo '[{"Name": "'"$name"'-control-plane", "Config": {"Labels": {"io.x-k8s.kind.cluster": "'"$name"'"}}, "Mounts": [{"Destination": "'"$mark"'"}]}]' >"$name.json"
	;;
delete) rm "$name.json" ;;
load) ;;
*) exit 1 ;;
esac
`
)

// container is the part of the engine's answer about a container that is read.
type container struct {
	ID     string `json:"-"`
	Name   string
	Config struct{ Labels map[string]string }
	Mounts []mount
}

type mount struct{ Destination string }

func containers(world string) (all []container, err error) {
	paths, err := filepath.Glob(filepath.Join(world, "*.json"))
	for _, path := range paths {
		data, err := os.ReadFile(path)
		if err != nil {
			return nil, err
		}
		var answer []container
		if err := json.Unmarshal(data, &answer); err != nil {
			return nil, err
		}
		all = append(all, answer...)
	}
	return all, err
}

func put(world string, c container) error {
	data, err := json.Marshal([]container{c})
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(world, c.ID+".json"), data, 0o600)
}

// nodeOf returns a container of a kind cluster.
func nodeOf(cluster string, mounts ...mount) container {
	c := container{ID: cluster, Name: cluster + "-control-plane", Mounts: mounts}
	c.Config.Labels = map[string]string{kindLabel: cluster}
	return c
}

// machine is a machine with that engine and kind, and all images in the cache.
type machine struct {
	*testing.T
	world string
}

func newMachine(t *testing.T) machine {
	t.Setenv("KIND_EXPERIMENTAL_PROVIDER", "podman")
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	t.Setenv("XDG_STATE_HOME", t.TempDir())
	m := machine{t, t.TempDir()}
	t.Setenv(worldVariable, m.world)
	bin := t.TempDir()
	t.Setenv("PATH", bin+":"+os.Getenv("PATH"))
	require.NoError(t, os.WriteFile(filepath.Join(bin, "podman"), []byte(fakeEngine), 0o700))
	m.touch("node-image")
	m.fillCache()
	return m
}

// fillCache writes kind and the archives to the cache, as `make images` does.
func (m machine) fillCache() {
	dir, err := program.Kind.Dir()
	require.NoError(m, err)
	require.NoError(m, os.MkdirAll(dir, 0o755))
	require.NoError(m, os.WriteFile(filepath.Join(dir, "kind"), []byte(fakeKind), 0o700))
	images, err := supply.Images()
	require.NoError(m, err)
	for _, img := range images {
		archive, _, err := img.Archive()
		require.NoError(m, err)
		require.NoError(m, os.MkdirAll(filepath.Dir(archive), 0o755))
		require.NoError(m, os.WriteFile(archive, nil, 0o600))
	}
}

func (m machine) touch(name string) {
	require.NoError(m, os.WriteFile(filepath.Join(m.world, name), nil, 0o600))
}

// add adds a cluster that this package did not create.
func (m machine) add(name string, mounts ...mount) {
	require.NoError(m, put(m.world, nodeOf(name, mounts...)))
}

// clusters returns the names of the existing clusters.
func (m machine) clusters() []string {
	all, err := containers(m.world)
	require.NoError(m, err)
	names := []string{}
	for _, c := range all {
		names = append(names, c.Config.Labels[kindLabel])
	}
	return names
}

// calls returns the calls of kind and the engine that begin with that text.
func (m machine) calls(prefix string) (found []string) {
	record, err := os.ReadFile(filepath.Join(m.world, "calls"))
	require.NoError(m, err)
	for line := range strings.Lines(string(record)) {
		if strings.HasPrefix(line, prefix) {
			found = append(found, strings.TrimSpace(line))
		}
	}
	return found
}

// checkout returns the owner of a new checkout of this repository.
func (m machine) checkout() owner {
	o, err := ownerOf(m.TempDir())
	require.NoError(m, err)
	return o
}
