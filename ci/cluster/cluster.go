// Package cluster starts and removes kind clusters with the project's images. Every call of kind has a time limit, because
// some of kind's own waits have none.
package cluster

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"text/template"
	"time"

	"golang.org/x/sync/errgroup"

	"holograph/ci/cache"
	"holograph/ci/command"
	"holograph/ci/host"
	"holograph/ci/node"
	"holograph/ci/program"
	"holograph/ci/state"
	"holograph/ci/supply"
)

// The purposes of clusters. A cluster's name is its purpose and some digits of its owner's ID, so each checkout has its own.
const (
	// Shown is the cluster of `make up`.
	Shown = "holograph"
	// Tests begins the names of the tests' clusters, one for each package. Tests do not use the cluster of `make up`.
	Tests = "holograph-test"
	// Bench is the cluster of `make bench`.
	Bench = "holograph-bench"
	// Scale is the cluster of `make scale`.
	Scale = "holograph-scale"
)

const (
	// createTimeout bounds `kind create cluster`: 12 s on an idle 2-core machine.
	createTimeout = 4 * time.Minute
	// readyTimeout bounds the wait for the node to be Ready.
	readyTimeout = 90 * time.Second
	// loadTimeout bounds the loading of an image into the node: 3 s for 130 MB.
	loadTimeout = 2 * time.Minute
	// deleteTimeout bounds the removal.
	deleteTimeout = time.Minute
)

//go:embed kind.yaml.tmpl
var configuration string

// Cluster is a running kind cluster with the project's images in each node: one node, or a control plane and the workers
// that a set asks for.
type Cluster struct {
	// Name is the cluster's name in kind.
	Name string
	// Kubeconfig is the path of the cluster's kubeconfig. The user's own is not changed.
	Kubeconfig string

	owner   owner
	engine  host.Engine
	kind    string
	workers int
	release func()
}

// KeepVariable is the environment variable that keeps a cluster after the tests or the measurement in it. The next run uses
// that cluster again.
const KeepVariable = "KEEP_CLUSTER"

// Kept reports whether KeepVariable is set.
func Kept() bool { return os.Getenv(KeepVariable) != "" }

// removeTimeout bounds the removal of a cluster for a measurement.
const removeTimeout = 2 * time.Minute

// ForMeasurement is Start for a program that measures: end removes the cluster, unless [Kept], and says on out if it could not.
func ForMeasurement(ctx context.Context, out io.Writer, purpose string, sets ...supply.Set) (c *Cluster, end func(), err error) {
	c, err = Start(ctx, out, purpose, Kept(), sets...)
	if err != nil {
		return nil, nil, err
	}
	return c, func() {
		if Kept() {
			return
		}
		// ctx may be what ended the measurement.
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), removeTimeout)
		defer cancel()
		if err := c.Delete(ctx); err != nil {
			fmt.Fprintln(out, "The cluster could not be removed:", err)
		}
	}, nil
}

// Start returns this checkout's cluster for that purpose, with the images that every cluster has and those of the sets. The
// cluster is in use until this process ends or calls Release or Delete. If an earlier run left a cluster behind, Start uses it
// again if reuse is true and the cluster answers. Otherwise it removes that cluster, once everything for a new one is there. It
// refuses a cluster of another owner. It writes its progress to out.
func Start(ctx context.Context, out io.Writer, purpose string, reuse bool, sets ...supply.Set) (*Cluster, error) {
	o, err := thisOwner()
	if err != nil {
		return nil, err
	}
	return o.start(ctx, out, purpose, reuse, sets)
}

func (o owner) start(ctx context.Context, out io.Writer, purpose string, reuse bool, sets []supply.Set) (*Cluster, error) {
	e, err := host.DetectEngine(ctx)
	if err != nil {
		return nil, err
	}
	c, err := o.use(ctx, e, o.name(purpose))
	if err != nil {
		return nil, err
	}
	if err := c.start(ctx, out, reuse, sets); err != nil {
		c.Release()
		return nil, err
	}
	return c, nil
}

