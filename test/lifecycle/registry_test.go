package lifecycle

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"holograph/ci/image"
	"holograph/ci/pack/keyring"
	"holograph/ci/program"
	"holograph/ci/repo"
	"holograph/test/internal/chart"
	"holograph/test/internal/harness"
	"holograph/test/internal/wait"
)

// registry runs an OCI registry on a loopback address until the story ends, and returns the address.
func registry(s *harness.Story) string {
	s.Helper()
	binary, err := program.Distribution.Binary(s.Context(), "registry")
	require.NoError(s, err)
	// The registry does not print the port that it listens on, so the test chooses a free one.
	free, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(s, err)
	address := free.Addr().String()
	require.NoError(s, free.Close())
	config := filepath.Join(s.TempDir(), "config.yaml")
	require.NoError(s, os.WriteFile(config, fmt.Appendf(nil, `
version: 0.1
log: {level: error}
storage: {inmemory: {}}
http: {addr: %q}
`, address), 0o644))
	log, err := os.Create(s.Artifact("registry.log"))
	require.NoError(s, err)
	server := exec.CommandContext(s.Context(), binary, "serve", config)
	server.Stdout, server.Stderr = log, log
	require.NoError(s, server.Start())
	s.Cleanup(func() {
		// The end of the story's context kills the registry, and Wait returns that as an error.
		_ = server.Wait()
		_ = log.Close()
	})
	s.WaitFor(30*time.Second, wait.Condition{Name: "the registry to answer", Unmet: func(ctx context.Context) error {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+address+"/v2/", nil)
		if err != nil {
			return err
		}
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			return err
		}
		defer response.Body.Close()
		if response.StatusCode != http.StatusOK {
			return fmt.Errorf("its status is %s, want 200", response.Status)
		}
		return nil
	}})
	return address
}

// published is a signed chart in a registry.
type published struct {
	// reference and flags are the arguments of helm to install it. archive is the path of the package.
	reference, archive string
	flags              []string
	// images are the references of the pushed images, with their digests, by component.
	images map[chart.Component]string
}

// publish runs `make publish` to a registry at that address, signed by a new key.
func publish(s *harness.Story, address string) published {
	s.Helper()
	root, err := repo.Root()
	require.NoError(s, err)
	secret, public := keyring.New(s, "Holograph")
	push := exec.CommandContext(s.Context(), "make", "--silent", "publish", "REGISTRY="+address+"/acme", "KEY=Holograph", "KEYRING="+secret)
	push.Dir = root
	var failure strings.Builder
	push.Stderr = &failure
	output, err := push.Output()
	require.NoError(s, err, failure.String())
	p := published{
		reference: "oci://" + address + "/acme/holograph",
		flags:     []string{"--plain-http", "--verify", "--keyring", public},
		images:    map[chart.Component]string{},
	}
	require.Contains(s, string(output), "helm upgrade --install holograph "+p.reference+" --version ", "output of make publish, which must have the command to install the chart")
	for line := range strings.Lines(string(output)) {
		line = strings.TrimSpace(line)
		if pushed, is := strings.CutPrefix(line, "pushed: "); is {
			for _, component := range []chart.Component{chart.Renderer, chart.Doctor} {
				if strings.Contains(pushed, "/holograph-"+string(component)+":") {
					p.images[component] = pushed
				}
			}
		}
		if archive, is := strings.CutPrefix(line, "The chart's package: "); is {
			p.archive = archive
		}
	}
	require.Len(s, p.images, 2, "images in the output of make publish: %s", output)
	require.FileExists(s, p.archive)
	return p
}

// ownImages returns the images of the chart's defaults that are in no registry.
func ownImages(t require.TestingT) []image.Image {
	all, err := image.Chart()
	require.NoError(t, err)
	return slices.DeleteFunc(all, func(img image.Image) bool { return !img.Local })
}

// pulled checks that a component's pods run the image that was pushed, and that the node pulled it.
func pulled(s *harness.Story, component chart.Component, want string) {
	s.Helper()
	ctx, cancel := s.Within(time.Minute)
	defer cancel()
	repository, digest, _ := strings.Cut(want, "@")
	repository = repository[:strings.LastIndex(repository, ":")]
	pods := s.PodsOf(component)
	require.NotEmpty(s, pods, "pods of the %s", component)
	for _, pod := range pods {
		assert.Equal(s, want, pod.Spec.Containers[0].Image, "image that pod %s asks for", pod.Name)
		require.NotEmpty(s, pod.Status.ContainerStatuses, "container statuses of pod %s", pod.Name)
		assert.Equal(s, repository+"@"+digest, pod.Status.ContainerStatuses[0].ImageID, "image that pod %s runs", pod.Name)
	}
	events, err := s.Release.CoreV1().Events(s.Release.Namespace).List(ctx, metav1.ListOptions{FieldSelector: "reason=Pulled"})
	require.NoError(s, err)
	assert.True(s, slices.ContainsFunc(events.Items, func(event corev1.Event) bool {
		return strings.Contains(event.Message, fmt.Sprintf("Successfully pulled image %q", want))
	}), "events of the namespace have no pull of %s, want one: the node did not have the image", want)
}
