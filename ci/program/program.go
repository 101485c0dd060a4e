// Package program builds the foreign programs that the project runs, each from
// the Go module that pins it, and keeps the binaries in the cache.
package program

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"

	"holograph/ci/cache"
	"holograph/ci/command"
	"holograph/ci/repo"
)

// Program is one or more binaries built from one Go module.
type Program struct {
	// Name names the program in progress lines, logs and the cache.
	Name string
	// Folder holds the go.mod that pins Module, relative to the repository.
	Folder string
	// Module is the pinned module; empty is this repository's own.
	Module string
	// Packages maps each binary's name to the package it is built from.
	Packages map[string]string
	// LDFlags is given to the linker with %s replaced by the version.
	LDFlags string
	// Tags are build tags, comma-separated.
	Tags string
	// CGO links C libraries, statically.
	CGO bool
	// Sources are the folders whose Go files the binaries are built from, for
	// programs of this repository; a foreign module's go.sum says as much.
	Sources []string
}

// buildFlags are the same for every program. -mod=readonly: what go.sum does not
// list is not built. -trimpath and -buildvcs=false: the same sources give the same
// binary in every folder.
var buildFlags = []string{"-mod=readonly", "-trimpath", "-buildvcs=false"}

// ownSettings put Go's own defaults in place of what a person's environment may say:
// it would change the binaries, and nothing else would show it.
var ownSettings = []string{"GOWORK=off", "GOFLAGS=", "GOEXPERIMENT=", "GOFIPS140=off", "GOAMD64=v1", "GOARM64=v8.0"}

// linkerFlags leave the debugger's data out and keep the table of symbols, in which
// govulncheck looks for functions that are known to be vulnerable.
const linkerFlags = "-w"

// Version returns the version that go.mod pins, such as "v0.12.0"; for this
// repository's own programs it is the chart's appVersion.
func (p Program) Version() (string, error) {
	if p.Module == "" {
		return repo.AppVersion()
	}
	return repo.ModuleVersion(p.Folder, p.Module)
}

// ModuleDir downloads the pinned module where it is not yet on the machine, and
// returns its folder.
func (p Program) ModuleDir(ctx context.Context) (string, error) {
	folder, err := repo.Path(p.Folder)
	if err != nil {
		return "", err
	}
	out, err := command.Command{
		Dir:  folder,
		Env:  []string{"GOWORK=off"},
		Log:  p.Name,
		Args: []string{"go", "mod", "download", "-json", p.Module},
	}.Output(ctx)
	if err != nil {
		return "", err
	}
	var module struct{ Dir string }
	if err := json.Unmarshal([]byte(out), &module); err != nil {
		return "", fmt.Errorf("go mod download %s: %w", p.Module, err)
	}
	return module.Dir, nil
}

// Key condenses everything that the binaries depend on.
func (p Program) Key() (string, error) {
	folder, err := repo.Path(p.Folder)
	if err != nil {
		return "", err
	}
	files := []string{filepath.Join(folder, "go.mod"), filepath.Join(folder, "go.sum")}
	if p.Module == "" {
		files = append(files, filepath.Join(folder, "charts", "holograph", "Chart.yaml"))
	}
	for _, source := range p.Sources {
		more, err := goFiles(filepath.Join(folder, source))
		if err != nil {
			return "", err
		}
		files = append(files, more...)
	}
	contents, err := cache.FileKey(files...)
	if err != nil {
		return "", err
	}
	toolchain, err := repo.Toolchain()
	if err != nil {
		return "", err
	}
	recipe := []string{contents, runtime.GOOS, runtime.GOARCH, toolchain, strings.Join(buildFlags, " "), linkerFlags, p.LDFlags, p.Tags, fmt.Sprint(p.CGO)}
	for _, name := range p.binaries() {
		recipe = append(recipe, name, p.Packages[name])
	}
	return cache.Key(recipe...), nil
}

// Dir returns the cache's folder of this program's binaries, built or not.
func (p Program) Dir() (string, error) {
	key, err := p.Key()
	if err != nil {
		return "", err
	}
	return cache.Path("programs", p.Name+"-"+key)
}

// Built reports whether the binaries are in the cache.
func (p Program) Built() (bool, error) {
	dir, err := p.Dir()
	return err == nil && cache.Has(dir), err
}

// building holds one lock a program: an image and a tool of the same program may
// be wanted at the same time.
var building sync.Map

// Build makes sure that the binaries are in the cache and returns their folder.
func (p Program) Build(ctx context.Context) (string, error) {
	lock, _ := building.LoadOrStore(p.Name, new(sync.Mutex))
	lock.(*sync.Mutex).Lock()
	defer lock.(*sync.Mutex).Unlock()
	dir, err := p.Dir()
	if err != nil || cache.Has(dir) {
		return dir, err
	}
	folder, err := repo.Path(p.Folder)
	if err != nil {
		return "", err
	}
	ldflags := linkerFlags
	if p.CGO {
		ldflags += " -extldflags -static"
	}
	if p.LDFlags != "" {
		version, err := p.Version()
		if err != nil {
			return "", err
		}
		ldflags += " " + strings.ReplaceAll(p.LDFlags, "%s", version)
	}
	toolchain, err := repo.Toolchain()
	if err != nil {
		return "", err
	}
	cgo := "CGO_ENABLED=0"
	if p.CGO {
		cgo = "CGO_ENABLED=1"
	}
	err = cache.Publish(dir, func(temporary string) error {
		if err := os.MkdirAll(temporary, 0o755); err != nil {
			return err
		}
		// One `go build` of many packages links them side by side; it names each
		// binary after its package, so a binary with another name is built alone.
		output, packages := temporary+string(filepath.Separator), []string{}
		for _, name := range p.binaries() {
			packages = append(packages, p.Packages[name])
			if len(p.Packages) == 1 {
				output = filepath.Join(temporary, name)
			}
		}
		return command.Command{
			Dir:  folder,
			Env:  append([]string{cgo, "GOTOOLCHAIN=" + toolchain}, ownSettings...),
			Log:  p.Name,
			Args: slices.Concat([]string{"go", "build"}, buildFlags, []string{"-tags=" + p.Tags, "-ldflags=" + ldflags, "-o", output}, packages),
		}.Run(ctx)
	})
	return dir, err
}

// Binary makes sure that the program is built and returns one binary's path.
func (p Program) Binary(ctx context.Context, name string) (string, error) {
	if _, known := p.Packages[name]; !known {
		return "", fmt.Errorf("program %s has no binary %s", p.Name, name)
	}
	dir, err := p.Build(ctx)
	return filepath.Join(dir, name), err
}

func (p Program) binaries() []string {
	names := make([]string, 0, len(p.Packages))
	for name := range p.Packages {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// goFiles lists the files below folder that a build reads, in a fixed order.
func goFiles(folder string) ([]string, error) {
	var files []string
	err := filepath.WalkDir(folder, func(path string, entry os.DirEntry, err error) error {
		if err == nil && strings.HasSuffix(path, ".go") && !strings.HasSuffix(path, "_test.go") {
			files = append(files, path)
		}
		return err
	})
	return files, err
}
