package cache

import (
	"bufio"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

// euid is the user that this process runs as, and mountTable the kernel's list of mounts. Tests replace both.
var (
	euid       = os.Geteuid
	mountTable = "/proc/self/mountinfo"
)

// OwnFolder creates the folder at path if it is missing, and returns its path with all links resolved: path may be a link
// to a larger disk. It refuses a folder that another user owns or that everyone may write to.
func OwnFolder(path string) (string, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return "", err
	}
	// Only for this user, independent of the umask.
	if err := os.Mkdir(path, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return "", err
	}
	resolved, err := filepath.EvalSymlinks(path)
	if err != nil {
		return "", err
	}
	info, err := os.Stat(resolved)
	if err != nil {
		return "", err
	}
	if !info.IsDir() {
		return "", fmt.Errorf("%s is not a folder", path)
	}
	if stat, ok := info.Sys().(*syscall.Stat_t); ok && int(stat.Uid) != euid() {
		return "", fmt.Errorf("%s belongs to %s, and this command runs as %s, whose files it would then contain: run it as the owner, or with your own environment (sudo --set-home)",
			path, name(int(stat.Uid)), name(euid()))
	}
	if info.Mode().Perm()&0o002 != 0 {
		return "", fmt.Errorf("%s must not be writable by everyone, because programs are run from it; run: chmod o-w %s", path, path)
	}
	return resolved, nil
}

func name(uid int) string {
	if found, err := user.LookupId(strconv.Itoa(uid)); err == nil {
		return found.Username
	}
	return fmt.Sprintf("user %d", uid)
}

// RemoveFolder removes path and everything below it. It refuses if a file system is mounted there, because the files of
// that file system would be deleted too.
func RemoveFolder(path string) error {
	mounted, err := Mounts(path)
	if err != nil {
		return err
	}
	if len(mounted) > 0 {
		return fmt.Errorf("%s is not removed, as %s is mounted there; run: sudo umount %[2]s", path, strings.Join(mounted, " "))
	}
	return os.RemoveAll(path)
}

// Mounts lists what is mounted at path or below it, the innermost first.
func Mounts(path string) ([]string, error) {
	// A link is removed as a link, so that only its folder is resolved.
	parent, err := filepath.EvalSymlinks(filepath.Dir(path))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	path = filepath.Join(parent, filepath.Base(path))
	table, err := os.Open(mountTable)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil // not Linux
	}
	if err != nil {
		return nil, err
	}
	defer table.Close()
	var found []string
	for lines := bufio.NewScanner(table); lines.Scan(); {
		fields := strings.Fields(lines.Text())
		if len(fields) < 5 {
			continue
		}
		point := unescape(fields[4])
		if point == path || strings.HasPrefix(point, path+"/") {
			found = append([]string{point}, found...)
		}
	}
	return found, nil
}

// unescape undoes the kernel's octal form of spaces, tabs, line breaks and backslashes.
var unescape = strings.NewReplacer(`\040`, " ", `\011`, "\t", `\012`, "\n", `\134`, `\`).Replace
