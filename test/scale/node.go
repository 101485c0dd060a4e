package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"

	"holograph/test/internal/wait"
	"holograph/test/scale/result"
)

// components are the processes that are measured, by their names in /proc, which has 15 characters of each.
var components = map[string]string{
	"adapter":         result.Adapter,
	"keda":            result.KEDAOperator,
	"keda-adapter":    result.KEDAMetricsServer,
	"kube-apiserver":  result.APIServer,
	"kube-controller": result.ControllerManager,
	"prometheus":      result.Prometheus,
	"etcd":            result.Etcd,
}

// process is what a process has used.
type process struct {
	// cpu is the time since its start that it was on a CPU, rss its resident memory in bytes.
	cpu time.Duration
	rss float64
	id  int
}

// reading is what the processes had used at one time.
type reading struct {
	// components are the processes that are measured.
	components map[string]process
	// machine is the CPU time that all programs of the machine used, node that of the node's processes.
	machine, node time.Duration
}

// processes reads what the node's processes have used.
func (r *runner) processes(ctx context.Context) (reading, error) {
	// A process may end while the list is read.
	out, err := r.cluster.Exec(ctx, r.cluster.Node(), "sh", "-c", "getconf CLK_TCK; getconf PAGESIZE; cat /proc/stat; cat /proc/[0-9]*/stat 2>/dev/null; true")
	if err != nil {
		return reading{}, err
	}
	return parseProcesses(out)
}

// parseProcesses reads the ticks in a second, the bytes of a page, /proc/stat, and /proc/PID/stat of each process.
func parseProcesses(text string) (reading, error) {
	found := reading{components: map[string]process{}}
	lines := strings.Split(strings.TrimSpace(text), "\n")
	if len(lines) < 3 {
		return found, fmt.Errorf("the node lists no processes: %q", text)
	}
	ticks, err := strconv.ParseFloat(lines[0], 64)
	if err != nil {
		return found, fmt.Errorf("ticks in a second: %w", err)
	}
	page, err := strconv.ParseFloat(lines[1], 64)
	if err != nil {
		return found, fmt.Errorf("bytes of a page: %w", err)
	}
	seconds := func(n float64) time.Duration { return time.Duration(n / ticks * float64(time.Second)) }
	// user nice system idle iowait irq softirq steal; what the hypervisor gave to others is no program's.
	all := strings.Fields(lines[2])
	if len(all) < 9 || all[0] != "cpu" {
		return found, fmt.Errorf("/proc/stat begins with %q", lines[2])
	}
	busy, err := sum(all[1], all[2], all[3], all[6], all[7])
	if err != nil {
		return found, fmt.Errorf("/proc/stat begins with %q: %w", lines[2], err)
	}
	found.machine = seconds(busy)
	for _, line := range lines[3:] {
		// A name is in brackets, and may have blanks and brackets.
		number, rest, _ := strings.Cut(line, " (")
		end := strings.LastIndex(rest, ") ")
		if end < 0 {
			continue // of /proc/stat
		}
		// Of man proc_pid_stat, the fields from the third on: 14 and 15 are ticks in user and kernel mode, 24 pages.
		fields := strings.Fields(rest[end+2:])
		if len(fields) < 22 {
			return found, fmt.Errorf("/proc/%s/stat has %d fields, want 24", number, len(fields)+2)
		}
		used, err := sum(fields[14-3], fields[15-3])
		if err != nil {
			return found, fmt.Errorf("/proc/%s/stat: %w", number, err)
		}
		found.node += seconds(used)
		name := components[rest[:end]]
		if name == "" {
			continue
		}
		pages, err := sum(fields[24-3])
		if err != nil {
			return found, fmt.Errorf("/proc/%s/stat: %w", number, err)
		}
		id, err := strconv.Atoi(number)
		if err != nil {
			return found, fmt.Errorf("a process ID: %w", err)
		}
		if other, twice := found.components[name]; twice {
			return found, fmt.Errorf("%s runs twice, as the processes %d and %d", name, other.id, id)
		}
		found.components[name] = process{cpu: seconds(used), rss: pages * page, id: id}
	}
	return found, nil
}

// sum adds numbers up.
func sum(texts ...string) (float64, error) {
	total := 0.0
	for _, text := range texts {
		n, err := strconv.ParseFloat(text, 64)
		if err != nil {
			return 0, err
		}
		total += n
	}
	return total, nil
}

