// Package node obtains the image of a cluster's nodes. It pulls the kindest/node image of the pinned kind if the registry is
// reachable, and otherwise builds an image from Debian packages and Go modules.
package node

import (
	"archive/tar"
	"context"
	_ "embed"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	"sigs.k8s.io/kind/pkg/apis/config/defaults"

	"holograph/ci/bom"
	"holograph/ci/cache"
	"holograph/ci/command"
	"holograph/ci/host"
	"holograph/ci/image"
	"holograph/ci/program"
)

// recipe is part of the key of a built node image. Change it when the layout of the image changes and nothing else of the
// key does.
const recipe = "3"

// pullTimeout bounds the download of kind's node image, about 400 MB.
const pullTimeout = 10 * time.Minute

// packages are the Debian packages of the node's root file system, in addition to Debian's minimum.
var packages = []string{
	"ca-certificates", "conntrack", "curl", "e2fsprogs", "ethtool", "iproute2", "iptables", "jq", "kmod",
	"libseccomp2", "mount", "nftables", "pigz", "procps", "systemd", "systemd-sysv", "util-linux",
}

// Programs returns the programs of a node. The ones that take longest to build are first.
func Programs() []program.Program {
	return []program.Program{
		program.Kubernetes, program.CoreDNS, program.Containerd, program.Etcd,
		program.CRITools, program.Runc, program.CNIPlugins,
	}
}

//go:embed Dockerfile
var dockerfile string

//go:embed cni.template
var cniTemplate string

// CNITemplate is the path in a built node of the template for the CNI configuration that containerd writes. It replaces kind's
// own CNI, which is an image that no Go module has.
const CNITemplate = "/kind/cni.template"

// Image is a node image that the engine has or can pull.
type Image struct {
	// Ref is the image that kind starts.
	Ref string
	// Built says that the image was built here, and so lacks kind's own CNI.
	Built bool
}

// Find returns the current node image of the engine, and false if the engine has none.
func Find(ctx context.Context, e host.Engine) (Image, bool, error) {
	if e.HasImage(ctx, defaults.Image) {
		return Image{Ref: defaults.Image}, true, nil
	}
	tag, err := builtRef()
	if err != nil {
		return Image{}, false, err
	}
	current, err := key()
	if err != nil {
		return Image{}, false, err
	}
	return Image{Ref: tag, Built: true}, e.ImageLabel(ctx, tag, image.KeyLabel) == current, nil
}

// Reachable reports whether the registry of kind's node image answers.
func Reachable(ctx context.Context) bool {
	ref, err := name.ParseReference(defaults.Image)
	return err == nil && image.Reachable(ctx, ref.Context().Registry)
}

// Pull downloads kind's node image into the engine.
func Pull(ctx context.Context, e host.Engine) error {
	ctx, cancel := context.WithTimeout(ctx, pullTimeout)
	defer cancel()
	return e.Command("pull", defaults.Image).Run(ctx)
}

// Version returns the Kubernetes version of kind's node image, such as "v1.37.0". A built image has the same version.
func Version() (string, error) {
	tag, err := builtRef()
	return tag[strings.LastIndex(tag, ":")+1:], err
}

// builtRef returns the name of a node image that is built here. It differs from the name of kind's own image. The tag is the
// same: the version of Kubernetes.
func builtRef() (string, error) {
	tag, _, found := strings.Cut(defaults.Image, "@")
	if !found {
		return "", fmt.Errorf("kind's node image %s has no digest", defaults.Image)
	}
	return "localhost/holograph-node" + tag[strings.LastIndex(tag, ":"):], nil
}

// BillPath returns the path of the bill of materials of a node image that is built here.
func BillPath() (string, error) {
	current, err := key()
	if err != nil {
		return "", err
	}
	return cache.Path("images", "node-"+current+".cdx.json")
}

// RootFS returns the path of the root file system in the cache, and whether it exists.
func RootFS() (path string, cached bool, err error) {
	release, err := debianRelease()
	if err != nil {
		return "", false, err
	}
	path, err = cache.Path("rootfs", release+"-"+cache.Key(append([]string{release, runtime.GOARCH}, packages...)...)+".tar")
	return path, cache.Has(path), err
}

