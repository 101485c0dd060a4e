// Package program builds the programs that the project runs, each from the Go module
// that pins it, and keeps the binaries in the cache.
package program

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"sync"

	"golang.org/x/mod/module"

	"holograph/ci/cache"
	"holograph/ci/command"
	"holograph/ci/repo"
)

// Program is one or more binaries built from one Go module.
type Program struct {
	// Name names the program in progress lines, logs and the cache.
	Name string
	// Folder holds the go.mod that pins the program, relative to the repository. Its
	// tools are the program's packages; of the repository's own go.mod, the tool of the
	// program's name.
	Folder string
	// Own is the package of a program of this repository, such as "./test/renderer".
	Own string
	// Renamed is the name of the only binary, where that is not the package's name.
	Renamed string
	// LDFlags is given to the linker with %s replaced by the version, and {minor} by the
	// minor version of Kubernetes, such as "37".
	LDFlags string
	// Tags are build tags, comma-separated.
	Tags string
	// CGO links C libraries, statically.
	CGO bool
	// Stubs are files that the sources embed and that the module on the proxy lacks, such as pages that npm makes, by
	// their paths in the module. The program is built with one line of text in place of each.
	Stubs []string
}

// stub is the content of each of a program's Stubs.
const stub = "Built from its Go module, which does not hold this file.\n"

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

// Packages maps each binary's name to the package that it is built from.
func (p Program) Packages() (map[string]string, error) {
	if p.Own != "" {
		return map[string]string{p.Name: p.Own}, nil
	}
	tools, err := repo.Tools(p.Folder)
	if err != nil {
		return nil, err
	}
	packages := map[string]string{}
	for _, tool := range tools {
		// The last element of a path may be its major version, as in "k8s.io/kube-state-metrics/v2".
		unversioned, _, ok := module.SplitPathVersion(tool)
		if !ok {
			return nil, fmt.Errorf("%s/go.mod: the tool %s is not the path of a package", p.Folder, tool)
		}
		name := path.Base(unversioned)
		if p.Renamed != "" {
			name = p.Renamed
		}
		if p.Folder != "" || name == p.Name {
			packages[name] = tool
		}
	}
	if p.Folder == "" && len(packages) == 0 {
		return nil, fmt.Errorf("go.mod has no tool %s", p.Name)
	}
	return packages, nil
}

// Module returns the path and the version that go.mod pins, such as
// "sigs.k8s.io/prometheus-adapter" at "v0.12.0". A program of this repository has no path; its
// version is the chart's appVersion.
func (p Program) Module() (module.Version, error) {
	if p.Own != "" {
		version, err := repo.AppVersion()
		return module.Version{Version: version}, err
	}
	packages, err := p.Packages()
	if err != nil {
		return module.Version{}, err
	}
	required, err := repo.Required(p.Folder)
	if err != nil {
		return module.Version{}, err
	}
	if len(packages) == 0 && len(required) == 1 {
		return required[0], nil // of KubernetesOldest, nothing is built
	}
	var found module.Version
	for _, candidate := range required {
		holds := true
		for _, built := range packages {
			holds = holds && strings.HasPrefix(built+"/", candidate.Path+"/")
		}
		// Of a module and one inside it, the longer path is that of the package.
		if holds && len(packages) > 0 && len(candidate.Path) > len(found.Path) {
			found = candidate
		}
	}
	if found.Path == "" {
		return found, fmt.Errorf("%s: no required module holds all the tools of %s", path.Join(p.Folder, "go.mod"), p.Name)
	}
	return found, nil
}

// Version returns the version that go.mod pins, such as "v0.12.0"; for this
// repository's own programs it is the chart's appVersion.
func (p Program) Version() (string, error) {
	pinned, err := p.Module()
	return pinned.Version, err
}

// Tag returns the tag that upstream gives the image of a version of the module: the version
// itself but for Prometheus, whose module of 3.14.0 is v0.314.0.
func (p Program) Tag(version string) string {
	if parts := prometheusModule.FindStringSubmatch(version); p.Name == Prometheus.Name && parts != nil {
		return "v" + parts[1] + "." + strings.TrimPrefix(parts[2], "0") + "." + parts[3]
	}
	return version
}

// ModuleVersion returns the version of the module that the image with that tag is of. What
// is no such tag is returned as it is.
func (p Program) ModuleVersion(tag string) string {
	if parts := prometheusImage.FindStringSubmatch(tag); p.Name == Prometheus.Name && parts != nil {
		return fmt.Sprintf("v0.%s%02s.%s", parts[1], parts[2], parts[3])
	}
	return tag
}