// used returns the CPU seconds that each component used between two readings. A component that was restarted is an error.
func used(before, after reading) (map[string]float64, error) {
	seconds := map[string]float64{}
	for name, now := range after.components {
		then, ran := before.components[name]
		if !ran || then.id != now.id {
			return nil, fmt.Errorf("%s was restarted while it was measured: process %d, and then %d", name, then.id, now.id)
		}
		seconds[name] = (now.cpu - then.cpu).Seconds()
	}
	for name := range before.components {
		if _, runs := after.components[name]; !runs {
			return nil, fmt.Errorf("%s ended while it was measured", name)
		}
	}
	return seconds, nil
}

// settled is met when each of the named components runs once: after a rollout, the old process takes a while to end.
func (r *runner) settled(names ...string) wait.Condition {
	return wait.Condition{Name: "one process each of " + strings.Join(names, ", "), Unmet: func(ctx context.Context) error {
		found, err := r.processes(ctx)
		if err != nil {
			return err
		}
		for _, name := range names {
			if _, runs := found.components[name]; !runs {
				return fmt.Errorf("there are %q", slices.Sorted(maps.Keys(found.components)))
			}
		}
		return nil
	}}
}

// memory returns the resident memory of each process in MiB.
func memory(of reading) map[string]float64 {
	rss := map[string]float64{}
	for name, p := range of.components {
		rss[name] = p.rss / (1 << 20)
	}
	return rss
}

// controllerMetrics returns the metrics of the controller manager, which listens on the node's loopback only, in Prometheus'
// text format.
func (r *runner) controllerMetrics(ctx context.Context) (string, error) {
	// The client certificate is that of the node's kubectl; the controller manager's own is not signed by a CA. kubectl itself would
	// take several times the CPU of curl, on the machine that is measured.
	return r.cluster.Exec(ctx, r.cluster.Node(), "sh", "-c", `
		set -e
		umask 077
		for part in certificate key; do
			file=/run/admin.$part
			[ -s $file ] || sed -n "s/^ *client-$part-data: //p" /etc/kubernetes/admin.conf | base64 -d >$file
		done
		curl --silent --show-error --fail --insecure --cert /run/admin.certificate --key /run/admin.key https://127.0.0.1:10257/metrics`)
}

// reconciliations is what the HPA controller has done since its start.
type reconciliations struct {
	// at is when it was read.
	at time.Time
	// count is of decisions, failed of those that ended with an error.
	count, failed float64
	// seconds is the time that all of them took.
	seconds float64
	// buckets are cumulative counts by upper bounds in seconds.
	buckets map[float64]float64
}

// parseReconciliations reads the HPA controller's part of the controller manager's metrics.
func parseReconciliations(metrics string) (reconciliations, error) {
	const name = "horizontal_pod_autoscaler_controller_reconciliation_duration_seconds"
	r := reconciliations{buckets: map[float64]float64{}}
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(strings.NewReader(metrics))
	if err != nil {
		return r, err
	}
	family := families[name]
	if family == nil {
		return r, fmt.Errorf("the controller manager has no metric %s", name)
	}
	for _, metric := range family.GetMetric() {
		histogram := metric.GetHistogram()
		r.count += float64(histogram.GetSampleCount())
		r.seconds += histogram.GetSampleSum()
		for _, bucket := range histogram.GetBucket() {
			r.buckets[bucket.GetUpperBound()] += float64(bucket.GetCumulativeCount())
		}
		for _, label := range metric.GetLabel() {
			if label.GetName() == "error" && label.GetValue() != "none" {
				r.failed += float64(histogram.GetSampleCount())
			}
		}
	}
	return r, nil
}

// since returns what was done after an earlier reading.
func (r reconciliations) since(earlier reconciliations) reconciliations {
	d := reconciliations{at: r.at, count: r.count - earlier.count, failed: r.failed - earlier.failed, seconds: r.seconds - earlier.seconds, buckets: map[float64]float64{}}
	for bound, count := range r.buckets {
		d.buckets[bound] = count - earlier.buckets[bound]
	}
	return d
}

// quantile returns an upper bound of a quantile, in seconds: that of the bucket in which it is; 0 for the last bucket, which has
// none.
func (r reconciliations) quantile(q float64) float64 {
	for _, bound := range slices.Sorted(maps.Keys(r.buckets)) {
		if r.buckets[bound] >= q*r.count && !math.IsInf(bound, 1) {
			return bound
		}
	}
	return 0
}

// period returns the mean time between two decisions of each of so many autoscalers, from readings over so many rounds of
// decisions and a half. It is the time from the middle of the first round to the middle of the last one, so that it does not
// matter whether the decisions come evenly or all at once, as they do where all autoscalers were created at one time.
func period(seen []reconciliations, autoscalers, rounds int) time.Duration {
	half := float64(autoscalers) / 2
	return (reached(seen, half+float64(rounds*autoscalers)) - reached(seen, half)) / time.Duration(rounds)
}

