// Package image obtains the container images that the chart and the tests run. Each comes from the cache, otherwise from its
// registry if that is reachable, and otherwise is built from the Go module that pins it. In all three cases the result is an
// archive with the name and tag of upstream's image.
package image

import (
	"archive/tar"
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"path"
	"path/filepath"
	"runtime"
	"sort"
	"strings"
	"sync"
	"time"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"
	"github.com/google/go-containerregistry/pkg/v1/tarball"

	"golang.org/x/mod/module"

	"holograph/ci/bom"
	"holograph/ci/cache"
	"holograph/ci/program"
	"holograph/ci/repo"
)

const (
	// recipe is part of the cache key. Change it when the layout of built images changes.
	recipe = "2"
	// probeTimeout is the time within which a reachable registry answers.
	probeTimeout = 3 * time.Second
	// pullTimeout bounds one image's download.
	pullTimeout = 5 * time.Minute
	// nonRoot is the user of built images; charts that set runAsUser override it.
	nonRoot = "65532:65532"
)

// Image is a container image with one program in it.
type Image struct {
	// Ref is the image's full name with its tag.
	Ref string
	// Program is the program in the image, and Binary the name of its binary.
	Program program.Program
	Binary  string
	// Path is the binary's path in the image, as in upstream's image.
	Path string
	// Beside are the names of other binaries of the program that upstream's image has too and that are used here.
	Beside []string
	// Local says that the image is in no registry.
	Local bool
	// Digest is the digest that the registry's image must have, such as "sha256:..."; empty accepts what the tag names.
	Digest string
}

// Archive returns the path of the image's archive in the cache, and whether it exists. A pulled and a built archive have
// different paths, and either will do.
func (i Image) Archive() (path string, cached bool, err error) {
	built, err := i.builtPath()
	if err != nil {
		return "", false, err
	}
	pulled, err := i.pulledPath()
	if err != nil {
		return "", false, err
	}
	for _, candidate := range []string{pulled, built} {
		if cache.Has(candidate) {
			return candidate, true, nil
		}
	}
	return built, false, nil
}

// Obtain makes sure that the archive is in the cache, and returns how: "cached", "pulled" or "built". If a pull fails, it
// builds the image, and the outcome says why.
func (i Image) Obtain(ctx context.Context) (outcome string, err error) {
	if _, cached, err := i.Archive(); err != nil || cached {
		return "cached", err
	}
	outcome = "built"
	if i.Reachable(ctx) {
		if err := i.pull(ctx); err == nil {
			return "pulled", nil
		} else if ctx.Err() != nil {
			return "", err
		} else {
			outcome = fmt.Sprintf("built, since the pull failed (%v),", err)
		}
	}
	return outcome, i.build(ctx)
}

// Reachable reports whether the image's registry answers within a few seconds. Each registry is probed once a run.
func (i Image) Reachable(ctx context.Context) bool {
	ref, err := name.ParseReference(i.Ref)
	return err == nil && !i.Local && Reachable(ctx, ref.Context().Registry)
}

var (
	probesMu sync.Mutex
	probes   = map[string]func() bool{}
)

// Reachable reports whether a registry answers within a few seconds with the status of a registry: 200, or 401 if it requires
// a login. Each registry is probed once a run.
func Reachable(ctx context.Context, registry name.Registry) bool {
	probesMu.Lock()
	probe, asked := probes[registry.Name()]
	if !asked {
		probe = sync.OnceValue(func() bool {
			ctx, cancel := context.WithTimeout(ctx, probeTimeout)
			defer cancel()
			_, err := transport.Ping(ctx, registry, http.DefaultTransport)
			return err == nil
		})
		probes[registry.Name()] = probe
	}
	probesMu.Unlock()
	return probe()
}

// pull downloads the image, by its digest if it has one, and writes the digest of what it got beside the archive.
func (i Image) pull(ctx context.Context) error {
	tag, err := name.NewTag(i.Ref)
	if err != nil {
		return err
	}
	var wanted name.Reference = tag
	if i.Digest != "" {
		if wanted, err = name.NewDigest(tag.Context().Name() + "@" + i.Digest); err != nil {
			return err
		}
	}
	ctx, cancel := context.WithTimeout(ctx, pullTimeout)
	defer cancel()
	found, err := remote.Get(wanted, remote.WithContext(ctx), remote.WithAuthFromKeychain(authn.DefaultKeychain),
		remote.WithPlatform(v1.Platform{OS: "linux", Architecture: runtime.GOARCH}))
	if err != nil {
		return fmt.Errorf("pull %s: %w", wanted, err)
	}
	pulled, err := found.Image()
	if err != nil {
		return fmt.Errorf("pull %s: %w", wanted, err)
	}
	path, err := i.pulledPath()
	if err != nil {
		return err
	}
	if err := cache.Publish(strings.TrimSuffix(path, ".tar")+".digest", func(temporary string) error {
		return os.WriteFile(temporary, []byte(i.Ref+"@"+found.Digest.String()+"\n"), 0o644)
	}); err != nil {
		return err
	}
	return write(path, tag, pulled)
}

func (i Image) build(ctx context.Context) error {
	dir, err := i.Program.Build(ctx)
	if err != nil {
		return fmt.Errorf("build %s: %w", i.Ref, err)
	}
	path, err := i.builtPath()
	if err != nil {
		return err
	}
	version, err := i.Program.Version()
	if err != nil {
		return err
	}
	labels, err := Labels(i.Binary, i.Program)
	if err != nil {
		return err
	}
	content := Content{Binary: filepath.Join(dir, i.Binary), Inside: i.Path, User: nonRoot, Labels: labels}
	for _, name := range i.Beside {
		content.Beside = append(content.Beside, filepath.Join(dir, name))
	}
	// The archive is written last, because it marks the image as complete.
	programs := append([]string{content.Binary}, content.Beside...)
	if err := bom.Write(bom.PathOf(path), bom.Image{Ref: i.Ref, Version: version, Programs: programs}); err != nil {
		return err
	}
	return Pack(path, i.Ref, content)
}