// BuildRootFS makes the root file system with debootstrap, from the mirror of this machine's apt. It needs root.
func BuildRootFS(ctx context.Context) error {
	path, cached, err := RootFS()
	if err != nil || cached {
		return err
	}
	release, err := debianRelease()
	if err != nil {
		return err
	}
	mirror, err := mirrorOf(ctx, release)
	if err != nil {
		return err
	}
	return cache.Publish(path, func(temporary string) error {
		tree := temporary + ".tree"
		defer discard(ctx, tree)
		if err := (command.Command{Log: "debootstrap", Args: []string{
			// Without the first flag, debootstrap only warns if the keyring is missing, and installs unverified packages.
			"debootstrap", "--force-check-gpg", "--keyring=" + host.Keyring,
			"--variant=minbase", "--include=" + strings.Join(packages, ","), release, tree, mirror,
		}}).Run(ctx); err != nil {
			return err
		}
		return command.Command{Log: "debootstrap", Args: []string{
			"tar", "--create", "--file", temporary, "--directory", tree, "--sort=name", "--numeric-owner",
			// An engine creates its own devices, and a node does not use the other files.
			"--exclude=./dev/*", "--exclude=./var/cache/apt/*", "--exclude=./var/lib/apt/lists/*",
			"--exclude=./usr/share/doc/*", "--exclude=./usr/share/man/*", "--exclude=./usr/share/locale/*", ".",
		}}.Run(ctx)
	})
}

// discard removes the folder that debootstrap filled. A killed debootstrap leaves the host's /dev/shm and /proc mounted in
// it, whose files must not be deleted.
func discard(ctx context.Context, tree string) {
	mounted, err := cache.Mounts(tree)
	if err != nil {
		return
	}
	for _, point := range mounted {
		if err := (command.Command{Log: "debootstrap", Args: []string{"umount", point}}).Run(context.WithoutCancel(ctx)); err != nil {
			return // the removal of the outer folder reports what is still mounted
		}
	}
	cache.RemoveFolder(tree)
}

// debianRelease returns the code name of the host's Debian release, because the host's mirror has that one. On other systems it
// is bookworm.
func debianRelease() (string, error) {
	text, err := os.ReadFile("/etc/os-release")
	if errors.Is(err, fs.ErrNotExist) {
		return "bookworm", nil
	}
	if err != nil {
		return "", err
	}
	if !strings.Contains("\n"+string(text), "\nID=debian\n") {
		return "bookworm", nil
	}
	for line := range strings.Lines(string(text)) {
		if codename, found := strings.CutPrefix(line, "VERSION_CODENAME="); found {
			return strings.TrimSpace(codename), nil
		}
	}
	return "bookworm", nil
}

// mirrorOf returns the mirror from which this machine's apt gets a Debian release.
func mirrorOf(ctx context.Context, release string) (string, error) {
	out, err := command.Command{Log: "apt", Args: []string{
		"apt-get", "indextargets", "--format", "$(REPO_URI) $(RELEASE)", "Created-By: Packages",
	}}.Output(ctx)
	if err != nil {
		return "", err
	}
	for line := range strings.Lines(out) {
		if fields := strings.Fields(line); len(fields) == 2 && fields[1] == release {
			return fields[0], nil
		}
	}
	return "", fmt.Errorf("apt has no source for Debian %s: add one to /etc/apt/sources.list and run apt-get update", release)
}

// Build builds the node image from the root file system and the programs, which must be in the cache.
func Build(ctx context.Context, e host.Engine) error {
	ref, err := builtRef()
	if err != nil {
		return err
	}
	current, err := key()
	if err != nil {
		return err
	}
	temporary, err := cache.Path("tmp")
	if err != nil {
		return err
	}
	if err := os.MkdirAll(temporary, 0o755); err != nil {
		return err
	}
	folder, err := os.MkdirTemp(temporary, "node-")
	if err != nil {
		return err
	}
	defer cache.RemoveFolder(folder)
	if err := assemble(ctx, folder); err != nil {
		return err
	}
	if err := bill(ctx, ref); err != nil {
		return err
	}
	labels, err := image.Labels("node", program.Kubernetes)
	if err != nil {
		return err
	}
	labels[image.KeyLabel] = current
	args := []string{"build", "--tag", ref}
	for _, label := range slices.Sorted(maps.Keys(labels)) {
		args = append(args, "--label", label+"="+labels[label])
	}
	if e.Name == "podman" {
		// podman's own format loses the name of STOPSIGNAL.
		args = append(args, "--format", "docker", "--squash-all")
	}
	build := e.Command(append(args, folder)...)
	build.Log = "node"
	return build.Run(ctx)
}

// bill writes the bill of materials: the programs of the node, those of the control plane's images in it, and Debian's
// packages.
func bill(ctx context.Context, ref string) error {
	path, err := BillPath()
	if err != nil {
		return err
	}
	rootfs, _, err := RootFS()
	if err != nil {
		return err
	}
	packages, err := bom.Debian(rootfs)
	if err != nil {
		return err
	}
	img := bom.Image{Ref: ref, Packages: packages}
	for _, p := range Programs() {
		binaries, err := p.Packages()
		if err != nil {
			return err
		}
		for name := range binaries {
			binary, err := p.Binary(ctx, name)
			if err != nil {
				return err
			}
			img.Programs = append(img.Programs, binary)
		}
	}
	return bom.Write(path, img)
}

