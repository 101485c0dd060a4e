package main

import (
	"bytes"
	"context"
	"encoding/base64"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"helm.sh/helm/v3/pkg/chart/loader"
	helmregistry "helm.sh/helm/v3/pkg/registry"

	"holograph/ci/image"
	"holograph/ci/pack/keyring"
	"holograph/ci/repo"
	"holograph/ci/state"
	"holograph/ci/supply"
)

// testRegistry is a registry on this machine that records the order of pushed tags.
type testRegistry struct {
	// address is its host and port.
	address string
	// user is the user that may push, with the password "secret"; empty requires no login. readers may only read.
	user, readers string

	mu     sync.Mutex
	tagged []string
}

func newTestRegistry(t *testing.T) *testRegistry {
	t.Helper()
	s := &testRegistry{}
	inner := registry.New(registry.Logger(log.New(io.Discard, "", 0)))
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		login, password, _ := r.BasicAuth()
		if s.user != "" && (password != "secret" || login != s.user && login != s.readers) {
			w.Header().Set("WWW-Authenticate", `Basic realm="registry"`)
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		if s.user != "" && login != s.user && r.Method != http.MethodGet && r.Method != http.MethodHead {
			w.WriteHeader(http.StatusForbidden)
			return
		}
		if _, tag, is := strings.Cut(r.URL.Path, "/manifests/"); is && r.Method == http.MethodPut {
			s.mu.Lock()
			repository := strings.TrimPrefix(strings.TrimSuffix(r.URL.Path, "/manifests/"+tag), "/v2/")
			s.tagged = append(s.tagged, repository+":"+tag)
			s.mu.Unlock()
		}
		inner.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	s.address = strings.TrimPrefix(server.URL, "http://")
	return s
}

// pushed returns the tags that were pushed since the last call, in order.
func (s *testRegistry) pushed() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	tagged := s.tagged
	s.tagged = nil
	return tagged
}

// archived writes the archive of an image whose program is that text.
func archived(t *testing.T, component, program string) Archived {
	t.Helper()
	binary := filepath.Join(t.TempDir(), component)
	require.NoError(t, os.WriteFile(binary, []byte(program), 0o755))
	version, err := repo.AppVersion()
	require.NoError(t, err)
	a := Archived{Component: component, Ref: "localhost/holograph-" + component + ":" + version}
	path := filepath.Join(t.TempDir(), component+".tar")
	require.NoError(t, image.Pack(path, a.Ref, image.Content{Binary: binary, Inside: "/" + component}))
	a.Path = path
	return a
}

// publication returns a publication of the repository's chart with small images.
func publication(t *testing.T, registry string) Publication {
	t.Helper()
	chart, err := repo.Path("charts", "holograph")
	require.NoError(t, err)
	return Publication{
		Chart: chart, Folder: t.TempDir(), Registry: registry,
		Images: []Archived{archived(t, "renderer", "renders"), archived(t, "doctor", "looks")},
	}
}

func digestOf(t *testing.T, ref string) string {
	t.Helper()
	tag, err := name.ParseReference(ref)
	require.NoError(t, err)
	found, err := remote.Head(tag)
	require.NoError(t, err, ref)
	return found.Digest.String()
}

// TestPublishingWaitsForNoOtherRun: while another run builds images, those to be published are there.
func TestPublishingWaitsForNoOtherRun(t *testing.T) {
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	t.Setenv("XDG_STATE_HOME", t.TempDir())
	all, err := image.Chart()
	require.NoError(t, err)
	for _, img := range all {
		path, _, err := img.Archive()
		require.NoError(t, err)
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
		require.NoError(t, os.WriteFile(path, nil, 0o644))
	}
	release, err := state.TryLock(supply.Lock)
	require.NoError(t, err)
	defer release()

	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	own, err := ownImages(ctx)
	require.NoError(t, err)
	assert.Len(t, own, 2, "images that are in no registry: the renderer's and the doctor's")
}

