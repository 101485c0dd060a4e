package cluster

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"sigs.k8s.io/kind/pkg/apis/config/v1alpha4"
	"sigs.k8s.io/yaml"

	"holograph/ci/cache"
	"holograph/ci/image"
	"holograph/ci/program"
)

// worldVariable names the folder in which the fake engine and the fake kind keep their
// containers and their record of calls.
const worldVariable = "HOLOGRAPH_FAKE_WORLD"

// Under the names of podman and kind this test binary is both.
func TestMain(m *testing.M) {
	world, calls := os.Getenv(worldVariable), strings.Join(os.Args[1:], " ")
	name := filepath.Base(os.Args[0])
	if world == "" || name != "podman" && name != "kind" {
		os.Exit(m.Run())
	}
	record, err := os.OpenFile(filepath.Join(world, "calls"), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err == nil {
		fmt.Fprintln(record, name, calls)
		err = record.Close()
	}
	if err == nil && name == "podman" {
		err = podman(world, os.Args[1:])
	} else if err == nil {
		err = kind(world, os.Args[1:])
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(0)
}

// container is what `podman container inspect` answers, as far as it is read.
type container struct {
	ID, Name string
	Config   struct{ Labels map[string]string }
	Mounts   []mount
}

type mount struct{ Type, Source, Destination string }

func containers(world string) (all []container, err error) {
	paths, err := filepath.Glob(filepath.Join(world, "*.json"))
	for _, path := range paths {
		data, err := os.ReadFile(path)
		if err != nil {
			return nil, err
		}
		var c container
		if err := json.Unmarshal(data, &c); err != nil {
			return nil, err
		}
		all = append(all, c)
	}
	return all, err
}

func put(world string, c container) error {
	data, err := json.Marshal(c)
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(world, c.ID+".json"), data, 0o600)
}

func podman(world string, args []string) error {
	all, err := containers(world)
	if err != nil {
		return err
	}
	switch args[0] {
	case "info":
		fmt.Println("v2")
	case "ps":
		// A container that another run removes before the next question.
		if os.Remove(filepath.Join(world, "going")) == nil {
			fmt.Println("going")
		}
		for _, c := range all {
			if !cache.Has(filepath.Join(world, "stopped")) || slices.Contains(args, "--all") {
				fmt.Println(c.ID)
			}
		}
	case "container":
		for _, c := range all {
			if c.ID == args[2] {
				return json.NewEncoder(os.Stdout).Encode([]container{c})
			}
		}
		return fmt.Errorf("no such container %s", args[2])
	case "image":
		if !cache.Has(filepath.Join(world, "node-image")) {
			return fmt.Errorf("no such image")
		}
	case "exec":
		if cache.Has(filepath.Join(world, "stopped")) {
			return fmt.Errorf("container is not running")
		}
	default:
		return fmt.Errorf("the fake engine does not know %q", args)
	}
	return nil
}

func kind(world string, args []string) error {
	flag := func(name string) string {
		for i, arg := range args {
			if arg == name {
				return args[i+1]
			}
		}
		return ""
	}
	switch args[0] {
	case "create":
		text, err := io.ReadAll(os.Stdin)
		if err != nil {
			return err
		}
		var config v1alpha4.Cluster
		if err := yaml.UnmarshalStrict(text, &config); err != nil {
			return err
		}
		var mounts []mount
		for _, m := range config.Nodes[0].ExtraMounts {
			mounts = append(mounts, mount{"bind", m.HostPath, m.ContainerPath})
		}
		if err := os.WriteFile(flag("--kubeconfig"), nil, 0o600); err != nil {
			return err
		}
		return put(world, nodeOf(flag("--name"), mounts...))
	case "delete":
		all, err := containers(world)
		if err != nil {
			return err
		}
		for _, c := range all {
			if c.Config.Labels[kindLabel] == flag("--name") {
				if err := os.Remove(filepath.Join(world, c.ID+".json")); err != nil {
					return err
				}
			}
		}
	case "load":
	default:
		return fmt.Errorf("the fake kind does not know %q", args)
	}
	return nil
}

// nodeOf is a container of a kind cluster.
func nodeOf(cluster string, mounts ...mount) container {
	c := container{ID: cache.Key(cluster), Name: cluster + "-control-plane", Mounts: mounts}
	c.Config.Labels = map[string]string{kindLabel: cluster}
	return c
}

// machine is a machine with that engine and kind, and all images at hand.
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
	self, err := os.Executable()
	require.NoError(t, err)
	require.NoError(t, os.Symlink(self, filepath.Join(bin, "podman")))
	m.touch("node-image")
	m.fillCache()
	return m
}

// fillCache puts kind and the archives where a run of `make images` would.
func (m machine) fillCache() {
	self, err := os.Executable()
	require.NoError(m, err)
	dir, err := program.Kind.Dir()
	require.NoError(m, err)
	require.NoError(m, os.MkdirAll(dir, 0o755))
	require.NoError(m, os.Symlink(self, filepath.Join(dir, "kind")))
	images, err := image.All()
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

// add puts a cluster there that this package did not make.
func (m machine) add(name string, mounts ...mount) {
	require.NoError(m, put(m.world, nodeOf(name, mounts...)))
}

// clusters are the names of those that there are.
func (m machine) clusters() []string {
	all, err := containers(m.world)
	require.NoError(m, err)
	names := []string{}
	for _, c := range all {
		names = append(names, c.Config.Labels[kindLabel])
	}
	return names
}

// calls are the calls of kind and the engine that begin like that.
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

// checkout is a checkout of this repository as far as ownership is concerned.
func (m machine) checkout() owner {
	o, err := ownerOf(m.TempDir())
	require.NoError(m, err)
	return o
}
