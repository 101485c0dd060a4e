// Package keyring makes OpenPGP keys that live for one test.
package keyring

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/ProtonMail/go-crypto/openpgp"
	"github.com/ProtonMail/go-crypto/openpgp/packet"
	"github.com/stretchr/testify/require"
)

// New makes a key pair of that name and returns the paths of two keyrings: one to sign with, one to
// verify with.
func New(t testing.TB, name string) (secret, public string) {
	t.Helper()
	// The smallest that Helm's library takes is quick to make.
	entity, err := openpgp.NewEntity(name, "", "", &packet.Config{RSABits: 2048})
	require.NoError(t, err)
	folder := t.TempDir()
	write := func(file string, serialize func(io.Writer) error) string {
		var ring bytes.Buffer
		require.NoError(t, serialize(&ring))
		path := filepath.Join(folder, file)
		require.NoError(t, os.WriteFile(path, ring.Bytes(), 0o600))
		return path
	}
	secret = write("secret.gpg", func(w io.Writer) error { return entity.SerializePrivate(w, nil) })
	public = write("public.gpg", entity.Serialize)
	return secret, public
}