// assemble writes the context of the build: rootfs.tar, files/ with the files of the node, and images/ with the archives of
// the control plane's images.
func assemble(ctx context.Context, folder string) error {
	rootfs, cached, err := RootFS()
	if err != nil {
		return err
	}
	if !cached {
		return fmt.Errorf("%s is not in the cache", rootfs)
	}
	if err := os.WriteFile(filepath.Join(folder, "Dockerfile"), []byte(dockerfile), 0o644); err != nil {
		return err
	}
	if err := linkOrCopy(rootfs, filepath.Join(folder, "rootfs.tar")); err != nil {
		return err
	}
	files := filepath.Join(folder, "files")
	if err := copyKindFiles(ctx, files); err != nil {
		return err
	}
	version, err := program.Kubernetes.Version()
	if err != nil {
		return err
	}
	for path, content := range map[string]string{"kind/version": version, strings.TrimPrefix(CNITemplate, "/"): cniTemplate} {
		if err := os.WriteFile(filepath.Join(files, path), []byte(content), 0o644); err != nil {
			return err
		}
	}
	if err := placeBinaries(ctx, files); err != nil {
		return err
	}
	return packImages(ctx, folder, rootfs)
}

// copyKindFiles copies the node's static files from the kind module, with the modes of kind's Dockerfile.
func copyKindFiles(ctx context.Context, to string) error {
	folder, err := program.Kind.ModuleDir(ctx)
	if err != nil {
		return err
	}
	from := filepath.Join(folder, "images", "base", "files")
	return filepath.WalkDir(from, func(file string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		relative, err := filepath.Rel(from, file)
		if err != nil {
			return err
		}
		target := filepath.Join(to, relative)
		if entry.IsDir() {
			return os.MkdirAll(target, 0o755)
		}
		content, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		mode := fs.FileMode(0o644)
		if folder := filepath.Base(filepath.Dir(file)); folder == "bin" {
			mode = 0o755
		}
		return os.WriteFile(target, content, mode)
	})
}

// placeBinaries puts each program where kind's unit files and kubeadm expect it.
func placeBinaries(ctx context.Context, files string) error {
	for _, place := range []struct {
		dir      string
		program  program.Program
		binaries []string
	}{
		{"usr/bin", program.Kubernetes, []string{"kubeadm", "kubelet", "kubectl"}},
		{"usr/local/bin", program.Containerd, []string{"containerd", "ctr", "containerd-shim-runc-v2"}},
		{"usr/local/bin", program.CRITools, []string{"crictl"}},
		{"usr/local/sbin", program.Runc, []string{"runc"}},
		{"opt/cni/bin", program.CNIPlugins, []string{"host-local", "loopback", "ptp", "portmap"}},
	} {
		if err := os.MkdirAll(filepath.Join(files, place.dir), 0o755); err != nil {
			return err
		}
		for _, name := range place.binaries {
			binary, err := place.program.Binary(ctx, name)
			if err != nil {
				return err
			}
			if err := linkOrCopy(binary, filepath.Join(files, place.dir, name)); err != nil {
				return err
			}
		}
	}
	return nil
}

// packImages writes the archives of the images that kubeadm and containerd run.
func packImages(ctx context.Context, folder, rootfs string) error {
	images := filepath.Join(folder, "images")
	if err := os.MkdirAll(images, 0o755); err != nil {
		return err
	}
	module, err := program.Kubernetes.ModuleDir(ctx)
	if err != nil {
		return err
	}
	kind, err := program.Kind.ModuleDir(ctx)
	if err != nil {
		return err
	}
	names, err := controlPlane(module, kind)
	if err != nil {
		return err
	}
	pause := filepath.Join(folder, "pause")
	if err := compilePause(ctx, module, pause); err != nil {
		return err
	}
	// kube-proxy calls iptables, so its image has the files that iptables needs.
	netfilter := filepath.Join(folder, "netfilter.tar")
	if err := extractNetfilter(rootfs, netfilter); err != nil {
		return err
	}
	for ref, part := range map[string]struct {
		program program.Program
		binary  string
		inside  string
		base    string
	}{
		names.kubernetes("kube-apiserver"):          {program.Kubernetes, "kube-apiserver", "/usr/local/bin/kube-apiserver", ""},
		names.kubernetes("kube-controller-manager"): {program.Kubernetes, "kube-controller-manager", "/usr/local/bin/kube-controller-manager", ""},
		names.kubernetes("kube-scheduler"):          {program.Kubernetes, "kube-scheduler", "/usr/local/bin/kube-scheduler", ""},
		names.kubernetes("kube-proxy"):              {program.Kubernetes, "kube-proxy", "/usr/local/bin/kube-proxy", netfilter},
		names.etcd:                                  {program.Etcd, "etcd", "/usr/local/bin/etcd", ""},
		names.coreDNS:                               {program.CoreDNS, "coredns", "/coredns", ""},
		names.pause:                                 {program.Kubernetes, pause, "/pause", ""},
	} {
		labels, err := image.Labels(path.Base(part.inside), part.program)
		if err != nil {
			return err
		}
		binary := part.binary
		if !filepath.IsAbs(binary) {
			if binary, err = part.program.Binary(ctx, part.binary); err != nil {
				return err
			}
		}
		if err := image.Pack(filepath.Join(images, path.Base(part.inside)+".tar"), ref, image.Content{
			Binary: binary, Inside: part.inside, Base: part.base, Labels: labels,
		}); err != nil {
			return err
		}
	}
	return nil
}

