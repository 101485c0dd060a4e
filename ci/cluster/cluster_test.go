package cluster

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"sigs.k8s.io/kind/pkg/apis/config/v1alpha4"
	"sigs.k8s.io/yaml"

	"holograph/ci/host"
	"holograph/ci/node"
)

func TestConfigurationFitsTheMachine(t *testing.T) {
	for title, test := range map[string]struct {
		engine            host.Engine
		image             node.Image
		kubelet           string
		containerdPatches int
		ownCNI            bool
	}{
		"Docker with kind's node": {
			engine:  host.Engine{Name: "docker"},
			kubelet: "syncFrequency: 10s",
		},
		"a built node": {
			engine: host.Engine{Name: "podman"}, image: node.Image{Built: true},
			kubelet: "syncFrequency: 10s", containerdPatches: 1, ownCNI: true,
		},
		"a constrained machine": {
			engine: host.Engine{Name: "podman", CgroupV1: true, CannotLowerOOMScore: true}, image: node.Image{Built: true},
			kubelet: "failCgroupV1: false", containerdPatches: 2, ownCNI: true,
		},
	} {
		t.Run(title, func(t *testing.T) {
			text, err := (&Cluster{engine: test.engine, owner: owner{checkout: "/home/a b: c", id: "id"}}).configure(test.image)
			require.NoError(t, err)
			var config v1alpha4.Cluster
			require.NoError(t, yaml.UnmarshalStrict([]byte(text), &config), text)
			require.Len(t, config.Nodes, 1)
			assert.Equal(t, []v1alpha4.Mount{{HostPath: "/dev/null", ContainerPath: "/kind/holograph/id/%2Fhome%2Fa+b%3A+c", Readonly: true}},
				config.Nodes[0].ExtraMounts, "mark of the owner")
			require.Len(t, config.KubeadmConfigPatches, 1)
			assert.Contains(t, config.KubeadmConfigPatches[0], test.kubelet)
			assert.NotContains(t, config.KubeadmConfigPatches[0], "apiVersion", "patch of kubeadm's configuration: kind ignores a patch for another version without an error")
			assert.Len(t, config.ContainerdConfigPatches, test.containerdPatches)
			assert.Equal(t, test.ownCNI, config.Networking.DisableDefaultCNI)
		})
	}
}