func (c *Cluster) start(ctx context.Context, out io.Writer, reuse bool, sets []supply.Set) error {
	there, err := c.exists(ctx)
	if err != nil {
		return err
	}
	if c.workers, err = supply.Workers(sets...); err != nil {
		return err
	}
	archives, err := archivesOf(sets)
	if err != nil {
		return err
	}
	if there && reuse && cache.Has(c.mark("complete")) && c.ready(ctx, 10*time.Second) == nil {
		fmt.Fprintf(out, "Using the cluster %s again.\n", c.Name)
		return c.load(ctx, out, archives)
	}
	img, err := c.image(ctx)
	if err != nil {
		return err
	}
	if there {
		fmt.Fprintf(out, "Removing the cluster %s that an earlier run left behind.\n", c.Name)
		if err := c.remove(ctx); err != nil {
			return err
		}
	}
	if err := c.create(ctx, out, img); err != nil {
		return err
	}
	return c.load(ctx, out, archives)
}

// Down removes the clusters of this checkout, and undoes the changes to the machine. It leaves the clusters that another run
// uses and those of other owners, and lists them on out.
func Down(ctx context.Context, out io.Writer) error {
	o, err := thisOwner()
	if err != nil {
		return err
	}
	return o.down(ctx, out)
}

func (o owner) down(ctx context.Context, out io.Writer) error {
	e, err := host.DetectEngine(ctx)
	if err != nil {
		return err
	}
	clusters, err := kindClusters(ctx, e)
	if err != nil {
		return err
	}
	var left []error
	var foreign []string
	removed := 0
	for _, found := range clusters {
		if found.id != o.id {
			// List another owner's cluster only if it seems to be the project's.
			if found.checkout != "" || strings.HasPrefix(found.name, Shown) {
				foreign = append(foreign, o.describeForeign(found, e))
			}
			continue
		}
		if err := o.drop(ctx, out, e, found.name); err != nil {
			left = append(left, err)
			continue
		}
		fmt.Fprintln(out, "Removed:", found.name)
		removed++
	}
	if removed == 0 && len(left) == 0 {
		fmt.Fprintln(out, "There is no cluster to remove.")
	}
	for _, description := range foreign {
		fmt.Fprintln(out, "Not removed:", description)
	}
	if removed == len(clusters) {
		left = append(left, host.Undo(out))
	}
	return errors.Join(left...)
}

// drop removes a cluster of the owner.
func (o owner) drop(ctx context.Context, out io.Writer, e host.Engine, name string) error {
	// After `make clean-cache`, kind must be built again.
	if built, err := program.Kind.Built(); err == nil && !built {
		fmt.Fprintln(out, "Building kind, which removes clusters.")
	}
	c, err := o.use(ctx, e, name)
	if err != nil {
		return err
	}
	return c.Delete(ctx)
}

// use marks the owner's cluster of that name as in use by this process, and returns it. The cluster need not exist.
func (o owner) use(ctx context.Context, e host.Engine, name string) (*Cluster, error) {
	release, err := state.TryLock("cluster-" + name)
	if busy := (*state.Busy)(nil); errors.As(err, &busy) {
		return nil, fmt.Errorf("the cluster %s is %w: wait until it ends, or end it", name, busy)
	}
	if err != nil {
		return nil, err
	}
	kind, err := program.Kind.Binary(ctx, "kind")
	if err == nil {
		var kubeconfig string
		if kubeconfig, err = state.Path("clusters", name, "kubeconfig"); err == nil {
			return &Cluster{Name: name, Kubeconfig: kubeconfig, owner: o, engine: e, kind: kind, release: release}, nil
		}
	}
	release()
	return nil, err
}

// Release ends the use of the cluster by this process. The cluster keeps running, and `make down` may remove it.
func (c *Cluster) Release() { c.release() }

// Delete removes the cluster's container and kubeconfig.
func (c *Cluster) Delete(ctx context.Context) error {
	defer c.Release()
	there, err := c.exists(ctx)
	if err != nil || !there {
		return err
	}
	return c.remove(ctx)
}

// remove removes the cluster. The caller must have checked its owner.
func (c *Cluster) remove(ctx context.Context) error {
	if err := c.run(ctx, deleteTimeout, nil, "delete", "cluster", "--name", c.Name, "--kubeconfig", c.Kubeconfig); err != nil {
		return err
	}
	return os.RemoveAll(filepath.Dir(c.Kubeconfig))
}

