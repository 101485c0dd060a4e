package node

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"

	"holograph/ci/program"
)

// registry is the registry of kubeadm's images by default.
const registry = "registry.k8s.io/"

// names are the names of the images that kubeadm runs, and of the pause image in kind's configuration of containerd.
type names struct {
	version              string
	etcd, coreDNS, pause string
}

func (n names) kubernetes(component string) string {
	return registry + component + ":" + n.version
}

// controlPlane reads the names from kubeadm's constants, so they follow the pinned Kubernetes, and that of the pause image from
// the pinned kind. A test compares them with the versions of the programs.
func controlPlane(kubernetesModule, kindModule string) (names, error) {
	version, err := program.Kubernetes.Version()
	if err != nil {
		return names{}, err
	}
	constants, err := os.ReadFile(filepath.Join(kubernetesModule, "cmd", "kubeadm", "app", "constants", "constants.go"))
	if err != nil {
		return names{}, err
	}
	constant := func(name string) (string, error) {
		match := regexp.MustCompile(name + `\s*=\s*"([^"]+)"`).FindSubmatch(constants)
		if match == nil {
			return "", fmt.Errorf("kubeadm's constants have no %s", name)
		}
		return string(match[1]), nil
	}
	etcd, err := constant("DefaultEtcdVersion")
	if err != nil {
		return names{}, err
	}
	coreDNS, err := constant("CoreDNSVersion")
	if err != nil {
		return names{}, err
	}
	containerd, err := os.ReadFile(filepath.Join(kindModule, "images", "base", "files", "etc", "containerd", "config.toml"))
	if err != nil {
		return names{}, err
	}
	pause := regexp.MustCompile(`(?m)^\s*sandbox_image\s*=\s*"([^"]+)"`).FindSubmatch(containerd)
	if pause == nil {
		return names{}, errors.New("kind's configuration of containerd has no sandbox_image")
	}
	return names{
		version: version,
		etcd:    registry + "etcd:" + etcd,
		coreDNS: registry + "coredns/coredns:" + coreDNS,
		pause:   string(pause[1]),
	}, nil
}
