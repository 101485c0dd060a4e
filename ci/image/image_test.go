package image

import (
	"archive/tar"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/random"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"holograph/ci/bom"
	"holograph/ci/cache"
	"holograph/ci/program"
	"holograph/ci/repo"
)

func TestPackCarriesTheUpstreamName(t *testing.T) {
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	binary := filepath.Join(t.TempDir(), "adapter")
	require.NoError(t, os.WriteFile(binary, []byte("program"), 0o755))
	archive, err := cache.Path("images", "adapter.tar")
	require.NoError(t, err)
	const ref = "registry.k8s.io/prometheus-adapter/prometheus-adapter:v0.12.0"
	require.NoError(t, Pack(archive, ref, Content{Binary: binary, Inside: "/adapter", User: nonRoot, Labels: map[string]string{"holograph.built-from": "x@v1"}}))

	tag, err := name.NewTag(ref)
	require.NoError(t, err)
	packed, err := tarball.ImageFromPath(archive, &tag)
	require.NoError(t, err, "the archive must have an image of that name")
	config, err := packed.ConfigFile()
	require.NoError(t, err)
	assert.Equal(t, []string{"/adapter"}, config.Config.Entrypoint)
	assert.Equal(t, nonRoot, config.Config.User)
	assert.Equal(t, "linux", config.OS)
	assert.Equal(t, map[string]string{"holograph.built-from": "x@v1"}, config.Config.Labels)
	before, err := packed.Digest()
	require.NoError(t, err)

	require.NoError(t, Pack(archive, ref, Content{Binary: binary, Inside: "/adapter", User: nonRoot, Labels: config.Config.Labels}))
	packed, err = tarball.ImageFromPath(archive, &tag)
	require.NoError(t, err)
	after, err := packed.Digest()
	require.NoError(t, err)
	assert.Equal(t, before, after, "digest of a second image with the same content")
}

func TestPackPutsProgramsBesideEachOther(t *testing.T) {
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	folder := t.TempDir()
	for _, name := range []string{"prometheus", "promtool"} {
		require.NoError(t, os.WriteFile(filepath.Join(folder, name), []byte(name), 0o755))
	}
	archive, err := cache.Path("images", "prometheus.tar")
	require.NoError(t, err)
	const ref = "quay.io/prometheus/prometheus:v3.14.0"
	require.NoError(t, Pack(archive, ref, Content{Binary: filepath.Join(folder, "prometheus"), Inside: "/bin/prometheus", Beside: []string{filepath.Join(folder, "promtool")}}))
	tag, err := name.NewTag(ref)
	require.NoError(t, err)
	packed, err := tarball.ImageFromPath(archive, &tag)
	require.NoError(t, err)
	files := tar.NewReader(mutate.Extract(packed))
	found := map[string]string{}
	for {
		header, err := files.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		require.NoError(t, err)
		if header.Typeflag == tar.TypeReg {
			text, err := io.ReadAll(files)
			require.NoError(t, err)
			found["/"+header.Name] = string(text)
		}
	}
	assert.Equal(t, map[string]string{"/bin/prometheus": "prometheus", "/bin/promtool": "promtool"}, found)
}

func TestReachable(t *testing.T) {
	for title, test := range map[string]struct {
		status int
		want   bool
	}{
		"a registry without a login":       {http.StatusOK, true},
		"a registry that requires a login": {http.StatusUnauthorized, true},
		"a proxy that refuses":             {http.StatusForbidden, false},
		"a server that is not a registry":  {http.StatusNotFound, false},
	} {
		t.Run(title, func(t *testing.T) {
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				assert.Equal(t, "/v2/", r.URL.Path)
				w.WriteHeader(test.status)
			}))
			defer server.Close()
			registry, err := name.NewRegistry(strings.TrimPrefix(server.URL, "http://"))
			require.NoError(t, err)
			assert.Equal(t, test.want, Reachable(t.Context(), registry))
		})
	}
	t.Run("no server", func(t *testing.T) {
		registry, err := name.NewRegistry("127.0.0.1:1")
		require.NoError(t, err)
		assert.False(t, Reachable(t.Context(), registry), "a registry at a closed port counts as reachable")
	})
}

