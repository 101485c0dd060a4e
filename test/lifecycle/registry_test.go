package lifecycle

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/stretchr/testify/require"

	"holograph/ci/pack/keyring"
	"holograph/ci/program"
	"holograph/ci/repo"
	"holograph/test/internal/harness"
	"holograph/test/internal/wait"
)

// registry runs an OCI registry on a loopback address until the story ends, and returns the address.
func registry(s *harness.Story) string {
	s.Helper()
	binary, err := program.Distribution.Binary(s.Context(), "registry")
	require.NoError(s, err)
	// The registry does not say on which port it listens, so it is given one that is free now.
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
		// The end of the story's context kills it, which Wait returns as an error.
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
	// reference and flags are the arguments with which helm installs it.
	reference string
	flags     []string
}

// publish signs the chart's package and pushes it to the registry, as the documentation says.
func publish(s *harness.Story, address string) published {
	s.Helper()
	root, err := repo.Root()
	require.NoError(s, err)
	secret, public := keyring.New(s, "Holograph")
	sign := exec.CommandContext(s.Context(), "make", "--silent", "sign", "KEY=Holograph", "KEYRING="+secret)
	sign.Dir = root
	output, err := sign.Output()
	require.NoError(s, err)
	// It prints the path of the package on the first line, and that of the provenance file on the second.
	archive, _, _ := strings.Cut(string(output), "\n")
	_, err = s.Helm("push", archive, "oci://"+address+"/charts", "--plain-http")
	require.NoError(s, err)
	return published{
		reference: "oci://" + address + "/charts/holograph",
		flags:     []string{"--plain-http", "--verify", "--keyring", public},
	}
}
