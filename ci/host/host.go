// Package host knows the machine: what it must have before long work starts, which command installs what is
// missing, and which container engine it has.
package host

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"

	"holograph/ci/cache"
	"holograph/ci/command"
	"holograph/ci/state"
)

// minimumFree is what a build from nothing takes: 7 GB of Go build cache and
// modules, 1 GB of programs and archives, 1 GB of node image, in bytes.
const minimumFree = 10e9

// Keyring holds the keys that Debian signs its archive with.
const Keyring = "/usr/share/keyrings/debian-archive-keyring.gpg"

// keyring is the path of Keyring, and euid the user that this process runs as. Tests replace both.
var (
	keyring = Keyring
	euid    = os.Geteuid
)

// Needs says what the work ahead asks of the machine.
type Needs struct {
	// Engine is a container engine, to run clusters.
	Engine bool
	// Build is free disk for images to come.
	Build bool
	// RootFS is debootstrap, run by root.
	RootFS bool
	// C is a C compiler with the libraries that runc links.
	C bool
	// Browser is Chromium.
	Browser bool
}

// missing is one thing that the machine lacks.
type missing struct {
	what string
	// packages are the Debian packages that bring it; none where none does.
	packages []string
	// remedy is what to do if packages do not help.
	remedy string
}

// Prepare checks the machine. What is missing it installs where it can, on
// Debian as root, after saying so on out; else it returns one error that lists
// everything missing, each with the command that fixes it.
func Prepare(ctx context.Context, out io.Writer, needs Needs) error {
	lacks, err := check(ctx, needs)
	if err != nil || len(lacks) == 0 {
		return err
	}
	packages, byHand := plan(lacks)
	if len(byHand) > 0 || !canInstall() {
		return report(lacks)
	}
	fmt.Fprintf(out, "This machine lacks %s.\n", describe(lacks))
	for _, args := range installation(packages) {
		fmt.Fprintf(out, "Running as root: %s\n", strings.Join(args, " "))
	}
	fresh := slices.DeleteFunc(slices.Clone(packages), func(name string) bool { return installed(ctx, name) })
	if err := install(ctx, packages); err != nil {
		return err
	}
	for _, name := range fresh {
		if err := state.Note(aptInstalled, name); err != nil {
			return err
		}
	}
	if lacks, err = check(ctx, needs); err != nil || len(lacks) == 0 {
		return err
	}
	return report(lacks)
}

func check(ctx context.Context, needs Needs) ([]missing, error) {
	var lacks []missing
	if needs.Engine {
		if _, err := DetectEngine(ctx); errors.Is(err, ErrNoEngine) {
			lacks = append(lacks, missing{
				what:     "a container engine that answers (Docker or podman)",
				packages: []string{"podman", "runc", "conmon", "netavark", "aardvark-dns", "iptables"},
			})
		} else if err != nil {
			return nil, err
		}
	}
	if needs.RootFS {
		if !cache.Has(keyring) {
			lacks = append(lacks, missing{what: "Debian's keys (debootstrap checks the signature of its packages)", packages: []string{"debian-archive-keyring"}})
		}
		if _, err := exec.LookPath("gpgv"); err != nil {
			lacks = append(lacks, missing{what: "gpgv (debootstrap checks the signature of Debian's packages)", packages: []string{"gpgv"}})
		}
		if _, err := exec.LookPath("debootstrap"); err != nil {
			lacks = append(lacks, missing{what: "debootstrap (the node image is built on Debian)", packages: []string{"debootstrap"}})
		}
		if euid() != 0 {
			lacks = append(lacks, missing{
				what:   "root, which debootstrap needs",
				remedy: "sudo make images   # or reach a registry, where the node image is pulled",
			})
		}
	}
	if needs.C {
		if _, err := exec.LookPath("gcc"); err != nil {
			lacks = append(lacks, missing{what: "a C compiler (runc and pause are built with it)", packages: []string{"gcc", "libc6-dev"}})
		}
		if _, err := os.Stat("/usr/include/seccomp.h"); err != nil {
			lacks = append(lacks, missing{what: "libseccomp's headers (runc links it)", packages: []string{"libseccomp-dev"}})
		}
		if _, err := exec.LookPath("pkg-config"); err != nil {
			lacks = append(lacks, missing{what: "pkg-config (runc's build asks it for libseccomp)", packages: []string{"pkg-config"}})
		}
	}
	if needs.Browser {
		if _, err := findBrowser(); err != nil {
			lacks = append(lacks, noBrowser)
		}
	}
	if needs.Build {
		path, err := cache.Path()
		if err != nil {
			return nil, err
		}
		if free := freeBytes(path); free < minimumFree {
			lacks = append(lacks, missing{
				what:   fmt.Sprintf("free disk: %s has %.1f GB, %.0f GB are needed", path, free/1e9, minimumFree/1e9),
				remedy: "go clean -cache && make clean-cache   # or free space in another way",
			})
		}
	}
	return lacks, nil
}

// browsers are the names of Chromium's command.
var browsers = []string{"chromium", "chromium-browser", "google-chrome"}

var noBrowser = missing{what: "Chromium (a story looks at the status page)", packages: []string{"chromium"}}

