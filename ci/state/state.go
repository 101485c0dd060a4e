// Package state keeps what must outlast the cache: which clusters this user has,
// how to reach them, what was changed on the machine, and who uses what right now.
package state

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"holograph/ci/cache"
)

// Path returns a path inside the user's state folder, which need not exist.
func Path(elem ...string) (string, error) {
	base := os.Getenv("XDG_STATE_HOME")
	if !filepath.IsAbs(base) {
		home, err := os.UserHomeDir()
		if err != nil {
			return "", fmt.Errorf("no state directory: %w; set HOME or XDG_STATE_HOME", err)
		}
		base = filepath.Join(home, ".local", "state")
	}
	root, err := cache.OwnFolder(filepath.Join(base, "holograph"))
	if err != nil {
		return "", err
	}
	return filepath.Join(append([]string{root}, elem...)...), nil
}

// Key returns a random word that distinguishes this user from others who use the
// same container engine. The first call stores it.
func Key() (string, error) {
	path, err := Path("key")
	if err != nil {
		return "", err
	}
	// Of several first calls one wins, and all return its key.
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		mine, err := os.CreateTemp(filepath.Dir(path), "key-")
		if err != nil {
			return "", err
		}
		defer os.Remove(mine.Name())
		if _, err := mine.WriteString(rand.Text()); err != nil {
			return "", err
		}
		if err := mine.Close(); err != nil {
			return "", err
		}
		if err := os.Link(mine.Name(), path); err != nil && !errors.Is(err, fs.ErrExist) {
			return "", err
		}
	}
	key, err := os.ReadFile(path)
	if err != nil {
		return "", err
	}
	if len(key) == 0 {
		return "", fmt.Errorf("%s is empty: remove it; the clusters that were made with it then have no owner", path)
	}
	return string(key), nil
}

// Busy says that another process holds a lock.
type Busy struct {
	// Holder describes that process.
	Holder string
}

func (b *Busy) Error() string { return "in use by " + b.Holder }

// TryLock takes the lock of that name for this process and returns its release, or
// a *Busy where another one holds it. The lock dies with its process.
func TryLock(name string) (release func(), err error) {
	path, err := Path("locks", name)
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, err
	}
	file, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	switch err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err {
	case nil:
	case syscall.EWOULDBLOCK:
		defer file.Close()
		holder, err := os.ReadFile(path)
		if err != nil {
			return nil, err
		}
		return nil, &Busy{Holder: string(holder)}
	default:
		file.Close()
		return nil, fmt.Errorf("lock %s: %w", path, err)
	}
	// For the sentence that others say; the lock itself holds without it.
	if err := file.Truncate(0); err == nil {
		fmt.Fprintf(file, "process %d (%s)", os.Getpid(), filepath.Base(os.Args[0]))
	}
	return func() { file.Close() }, nil
}

// Lock is TryLock, and where another process holds the lock it calls waiting once
// and waits until ctx ends.
func Lock(ctx context.Context, name string, waiting func()) (release func(), err error) {
	ticker := time.NewTicker(200 * time.Millisecond)
	defer ticker.Stop()
	for told := false; ; told = true {
		release, err := TryLock(name)
		var busy *Busy
		if !errors.As(err, &busy) {
			return release, err
		}
		if !told {
			waiting()
		}
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("%s is %w: %w", name, busy, context.Cause(ctx))
		case <-ticker.C:
		}
	}
}

// Note adds a line to the file of that name, once.
func Note(name, line string) error {
	path, err := Path(name)
	if err != nil {
		return err
	}
	lines, err := Noted(name)
	if err != nil {
		return err
	}
	for _, have := range lines {
		if have == line {
			return nil
		}
	}
	return os.WriteFile(path, []byte(strings.Join(append(lines, line), "\n")+"\n"), 0o600)
}

// Noted returns the lines of the file of that name; none where there is no file.
func Noted(name string) ([]string, error) {
	path, err := Path(name)
	if err != nil {
		return nil, err
	}
	content, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return strings.FieldsFunc(string(content), func(r rune) bool { return r == '\n' }), err
}

// Forget removes the file of that name.
func Forget(name string) error {
	path, err := Path(name)
	if err != nil {
		return err
	}
	return os.RemoveAll(path)
}
