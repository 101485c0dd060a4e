// Package cluster starts and removes kind clusters that hold the project's
// images. Every call of kind is bounded: kind's own waits are not.
package cluster

import (
	"context"
	_ "embed"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"text/template"
	"time"

	"golang.org/x/sync/errgroup"

	"holograph/ci/cache"
	"holograph/ci/command"
	"holograph/ci/engine"
	"holograph/ci/image"
	"holograph/ci/node"
	"holograph/ci/program"
)

// The names of the clusters.
const (
	// Shown is the cluster of `make up`.
	Shown = "holograph"
	// Tests begins the names of the tests' clusters, one a package, apart so that they
	// leave a person's alone.
	Tests = "holograph-test"
	// Bench is the cluster of `make bench`.
	Bench = "holograph-bench"
)

const (
	// createTimeout bounds `kind create cluster`: 12 s on an idle 2-core machine.
	createTimeout = 4 * time.Minute
	// readyTimeout bounds the wait for the node to be Ready.
	readyTimeout = 90 * time.Second
	// loadTimeout bounds one image's way into the node: 3 s for 130 MB.
	loadTimeout = 2 * time.Minute
	// deleteTimeout bounds the removal.
	deleteTimeout = time.Minute
)

//go:embed kind.yaml.tmpl
var configuration string

// Cluster is a running one-node kind cluster with the project's images in it.
type Cluster struct {
	// Name is kind's name for it.
	Name string
	// Kubeconfig is a file of its own: a person's kubeconfig is left alone.
	Kubeconfig string

	engine engine.Engine
	kind   string
}

// Start returns a cluster of that name. One that an earlier run left behind is
// used again where reuse says so and it answers, else removed first. It holds the
// images that every cluster runs and those of the sets. What is done goes to out.
func Start(ctx context.Context, out io.Writer, name string, reuse bool, sets ...image.Set) (*Cluster, error) {
	c, err := find(ctx, name)
	if err != nil {
		return nil, err
	}
	existing, err := c.exists(ctx)
	if err != nil {
		return nil, err
	}
	switch {
	case existing && reuse && cache.Has(c.mark("complete")) && c.ready(ctx, 10*time.Second) == nil:
		fmt.Fprintf(out, "Using the cluster %s again.\n", name)
	default:
		if existing {
			fmt.Fprintf(out, "Removing the cluster %s that an earlier run left behind.\n", name)
			if err := c.Delete(ctx); err != nil {
				return nil, err
			}
		}
		if err := c.create(ctx, out); err != nil {
			return nil, err
		}
	}
	return c, c.load(ctx, out, sets)
}

// All lists the project's clusters on this machine: those of `make up`, of the tests and of `make bench`.
func All(ctx context.Context) ([]string, error) {
	c, err := find(ctx, Shown)
	if err != nil {
		return nil, err
	}
	names, err := c.list(ctx)
	return slices.DeleteFunc(names, func(name string) bool {
		return name != Shown && name != Bench && !strings.HasPrefix(name, Tests)
	}), err
}

// Delete removes the cluster of that name where there is one.
func Delete(ctx context.Context, name string) error {
	c, err := find(ctx, name)
	if err != nil {
		return err
	}
	return c.Delete(ctx)
}

// find describes the cluster of that name, which need not exist.
func find(ctx context.Context, name string) (*Cluster, error) {
	e, err := engine.Detect(ctx)
	if err != nil {
		return nil, err
	}
	kind, err := program.Kind.Binary(ctx, "kind")
	if err != nil {
		return nil, err
	}
	kubeconfig, err := cache.Path("clusters", name, "kubeconfig")
	if err != nil {
		return nil, err
	}
	return &Cluster{Name: name, Kubeconfig: kubeconfig, engine: e, kind: kind}, nil
}

// Delete removes the cluster's container and kubeconfig.
func (c *Cluster) Delete(ctx context.Context) error {
	if err := c.run(ctx, deleteTimeout, nil, "delete", "cluster", "--name", c.Name, "--kubeconfig", c.Kubeconfig); err != nil {
		return err
	}
	return os.RemoveAll(filepath.Dir(c.Kubeconfig))
}

// ExportLogs writes the node's own logs below dir.
func (c *Cluster) ExportLogs(ctx context.Context, dir string) error {
	return c.run(ctx, time.Minute, nil, "export", "logs", dir, "--name", c.Name)
}

// Node is the name of the container that the cluster runs in.
func (c *Cluster) Node() string { return c.Name + "-control-plane" }

// Engine is the name of the container engine's command.
func (c *Cluster) Engine() string { return c.engine.Name }

func (c *Cluster) exists(ctx context.Context) (bool, error) {
	names, err := c.list(ctx)
	return slices.Contains(names, c.Name), err
}

// list names all kind clusters of this machine.
func (c *Cluster) list(ctx context.Context) ([]string, error) {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	out, err := c.command(nil, "get", "clusters", "--quiet").Output(ctx)
	return strings.Fields(out), err
}

