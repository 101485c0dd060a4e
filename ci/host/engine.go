package host

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"holograph/ci/cache"
	"holograph/ci/command"
)

// providerVariable is kind's own way to be told which engine to use.
const providerVariable = "KIND_EXPERIMENTAL_PROVIDER"

// answerTimeout is how long an engine may take to say what it is: under a second on an idle
// machine, over 20 s on one of 2 cores that twenty processes keep busy.
var answerTimeout = time.Minute

var errNoAnswer = errors.New("no answer in time")

// ErrNoEngine says that the machine has no working container engine.
var ErrNoEngine = errors.New("no container engine: neither Docker nor podman answers")

// Engine is a container engine that answered.
type Engine struct {
	// Name is "docker" or "podman", which are also their commands.
	Name string
	// CgroupV1 says that containers get version 1 control groups, which kubelet
	// refuses unless it is told not to.
	CgroupV1 bool
	// CannotLowerOOMScore says that no process may lower its oom_score_adj, which
	// containerd must then not try.
	CannotLowerOOMScore bool

	env []string
}

// DetectEngine returns Docker where its daemon answers, else podman where it runs,
// else ErrNoEngine. KIND_EXPERIMENTAL_PROVIDER, where set, decides.
func DetectEngine(ctx context.Context) (Engine, error) {
	candidates := []string{"docker", "podman"}
	if wanted := os.Getenv(providerVariable); wanted == "docker" || wanted == "podman" {
		candidates = []string{wanted}
	}
	for _, name := range candidates {
		if _, err := exec.LookPath(name); err != nil {
			continue
		}
		e := Engine{Name: name}
		if name == "podman" {
			if err := e.constrain(); err != nil {
				return Engine{}, err
			}
		}
		format := "{{.CgroupVersion}}"
		if name == "podman" {
			format = "{{.Host.CgroupsVersion}}"
		}
		answer, cancel := context.WithTimeoutCause(ctx, answerTimeout, errNoAnswer)
		version, err := e.Command("info", "--format", format).Output(answer)
		cancel()
		// A missing Docker daemon refuses at once, and one that hangs counts as missing.
		// podman has no daemon: it waits for another podman's lock, and installing it again does not help.
		if name == "podman" && errors.Is(err, errNoAnswer) {
			return Engine{}, fmt.Errorf("podman is installed, but does not answer within %s: another podman may be running; try again later: %w", answerTimeout, err)
		}
		if err == nil {
			e.CgroupV1 = strings.TrimPrefix(strings.TrimSpace(version), "v") == "1"
			return e, nil
		}
	}
	return Engine{}, ErrNoEngine
}

// Env is what kind and the engine need in their environment.
func (e Engine) Env() []string {
	return append([]string{providerVariable + "=" + e.Name}, e.env...)
}

// Command returns a call of the engine's own command.
func (e Engine) Command(args ...string) command.Command {
	return command.Command{Env: e.env, Log: e.Name, Args: append([]string{e.Name}, args...)}
}

// ImageLabel returns an image's label, or "" where the engine does not have the
// image or the image has no such label.
func (e Engine) ImageLabel(ctx context.Context, ref, label string) string {
	value, err := e.Command("image", "inspect", "--format", fmt.Sprintf("{{index .Config.Labels %q}}", label), ref).Output(ctx)
	if err != nil {
		return ""
	}
	return strings.TrimSpace(value)
}

// HasImage reports whether the engine has the image.
func (e Engine) HasImage(ctx context.Context, ref string) bool {
	_, err := e.Command("image", "inspect", "--format", "{{.Id}}", ref).Output(ctx)
	return err == nil
}

// constrain finds out what this machine does not allow, and writes the podman
// configuration that keeps within it.
func (e *Engine) constrain() error {
	if hasCapability(unix.CAP_SYS_RESOURCE) {
		return nil
	}
	e.CannotLowerOOMScore = true
	files, err := hardLimit(unix.RLIMIT_NOFILE)
	if err != nil {
		return err
	}
	processes, err := hardLimit(unix.RLIMIT_NPROC)
	if err != nil {
		return err
	}
	// Without CAP_SYS_RESOURCE podman's own default limits, which are above the
	// hard ones, are refused. 65536 processes were refused where `ulimit -Hu` said
	// 96365 and 20000 passed, hence the cap.
	configuration := fmt.Sprintf("[containers]\ndefault_ulimits = [\"nofile=%[1]d:%[1]d\", \"nproc=%[2]d:%[2]d\"]\n"+
		// crun refuses a hybrid of control group versions 1 and 2; runc does not.
		"[engine]\ncgroup_manager = \"cgroupfs\"\nruntime = \"runc\"\n", files, min(processes, 20000))
	path, err := cache.Path("podman", "containers-"+cache.Key(configuration)+".conf")
	if err != nil {
		return err
	}
	if !cache.Has(path) {
		if err := cache.Publish(path, func(temporary string) error {
			return os.WriteFile(temporary, []byte(configuration), 0o644)
		}); err != nil {
			return err
		}
	}
	e.env = []string{"CONTAINERS_CONF=" + path}
	return nil
}

func hardLimit(resource int) (uint64, error) {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(resource, &limit); err != nil {
		return 0, err
	}
	return limit.Max, nil
}

// hasCapability reports whether root in this process' containers could hold the
// capability: whether it is in the bounding set.
func hasCapability(capability int) bool {
	status, err := os.ReadFile(filepath.Join("/proc", "self", "status"))
	if err != nil {
		return true
	}
	for line := range strings.Lines(string(status)) {
		if set, found := strings.CutPrefix(line, "CapBnd:"); found {
			bits, err := strconv.ParseUint(strings.TrimSpace(set), 16, 64)
			return err != nil || bits&(1<<capability) != 0
		}
	}
	return true
}