var (
	prometheusModule = regexp.MustCompile(`^v0\.([1-9])(\d\d)\.(\d+.*)$`)
	prometheusImage  = regexp.MustCompile(`^v([1-9])\.(\d\d?)\.(\d+.*)$`)
)

// ModuleDir downloads the pinned module where it is not yet on the machine, and
// returns its folder.
func (p Program) ModuleDir(ctx context.Context) (string, error) {
	pinned, err := p.Module()
	if err != nil {
		return "", err
	}
	return p.DependencyDir(ctx, pinned.Path)
}

// DependencyDir is ModuleDir for another module that the program's go.mod requires.
func (p Program) DependencyDir(ctx context.Context, path string) (string, error) {
	folder, err := repo.Path(p.Folder)
	if err != nil {
		return "", err
	}
	out, err := command.Command{
		Dir:  folder,
		Env:  []string{"GOWORK=off"},
		Log:  p.Name,
		Args: []string{"go", "mod", "download", "-json", path},
	}.Output(ctx)
	if err != nil {
		return "", err
	}
	var downloaded struct{ Dir string }
	if err := json.Unmarshal([]byte(out), &downloaded); err != nil {
		return "", fmt.Errorf("go mod download %s: %w", path, err)
	}
	return downloaded.Dir, nil
}

// Key condenses everything that the binaries depend on.
func (p Program) Key() (string, error) {
	folder, err := repo.Path(p.Folder)
	if err != nil {
		return "", err
	}
	// A foreign module's go.sum says what its sources are, but for main packages that are beside its go.mod.
	files := []string{filepath.Join(folder, "go.mod"), filepath.Join(folder, "go.sum")}
	if p.Folder != "" {
		mains, err := filepath.Glob(filepath.Join(folder, "*", "*.go"))
		if err != nil {
			return "", err
		}
		files = append(files, mains...)
	}
	if p.Own != "" {
		files = append(files, filepath.Join(folder, "charts", "holograph", "Chart.yaml"))
		sources, err := p.Sources()
		if err != nil {
			return "", err
		}
		for _, source := range sources {
			files = append(files, filepath.Join(folder, source))
		}
	}
	contents, err := cache.FileKey(files...)
	if err != nil {
		return "", err
	}
	toolchain, err := repo.Toolchain()
	if err != nil {
		return "", err
	}
	flags, err := p.flags()
	if err != nil {
		return "", err
	}
	recipe := []string{contents, runtime.GOOS, runtime.GOARCH, toolchain, strings.Join(buildFlags, " "), linkerFlags, flags, p.Tags, fmt.Sprint(p.CGO)}
	if len(p.Stubs) > 0 {
		recipe = append(recipe, stub, strings.Join(p.Stubs, ","))
	}
	packages, err := p.Packages()
	if err != nil {
		return "", err
	}
	for _, name := range slices.Sorted(maps.Keys(packages)) {
		recipe = append(recipe, name, packages[name])
	}
	return cache.Key(recipe...), nil
}

// flags returns LDFlags without the program's own version in it.
func (p Program) flags() (string, error) {
	const minor = "{minor}"
	if !strings.Contains(p.LDFlags, minor) {
		return p.LDFlags, nil
	}
	version, err := Kubernetes.Version()
	if err != nil {
		return "", err
	}
	parts := strings.Split(version, ".")
	if len(parts) != 3 {
		return "", fmt.Errorf("%s/go.mod: the version of Kubernetes is %s, want one such as v1.37.0", Kubernetes.Folder, version)
	}
	return strings.ReplaceAll(p.LDFlags, minor, parts[1]), nil
}

// ldflags returns all flags of the linker.
func (p Program) ldflags() (string, error) {
	all := linkerFlags
	if p.CGO {
		all += " -extldflags -static"
	}
	flags, err := p.flags()
	if err != nil || flags == "" {
		return all, err
	}
	version, err := p.Version()
	return all + " " + strings.ReplaceAll(flags, "%s", version), err
}

// listed holds the sources of each package that was asked for: `go list` takes 0.3 s, and
// Key is called for every image that is looked up.
var listed sync.Map

// Sources returns the files of this repository that a program of its own is built from, relative
// to the repository. They are read once in a process.
func (p Program) Sources() ([]string, error) {
	root, err := repo.Root()
	if err != nil {
		return nil, err
	}
	list, _ := listed.LoadOrStore(p.Own, sync.OnceValues(func() ([]string, error) { return sources(root, p.Own) }))
	return list.(func() ([]string, error))()
}