// ExportLogs writes the logs of the nodes to dir.
func (c *Cluster) ExportLogs(ctx context.Context, dir string) error {
	return c.run(ctx, time.Minute, nil, "export", "logs", dir, "--name", c.Name)
}

// Node returns the name of the control plane's container. Without workers, everything runs in it.
func (c *Cluster) Node() string { return c.Name + "-control-plane" }

// Nodes returns the names of all nodes, which are also those of their containers. The first is the control plane.
func (c *Cluster) Nodes() []string {
	nodes := []string{c.Node()}
	for i := range c.workers {
		name := c.Name + "-worker"
		// kind numbers the workers beginning with the second.
		if i > 0 {
			name += strconv.Itoa(i + 1)
		}
		nodes = append(nodes, name)
	}
	return nodes
}

// Exec runs a program in a node and returns its standard output.
func (c *Cluster) Exec(ctx context.Context, node string, args ...string) (string, error) {
	return c.engine.Command(append([]string{"exec", node}, args...)...).Output(ctx)
}

// Feed is Exec with standard input for the program.
func (c *Cluster) Feed(ctx context.Context, node string, stdin io.Reader, args ...string) (string, error) {
	call := c.engine.Command(append([]string{"exec", "--interactive", node}, args...)...)
	call.Stdin = stdin
	return call.Output(ctx)
}

// Kill kills a node without notice, as a loss of power does.
func (c *Cluster) Kill(ctx context.Context, node string) error {
	return c.engine.Command("kill", "--signal", "KILL", node).Run(ctx)
}

// Revive starts a killed node, and connects it with the others.
func (c *Cluster) Revive(ctx context.Context, node string) error {
	if err := c.engine.Command("start", node).Run(ctx); err != nil {
		return err
	}
	if err := c.ready(ctx, readyTimeout); err != nil {
		return err
	}
	return c.connect(ctx)
}

// Engine is the name of the container engine's command.
func (c *Cluster) Engine() string { return c.engine.Name }

// LoadArchive loads the image of an archive into the nodes, even if they had it before.
func (c *Cluster) LoadArchive(ctx context.Context, archive string) error {
	return c.run(ctx, loadTimeout, nil, "load", "image-archive", archive, "--name", c.Name)
}

// exists reports whether the cluster exists. A cluster of that name with another owner is an error: it must not be changed,
// and no other cluster can have the name.
func (c *Cluster) exists(ctx context.Context) (bool, error) {
	clusters, err := kindClusters(ctx, c.engine)
	if err != nil {
		return false, err
	}
	at := slices.IndexFunc(clusters, func(found existing) bool { return found.name == c.Name })
	if at < 0 {
		return false, nil
	}
	if found := clusters[at]; found.id != c.owner.id {
		return false, fmt.Errorf("a cluster of this name exists that does not belong to this checkout: %s", c.owner.describeForeign(found, c.engine))
	}
	return true, nil
}

// image returns the node image that the engine has.
func (c *Cluster) image(ctx context.Context) (node.Image, error) {
	img, have, err := node.Find(ctx, c.engine)
	if err == nil && !have {
		err = fmt.Errorf("the engine has no node image %s; run: make images", img.Ref)
	}
	return img, err
}

func (c *Cluster) create(ctx context.Context, out io.Writer, img node.Image) error {
	begun := time.Now()
	if err := host.ProvideModules(out); err != nil {
		return err
	}
	config, err := c.configure(img)
	if err != nil {
		return err
	}
	// The marks of a cluster that was removed by hand still exist, and the new one has no images yet.
	if err := os.RemoveAll(filepath.Dir(c.Kubeconfig)); err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(c.Kubeconfig), 0o700); err != nil {
		return err
	}
	fmt.Fprintf(out, "Creating the cluster %s with %s: privileged containers, %d in all.\n", c.Name, c.engine.Name, len(c.Nodes()))
	err = c.run(ctx, createTimeout, strings.NewReader(config), "create", "cluster",
		"--name", c.Name, "--image", img.Ref, "--kubeconfig", c.Kubeconfig, "--config", "-", "--retain")
	if err == nil {
		err = c.ready(ctx, readyTimeout)
	}
	if err == nil {
		err = c.connect(ctx)
	}
	if err != nil {
		return c.abandon(ctx, err)
	}
	fmt.Fprintf(out, "The cluster is ready after %s.\n", time.Since(begun).Round(time.Second))
	return os.WriteFile(c.mark("complete"), nil, 0o644)
}

