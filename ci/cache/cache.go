// Package cache keeps what was downloaded or built, under the user's cache
// directory. An entry's name carries a key made of everything that it was built
// from, so an entry is either right or absent, and never half-written.
package cache

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"syscall"
	"time"
)

// keyLength is in hex digits: 64 bits tell a few hundred entries apart.
const keyLength = 16

// Path returns a path inside the cache, which need not exist.
func Path(elem ...string) (string, error) {
	base, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("no cache directory: %w; set HOME or XDG_CACHE_HOME", err)
	}
	return filepath.Join(append([]string{base, "holograph"}, elem...)...), nil
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

// Has reports whether an entry stands at path.
func Has(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// Publish lets make write a file or a folder at a temporary path beside the
// cache's entries and moves it to path when make succeeds. A run that is killed
// leaves only a temporary path, which a later Publish removes.
func Publish(path string, make func(temporary string) error) error {
	workshop, err := Path("tmp")
	if err != nil {
		return err
	}
	if err := os.MkdirAll(workshop, 0o755); err != nil {
		return err
	}
	sweep(workshop)
	room, err := os.MkdirTemp(workshop, filepath.Base(path)+"-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(room)
	entry := filepath.Join(room, "entry")
	if err := make(entry); err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	if err := os.RemoveAll(path); err != nil {
		return err
	}
	return os.Rename(entry, path)
}

// sweep removes what runs left behind that were killed over a day ago; a
// younger folder may belong to a run that is still at work.
func sweep(workshop string) {
	rooms, err := os.ReadDir(workshop)
	if err != nil {
		return
	}
	for _, room := range rooms {
		if info, err := room.Info(); err == nil && time.Since(info.ModTime()) > 24*time.Hour {
			os.RemoveAll(filepath.Join(workshop, room.Name()))
		}
	}
}

// Lock takes the lock of that name for this process and returns its release.
// Where another process holds it, waiting is called once and Lock waits until
// ctx ends. The lock dies with its process.
func Lock(ctx context.Context, name string, waiting func()) (release func(), err error) {
	path, err := Path("locks", name)
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return nil, err
	}
	file, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, err
	}
	ticker := time.NewTicker(200 * time.Millisecond)
	defer ticker.Stop()
	for told := false; ; {
		err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if err == nil {
			return func() { file.Close() }, nil
		}
		if err != syscall.EWOULDBLOCK {
			file.Close()
			return nil, fmt.Errorf("lock %s: %w", path, err)
		}
		if !told {
			waiting()
			told = true
		}
		select {
		case <-ctx.Done():
			file.Close()
			return nil, fmt.Errorf("another run holds %s: %w", path, context.Cause(ctx))
		case <-ticker.C:
		}
	}
}

// Clean empties the cache.
func Clean() error {
	path, err := Path()
	if err != nil {
		return err
	}
	return os.RemoveAll(path)
}
