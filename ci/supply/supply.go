// Package supply obtains what a cluster and its tests need: tools, images and the node image.
package supply

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"

	"holograph/ci/bom"
	"holograph/ci/cache"
	"holograph/ci/command"
	"holograph/ci/host"
	"holograph/ci/node"
	"holograph/ci/program"
	"holograph/ci/state"
)

// workers is the number of parts that are built at the same time. The Go compiler uses all cores, but the linker does not, so
// a second part compiles while the first one links.
const workers = 2

// Lock is held by the process that fills the cache or empties it.
const Lock = "images"

// part is a tool or an image to obtain, with the line that says what is done and the function that does it.
type part struct {
	name   string
	action string
	get    func(context.Context) (outcome string, err error)
}

// Wait waits until no other run obtains images, and says so on out where there is one. The next run waits until release is
// called.
func Wait(ctx context.Context, out io.Writer) (release func(), err error) {
	return state.Lock(ctx, Lock, func() {
		fmt.Fprintln(out, "Another run is obtaining the images; waiting for it.")
	})
}

// Fill makes sure that everything is in the cache, with what the sets add, and writes its progress to out. It first checks
// whether the machine has what that needs, also for the sets that another Fill obtains later: then nobody may be there to
// type a password.
func Fill(ctx context.Context, out io.Writer, sets []Set, later ...Set) error {
	release, err := Wait(ctx, out)
	if err != nil {
		return err
	}
	defer release()
	if sudo := host.Sudo(); sudo != "" {
		fmt.Fprintln(out, sudo)
	}
	e, err := host.DetectEngine(ctx)
	if err != nil && !errors.Is(err, host.ErrNoEngine) {
		return err
	}
	// Without an engine the node image counts as missing, so one check of the machine covers everything.
	lacks, err := find(ctx, e, slices.Concat(sets, later))
	if err != nil {
		return err
	}
	if err := host.Prepare(ctx, out, lacks.needs); err != nil {
		return err
	}
	known := e.Name != ""
	if !known {
		if e, err = host.DetectEngine(ctx); err != nil {
			return err
		}
	}
	if !known || len(later) > 0 {
		if lacks, err = find(ctx, e, sets); err != nil {
			return err
		}
	}
	names := lacks.names()
	if len(names) == 0 {
		return nil
	}
	fmt.Fprintf(out, "Obtaining %d parts, once for this machine. Building everything that make up runs takes 9 to 22 minutes on 2 cores, depending on what else they do.\n", len(names))
	board := command.NewBoard(out, len(names))
	err = lacks.obtain(ctx, board)
	took := board.Close()
	if err != nil {
		return err
	}
	images, err := cache.Path("images")
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "Everything is in the cache after %s. Beside the archives are the bill of materials of each image that was built (%s) and the digest of each that was pulled (*.digest).\n",
		took.Round(1e9), filepath.Join(images, bom.PathOf("*.tar")))
	return nil
}

// Check returns an error that lists what is not in the cache, with the command that obtains it.
func Check(ctx context.Context, sets ...Set) error {
	remedy := strings.TrimSpace(fmt.Sprintln("run: make images", settings(sets)))
	e, err := host.DetectEngine(ctx)
	if err != nil {
		return fmt.Errorf("%w; %s", err, remedy)
	}
	lacks, err := find(ctx, e, sets)
	if err != nil {
		return err
	}
	if names := lacks.names(); len(names) > 0 {
		return fmt.Errorf("not in the cache: %s; %s", strings.Join(names, ", "), remedy)
	}
	return nil
}

// settings returns the setting of make for the sets.
func settings(sets []Set) string {
	if len(sets) == 0 {
		return ""
	}
	var names []string
	for _, set := range sets {
		names = append(names, string(set))
	}
	return fmt.Sprintf("SETS=%q", strings.Join(names, " "))
}

// missing is what is not in the cache.
type missing struct {
	// parts can be obtained in any order.
	parts []part
	// node is the node image, which is built from parts, so it comes after them. Nil is none.
	node *part
	// needs is what the machine must have to obtain them.
	needs host.Needs
}

