// Package kwok has what nodes and pods without processes need: kwok plays them.
package kwok

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"holograph/ci/command"
	"holograph/ci/program"
)

// Key is the annotation of the nodes that kwok plays, and Value what it has there.
const (
	Key   = "kwok.x-k8s.io/node"
	Value = "fake"
)

// endTimeout is the time that kwok has to end.
const endTimeout = 5 * time.Second

// stages are the files of kwok's module, below kustomize/stage, that say how nodes and pods go from one state to the next:
// each as fast as it can.
var stages = []string{
	"node/fast/node-initialize.yaml",
	"node/heartbeat-with-lease/node-heartbeat-with-lease.yaml",
	"pod/fast/pod-ready.yaml",
	"pod/fast/pod-delete.yaml",
}

// options begin kwok's configuration. The other nodes of the cluster are real.
const options = `apiVersion: config.kwok.x-k8s.io/v1alpha1
kind: KwokConfiguration
options:
  manageAllNodes: false
  manageNodesWithAnnotationSelector: ` + Key + "=" + Value + `
  nodeLeaseDurationSeconds: 40
  nodeLeaseParallelism: 4
  nodePlayStageParallelism: 4
  podPlayStageParallelism: 16
`

// configuration returns kwok's configuration with the stages of its module, which is in the folder.
func configuration(module string) ([]byte, error) {
	out := bytes.NewBufferString(options)
	for _, file := range stages {
		text, err := os.ReadFile(filepath.Join(module, "kustomize", "stage", filepath.FromSlash(file)))
		if err != nil {
			return nil, err
		}
		fmt.Fprintf(out, "---\n%s", text)
	}
	return out.Bytes(), nil
}

// Command returns the command that plays nodes and pods of the cluster of the kubeconfig until ctx ends. The nodes have that
// address. Its configuration is in the folder.
func Command(ctx context.Context, kubeconfig, address, folder string) (*exec.Cmd, error) {
	module, err := program.Kwok.ModuleDir(ctx)
	if err != nil {
		return nil, err
	}
	config, err := configuration(module)
	if err != nil {
		return nil, err
	}
	file := filepath.Join(folder, "kwok.yaml")
	if err := os.WriteFile(file, config, 0o600); err != nil {
		return nil, err
	}
	binary, err := program.Kwok.Binary(ctx, "kwok")
	if err != nil {
		return nil, err
	}
	kwok := exec.CommandContext(ctx, binary, "--config", file, "--kubeconfig", kubeconfig, "--node-ip", address)
	command.Interruptible(kwok, endTimeout)
	return kwok, nil
}