func TestPublishedChartNamesWhatWasPushed(t *testing.T) {
	s := newTestRegistry(t)
	p := publication(t, s.address+"/acme")
	var printed bytes.Buffer
	require.NoError(t, Publish(t.Context(), &printed, p))
	assert.Equal(t, []string{"acme/holograph-renderer:0.1.0", "acme/holograph-doctor:0.1.0", "acme/holograph:0.1.0"}, s.pushed(),
		"order of the pushed tags: the chart must come last, because it names the images")

	manifest, err := remote.Get(mustTag(t, p.Registry+"/holograph:0.1.0"))
	require.NoError(t, err)
	assert.Contains(t, string(manifest.Manifest), `"org.opencontainers.image.created":"1980-01-01T00:00:00Z"`, "time of the chart in the registry: a current time would change the digest each time")

	client, err := helmregistry.NewClient(helmregistry.ClientOptPlainHTTP())
	require.NoError(t, err)
	pulled, err := client.Pull(p.Registry + "/holograph:0.1.0")
	require.NoError(t, err, "Helm must be able to pull the chart")
	chart, err := loader.LoadArchive(bytes.NewReader(pulled.Chart.Data))
	require.NoError(t, err)
	for _, component := range []string{"renderer", "doctor"} {
		repository := p.Registry + "/holograph-" + component
		digest := digestOf(t, repository+":0.1.0")
		values := chart.Values[component].(map[string]any)["image"].(map[string]any)
		assert.Equal(t, repository, values["repository"], component)
		assert.Equal(t, "0.1.0@"+digest, values["tag"], "%s.image.tag, which must have the digest", component)
		assert.Empty(t, values["digest"], "%s.image.digest: it would take precedence over the tag when a user writes another image", component)
		assert.Contains(t, chart.Metadata.Annotations["artifacthub.io/images"], repository+":0.1.0@"+digest)
		assert.Contains(t, printed.String(), "pushed: "+repository+":0.1.0@"+digest)
	}
	assert.NotContains(t, chart.Metadata.Annotations["artifacthub.io/images"], "whitelisted", "annotation of the images: every image is in a registry, so Artifact Hub can scan it")
	for _, file := range chart.Raw {
		assert.NotContains(t, string(file.Data), "localhost/holograph", "%s names an image that is in no registry", file.Name)
		if file.Name == "README.md" {
			assert.Contains(t, string(file.Data), "oci://"+p.Registry+"/holograph --")
			assert.NotContains(t, string(file.Data), " charts/holograph ", "README of a published chart: its reader has no checkout")
			assert.NotContains(t, string(file.Data), "registry.example/charts", "README of a published chart: it must name the registry")
			assert.Equal(t, 2, strings.Count(string(file.Data), "0.1.0@sha256:"), "rows of the README with the tag of an image")
		}
	}
	assert.Contains(t, printed.String(), "helm upgrade --install holograph oci://"+p.Registry+"/holograph --version 0.1.0 --namespace holograph --create-namespace --plain-http\n")
}

func TestPublishingAgain(t *testing.T) {
	s := newTestRegistry(t)
	p := publication(t, s.address)
	require.NoError(t, Publish(t.Context(), io.Discard, p))
	first := digestOf(t, s.address+"/holograph:0.1.0")
	require.Len(t, s.pushed(), 3)

	var printed bytes.Buffer
	require.NoError(t, Publish(t.Context(), &printed, p))
	assert.Empty(t, s.pushed(), "tags pushed by a second run with the same content")
	assert.Equal(t, 3, strings.Count(printed.String(), "there already:"), printed.String())

	second := publication(t, newTestRegistry(t).address)
	second.Registry = s.address // as from another checkout
	require.NoError(t, Publish(t.Context(), io.Discard, second))
	assert.Equal(t, first, digestOf(t, s.address+"/holograph:0.1.0"), "digest of the chart from another checkout with the same files")

	p.Images[1] = archived(t, "doctor", "looks twice")
	err := Publish(t.Context(), io.Discard, p)
	require.ErrorContains(t, err, s.address+"/holograph-doctor:0.1.0 exists with other content")
	assert.ErrorContains(t, err, "FORCE=1")
	assert.Empty(t, s.pushed(), "tags pushed by a refused publication")

	p.Force = true
	require.NoError(t, Publish(t.Context(), io.Discard, p))
	assert.Equal(t, []string{"holograph-doctor:0.1.0", "holograph:0.1.0"}, s.pushed(), "tags pushed with FORCE=1: the renderer's image has not changed")
}

func TestPublishingASignedChart(t *testing.T) {
	s := newTestRegistry(t)
	p := publication(t, s.address)
	require.NoError(t, Publish(t.Context(), io.Discard, p))
	s.pushed()

	var public string
	p.Keyring, public = keyring.New(t, "Holograph release")
	p.Key = "Holograph release"
	require.NoError(t, Publish(t.Context(), io.Discard, p))
	report, err := Verify(filepath.Join(p.Folder, "holograph-0.1.0.tgz"), public)
	require.NoError(t, err)
	assert.Contains(t, report, "Signed by: Holograph release")
	client, err := helmregistry.NewClient(helmregistry.ClientOptPlainHTTP())
	require.NoError(t, err)
	_, err = client.Pull(s.address+"/holograph:0.1.0", helmregistry.PullOptWithProv(true))
	require.NoError(t, err, "pull the chart with its signature")
	assert.Equal(t, []string{"holograph:0.1.0"}, s.pushed(), "tags pushed for a signature of a chart that was published without one")

	require.NoError(t, Publish(t.Context(), io.Discard, p))
	assert.Empty(t, s.pushed(), "tags pushed for a chart that is signed already: another signature of the same package is not needed")
	p.Key = ""
	require.NoError(t, Publish(t.Context(), io.Discard, p))
	assert.Empty(t, s.pushed(), "tags pushed for an unsigned chart: it must not replace the same chart with a signature")
}

