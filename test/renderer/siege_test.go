package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"k8s.io/apimachinery/pkg/api/resource"
	"sigs.k8s.io/yaml"

	"holograph/ci/repo"
)

// besiegers are the connections of each attack.
const besiegers = 2000

// TestSiege attacks the program, at the limits of the chart, with thousands of connections of each kind. The kernel
// must not kill it, the kubelet and Prometheus must have their answers, and every frame must be counted once.
func TestSiege(t *testing.T) {
	if testing.Short() {
		t.Skip("takes a few seconds for each attack")
	}
	program := filepath.Join(t.TempDir(), "renderer")
	built, err := exec.Command("go", "build", "-o", program, ".").CombinedOutput()
	require.NoError(t, err, "%s", built)
	for _, values := range []string{"charts/holograph/values.yaml", "values-examples/local.yaml"} {
		for _, attack := range attacks {
			t.Run(filepath.Base(values)+"/"+attack.name, func(t *testing.T) {
				besiege(t, program, limitsOf(t, values), attack)
			})
		}
	}
}

// attack opens connections that each send some text, and then again and again another one.
type attack struct {
	name string
	send string // at once
	drip string // as long as the connection takes it, never waiting for an answer
	args []string
}

const frame = "GET /frame?scheduled=0 HTTP/1.1\r\nHost: renderer\r\n"

var attacks = []attack{
	{name: "silence"},
	{name: "a header without end", send: frame + "X: ", drip: strings.Repeat("x", 4<<10)},
	{name: "a megabyte of one header", send: frame + "X: " + strings.Repeat("x", 1<<20)},
	{name: "thousands of small headers", send: frame + numbered(1000), drip: "a:\r\n"},
	{name: "a request line without end", send: "GET /frame?scheduled=", drip: strings.Repeat("1", 4<<10)},
	{name: "a parameter to quote", send: "GET /frame?scheduled=" + strings.Repeat("%ff", 2000) + " HTTP/1.1\r\nHost: renderer\r\n\r\n"},
	{name: "a body that does not come", send: "GET /frame?scheduled=0 HTTP/1.1\r\nHost: renderer\r\nContent-Length: 10\r\n\r\n"},
	{name: "a body in chunks without end", send: frame + "Transfer-Encoding: chunked\r\n\r\n", drip: "400\r\n" + strings.Repeat("x", 1<<10) + "\r\n"},
	{name: "a greeting in TLS", send: "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", drip: "\x00\x00\x00\x00"},
	{name: "frames that nobody reads", send: frame + "\r\n", drip: strings.Repeat(frame+"\r\n", 20)},
	{name: "large frames that nobody reads", send: frame + "\r\n", drip: frame + "\r\n",
		args: []string{"--frame-width=1024", "--frame-height=1024", "--frame-points=1", "--frame-budget=2s"}},
	{name: "metrics that nobody reads", drip: strings.Repeat("GET /metrics HTTP/1.1\r\nHost: renderer\r\nAccept-Encoding: gzip\r\n\r\n", 20)},
	{name: "wrong requests that nobody reads", drip: strings.Repeat("GET /frame?scheduled=x HTTP/1.1\r\nHost: renderer\r\n\r\n", 20)},
}

// numbered is n headers of different names.
func numbered(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "%x:\r\n", i)
	}
	return b.String()
}

func besiege(t *testing.T, program string, limits limits, attack attack) {
	r := startConfined(t, program, limits, attack.args...)
	require.Equal(t, http.StatusOK, r.frame(t))

	// In a process of their own, the attackers leave this one the time to ask.
	child := exec.Command(os.Args[0], "-test.run=^TestAssail$")
	child.Env = append(os.Environ(), "ASSAIL_ADDRESS="+r.address, "ASSAIL_ATTACK="+attack.name)
	child.Stderr = os.Stderr
	orders, err := child.StdinPipe()
	require.NoError(t, err)
	reports, err := child.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, child.Start())
	report, err := bufio.NewReader(reports).ReadString('\n')
	require.NoError(t, err)
	require.Equal(t, "all connections were opened\n", report)
	for range 3 {
		r.probe(t)
	}
	orders.Close()
	require.NoError(t, child.Wait())

	r.probe(t)
	require.Equal(t, http.StatusOK, r.frame(t))
	metrics := r.metrics(t)
	assert.Equal(t, metrics["holograph_frames_total"],
		metrics["holograph_frame_duration_seconds_count"]+metrics["holograph_frames_refused_total"]+metrics["holograph_frames_abandoned_total"],
		"frames, and what became of them")
	assert.GreaterOrEqual(t, metrics["holograph_frames_total"], 2.0)
	group, process := r.peak(t)
	t.Logf("%s: at most %d MiB of %d in the cgroup, %d of them the process's", attack.name, group>>20, limits.memory>>20, process>>20)

	require.NoError(t, r.command.Process.Signal(syscall.SIGTERM))
	assert.NoError(t, r.command.Wait(), "the drain ends by itself")
}