// reached returns the time after the first reading at which so many more decisions were made. Between two readings they come
// evenly. The last reading must have as many.
func reached(seen []reconciliations, decisions float64) time.Duration {
	for i := 1; i < len(seen); i++ {
		before, now := seen[i-1].count-seen[0].count, seen[i].count-seen[0].count
		if now >= decisions {
			part := (decisions - before) / (now - before)
			return seen[i-1].at.Sub(seen[0].at) + time.Duration(part*float64(seen[i].at.Sub(seen[i-1].at)))
		}
	}
	return seen[len(seen)-1].at.Sub(seen[0].at)
}

// limitControllers sets how many requests a second each controller of the controller manager may send; 0 is Kubernetes'
// default. The kubelet then starts the controller manager again.
func (r *runner) limitControllers(ctx context.Context, rate int) error {
	if r.rate == rate {
		return nil
	}
	_, err := r.cluster.Exec(ctx, r.cluster.Node(), "sh", "-c", `
		set -e
		manifest=/etc/kubernetes/manifests/kube-controller-manager.yaml
		sed -e '/--kube-api-qps=/d' -e '/--kube-api-burst=/d' $manifest >/tmp/controller-manager.yaml
		if [ "$1" != 0 ]; then
			sed -i "s/^\( *\)- kube-controller-manager$/&\n\1- --kube-api-qps=$1\n\1- --kube-api-burst=$((2 * $1))/" /tmp/controller-manager.yaml
		fi
		cmp -s /tmp/controller-manager.yaml $manifest || cp /tmp/controller-manager.yaml $manifest`, "limit", strconv.Itoa(rate))
	if err != nil {
		return err
	}
	err = wait.For(ctx, 2*time.Minute, r.controllersLead(rate))
	if err == nil {
		r.rate = rate
	}
	return err
}

// controllersLead is met when the controller manager runs with that limit, and its controllers work.
func (r *runner) controllersLead(rate int) wait.Condition {
	return wait.Condition{Name: fmt.Sprintf("the controller manager to work with %d requests a second (0 is its default)", rate), Unmet: func(ctx context.Context) error {
		out, err := r.cluster.Exec(ctx, r.cluster.Node(), "sh", "-c", `for p in /proc/[0-9]*; do tr '\0' ' ' <$p/cmdline 2>/dev/null && echo; done; true`)
		if err != nil {
			return err
		}
		runs := false
		for line := range strings.Lines(out) {
			if !strings.HasPrefix(line, "kube-controller-manager ") {
				continue
			}
			runs = true
			if limited := strings.Contains(line, "--kube-api-qps="); limited != (rate != 0) || limited && !strings.Contains(line, fmt.Sprintf("--kube-api-qps=%d ", rate)) {
				return errors.New("it still runs with another limit")
			}
		}
		if !runs {
			return errors.New("it does not run")
		}
		metrics, err := r.controllerMetrics(ctx)
		if err == nil && !strings.Contains(metrics, `leader_election_master_status{name="kube-controller-manager"} 1`) {
			err = errors.New("it does not lead yet")
		}
		return err
	}}
}

// gateway returns the address of this machine as the node sees it.
func (r *runner) gateway(ctx context.Context) (string, error) {
	route, err := r.cluster.Exec(ctx, r.cluster.Node(), "ip", "-4", "route", "show", "default")
	if err != nil {
		return "", err
	}
	words := strings.Fields(route)
	if len(words) < 3 || words[1] != "via" {
		return "", fmt.Errorf("the default route of the node is %q, want one through this machine", route)
	}
	return words[2], nil
}

// claim makes the node take the addresses of kwok's pods for its own.
func (r *runner) claim(ctx context.Context, ranges []string) error {
	for _, addresses := range ranges {
		if _, err := r.cluster.Exec(ctx, r.cluster.Node(), "ip", "route", "replace", "local", addresses, "dev", "lo"); err != nil {
			return err
		}
	}
	return nil
}

// offer sets the load of all fleets together, in pods that it fills.
func (r *runner) offer(ctx context.Context, pods float64) error {
	_, err := r.cluster.Exec(ctx, r.cluster.Node(), "curl", "--silent", "--show-error", "--fail", "--request", "PUT",
		fmt.Sprintf("http://127.0.0.1:8081/load?pods=%g", pods))
	return err
}
