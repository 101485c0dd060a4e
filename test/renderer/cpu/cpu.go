// Package cpu measures the processor time a thread has used and reads how much a process may use.
package cpu

import (
	"errors"
	"fmt"
	"io/fs"
	"math"
	"path"
	"runtime"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// ThreadTime is the processor time the calling thread has used. The difference of two calls is the
// cost of the work between them, if the goroutine is locked to its thread. Time in which the thread
// waits for a processor, as under a cgroup's limit, does not count.
func ThreadTime() time.Duration {
	var used unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_THREAD_CPUTIME_ID, &used); err != nil {
		panic(fmt.Sprintf("read the thread's CPU clock: %v", err)) // every Linux has it
	}
	return time.Duration(used.Nano())
}

// Capacity is the number of cores this process may use: GOMAXPROCS, or less where a cgroup limits it.
// root is the root of the file system. A missing cgroup file means no limit; a file
// that cannot be understood is an error.
func Capacity(root fs.FS) (float64, error) {
	limit, err := quota(root)
	return min(limit, float64(runtime.GOMAXPROCS(0))), err
}

// quota is the smallest CPU limit, in cores, of the process's cgroup and those above it: +Inf without any.
func quota(root fs.FS) (float64, error) {
	memberships, err := readFile(root, "proc/self/cgroup")
	if err != nil {
		return math.Inf(1), err
	}
	cores := math.Inf(1)
	for line := range strings.Lines(memberships) {
		// hierarchy-ID:controller-list:cgroup-path, as in cgroups(7).
		fields := strings.SplitN(strings.TrimSpace(line), ":", 3)
		if len(fields) != 3 {
			return math.Inf(1), fmt.Errorf("/proc/self/cgroup has the line %q where three fields are expected", strings.TrimSpace(line))
		}
		controllers, group := fields[1], path.Clean("/"+fields[2])
		var mount string
		var read func(fs.FS, string) (float64, error)
		switch {
		case fields[0] == "0" && controllers == "":
			mount, read = "sys/fs/cgroup", quotaV2
		case strings.Contains(","+controllers+",", ",cpu,"):
			mount, read = path.Join("sys/fs/cgroup", controllers), quotaV1
			if _, err := fs.Stat(root, mount); err != nil {
				mount = "sys/fs/cgroup/cpu"
			}
		default:
			continue
		}
		// A container may see its own group as the root of the mount, while the path is that of the host.
		for ; ; group = path.Dir(group) {
			limit, err := read(root, path.Join(mount, group))
			if err != nil {
				return math.Inf(1), err
			}
			cores = min(cores, limit)
			if group == "/" {
				break
			}
		}
	}
	return cores, nil
}

// quotaV2 reads "quota period" or "max period" in microseconds.
func quotaV2(root fs.FS, directory string) (float64, error) {
	name := path.Join(directory, "cpu.max")
	text, err := readFile(root, name)
	if err != nil || text == "" {
		return math.Inf(1), err
	}
	fields := strings.Fields(text)
	if len(fields) != 2 {
		return math.Inf(1), fmt.Errorf("/%s holds %q where a quota and a period are expected", name, strings.TrimSpace(text))
	}
	if fields[0] == "max" {
		return math.Inf(1), nil
	}
	return ratio(name, fields[0], name, fields[1])
}

// quotaV1 reads a quota, -1 for none, and a period in microseconds.
func quotaV1(root fs.FS, directory string) (float64, error) {
	quotaName, periodName := path.Join(directory, "cpu.cfs_quota_us"), path.Join(directory, "cpu.cfs_period_us")
	quota, err := readFile(root, quotaName)
	if err != nil || quota == "" || strings.TrimSpace(quota) == "-1" {
		return math.Inf(1), err
	}
	period, err := readFile(root, periodName)
	if err != nil {
		return math.Inf(1), err
	}
	return ratio(quotaName, strings.TrimSpace(quota), periodName, strings.TrimSpace(period))
}

func ratio(quotaName, quota, periodName, period string) (float64, error) {
	q, err := microseconds(quotaName, quota)
	if err != nil {
		return math.Inf(1), err
	}
	p, err := microseconds(periodName, period)
	if err != nil {
		return math.Inf(1), err
	}
	return q / p, nil
}

func microseconds(name, text string) (float64, error) {
	value, err := strconv.ParseUint(text, 10, 63)
	if err != nil || value == 0 {
		return 0, fmt.Errorf("/%s holds %q where a number of microseconds is expected", name, text)
	}
	return float64(value), nil
}

// readFile is the text of a file, empty when there is no such file.
func readFile(root fs.FS, name string) (string, error) {
	text, err := fs.ReadFile(root, name)
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	return string(text), err
}