// linkOrCopy makes a hard link to a cached file, or a copy if a link is not possible.
func linkOrCopy(from, to string) error {
	if err := os.Link(from, to); err == nil {
		return nil
	}
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	info, err := in.Stat()
	if err != nil {
		return err
	}
	out, err := os.OpenFile(to, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, info.Mode())
	if err != nil {
		return err
	}
	if _, err := io.Copy(out, in); err != nil {
		out.Close()
		return err
	}
	return out.Close()
}

func compilePause(ctx context.Context, module, to string) error {
	if _, err := exec.LookPath("gcc"); err != nil {
		return err
	}
	return command.Command{Log: "pause", Args: []string{
		"gcc", "-Os", "-Wall", "-static", "-DVERSION=built-from-module", "-o", to, filepath.Join(module, "build", "pause", "linux", "pause.c"),
	}}.Run(ctx)
}

// key returns a key of everything that a built node image depends on.
func key() (string, error) {
	release, err := debianRelease()
	if err != nil {
		return "", err
	}
	kind, err := program.Kind.Version()
	if err != nil {
		return "", err
	}
	parts := append([]string{recipe, release, runtime.GOARCH, dockerfile, cniTemplate, kind}, packages...)
	for _, p := range Programs() {
		built, err := p.Key()
		if err != nil {
			return "", err
		}
		parts = append(parts, built)
	}
	return cache.Key(parts...), nil
}

// netfilterFiles match the files of iptables, nft and conntrack in the root file system: 10 MB in place of 160 MB.
var netfilterFiles = []string{
	"etc/alternatives/*tables*", "usr/sbin/*tables*", "usr/sbin/xtables-*", "usr/sbin/nft", "usr/sbin/conntrack", "usr/sbin/ipset",
	"usr/bin/kmod", "usr/sbin/modprobe", "bin", "sbin", "lib", "lib64", "usr/lib64/*", "usr/lib/*/ld-*.so*", "usr/lib/*/xtables/*",
	"usr/lib/*/lib[cm].so.*", "usr/lib/*/libxtables.so*", "usr/lib/*/libip[46]tc.so*", "usr/lib/*/libmnl.so*", "usr/lib/*/libn*t*.so*",
	"usr/lib/*/libgmp.so*", "usr/lib/*/libjansson.so*", "usr/lib/*/libedit.so*", "usr/lib/*/libtinfo.so*", "usr/lib/*/libbsd.so*", "usr/lib/*/libmd.so*",
	"usr/lib/*/libpcap.so*", "usr/lib/*/libdbus*.so*", "usr/lib/*/libz*.so*", "usr/lib/*/liblzma.so*", "usr/lib/*/libcrypto.so*",
}

// extractNetfilter copies those files from the root file system's archive.
func extractNetfilter(rootfs, to string) error {
	in, err := os.Open(rootfs)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.Create(to)
	if err != nil {
		return err
	}
	defer out.Close()
	reader, writer := tar.NewReader(in), tar.NewWriter(out)
	for {
		header, err := reader.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			return err
		}
		file := strings.Trim(strings.TrimPrefix(header.Name, "."), "/")
		wanted := header.Typeflag == tar.TypeDir && file == "run"
		for _, pattern := range netfilterFiles {
			matched, err := path.Match(pattern, file)
			if err != nil {
				return err
			}
			wanted = wanted || matched && header.Typeflag != tar.TypeDir || matched && !strings.Contains(pattern, "/") && header.Typeflag == tar.TypeDir
		}
		if !wanted {
			continue
		}
		if err := writer.WriteHeader(header); err != nil {
			return err
		}
		if _, err := io.Copy(writer, reader); err != nil {
			return err
		}
	}
	return writer.Close()
}