// Labels returns the labels of an image that is built here. They say that it is not upstream's image, whose name it may have.
// They contain no time and nothing of this machine, so they are the same on every machine.
func Labels(title string, p program.Program) (map[string]string, error) {
	pinned, err := p.Module()
	if err != nil {
		return nil, err
	}
	key, err := p.Key()
	if err != nil {
		return nil, err
	}
	toolchain, err := repo.Toolchain()
	if err != nil {
		return nil, err
	}
	labels := map[string]string{
		"org.opencontainers.image.title":   title,
		"org.opencontainers.image.version": strings.TrimPrefix(pinned.Version, "v"),
		"org.opencontainers.image.vendor":  "built by Holograph from source, not by its upstream",
		"holograph.built-from":             "holograph@" + pinned.Version,
		"holograph.built-with":             toolchain,
		KeyLabel:                           key,
	}
	if pinned.Path != "" {
		labels["holograph.built-from"] = pinned.String()
		escaped, err := module.EscapePath(pinned.Path)
		if err != nil {
			return nil, err
		}
		labels["org.opencontainers.image.source"] = "https://proxy.golang.org/" + escaped + "/@v/" + pinned.Version + ".zip"
	}
	return labels, nil
}

// KeyLabel is the label with the cache key of the program that an image was built from.
const KeyLabel = "holograph.cache-key"

// Content is the content of an image.
type Content struct {
	// Binary is the program's path on this machine, Inside its path in the image.
	Binary, Inside string
	// Beside are paths of other programs on this machine, which the image has in the same folder as the binary.
	Beside []string
	// Base is the path of a tar archive with the layer below the binary; empty is none.
	Base string
	// User is the user and group that the program runs as, "user:group"; empty is root.
	User string
	// Labels are the image's.
	Labels map[string]string
}

// Pack writes an image to the archive at path.
func Pack(path, ref string, c Content) error {
	tag, err := name.NewTag(ref)
	if err != nil {
		return err
	}
	img := empty.Image
	if c.Base != "" {
		layer, err := tarball.LayerFromFile(c.Base)
		if err != nil {
			return err
		}
		if img, err = mutate.AppendLayers(img, layer); err != nil {
			return err
		}
	}
	content, err := os.ReadFile(c.Binary)
	if err != nil {
		return err
	}
	programs := map[string][]byte{c.Inside: content}
	for _, program := range c.Beside {
		inside := filepath.Join(filepath.Dir(c.Inside), filepath.Base(program))
		if programs[inside], err = os.ReadFile(program); err != nil {
			return err
		}
	}
	files, err := layerOf(programs)
	if err != nil {
		return err
	}
	layer, err := tarball.LayerFromOpener(func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(files)), nil })
	if err != nil {
		return err
	}
	if img, err = mutate.AppendLayers(img, layer); err != nil {
		return err
	}
	file, err := img.ConfigFile()
	if err != nil {
		return err
	}
	file = file.DeepCopy()
	file.OS, file.Architecture = "linux", runtime.GOARCH
	file.Config.Entrypoint = []string{c.Inside}
	file.Config.User = c.User
	file.Config.Labels = c.Labels
	file.Config.Env = []string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"}
	if img, err = mutate.ConfigFile(img, file); err != nil {
		return err
	}
	return write(path, tag, img)
}

// layerOf returns a tar archive of executable files and their folders. All times are zero, so equal contents give equal layers.
func layerOf(files map[string][]byte) ([]byte, error) {
	var out bytes.Buffer
	archive := tar.NewWriter(&out)
	// /tmp must exist: on a read-only root file system nothing can create the folder for a mount.
	folders := map[string]int64{"tmp/": 0o1777}
	var names []string
	for file := range files {
		names = append(names, file)
		for dir := path.Dir(file[1:]); dir != "."; dir = path.Dir(dir) {
			folders[dir+"/"] = 0o755
		}
	}
	sort.Strings(names)
	var dirs []string
	for dir := range folders {
		dirs = append(dirs, dir)
	}
	sort.Strings(dirs)
	for _, dir := range dirs {
		if err := archive.WriteHeader(&tar.Header{Typeflag: tar.TypeDir, Name: dir, Mode: folders[dir]}); err != nil {
			return nil, err
		}
	}
	for _, file := range names {
		content := files[file]
		if err := archive.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: file[1:], Mode: 0o755, Size: int64(len(content))}); err != nil {
			return nil, err
		}
		if _, err := archive.Write(content); err != nil {
			return nil, err
		}
	}
	return out.Bytes(), archive.Close()
}

func write(path string, ref name.Reference, img v1.Image) error {
	return cache.Publish(path, func(temporary string) error {
		return tarball.WriteToFile(temporary, ref, img)
	})
}

func (i Image) builtPath() (string, error) {
	key, err := i.Program.Key()
	if err != nil {
		return "", err
	}
	return cache.Path("images", i.Binary+"-"+cache.Key(append([]string{recipe, key, i.Ref, i.Path}, i.Beside...)...)+".tar")
}

func (i Image) pulledPath() (string, error) {
	return cache.Path("images", i.Binary+"-"+cache.Key(i.Ref, i.Digest, runtime.GOARCH)+"-pulled.tar")
}
