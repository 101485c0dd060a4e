// Package result holds what runs of `make scale` measured, and writes the page of it. It asks no cluster.
package result

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"slices"
)

// The components that are measured, by the names that the record and the page have for them.
const (
	Adapter           = "adapter"
	KEDAOperator      = "KEDA's operator"
	KEDAMetricsServer = "KEDA's metrics server"
	APIServer         = "API server"
	ControllerManager = "controller manager"
	Prometheus        = "Prometheus"
	Etcd              = "etcd"
)

// Run is one run of the measurement.
type Run struct {
	// Number is its number on record, from 1.
	Number int `json:"run"`
	// Date is its day, Cores those of the machine, Minutes how long it took.
	Date    string  `json:"date"`
	Cores   int     `json:"cores"`
	Minutes float64 `json:"minutes"`
	// Narrowed has the flags that left a part of it out, and Ended why it ended before its end; both are empty where nothing
	// is missing.
	Narrowed string `json:"narrowed,omitempty"`
	Ended    string `json:"ended,omitempty"`
	// ControllerRate is the number of requests a second that each controller of the controller manager could send, where a
	// part does not say another.
	ControllerRate int `json:"controller_requests_per_second"`
	// MostLoad is the most that a pod was offered, as a multiple of its capacity; 0 is no bound.
	MostLoad float64 `json:"most_load_of_a_pod,omitempty"`
	// Limits are the chart's default memory limits in MiB.
	Limits map[string]float64 `json:"default_memory_limits_mib"`

	Cells   []Cell   `json:"one_autoscaler"`
	Growths []Growth `json:"growth"`
	Many    []Many   `json:"many_autoscalers"`
}

// Cell is one mode at one number of pods, with one autoscaler.
type Cell struct {
	Mode string `json:"mode"`
	Pods int    `json:"pods"`
	// Calls is how many requests were answered, Failed how many were not; P50 and P99 are quantiles of the time that an answer
	// took, in milliseconds.
	Calls  int     `json:"calls"`
	Failed int     `json:"failed,omitempty"`
	P50    float64 `json:"p50_milliseconds"`
	P99    float64 `json:"p99_milliseconds"`
	// CPU is what a request cost each component, in milliseconds of CPU time.
	CPU map[string]float64 `json:"cpu_milliseconds_per_call"`
	// RSS is the resident memory of each component after the requests, in MiB.
	RSS map[string]float64 `json:"rss_mib"`
	// Series and Targets are those of Prometheus; PrometheusCores is the CPU that it used without the requests.
	Series          float64 `json:"prometheus_series"`
	Targets         float64 `json:"prometheus_targets"`
	PrometheusCores float64 `json:"prometheus_cores"`
	// Elsewhere is the CPU that programs outside the node used during the requests, kwok and the measurement included, in
	// cores. What is above a few tenths makes requests slower.
	Elsewhere float64 `json:"cores_elsewhere"`
}

// Path returns the CPU that a request costs what serves the metric and the API server, in milliseconds.
func (c Cell) Path() float64 {
	return c.CPU[Adapter] + c.CPU[KEDAOperator] + c.CPU[KEDAMetricsServer] + c.CPU[APIServer]
}

// Growth is how a fleet grew from 2 pods, from the moment at which the load rose.
type Growth struct {
	Mode string `json:"mode"`
	// Pods is the number that the autoscaler could add at most, and Reached when so many pods were Ready.
	Pods    int       `json:"pods"`
	Reached []Reached `json:"reached"`
}

// Reached is the time in seconds after which that many pods were Ready.
type Reached struct {
	Pods    int     `json:"pods"`
	Seconds float64 `json:"seconds"`
}

// Many is one mode with many autoscalers of ten pods each.
type Many struct {
	Mode        string `json:"mode"`
	Autoscalers int    `json:"autoscalers"`
	// ControllerRate is the number of requests a second that each controller could send; 0 is Kubernetes' default, 20.
	ControllerRate int `json:"controller_requests_per_second"`
	// AdapterRate is --client-qps of the adapter.
	AdapterRate int `json:"adapter_client_qps"`
	// Period is the mean time between two decisions of an autoscaler in seconds, Mean the time that a decision took, and P99
	// an upper bound of its 99th percentile; 0 where that is above the last bucket of the histogram. Failed is the share of decisions that ended with an error.
	Period float64 `json:"sync_period_seconds"`
	Mean   float64 `json:"reconciliation_mean_seconds"`
	P99    float64 `json:"reconciliation_p99_seconds_at_most,omitempty"`
	Failed float64 `json:"failed_share"`
	// Cores and RSS are what each component used, RSS in MiB, and Elsewhere what programs outside the node did, in cores.
	Cores     map[string]float64 `json:"cores"`
	RSS       map[string]float64 `json:"rss_mib"`
	Elsewhere float64            `json:"cores_elsewhere"`
}

// Quantile returns the nearest-rank quantile: the least value that at least that share of the values do not exceed. It is
// NaN without values.
func Quantile(values []float64, q float64) float64 {
	if len(values) == 0 {
		return math.NaN()
	}
	sorted := slices.Sorted(slices.Values(values))
	return sorted[max(0, int(math.Ceil(q*float64(len(sorted))))-1)]
}

// Record is all runs on record, by their numbers.
type Record []Run

// file is the record, below the folder of the page.
const file = "figures.json"

// Read reads the record below the folder. Without a file it is empty.
func Read(folder string) (Record, error) {
	data, err := os.ReadFile(filepath.Join(folder, file))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var r Record
	if err := json.Unmarshal(data, &r); err != nil {
		return nil, fmt.Errorf("%s: %w", filepath.Join(folder, file), err)
	}
	return r, nil
}

// With returns the record with the run, in place of the one of its number.
func (r Record) With(run Run) Record {
	all := slices.DeleteFunc(slices.Clone(r), func(other Run) bool { return other.Number == run.Number })
	all = append(all, run)
	slices.SortFunc(all, func(a, b Run) int { return a.Number - b.Number })
	return all
}

// Save writes the record below the folder.
func (r Record) Save(folder string) error {
	text, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return err
	}
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(folder, file), append(text, '\n'), 0o644)
}