// The labels of an image that was built here say so, and from which module.
func TestLabelsSayWhatAnImageIs(t *testing.T) {
	toolchain, err := repo.Toolchain()
	require.NoError(t, err)
	version, err := program.PrometheusAdapter.Version()
	require.NoError(t, err)
	key, err := program.PrometheusAdapter.Key()
	require.NoError(t, err)
	labels, err := Labels("adapter", program.PrometheusAdapter)
	require.NoError(t, err)
	assert.Equal(t, map[string]string{
		"org.opencontainers.image.title":   "adapter",
		"org.opencontainers.image.version": strings.TrimPrefix(version, "v"),
		"org.opencontainers.image.vendor":  "built by Holograph from source, not by its upstream",
		"org.opencontainers.image.source":  "https://proxy.golang.org/sigs.k8s.io/prometheus-adapter/@v/" + version + ".zip",
		"holograph.built-from":             "sigs.k8s.io/prometheus-adapter@" + version,
		"holograph.built-with":             toolchain,
		"holograph.cache-key":              key,
	}, labels)

	own, err := Labels("renderer", program.Renderer)
	require.NoError(t, err)
	assert.NotContains(t, own, "org.opencontainers.image.source", "this repository is not published")
	appVersion, err := repo.AppVersion()
	require.NoError(t, err)
	assert.Equal(t, "holograph@"+appVersion, own["holograph.built-from"])
}

// Images and their bills of materials are the same in every folder and with all settings of Go and of the machine.
func TestImagesAreReproducible(t *testing.T) {
	root, err := repo.Root()
	require.NoError(t, err)
	// Both builds share the cache of compiled packages, which saves time. A package with the path of its folder in it would
	// have an entry for each folder, so the test would still notice the path.
	compiled, err := exec.Command("go", "env", "GOCACHE").Output()
	require.NoError(t, err)
	sources, err := program.Renderer.Sources()
	require.NoError(t, err)
	build := func(checkout string, settings ...string) (archive, bill []byte) {
		for _, file := range append([]string{"go.mod", "go.sum", "charts/holograph/Chart.yaml", "charts/holograph/values.yaml"}, sources...) {
			from, to := filepath.Join(root, file), filepath.Join(checkout, file)
			require.NoError(t, os.MkdirAll(filepath.Dir(to), 0o755))
			content, err := os.ReadFile(from)
			require.NoError(t, err)
			require.NoError(t, os.WriteFile(to, content, 0o600))
		}
		self, err := os.Executable()
		require.NoError(t, err)
		run := exec.CommandContext(t.Context(), self)
		run.Dir = checkout
		run.Env = append(append(os.Environ(), buildVariable+"=renderer", "XDG_CACHE_HOME="+t.TempDir(), "GOCACHE="+strings.TrimSpace(string(compiled))), settings...)
		out, err := run.CombinedOutput()
		require.NoError(t, err, string(out))
		path := strings.TrimSpace(string(out))
		archive, err = os.ReadFile(path)
		require.NoError(t, err)
		bill, err = os.ReadFile(bom.PathOf(path))
		require.NoError(t, err)
		return archive, bill
	}
	here, bill := build(filepath.Join(t.TempDir(), "a"))
	there, otherBill := build(filepath.Join(t.TempDir(), "b", "a longer path"),
		"GOFLAGS=-gcflags=-N -tags=other", "GOAMD64=v3", "GOARM64=v8.1", "GOEXPERIMENT=nogreenteagc", "TZ=Asia/Tokyo", "LC_ALL=C", "SOURCE_DATE_EPOCH=1")
	assert.Equal(t, sha256.Sum256(here), sha256.Sum256(there), "archives of two checkouts: they must be equal")
	assert.Equal(t, string(bill), string(otherBill), "bills of materials of two checkouts: they must be equal")
	assert.NotContains(t, string(bill), root)
	assert.Contains(t, string(bill), `"name": "localhost/holograph-renderer"`)
}

// buildVariable is set to the image that this test binary builds in place of running tests.
const buildVariable = "HOLOGRAPH_TEST_BUILD"