// Browser returns the path of Chromium. The error says how to install it.
func Browser() (string, error) {
	path, err := findBrowser()
	if err != nil {
		err = report([]missing{noBrowser})
	}
	return path, err
}

func findBrowser() (path string, err error) {
	for _, name := range browsers {
		if path, err = exec.LookPath(name); err == nil {
			return path, nil
		}
	}
	return "", err
}

// freeBytes returns the free space of the file system that path will stand on.
func freeBytes(path string) float64 {
	for !cache.Has(path) {
		path = filepath.Dir(path)
	}
	var stat syscall.Statfs_t
	if err := syscall.Statfs(path, &stat); err != nil {
		return minimumFree
	}
	return float64(stat.Bavail) * float64(stat.Bsize)
}

// plan divides what is missing into packages to install and what a person must
// see to.
func plan(lacks []missing) (packages []string, byHand []missing) {
	for _, lack := range lacks {
		if len(lack.packages) == 0 {
			byHand = append(byHand, lack)
		}
		packages = append(packages, lack.packages...)
	}
	slices.Sort(packages)
	return slices.Compact(packages), byHand
}

func canInstall() bool {
	_, err := exec.LookPath("apt-get")
	return err == nil && euid() == 0
}

// aptInstalled is the state's file of the Debian packages that Prepare installed.
const aptInstalled = "debian-packages"

// installed reports whether the machine has the Debian package.
func installed(ctx context.Context, name string) bool {
	out, err := command.Command{Log: "apt", Args: []string{"dpkg-query", "--show", "--showformat=${db:Status-Status}", name}}.Output(ctx)
	return err == nil && out == "installed"
}

// installation is what install runs.
func installation(packages []string) [][]string {
	return [][]string{
		{"apt-get", "update"},
		append([]string{"apt-get", "install", "--yes", "--no-install-recommends"}, packages...),
	}
}

func install(ctx context.Context, packages []string) error {
	for _, args := range installation(packages) {
		if err := (command.Command{Env: []string{"DEBIAN_FRONTEND=noninteractive"}, Log: "apt", Args: args}).Run(ctx); err != nil {
			return err
		}
	}
	return nil
}

// Sudo returns a sentence for users of sudo, else "". What they make belongs to root,
// and is not found without sudo.
func Sudo() string {
	who := os.Getenv("SUDO_USER")
	if euid() != 0 || who == "" || who == "root" {
		return ""
	}
	return fmt.Sprintf("This runs as root (sudo of %s): the cache, the clusters and the engine's images are root's own. Without sudo %[1]s does not find them, so go on with sudo.", who)
}

// modules is a folder of the host that kind mounts into its nodes. A machine whose
// kernel needs no modules may lack it, and podman refuses to mount what is not there.
var modules = "/lib/modules"

// made is the state's file of the folders that were made outside this user's own.
const made = "folders"

// ProvideModules makes the folder of the kernel's modules where there is none, after
// saying so on out.
func ProvideModules(out io.Writer) error {
	if runtime.GOOS != "linux" || cache.Has(modules) {
		return nil
	}
	if euid() != 0 {
		return fmt.Errorf("kind mounts %s, which is missing; run: sudo mkdir %[1]s", modules)
	}
	fmt.Fprintf(out, "As root, making the empty folder %s, which kind mounts into its nodes; `make down` removes it.\n", modules)
	// Noted first, because a note without a folder does no harm.
	if err := state.Note(made, modules); err != nil {
		return err
	}
	return os.Mkdir(modules, 0o755)
}

// Undo takes back what was done to the machine, where nothing else may need it, and
// says on out what it did and what stays.
func Undo(out io.Writer) error {
	folders, err := state.Noted(made)
	if err != nil {
		return err
	}
	for _, path := range folders {
		// Remove only a folder, and only an empty one.
		switch err := syscall.Rmdir(path); {
		case err == nil:
			fmt.Fprintf(out, "Removed the folder %s, which was made for kind.\n", path)
		case !errors.Is(err, fs.ErrNotExist):
			fmt.Fprintf(out, "The folder %s, which was made for kind, stays: %v.\n", path, err)
		}
	}
	if err := state.Forget(made); err != nil {
		return err
	}
	packages, err := state.Noted(aptInstalled)
	if err != nil || len(packages) == 0 {
		return err
	}
	fmt.Fprintf(out, "Debian packages that make installed stay. To remove them: sudo apt-get purge --autoremove %s\n", strings.Join(packages, " "))
	return nil
}

func describe(lacks []missing) string {
	var names []string
	for _, lack := range lacks {
		names = append(names, lack.what)
	}
	return strings.Join(names, "; ")
}

func report(lacks []missing) error {
	var text strings.Builder
	text.WriteString("this machine is not ready:")
	for _, lack := range lacks {
		remedy := lack.remedy
		if remedy == "" {
			remedy = "sudo apt-get update && sudo apt-get install --yes --no-install-recommends " + strings.Join(lack.packages, " ")
		}
		fmt.Fprintf(&text, "\n  - missing: %s\n    fix it: %s", lack.what, remedy)
	}
	return errors.New(text.String())
}