func (c *Cluster) create(ctx context.Context, out io.Writer) error {
	begun := time.Now()
	img, have, err := node.Find(ctx, c.engine)
	if err != nil {
		return err
	}
	if !have {
		return fmt.Errorf("the engine has no node image %s; run: make images", img.Ref)
	}
	if err := provideModules(); err != nil {
		return err
	}
	config, err := c.configure(img)
	if err != nil {
		return err
	}
	// A cluster that somebody removed by hand leaves its marks, and this one holds no image yet.
	if err := os.RemoveAll(filepath.Dir(c.Kubeconfig)); err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(c.Kubeconfig), 0o755); err != nil {
		return err
	}
	fmt.Fprintf(out, "Creating the cluster %s with %s.\n", c.Name, c.engine.Name)
	err = c.run(ctx, createTimeout, strings.NewReader(config), "create", "cluster",
		"--name", c.Name, "--image", img.Ref, "--kubeconfig", c.Kubeconfig, "--config", "-", "--retain")
	if err == nil {
		err = c.ready(ctx, readyTimeout)
	}
	if err == nil {
		err = c.containServices(ctx)
	}
	if err != nil {
		return c.abandon(ctx, err)
	}
	fmt.Fprintf(out, "The cluster is ready after %s.\n", time.Since(begun).Round(time.Second))
	return os.WriteFile(c.mark("complete"), nil, 0o644)
}

// mark is a file beside the kubeconfig that says what was done to the cluster. A
// run that is killed half-way leaves none.
func (c *Cluster) mark(name string) string {
	return filepath.Join(filepath.Dir(c.Kubeconfig), name)
}

// serviceSubnet is where the cluster's Services get their addresses.
const serviceSubnet = "10.96.0.0/16"

// containServices lets the node refuse what is sent to a Service that kube-proxy
// has not set up yet. Without it such packets leave the machine by its default
// route, and on a network that answers for every address a client keeps the wrong
// connection: prometheus-adapter was seen to get 404 from elsewhere for minutes.
// Packets that kube-proxy handles have a pod's address when they come by here.
func (c *Cluster) containServices(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	for _, chain := range []string{"FORWARD", "OUTPUT"} {
		if err := c.engine.Command("exec", c.Node(), "iptables", "--wait", "--append", chain,
			"--destination", serviceSubnet, "--jump", "REJECT").Run(ctx); err != nil {
			return err
		}
	}
	return nil
}

// modules is a folder of the host that kind mounts into its nodes. A machine whose
// kernel needs no modules may lack it, and podman refuses to mount what is not there.
const modules = "/lib/modules"

func provideModules() error {
	if runtime.GOOS != "linux" || cache.Has(modules) {
		return nil
	}
	if err := os.MkdirAll(modules, 0o755); err != nil {
		return fmt.Errorf("kind mounts %s, which is missing; run: sudo mkdir %s", modules, modules)
	}
	return nil
}

// abandon removes a cluster that did not come up, after keeping its logs.
func (c *Cluster) abandon(ctx context.Context, failure error) error {
	// The caller's context may be what ended.
	ctx = context.WithoutCancel(ctx)
	dir, err := cache.Path("logs", c.Name+"-failed")
	if err != nil {
		return failure
	}
	os.RemoveAll(dir)
	if err := c.ExportLogs(ctx, dir); err == nil {
		failure = fmt.Errorf("%w\nnode logs: %s", failure, dir)
	}
	if err := c.Delete(ctx); err != nil {
		return fmt.Errorf("%w\nand it could not be removed: %w", failure, err)
	}
	return failure
}

// configure renders kind's configuration for this machine and node image.
func (c *Cluster) configure(img node.Image) (string, error) {
	var out strings.Builder
	err := template.Must(template.New("kind").Parse(configuration)).Execute(&out, map[string]any{
		"CgroupV1":            c.engine.CgroupV1,
		"CannotLowerOOMScore": c.engine.CannotLowerOOMScore,
		"Built":               img.Built,
		"ServiceSubnet":       serviceSubnet,
		"CNITemplate":         node.CNITemplate,
	})
	return out.String(), err
}

// ready waits until the node is Ready.
func (c *Cluster) ready(ctx context.Context, timeout time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, timeout+10*time.Second)
	defer cancel()
	return c.engine.Command("exec", c.Node(), "kubectl", "--kubeconfig=/etc/kubernetes/admin.conf",
		"wait", "--for=condition=Ready", "node", "--all", "--timeout="+timeout.String()).Run(ctx)
}

// load brings the images into the node that are not in it yet.
func (c *Cluster) load(ctx context.Context, out io.Writer, sets []image.Set) error {
	images, err := image.All(sets...)
	if err != nil {
		return err
	}
	var group errgroup.Group
	// Two at a time keep both the disk and the node's gzip busy.
	group.SetLimit(2)
	begun, loaded := time.Now(), 0
	for _, img := range images {
		archive, cached, err := img.Archive()
		if err != nil {
			return err
		}
		if !cached {
			return fmt.Errorf("%s is not in the cache; run: make images", img.Ref)
		}
		// The archive's name carries its key, so a mark of that name means that this
		// very content is in the node.
		mark := c.mark(filepath.Base(archive) + ".loaded")
		if cache.Has(mark) {
			continue
		}
		loaded++
		group.Go(func() error {
			if err := c.run(ctx, loadTimeout, nil, "load", "image-archive", archive, "--name", c.Name); err != nil {
				return err
			}
			return os.WriteFile(mark, nil, 0o644)
		})
	}
	if err := group.Wait(); err != nil {
		return err
	}
	if loaded > 0 {
		fmt.Fprintf(out, "Loaded %d images into it in %s.\n", loaded, time.Since(begun).Round(time.Second))
	}
	return nil
}

func (c *Cluster) run(ctx context.Context, timeout time.Duration, stdin io.Reader, args ...string) error {
	ctx, cancel := context.WithTimeoutCause(ctx, timeout, fmt.Errorf("kind did not end within %s", timeout))
	defer cancel()
	return c.command(stdin, args...).Run(ctx)
}

func (c *Cluster) command(stdin io.Reader, args ...string) command.Command {
	return command.Command{Env: c.engine.Env(), Stdin: stdin, Log: "kind", Args: append([]string{c.kind}, args...)}
}