// TestAssail is the attackers' process, and no test by itself. It attacks until its standard input ends.
func TestAssail(t *testing.T) {
	address, name := os.Getenv("ASSAIL_ADDRESS"), os.Getenv("ASSAIL_ATTACK")
	if address == "" {
		t.Skip("TestSiege runs it")
	}
	ctx, end := context.WithCancel(t.Context())
	var attackers, opened sync.WaitGroup
	opened.Add(besiegers)
	for _, attack := range attacks {
		if attack.name == name {
			for range besiegers {
				attackers.Go(func() { attack.assail(ctx, address, sync.OnceFunc(opened.Done)) })
			}
		}
	}
	opened.Wait()
	fmt.Println("all connections were opened")
	io.Copy(io.Discard, os.Stdin)
	end()
	attackers.Wait()
}

// assail opens one connection after the other until ctx is done, so that the number holds whichever of them the
// renderer ends, and calls opened once the first has sent what it sends at once.
func (a attack) assail(ctx context.Context, address string, opened func()) {
	for ; ctx.Err() == nil; pause(ctx) {
		// Left to itself, the client would take what it does not read into a large buffer of its own.
		dialer := net.Dialer{Timeout: 10 * time.Second, Control: func(_, _ string, c syscall.RawConn) error {
			return c.Control(func(fd uintptr) { syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_RCVBUF, 4<<10) })
		}}
		connection, err := dialer.DialContext(ctx, "tcp", address)
		if err != nil {
			opened()
			continue
		}
		connection.(*net.TCPConn).SetLinger(0)
		over := context.AfterFunc(ctx, func() { connection.Close() })
		connection.SetDeadline(time.Now().Add(3 * time.Second))
		_, err = io.WriteString(connection, a.send)
		opened()
		for err == nil && a.drip != "" {
			_, err = io.WriteString(connection, a.drip)
		}
		if err == nil {
			// It ends when the renderer ends it, or at the deadline.
			io.Copy(io.Discard, io.LimitReader(connection, 1))
		}
		over()
		connection.Close()
	}
}

// pause is how long a client that was sent away waits before it comes again.
func pause(ctx context.Context) {
	select {
	case <-ctx.Done():
	case <-time.After(3 * time.Second):
	}
}

// limits are those of a container of the chart.
type limits struct {
	memory int64   // bytes
	cores  float64 //
}

func limitsOf(t *testing.T, values string) limits {
	t.Helper()
	path, err := repo.Path(values)
	require.NoError(t, err)
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	var parsed struct {
		Renderer struct {
			Resources struct{ Limits map[string]string }
		}
	}
	require.NoError(t, yaml.Unmarshal(text, &parsed))
	memory, err := resource.ParseQuantity(parsed.Renderer.Resources.Limits["memory"])
	require.NoError(t, err)
	cpu, err := resource.ParseQuantity(parsed.Renderer.Resources.Limits["cpu"])
	require.NoError(t, err)
	return limits{memory: memory.Value(), cores: cpu.AsApproximateFloat64()}
}

// confined is the program at work in cgroups of its own.
type confined struct {
	address, memory string
	command         *exec.Cmd
}