// mark returns the path of a file beside the kubeconfig that marks a completed step, such as a loaded image. A killed run
// leaves no mark.
func (c *Cluster) mark(name string) string {
	return filepath.Join(filepath.Dir(c.Kubeconfig), name)
}

// serviceSubnet is where the cluster's Services get their addresses.
const serviceSubnet = "10.96.0.0/16"

// connect adds rules and routes to the network of the nodes. A node that was stopped has lost them.
//
// The rule rejects packets to a Service that kube-proxy has not set up yet. Without it, such packets leave the machine by the
// default route. On a network that answers for every address, a client then keeps a wrong connection: prometheus-adapter got
// 404 from another server for minutes. Packets that kube-proxy handles already have the address of a pod here.
//
// The routes lead to the pods of other nodes. kindnetd would add them, but a node that was built here does not have it.
func (c *Cluster) connect(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	nodes := c.Nodes()
	for _, node := range nodes {
		for _, chain := range []string{"FORWARD", "OUTPUT"} {
			rule := chain + " --destination " + serviceSubnet + " --jump REJECT"
			if _, err := c.Exec(ctx, node, "sh", "-c", "iptables --wait --check "+rule+" 2>/dev/null || iptables --wait --append "+rule); err != nil {
				return err
			}
		}
	}
	if len(nodes) == 1 {
		return nil
	}
	listed, err := c.Exec(ctx, c.Node(), "kubectl", "--kubeconfig=/etc/kubernetes/admin.conf", "get", "nodes", "--output",
		`jsonpath={range .items[*]}{.metadata.name} {.spec.podCIDR} {.status.addresses[?(@.type=="InternalIP")].address}{"\n"}{end}`)
	if err != nil {
		return err
	}
	for line := range strings.Lines(listed) {
		fields := strings.Fields(line)
		if len(fields) != 3 {
			return fmt.Errorf("a node has no pod subnet or no address yet: %q", strings.TrimSpace(line))
		}
		for _, node := range nodes {
			if node == fields[0] {
				continue
			}
			if _, err := c.Exec(ctx, node, "ip", "route", "replace", fields[1], "via", fields[2]); err != nil {
				return err
			}
		}
	}
	return nil
}

// abandon exports the logs of a cluster that did not start, and removes it.
func (c *Cluster) abandon(ctx context.Context, failure error) error {
	// The reason may be that the caller's context has ended.
	ctx = context.WithoutCancel(ctx)
	dir, err := cache.Path("logs", c.Name+"-failed")
	if err != nil {
		return failure
	}
	os.RemoveAll(dir)
	if err := c.ExportLogs(ctx, dir); err == nil {
		failure = fmt.Errorf("%w\nnode logs: %s", failure, dir)
	}
	if err := c.remove(ctx); err != nil {
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
		"Mark":                c.owner.mark(),
		"Roles":               append([]string{"control-plane"}, slices.Repeat([]string{"worker"}, c.workers)...),
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

// archivesOf returns the paths of the archives of a cluster's images.
func archivesOf(sets []supply.Set) ([]string, error) {
	images, err := supply.Images(sets...)
	if err != nil {
		return nil, err
	}
	var archives []string
	for _, img := range images {
		archive, cached, err := img.Archive()
		if err != nil {
			return nil, err
		}
		if !cached {
			return nil, fmt.Errorf("%s is not in the cache; run: make images", img.Ref)
		}
		archives = append(archives, archive)
	}
	return archives, nil
}

// load loads the images of the archives that are not in the node yet.
func (c *Cluster) load(ctx context.Context, out io.Writer, archives []string) error {
	var group errgroup.Group
	// With two at a time, one uses the disk while the other is decompressed in the node.
	group.SetLimit(2)
	begun, loaded := time.Now(), 0
	for _, archive := range archives {
		// The archive's name has a key of its content, so a mark of that name means that the node has this content.
		mark := c.mark(filepath.Base(archive) + ".loaded")
		if cache.Has(mark) {
			continue
		}
		loaded++
		group.Go(func() error {
			if err := c.LoadArchive(ctx, archive); err != nil {
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
