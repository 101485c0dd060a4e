// Package cache keeps what was downloaded or built, under the user's cache directory. An entry's name carries a
// key made of everything that it was built from, so an entry is either right or absent, and never half-written.
// Its folders belong to this user alone: programs are run out of them.
package cache

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"time"
)

// keyLength is in hex digits: 64 bits tell a few hundred entries apart.
const keyLength = 16

// kinds are the folders of the cache. The last two are of earlier versions.
var kinds = []string{"images", "programs", "rootfs", "logs", "podman", "tmp", "vulndb", "clusters", "locks"}

// tag is the file that says that a folder is this cache, and to backup programs that
// it need not be kept: https://bford.info/cachedir/.
const tag, tagText = "CACHEDIR.TAG", "Signature: 8a477f597d28d172789f06886806bc55\n# Holograph's cache of tools and images. `make clean-cache` empties it.\n"

// Path returns a path inside the cache, which need not exist. It refuses a folder that is not among kinds, because Clean
// would leave that folder behind.
func Path(elem ...string) (string, error) {
	if len(elem) > 0 && !slices.Contains(kinds, elem[0]) {
		return "", fmt.Errorf("the cache has no folder %s: add it to kinds", elem[0])
	}
	root, err := location()
	if err != nil {
		return "", err
	}
	root, err = OwnFolder(root)
	if err != nil {
		return "", err
	}
	return filepath.Join(append([]string{root}, elem...)...), adopt(root)
}

// location returns the cache's folder, which need not exist.
func location() (string, error) {
	base, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("no cache directory: %w; set HOME or XDG_CACHE_HOME", err)
	}
	return filepath.Join(base, "holograph"), nil
}

// adopt marks a folder as this cache. One that is there already is this cache if it
// is marked, or if it holds nothing else than a cache does: XDG_CACHE_HOME may name
// any folder, and another program's files must not be taken for entries.
func adopt(root string) error {
	path := filepath.Join(root, tag)
	if content, err := os.ReadFile(path); err == nil && string(content) == tagText {
		return nil
	}
	entries, err := os.ReadDir(root)
	if err != nil {
		return err
	}
	for _, entry := range entries {
		if !slices.Contains(kinds, entry.Name()) || !entry.IsDir() {
			return fmt.Errorf("%s contains %s, so it is not this project's cache: move it, or set XDG_CACHE_HOME to another folder", root, entry.Name())
		}
	}
	return os.WriteFile(path, []byte(tagText), 0o644)
}

// Key condenses what an entry is built from. The parts are kept apart, so
// ("ab", "c") and ("a", "bc") differ.
func Key(parts ...string) string {
	sum := sha256.New()
	for _, part := range parts {
		fmt.Fprintf(sum, "%d:%s,", len(part), part)
	}
	return hex.EncodeToString(sum.Sum(nil))[:keyLength]
}

// FileKey condenses the contents of files, in the order given.
func FileKey(paths ...string) (string, error) {
	sum := sha256.New()
	for _, path := range paths {
		file, err := os.Open(path)
		if err != nil {
			return "", err
		}
		written, err := io.Copy(sum, file)
		file.Close()
		if err != nil {
			return "", err
		}
		fmt.Fprintf(sum, "|%d|", written)
	}
	return hex.EncodeToString(sum.Sum(nil))[:keyLength], nil
}

// Has reports whether there is an entry at path.
func Has(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// Publish lets fill write a file or a folder at a temporary path beside the
// cache's entries and moves it to path when fill succeeds. A run that is killed
// leaves only a temporary path, which a later Publish removes.
func Publish(path string, fill func(temporary string) error) error {
	folder, err := Path("tmp")
	if err != nil {
		return err
	}
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return err
	}
	// If the folder were a link, removeAbandoned would remove old files of the folder that it points to.
	if info, err := os.Lstat(folder); err != nil || !info.IsDir() {
		return fmt.Errorf("%s is not a folder, want one: remove it", folder)
	}
	removeAbandoned(folder)
	work, err := os.MkdirTemp(folder, filepath.Base(path)+"-")
	if err != nil {
		return err
	}
	defer RemoveFolder(work)
	entry := filepath.Join(work, "entry")
	if err := fill(entry); err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	if err := RemoveFolder(path); err != nil {
		return err
	}
	return os.Rename(entry, path)
}

// removeAbandoned removes what runs left behind that were killed over a day ago; a
// younger folder may belong to a run that has not ended.
func removeAbandoned(folder string) {
	entries, err := os.ReadDir(folder)
	if err != nil {
		return
	}
	for _, entry := range entries {
		if info, err := entry.Info(); err == nil && time.Since(info.ModTime()) > 24*time.Hour {
			RemoveFolder(filepath.Join(folder, entry.Name()))
		}
	}
}

// Clean removes the cache's entries and, where nothing else is in it, the cache. What
// is not of the cache's making stays, and is named on out.
func Clean(out io.Writer) error {
	path, err := location()
	if err != nil || !Has(path) {
		return err
	}
	root, err := OwnFolder(path)
	if err != nil {
		return err
	}
	if err := adopt(root); err != nil {
		return err
	}
	for _, kind := range kinds {
		if err := RemoveFolder(filepath.Join(root, kind)); err != nil {
			return err
		}
	}
	rest, err := os.ReadDir(root)
	if err != nil {
		return err
	}
	for _, entry := range rest {
		if entry.Name() != tag {
			fmt.Fprintf(out, "Left alone: %s\n", filepath.Join(root, entry.Name()))
		}
	}
	if len(rest) > 1 || root != path {
		return nil // it stays, marked
	}
	if err := os.Remove(filepath.Join(root, tag)); err != nil {
		return err
	}
	return os.Remove(root)
}