func TestMain(m *testing.M) {
	wanted := os.Getenv(buildVariable)
	if wanted == "" {
		os.Exit(m.Run())
	}
	images, err := Chart()
	for _, img := range images {
		if err == nil && img.Binary == wanted {
			err = img.build(context.Background())
			path, _, _ := img.Archive()
			fmt.Println(path)
		}
	}
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	os.Exit(0)
}

// A pull is by the pinned digest, and the digest of what was pulled is kept.
func TestPull(t *testing.T) {
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	server := httptest.NewServer(registry.New(registry.Logger(log.New(io.Discard, "", 0))))
	defer server.Close()
	tag, err := name.NewTag(strings.TrimPrefix(server.URL, "http://") + "/prometheus/prometheus:v3")
	require.NoError(t, err)
	push := func() string {
		platform := v1.Platform{OS: "linux", Architecture: runtime.GOARCH}
		img, err := random.Image(64, 1)
		require.NoError(t, err)
		config, err := img.ConfigFile()
		require.NoError(t, err)
		config.OS, config.Architecture = platform.OS, platform.Architecture
		img, err = mutate.ConfigFile(img, config)
		require.NoError(t, err)
		index := mutate.AppendManifests(empty.Index, mutate.IndexAddendum{Add: img, Descriptor: v1.Descriptor{Platform: &platform}})
		require.NoError(t, remote.WriteIndex(tag, index))
		digest, err := index.Digest()
		require.NoError(t, err)
		return digest.String()
	}
	pinned := push()
	moved := push()
	require.NotEqual(t, pinned, moved)

	for title, test := range map[string]struct{ digest, got string }{
		"without a digest, what the tag names": {"", moved},
		"with a digest, that image":            {pinned, pinned},
		"with the digest that the tag names":   {moved, moved},
	} {
		t.Run(title, func(t *testing.T) {
			t.Setenv("XDG_CACHE_HOME", t.TempDir())
			img := Image{Ref: tag.Name(), Binary: "prometheus", Program: program.Prometheus, Digest: test.digest}
			outcome, err := img.Obtain(t.Context())
			require.NoError(t, err)
			assert.Equal(t, "pulled", outcome)
			archive, cached, err := img.Archive()
			require.NoError(t, err)
			require.True(t, cached, "the archive of %s is not in the cache after it was obtained", img.Ref)
			_, err = tarball.ImageFromPath(archive, &tag)
			require.NoError(t, err, "the archive must have an image of that name")
			kept, err := os.ReadFile(strings.TrimSuffix(archive, ".tar") + ".digest")
			require.NoError(t, err)
			assert.Equal(t, tag.Name()+"@"+test.got+"\n", string(kept))
		})
	}
	t.Run("a digest that the registry does not have", func(t *testing.T) {
		img := Image{Ref: tag.Name(), Binary: "prometheus", Program: program.Prometheus, Digest: "sha256:" + strings.Repeat("0", 64)}
		assert.ErrorContains(t, img.pull(t.Context()), "@sha256:000")
		_, cached, err := img.Archive()
		require.NoError(t, err)
		assert.False(t, cached, "the archive of an image that could not be pulled is in the cache")
	})
	t.Run("another digest is another entry of the cache", func(t *testing.T) {
		one, err := Image{Ref: tag.Name(), Digest: pinned}.pulledPath()
		require.NoError(t, err)
		other, err := Image{Ref: tag.Name(), Digest: moved}.pulledPath()
		require.NoError(t, err)
		assert.NotEqual(t, one, other)
	})
}

// A digest of an old version would stay in the list unnoticed.
func TestDigestsAreOfImagesInUse(t *testing.T) {
	images, err := Chart()
	require.NoError(t, err)
	var refs []string
	for _, img := range images {
		refs = append(refs, img.Ref)
		assert.Equal(t, digests[img.Ref], img.Digest, img.Ref)
	}
	for ref, digest := range digests {
		assert.Contains(t, refs, ref, "digests has an image that values.yaml does not name: replace it by the digest of the new version, or remove it")
		_, err := v1.NewHash(digest)
		assert.NoError(t, err, ref)
	}
}