// startConfined starts the program in cgroups of the limits. It skips the test where none can be made.
func startConfined(t *testing.T, program string, limits limits, args ...string) *confined {
	t.Helper()
	memory := newGroup(t, "memory", "memory.limit_in_bytes", "memory.max", strconv.FormatInt(limits.memory, 10))
	quota := strconv.Itoa(int(limits.cores * 100_000))
	cpu := newGroup(t, "cpu", "cpu.cfs_quota_us", "cpu.max", quota)

	r := &confined{memory: memory}
	// The shell puts itself into the groups before it becomes the program, so that they see all of its memory.
	script := `echo $$ > "$1/cgroup.procs" && echo $$ > "$2/cgroup.procs" && shift 2 && exec "$@"`
	r.command = exec.Command("sh", append([]string{"-c", script, "sh", memory, cpu, program, "--listen-address=127.0.0.1:0"}, args...)...)
	r.command.Stderr = os.Stderr
	log, err := r.command.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, r.command.Start())
	t.Cleanup(func() {
		r.command.Process.Kill()
		r.command.Wait()
	})
	scanner := bufio.NewScanner(log)
	for r.address == "" && scanner.Scan() {
		var line struct{ Msg, Address string }
		require.NoError(t, json.Unmarshal(scanner.Bytes(), &line))
		if line.Msg == "starting" {
			r.address = line.Address
		}
		if line.Msg == "warmed up" {
			break
		}
	}
	require.NotEmpty(t, r.address, "the renderer does not start")
	for scanner.Scan() && !strings.Contains(scanner.Text(), "warmed up") {
	}
	go io.Copy(io.Discard, log)
	r.probe(t) // so that frames count
	return r
}

// newGroup makes a cgroup with one limit, named as version 1 or 2 of cgroups has it.
func newGroup(t *testing.T, controller, nameV1, nameV2, limit string) string {
	t.Helper()
	root, name := filepath.Join("/sys/fs/cgroup", controller), nameV1
	if _, err := os.Stat(root); err != nil {
		root, name = "/sys/fs/cgroup", nameV2
	}
	group, err := os.MkdirTemp(root, "holograph-siege-")
	require.NoError(t, err, "the attacks run in a cgroup of their own, which only root can make: run make siege as root")
	t.Cleanup(func() { os.Remove(group) })
	require.NoError(t, os.WriteFile(filepath.Join(group, name), []byte(limit), 0o644), "set the limit of the cgroup that the attacks run in")
	return group
}

// peak is the greatest memory of the cgroup, and of the process in it.
func (r *confined) peak(t *testing.T) (group, process int64) {
	t.Helper()
	read := func(path string, expression string) int64 {
		text, err := os.ReadFile(path)
		require.NoError(t, err)
		found := regexp.MustCompile(expression).FindSubmatch(text)
		require.NotNil(t, found, "%s: %s", path, text)
		number, err := strconv.ParseInt(string(found[1]), 10, 64)
		require.NoError(t, err)
		return number
	}
	path := filepath.Join(r.memory, "memory.max_usage_in_bytes")
	if _, err := os.Stat(path); err != nil {
		path = filepath.Join(r.memory, "memory.peak")
	}
	return read(path, `^(\d+)`), read(fmt.Sprintf("/proc/%d/status", r.command.Process.Pid), `VmHWM:\s*(\d+)`) << 10
}

// get asks on a connection of its own, as the kubelet does, and waits for as long as its probes do.
func (r *confined) get(t *testing.T, path string) (int, []byte) {
	t.Helper()
	client := http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	response, err := client.Get("http://" + r.address + path)
	require.NoError(t, err)
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	return response.StatusCode, body
}

// probe asks what the kubelet and Prometheus ask.
func (r *confined) probe(t *testing.T) {
	t.Helper()
	for _, path := range []string{"/healthz", "/readyz", "/metrics"} {
		code, body := r.get(t, path)
		require.Equal(t, http.StatusOK, code, "%s: %s", path, body)
	}
}

// frame asks for one, as long as it is refused, and returns the status.
func (r *confined) frame(t *testing.T) int {
	t.Helper()
	for {
		code, _ := r.get(t, fmt.Sprintf("/frame?scheduled=%d", time.Now().UnixMicro()))
		if code != http.StatusServiceUnavailable {
			return code
		}
	}
}

// metrics are the values of the samples without labels.
func (r *confined) metrics(t *testing.T) map[string]float64 {
	t.Helper()
	_, body := r.get(t, "/metrics")
	values := map[string]float64{}
	for line := range strings.Lines(string(body)) {
		fields := strings.Fields(line)
		if number, err := strconv.ParseFloat(fields[len(fields)-1], 64); len(fields) == 2 && err == nil {
			values[fields[0]] = number
		}
	}
	return values
}