// TestRefusedPublications: nothing is pushed, and the error says why and what to do.
func TestRefusedPublications(t *testing.T) {
	login := func(t *testing.T, s *testRegistry, user string) {
		t.Setenv("DOCKER_CONFIG", t.TempDir())
		config := fmt.Sprintf(`{"auths": {%q: {"auth": %q}}}`, s.address, base64.StdEncoding.EncodeToString([]byte(user+":secret")))
		require.NoError(t, os.WriteFile(filepath.Join(os.Getenv("DOCKER_CONFIG"), "config.json"), []byte(config), 0o600))
	}
	t.Run("nobody is logged in", func(t *testing.T) {
		s := newTestRegistry(t)
		s.user = "maintainer"
		t.Setenv("DOCKER_CONFIG", t.TempDir())
		assert.ErrorContains(t, Publish(t.Context(), io.Discard, publication(t, s.address)), s.address+" refuses the push (status 401): run `docker login "+s.address+"`")
		assert.Empty(t, s.pushed())

		login(t, s, "maintainer")
		require.NoError(t, Publish(t.Context(), io.Discard, publication(t, s.address)), "publish with the credentials of Docker's configuration")
		require.Len(t, s.pushed(), 3)
		_, err := remote.Head(mustTag(t, s.address+"/holograph:0.1.0"), remote.WithAuthFromKeychain(authn.DefaultKeychain))
		require.NoError(t, err)
	})
	t.Run("somebody who may only read", func(t *testing.T) {
		s := newTestRegistry(t)
		s.user, s.readers = "maintainer", "reader"
		login(t, s, "reader")
		assert.ErrorContains(t, Publish(t.Context(), io.Discard, publication(t, s.address)), "(status 403)")
		assert.Empty(t, s.pushed())
	})
	t.Run("nobody answers", func(t *testing.T) {
		s := newTestRegistry(t)
		server := httptest.NewServer(nil)
		s.address = strings.TrimPrefix(server.URL, "http://")
		server.Close()
		assert.ErrorContains(t, Publish(t.Context(), io.Discard, publication(t, s.address)), s.address+" does not answer: ")
	})
	t.Run("plain HTTP to another machine", func(t *testing.T) {
		g := &guard{next: http.DefaultTransport}
		for address, refused := range map[string]bool{
			"http://10.0.0.1/v2/": true, "http://registry.example/v2/": true, "http://127.0.0.1:1/v2/": false, "http://localhost:1/v2/": false, "http://[::1]:1/v2/": false,
		} {
			request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, address, nil)
			require.NoError(t, err)
			_, err = g.RoundTrip(request)
			require.Error(t, err)
			assert.Equal(t, refused, strings.Contains(err.Error(), "plain HTTP is for a registry on this machine"), "%s: %v", address, err)
		}
	})
	t.Run("an archive that is broken", func(t *testing.T) {
		s := newTestRegistry(t)
		p := publication(t, s.address)
		require.NoError(t, os.WriteFile(p.Images[1].Path, []byte("half"), 0o644))
		assert.ErrorContains(t, Publish(t.Context(), io.Discard, p), "the archive of localhost/holograph-doctor:0.1.0 cannot be read")
		assert.Empty(t, s.pushed())
	})
	for registry, want := range map[string]string{
		"":                       "REGISTRY is empty",
		"oci://registry.example": "without a scheme",
		"acme":                   `"acme" is not a host with a dot or a port`,
		"localhost/acme":         `"localhost" is not a host with a dot or a port`,
		"registry.example/Acme":  "want a registry with a path",
		"registry.example/acme/": "want a registry with a path",
	} {
		t.Run("REGISTRY="+registry, func(t *testing.T) {
			assert.ErrorContains(t, Publish(t.Context(), io.Discard, Publication{Registry: registry}), want)
		})
	}
}

func mustTag(t *testing.T, ref string) name.Tag {
	t.Helper()
	tag, err := name.NewTag(ref)
	require.NoError(t, err)
	return tag
}