// names returns the names of everything that is missing.
func (m missing) names() []string {
	var names []string
	for _, part := range m.parts {
		names = append(names, part.name)
	}
	if m.node != nil {
		names = append(names, m.node.name)
	}
	return names
}

// find returns what every cluster and the sets need and the cache does not have.
func find(ctx context.Context, e host.Engine, sets []Set) (missing, error) {
	m := missing{needs: host.Needs{Engine: true}}
	extra, err := contents(sets)
	if err != nil {
		return m, err
	}
	m.needs.Browser = extra.browser
	if err := m.addNode(ctx, e); err != nil {
		return m, err
	}
	if err := m.addPrograms(slices.Concat(tools, extra.tools)); err != nil {
		return m, err
	}
	err = m.addImages(ctx, sets)
	return m, err
}

// addNode adds the node image if the engine does not have it, and what it is built from if it cannot be pulled.
func (m *missing) addNode(ctx context.Context, e host.Engine) error {
	if e.Name != "" {
		if _, have, err := node.Find(ctx, e); err != nil || have {
			return err
		}
	}
	if node.Reachable(ctx) {
		m.needs.Build = true
		m.node = &part{"kindest/node", "pulling", func(ctx context.Context) (string, error) {
			return "pulled", node.Pull(ctx, e)
		}}
		return nil
	}
	if _, cached, err := node.RootFS(); err != nil {
		return err
	} else if !cached {
		m.needs.RootFS = true
		m.parts = append(m.parts, part{"node root file system", "debootstrap as root, the installation scripts of Debian's packages included", func(ctx context.Context) (string, error) {
			return "made", node.BuildRootFS(ctx)
		}})
	}
	m.needs.C = true // pause is compiled with the image
	m.node = &part{"kindest/node", "assembling the node image", func(ctx context.Context) (string, error) {
		return "built", node.Build(ctx, e)
	}}
	return m.addPrograms(node.Programs())
}

// addPrograms adds the programs that are not built yet.
func (m *missing) addPrograms(programs []program.Program) error {
	for _, p := range programs {
		built, err := p.Built()
		if err != nil {
			return err
		}
		if built {
			continue
		}
		pinned, err := p.Module()
		if err != nil {
			return err
		}
		m.parts = append(m.parts, part{p.Name, "building " + pinned.Path + " " + pinned.Version, func(ctx context.Context) (string, error) {
			_, err := p.Build(ctx)
			return "built", err
		}})
		m.needs.Build = true
		m.needs.C = m.needs.C || p.CGO
	}
	return nil
}

// addImages adds the images of every cluster and of the sets whose archives are not in the cache.
func (m *missing) addImages(ctx context.Context, sets []Set) error {
	images, err := Images(sets...)
	if err != nil {
		return err
	}
	for _, img := range images {
		if _, cached, err := img.Archive(); err != nil {
			return err
		} else if cached {
			continue
		}
		action := "building the image from its Go module"
		if img.Reachable(ctx) {
			action = "pulling"
		}
		m.needs.Build = true
		m.parts = append(m.parts, part{img.Ref, action, img.Obtain})
	}
	return nil
}

// obtain obtains the parts, several at a time, and then the node image. The first failure stops the others.
func (m missing) obtain(ctx context.Context, board *command.Board) error {
	get := func(ctx context.Context, p part) error {
		// After a failure this also runs for the parts that have not started, which must not start then.
		if err := ctx.Err(); err != nil {
			return err
		}
		end := board.Start(p.name, p.action)
		outcome, err := p.get(ctx)
		if err != nil {
			end("failed")
			return fmt.Errorf("%s: %w", p.name, err)
		}
		end(outcome)
		return nil
	}
	group, groupCtx := errgroup.WithContext(ctx)
	group.SetLimit(workers)
	for _, p := range m.parts {
		group.Go(func() error { return get(groupCtx, p) })
	}
	if err := group.Wait(); err != nil || m.node == nil {
		return err
	}
	return get(ctx, *m.node)
}
