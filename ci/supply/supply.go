// Package supply keeps at hand what a cluster and its tests run: tools, images and the node image.
package supply

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"holograph/ci/bom"
	"holograph/ci/cache"
	"holograph/ci/command"
	"holograph/ci/host"
	"holograph/ci/image"
	"holograph/ci/node"
	"holograph/ci/program"
	"holograph/ci/state"
)

// workers is how many parts are worked on at a time. The Go compiler uses every
// core by itself; a second part fills in while the first one links.
const workers = 2

// Lock is held by whoever fills the cache or empties it.
const Lock = "stock"

// tools are the programs that run on this machine, not in the cluster.
var tools = []program.Program{program.Kind, program.Helm, program.Prometheus}

// setTools are the programs that run on this machine where a set is wanted.
var setTools = map[image.Set][]program.Program{
	image.Lifecycle: {program.Helm4, program.Distribution, program.HelmDocs},
}

// part is one thing to have: how to know that it is here, and how to get it.
type part struct {
	name   string
	action string
	get    func(context.Context) (outcome string, err error)
}

// Fill makes sure that everything is at hand, the images of the given sets too,
// telling on out what it does. It first checks the machine for what that will take.
func Fill(ctx context.Context, out io.Writer, sets ...image.Set) error {
	release, err := state.Lock(ctx, Lock, func() {
		fmt.Fprintln(out, "Another run is obtaining the images; waiting for it.")
	})
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
	// Without an engine the survey takes the node image for missing, so that all
	// that this will need is asked of the machine at once.
	parts, needs, err := survey(ctx, e, sets)
	if err != nil {
		return err
	}
	if err := host.Prepare(ctx, out, needs); err != nil {
		return err
	}
	if e.Name == "" {
		if e, err = host.DetectEngine(ctx); err != nil {
			return err
		}
		if parts, _, err = survey(ctx, e, sets); err != nil {
			return err
		}
	}
	if len(parts) == 0 {
		return nil
	}
	fmt.Fprintf(out, "Obtaining %d parts, each once for this machine; a build of all that make up runs takes about 22 minutes on 2 cores.\n", len(parts))
	board := command.NewBoard(out, len(parts))
	err = work(ctx, board, parts)
	took := board.Close()
	if err != nil {
		return err
	}
	images, err := cache.Path("images")
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "Everything is at hand after %s. What an image that was built is made of, and which digest one that was pulled has, stand beside the archives: %s and *.digest.\n",
		took.Round(1e9), filepath.Join(images, bom.PathOf("*.tar")))
	return nil
}

// Check returns an error that lists what is not at hand and says how to get it.
func Check(ctx context.Context, sets ...image.Set) error {
	remedy := strings.TrimSpace(fmt.Sprintln("run: make images", settings(sets)))
	e, err := host.DetectEngine(ctx)
	if err != nil {
		return fmt.Errorf("%w; %s", err, remedy)
	}
	parts, _, err := survey(ctx, e, sets)
	if err != nil {
		return err
	}
	if len(parts) == 0 {
		return nil
	}
	var names []string
	for _, part := range parts {
		names = append(names, part.name)
	}
	return fmt.Errorf("not in the cache: %s; %s", strings.Join(names, ", "), remedy)
}

// settings is what make is told to obtain the sets too.
func settings(sets []image.Set) string {
	if len(sets) == 0 {
		return ""
	}
	var names []string
	for _, set := range sets {
		names = append(names, string(set))
	}
	return fmt.Sprintf("SETS=%q", strings.Join(names, " "))
}

// survey lists the parts that are not at hand and what getting them needs.
func survey(ctx context.Context, e host.Engine, sets []image.Set) ([]part, host.Needs, error) {
	needs := host.Needs{Engine: true, Browser: slices.Contains(sets, image.Browser)}
	var parts []part
	addProgram := func(p program.Program) error {
		built, err := p.Built()
		if err != nil || built {
			return err
		}
		pinned, err := p.Module()
		if err != nil {
			return err
		}
		parts = append(parts, part{p.Name, "building " + pinned.Path + " " + pinned.Version, func(ctx context.Context) (string, error) {
			_, err := p.Build(ctx)
			return "built", err
		}})
		needs.Build = true
		needs.C = needs.C || p.CGO
		return nil
	}

	have := false
	if e.Name != "" {
		var err error
		if _, have, err = node.Find(ctx, e); err != nil {
			return nil, needs, err
		}
	}
	buildNode := !have && !node.Reachable(ctx)
	if buildNode {
		if _, cached, err := node.RootFS(); err != nil {
			return nil, needs, err
		} else if !cached {
			needs.RootFS = true
			parts = append(parts, part{"node root file system", "debootstrap as root, the installation scripts of Debian's packages included", func(ctx context.Context) (string, error) {
				return "made", node.BuildRootFS(ctx)
			}})
		}
		needs.C = true // pause is compiled with the image
		for _, p := range node.Programs() {
			if err := addProgram(p); err != nil {
				return nil, needs, err
			}
		}
	}
	wanted := slices.Clone(tools)
	for _, set := range sets {
		wanted = append(wanted, setTools[set]...)
	}
	for _, p := range wanted {
		if err := addProgram(p); err != nil {
			return nil, needs, err
		}
	}
	images, err := image.All(sets...)
	if err != nil {
		return nil, needs, err
	}
	for _, img := range images {
		if _, cached, err := img.Archive(); err != nil {
			return nil, needs, err
		} else if cached {
			continue
		}
		action := "building the image from its Go module"
		if img.Reachable(ctx) {
			action = "pulling"
		}
		needs.Build = true
		parts = append(parts, part{img.Ref, action, img.Obtain})
	}
	if !have {
		// The node image is last: it is made of the programs above.
		if buildNode {
			parts = append(parts, part{"kindest/node", "assembling the node image", func(ctx context.Context) (string, error) {
				return "built", node.Build(ctx, e)
			}})
		} else {
			needs.Build = true
			parts = append(parts, part{"kindest/node", "pulling", func(ctx context.Context) (string, error) {
				return "pulled", node.Pull(ctx, e)
			}})
		}
	}
	return parts, needs, nil
}

// work gets the parts in order, a few at a time; the last one alone, once all
// others are there. The first failure stops the rest.
func work(ctx context.Context, board *command.Board, parts []part) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	get := func(p part) error {
		end := board.Start(p.name, p.action)
		outcome, err := p.get(ctx)
		if err != nil {
			outcome = "failed"
		}
		end(outcome)
		return err
	}
	last := len(parts) - 1
	queue := make(chan part)
	failures := make(chan error, len(parts))
	var crew sync.WaitGroup
	for range workers {
		crew.Go(func() {
			for p := range queue {
				if err := get(p); err != nil {
					failures <- fmt.Errorf("%s: %w", p.name, err)
					cancel()
				}
			}
		})
	}
	for _, p := range parts[:last] {
		if ctx.Err() != nil {
			break
		}
		queue <- p
	}
	close(queue)
	crew.Wait()
	close(failures)
	// What the cancellation stopped says nothing of its own.
	if err := <-failures; err != nil {
		return err
	}
	if err := context.Cause(ctx); err != nil && !errors.Is(err, context.Canceled) {
		return err
	}
	if err := get(parts[last]); err != nil {
		return fmt.Errorf("%s: %w", parts[last].name, err)
	}
	return nil
}
