package cpu

import (
	"math"
	"os"
	"runtime"
	"testing"
	"testing/fstest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestThreadTimeCountsWorkAndNotWaiting(t *testing.T) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()

	start := ThreadTime()
	sum := 0.0
	for ThreadTime()-start < 2*time.Millisecond {
		sum += math.Sqrt(sum + 1)
	}
	assert.Positive(t, sum)

	start = ThreadTime()
	wall := time.Now()
	<-time.After(20 * time.Millisecond)
	assert.Less(t, ThreadTime()-start, time.Since(wall)/2, "a waiting thread costs nothing")
}

func TestQuota(t *testing.T) {
	none := math.Inf(1)
	for _, test := range []struct {
		name  string
		files map[string]string
		want  float64
		err   string
	}{
		{name: "no cgroups", want: none},
		{
			name:  "v2, own cgroup namespace",
			files: map[string]string{"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/cpu.max": "10000 100000\n"},
			want:  0.1,
		},
		{
			name:  "v2, no limit",
			files: map[string]string{"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/cpu.max": "max 100000\n"},
			want:  none,
		},
		{
			name: "v2, the pod limits more than the container",
			files: map[string]string{
				"proc/self/cgroup": "0::/kubepods/pod1/container\n",
				"sys/fs/cgroup/kubepods/pod1/container/cpu.max": "200000 100000\n",
				"sys/fs/cgroup/kubepods/pod1/cpu.max":           "150000 100000\n",
				"sys/fs/cgroup/kubepods/cpu.max":                "max 100000\n",
			},
			want: 1.5,
		},
		{
			name: "v1, the host's path is not visible in the container",
			files: map[string]string{
				"proc/self/cgroup":                            "4:memory:/pod1/c\n3:cpu,cpuacct:/pod1/c\n",
				"sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us":  "250000\n",
				"sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us": "100000\n",
			},
			want: 2.5,
		},
		{
			name: "v1, cpu alone, no limit",
			files: map[string]string{
				"proc/self/cgroup":                    "1:cpu:/\n0::/\n",
				"sys/fs/cgroup/cpu/cpu.cfs_quota_us":  "-1\n",
				"sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000\n",
			},
			want: none,
		},
		{
			name: "v1, controllers mounted under the plain name",
			files: map[string]string{
				"proc/self/cgroup":                    "1:cpuacct,cpu:/\n",
				"sys/fs/cgroup/cpu/cpu.cfs_quota_us":  "50000\n",
				"sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000\n",
			},
			want: 0.5,
		},
		{
			name:  "v2, not a number",
			files: map[string]string{"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/cpu.max": "lots 100000\n"},
			err:   `/sys/fs/cgroup/cpu.max holds "lots" where a number of microseconds is expected`,
		},
		{
			name:  "v2, no period",
			files: map[string]string{"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/cpu.max": "10000\n"},
			err:   `/sys/fs/cgroup/cpu.max holds "10000" where a quota and a period are expected`,
		},
		{
			name: "v1, no period",
			files: map[string]string{
				"proc/self/cgroup":                   "1:cpu:/\n",
				"sys/fs/cgroup/cpu/cpu.cfs_quota_us": "50000\n",
			},
			err: `/sys/fs/cgroup/cpu/cpu.cfs_period_us holds "" where a number of microseconds is expected`,
		},
		{
			name:  "unknown membership",
			files: map[string]string{"proc/self/cgroup": "surprise\n"},
			err:   `/proc/self/cgroup has the line "surprise" where three fields are expected`,
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			root := fstest.MapFS{}
			for name, text := range test.files {
				root[name] = &fstest.MapFile{Data: []byte(text)}
			}
			got, err := quota(root)
			if test.err != "" {
				assert.EqualError(t, err, test.err)
				return
			}
			require.NoError(t, err)
			assert.Equal(t, test.want, got)
		})
	}
}

func TestCapacityIsAtMostGOMAXPROCS(t *testing.T) {
	cores, err := Capacity(fstest.MapFS{})
	require.NoError(t, err)
	assert.EqualValues(t, runtime.GOMAXPROCS(0), cores)

	cores, err = Capacity(os.DirFS("/"))
	require.NoError(t, err)
	assert.Positive(t, cores)
}
