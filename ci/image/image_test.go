package image

import (
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"holograph/ci/cache"
)

func TestPackCarriesTheUpstreamName(t *testing.T) {
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	binary := filepath.Join(t.TempDir(), "adapter")
	require.NoError(t, os.WriteFile(binary, []byte("program"), 0o755))
	archive, err := cache.Path("images", "adapter.tar")
	require.NoError(t, err)
	const ref = "registry.k8s.io/prometheus-adapter/prometheus-adapter:v0.12.0"
	require.NoError(t, Pack(archive, ref, Content{Binary: binary, Inside: "/adapter", User: nonRoot}))

	tag, err := name.NewTag(ref)
	require.NoError(t, err)
	packed, err := tarball.ImageFromPath(archive, &tag)
	require.NoError(t, err, "the archive must hold an image of that very name")
	config, err := packed.ConfigFile()
	require.NoError(t, err)
	assert.Equal(t, []string{"/adapter"}, config.Config.Entrypoint)
	assert.Equal(t, nonRoot, config.Config.User)
	assert.Equal(t, "linux", config.OS)
	before, err := packed.Digest()
	require.NoError(t, err)

	require.NoError(t, Pack(archive, ref, Content{Binary: binary, Inside: "/adapter", User: nonRoot}))
	packed, err = tarball.ImageFromPath(archive, &tag)
	require.NoError(t, err)
	after, err := packed.Digest()
	require.NoError(t, err)
	assert.Equal(t, before, after, "equal contents make equal images")
}

func TestReachable(t *testing.T) {
	for title, test := range map[string]struct {
		status int
		want   bool
	}{
		"a registry that is open":             {http.StatusOK, true},
		"a registry that wants a login":       {http.StatusUnauthorized, true},
		"a proxy that refuses":                {http.StatusForbidden, false},
		"a server that is no registry at all": {http.StatusNotFound, false},
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
	t.Run("nobody there", func(t *testing.T) {
		registry, err := name.NewRegistry("127.0.0.1:1")
		require.NoError(t, err)
		assert.False(t, Reachable(t.Context(), registry))
	})
}

func TestEveryImageHasOneName(t *testing.T) {
	images, err := All()
	require.NoError(t, err)
	seen := map[string]bool{}
	for _, img := range images {
		if !img.Local {
			_, err := name.NewTag(img.Ref, name.StrictValidation)
			assert.NoError(t, err, "full name with a tag")
		}
		assert.False(t, seen[img.Ref], img.Ref)
		seen[img.Ref] = true
	}
	assert.Len(t, seen, 6)
}