// sources returns the files of the main module at root that built is compiled from.
func sources(root, built string) ([]string, error) {
	out, err := command.Command{
		Dir: root,
		// Without a proxy and with -e, foreign modules that are not downloaded yet are left out
		// silently: they are none of the answer, and the download of all of them takes a minute.
		Env: append([]string{"CGO_ENABLED=0", "GOPROXY=off"}, ownSettings...),
		Log: "go-list",
		Args: []string{"go", "list", "-e", "-deps", "-f",
			`{{if .Module}}{{if .Module.Main}}{{$dir := .Dir}}{{range .GoFiles}}{{$dir}}/{{.}}{{"\n"}}{{end}}{{range .EmbedFiles}}{{$dir}}/{{.}}{{"\n"}}{{end}}{{end}}{{end}}`, built},
	}.Output(context.Background())
	if err != nil {
		return nil, err
	}
	var files []string
	for line := range strings.Lines(out) {
		if line = strings.TrimSpace(line); line == "" {
			continue
		}
		file, err := filepath.Rel(root, line)
		if err != nil {
			return nil, err
		}
		files = append(files, file)
	}
	if len(files) == 0 {
		return nil, fmt.Errorf("%s has no Go files", built)
	}
	slices.Sort(files)
	return files, nil
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
	ldflags, err := p.ldflags()
	if err != nil {
		return "", err
	}
	toolchain, err := repo.Toolchain()
	if err != nil {
		return "", err
	}
	packages, err := p.Packages()
	if err != nil {
		return "", err
	}
	cgo := "CGO_ENABLED=0"
	if p.CGO {
		cgo = "CGO_ENABLED=1"
	}
	if len(p.Stubs) > 0 {
		if folder, err = p.withStubs(ctx); err != nil {
			return "", err
		}
		defer os.RemoveAll(folder)
	}
	err = cache.Publish(dir, func(temporary string) error {
		if err := os.MkdirAll(temporary, 0o755); err != nil {
			return err
		}
		// One `go build` of many packages links them side by side; it names each
		// binary after its package, so a binary with another name is built alone.
		output := temporary + string(filepath.Separator)
		names := slices.Sorted(maps.Keys(packages))
		if len(names) == 1 {
			output = filepath.Join(temporary, names[0])
		}
		var built []string
		for _, name := range names {
			built = append(built, packages[name])
		}
		return command.Command{
			Dir:  folder,
			Env:  append([]string{cgo, "GOTOOLCHAIN=" + toolchain}, ownSettings...),
			Log:  p.Name,
			Args: slices.Concat([]string{"go", "build"}, buildFlags, []string{"-tags=" + p.Tags, "-ldflags=" + ldflags, "-o", output}, built),
		}.Run(ctx)
	})
	return dir, err
}

// withStubs returns a new folder with the program's go.mod, in which the module is a copy that has the Stubs: Go embeds
// no file from outside a module, and allows no overlay of the module cache.
func (p Program) withStubs(ctx context.Context) (_ string, err error) {
	pinned, err := p.Module()
	if err != nil {
		return "", err
	}
	sources, err := p.ModuleDir(ctx)
	if err != nil {
		return "", err
	}
	root, err := repo.Path(p.Folder)
	if err != nil {
		return "", err
	}
	made, err := os.MkdirTemp("", "holograph-"+p.Name+"-")
	if err != nil {
		return "", err
	}
	defer func() {
		if err != nil {
			os.RemoveAll(made)
		}
	}()
	// A relative path, which the binary names, is the same on every machine.
	const copied = "module"
	if err := os.CopyFS(filepath.Join(made, copied), os.DirFS(sources)); err != nil {
		return "", err
	}
	for _, file := range p.Stubs {
		path := filepath.Join(made, copied, file)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return "", err
		}
		if err := os.WriteFile(path, []byte(stub), 0o644); err != nil {
			return "", err
		}
	}
	for _, file := range []string{"go.mod", "go.sum"} {
		content, err := os.ReadFile(filepath.Join(root, file))
		if err != nil {
			return "", err
		}
		if file == "go.mod" {
			content = fmt.Appendf(content, "\nreplace %s => ./%s\n", pinned.Path, copied)
		}
		if err := os.WriteFile(filepath.Join(made, file), content, 0o644); err != nil {
			return "", err
		}
	}
	return made, nil
}

// Binary makes sure that the program is built and returns one binary's path.
func (p Program) Binary(ctx context.Context, name string) (string, error) {
	packages, err := p.Packages()
	if err != nil {
		return "", err
	}
	if _, known := packages[name]; !known {
		return "", fmt.Errorf("program %s has no binary %s, only %s", p.Name, name, strings.Join(slices.Sorted(maps.Keys(packages)), ", "))
	}
	dir, err := p.Build(ctx)
	return filepath.Join(dir, name), err
}
