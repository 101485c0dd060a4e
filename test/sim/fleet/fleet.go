// Package fleet models the renderer's pods: their life, the frames they are offered, what they
// render within budget, and what Prometheus scrapes from them.
//
// Frames are a fluid in steps of one second. Within a second a pod renders what it can and the
// rest is over budget: the reference renderer refuses a frame that cannot start in time, so a
// backlog never outlives the frame budget and an overloaded pod still serves its capacity. The
// spread of load and capacity around their means makes some frames late before a pod is full.
package fleet

import (
	"fmt"
	"math"
	"sort"
	"time"

	"github.com/prometheus/prometheus/model/labels"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/kubernetes/pkg/controller"

	"holograph/test/sim/query"
)

// Config describes the pods and their surroundings. Spreads are standard deviations as shares of
// the mean.
type Config struct {
	// Seed picks scrape phases, start times and noise.
	Seed uint64
	// FrameRate is how many frames a pod of nominal capacity renders per second.
	FrameRate float64
	// PodStart is the time from a pod's creation until it is Ready; StartSpread is its spread.
	PodStart    time.Duration
	StartSpread float64
	// NodeStart is the time from the moment that a pod finds no room until a new node has room for it; 0 means that every pod
	// finds room. Each pod has a node of its own. A node without a pod goes at once, so that the next pod waits for a new one.
	NodeStart time.Duration
	// Placeholders are pods of a lower priority, each with a node. A pod that finds no room takes the node of one, which then
	// waits for a new one.
	Placeholders int
	// Drain is how long a pod stays after its deletion, without traffic.
	Drain time.Duration
	// ConnectionMaxAge is how long a viewer's connection sticks to its pod: a new pod reaches its
	// full share of the load only when all connections have been made anew.
	ConnectionMaxAge time.Duration
	// ScrapeInterval is the time between two scrapes of a pod; every pod has a phase of its own.
	ScrapeInterval time.Duration
	// ScrapeLoss is the share of scrapes that fail.
	ScrapeLoss float64
	// Unscraped says at which times, in milliseconds, every scrape of a pod fails; nil means never.
	Unscraped func(at int64) bool
	// CapacitySpread is the spread between pods; CapacityNoise and LoadNoise are the spread of one
	// pod's capacity and load from second to second.
	CapacitySpread, CapacityNoise, LoadNoise float64
	// LoadSpread is the spread between pods of their load over one minute. It comes from connections, which
	// give a pod more or less than its share for as long as they last.
	LoadSpread float64
	// MostLoad is the most that a pod is offered, as a multiple of its nominal capacity; 0 is no bound. What is beyond it reaches
	// no pod.
	MostLoad float64
	// SeenDrop is the share of a trace's loss of capacity that shows as CPU time per frame. A
	// throttled or stolen core shows as nothing: 0.
	SeenDrop float64
	// IdleCPU is the share of a pod's CPU that it takes beside frames: for scrapes, probes and its runtime.
	IdleCPU float64
	// Cores are what a pod of nominal capacity has and asks for. Kubernetes tells CPU use in whole thousandths of one.
	Cores float64
	// Sessions are what viewers hold in place of asking for frames; nil for frames.
	Sessions *Sessions
	// Exported changes what the pod that was made as number id, from 1, exports of a metric at a time in milliseconds;
	// nil changes nothing.
	Exported func(id uint64, metric string, at int64, value float64) float64
}

// Defaults are the surroundings the goals ask for: 60 frames per second and pod, 15 s until a pod
// is Ready, 15 s between scrapes.
func Defaults() Config {
	return Config{
		FrameRate: 60, PodStart: 15 * time.Second, StartSpread: 0.15, Drain: 10 * time.Second,
		ConnectionMaxAge: 10 * time.Second, ScrapeInterval: 15 * time.Second,
		CapacitySpread: 0.04, CapacityNoise: 0.04, LoadNoise: 0.04, Cores: 1,
	}
}

// Identity is what the manifests say about the pods.
type Identity struct {
	Namespace, Name, Container string
	Labels                     map[string]string
	// Grace is how long a pod that is removed may take to end its sessions.
	Grace time.Duration
}

// Row is what happened in one second.
type Row struct {
	// Load is offered work in pods' worth; Capacity is a pod's capacity as a share of nominal.
	Load, Capacity float64
	// Spec is the Deployment's replicas, Ready the pods that take frames, Pods all that exist, placeholders included.
	Spec, Ready, Pods int
	// Frames were offered; Late of them were late or refused. With sessions, Frames are the viewers who arrived, and Late
	// those of them who left without one.
	Frames, Late float64
	// Refused is how many of those viewers were refused at their first try, and Cut how many sessions ended with their pod.
	Refused, Cut float64
	// Leaving are the pods that only end their sessions.
	Leaving int
}

// Metrics are the names of the metrics a pod exports that the model knows.
var Metrics = []string{
	"holograph_frames_total", "holograph_frames_over_budget_total", "holograph_frames_refused_total",
	"holograph_render_cpu_seconds_total", "holograph_offered_cpu_seconds_total", "holograph_cpu_capacity_cores",
	"process_cpu_seconds_total",
	SessionsMetric,
	// Prometheus' own, of each target: whether its last scrape went well.
	"up",
	// kube-state-metrics', of the Deployment.
	replicasMetric,
}

// replicasMetric says how many pods the Deployment is to have.
const replicasMetric = "kube_deployment_spec_replicas"

const (
	frames = iota
	overBudget
	refused
	renderCPU
	offeredCPU
	capacityCores
	processCPU
	sessionsHeld
	up
	specReplicas
	numMetrics
)

type pod struct {
	id       uint64
	object   *corev1.Pod
	factor   float64 // this pod's capacity as a share of nominal
	weight   float64 // share of the load before noise
	running  int     // the second at which it runs, is ready, and is gone
	ready    int
	gone     int
	isReady  bool
	scrape   int64 // time of the next scrape, in ms
	share    float64
	counters [numMetrics]float64
	step     [numMetrics]float64 // what the current second adds
	series   []*query.Series
	exported []int // which metric each of series is
	ends     []int // the second at which each session ends
}

// Fleet is the model. It is not safe for concurrent use.
type Fleet struct {
	config         Config
	identity       Identity
	epoch          time.Time
	load, capacity []float64
	store          *query.Store
	wanted         []int // metrics that queries read
	pods           []*pod
	objects        []*corev1.Pod
	spec           int
	active         int   // pods that are not being deleted
	nodes          int   // nodes that are there, each for one pod or placeholder
	ordered        []int // the seconds at which more are
	made           uint64
	second         int
	horizon        time.Duration
	cores          resource.Quantity
	replicas       *query.Series // nil where no query reads it
	viewers        []viewer      // who has not arrived yet
	waiting        []viewer      // who has no session yet
	cut            int           // sessions that end with their pod, of this second
	Rows           []Row
}

// New starts a fleet of replicas pods that are all Ready and have been scraped for a while. Load is
// in pods' worth, one value a second; capacity likewise. Epoch is the time of second 0. Only the
// named metrics are kept, in store, for horizon.
func New(config Config, identity Identity, epoch time.Time, replicas int, load, capacity []float64, store *query.Store, metrics []string, horizon time.Duration) (*Fleet, error) {
	f := &Fleet{config: config, identity: identity, epoch: epoch, load: load, capacity: capacity, store: store,
		spec: replicas, horizon: horizon,
		cores: *resource.NewMilliQuantity(int64(math.Round(1000*config.Cores)), resource.DecimalSI),
		Rows:  make([]Row, 0, len(load))}
	for _, name := range metrics {
		found := false
		for i, known := range Metrics {
			if name != known {
				continue
			}
			found = true
			if name == replicasMetric {
				f.replicas = store.Add(name, labels.FromStrings("namespace", identity.Namespace, "deployment", identity.Name, "job", "kube-state-metrics"))
			} else {
				f.wanted = append(f.wanted, i)
			}
		}
		if !found {
			return nil, fmt.Errorf("the renderer's model exports no metric %q", name)
		}
	}
	// The past: enough seconds of the first second's load to fill every window.
	f.second = -int(horizon/time.Second) - 60
	if config.Sessions != nil {
		f.second = min(f.second, -int(config.Sessions.Longest/time.Second))
		f.viewers = config.Sessions.viewers(config.Seed, load)
	}
	for range replicas {
		p := f.create()
		p.object.Spec.NodeName = node
		p.running, p.ready = f.second, f.second
		p.weight = 1 / float64(replicas)
	}
	f.nodes = replicas + config.Placeholders
	for f.second < 0 {
		f.step()
	}
	f.Rows = f.Rows[:0]
	return f, nil
}

// AdvanceTo runs the model up to now, in whole seconds, and never beyond the end of its load.
func (f *Fleet) AdvanceTo(now time.Time) {
	for end := min(int(now.Sub(f.epoch)/time.Second), len(f.load)); f.second < end; {
		f.step()
	}
}

// Scale returns the replicas asked for and the replicas that exist and are not being deleted.
func (f *Fleet) Scale() (spec, status int) { return f.spec, f.active }

// SetScale asks for n replicas. The ReplicaSet acts on it in the next second.
func (f *Fleet) SetScale(n int) { f.spec = n }

// Pods lists the pods that exist, those being deleted included. The list is valid until the next
// call of AdvanceTo.
func (f *Fleet) Pods() []*corev1.Pod { return f.objects }

// Phase is the seed's moment within a period at which something periodic starts.
func (f *Fleet) Phase(period time.Duration) time.Duration {
	return time.Duration(uniform(f.config.Seed, 0, 7) * float64(period))
}

func (f *Fleet) at(second int) metav1.Time {
	return metav1.NewTime(f.epoch.Add(time.Duration(second) * time.Second))
}

func (f *Fleet) step() {
	s := f.second
	f.live(s)
	f.reconcile(s)
	row := f.serve(s)
	f.scrape(s)
	f.Rows = append(f.Rows, row)
	f.second++
}

// live moves pods on: Pending, Running, Ready, gone.
func (f *Fleet) live(s int) {
	changed := false
	for _, p := range f.pods {
		switch {
		case p.gone != 0 && s >= p.gone:
			changed = true
			for _, series := range p.series {
				series.MarkStale(int64(s) * 1000)
			}
		case p.isReady || p.gone != 0:
		case s >= p.ready:
			p.isReady = true
			p.run(f.at(p.running))
			p.object.Status.Conditions[0].Status = corev1.ConditionTrue
			p.object.Status.Conditions[0].LastTransitionTime = f.at(p.ready)
		case s >= p.running && p.object.Status.Phase == corev1.PodPending:
			p.run(f.at(p.running))
		}
	}
	if !changed {
		return
	}
	kept := f.pods[:0]
	f.objects = f.objects[:0]
	for _, p := range f.pods {
		if p.gone == 0 || s < p.gone {
			kept = append(kept, p)
			f.objects = append(f.objects, p.object)
		}
	}
	clear(f.pods[len(kept):])
	f.pods = kept
	f.store.Forget(int64(s)*1000 - f.horizon.Milliseconds())
}

func (p *pod) run(since metav1.Time) {
	p.object.Status.Phase = corev1.PodRunning
	p.object.Status.StartTime = &since
}

// burst is how many pods the ReplicaSet controller makes or deletes in one go (BurstReplicas in
// pkg/controller/replicaset).
const burst = 500

// reconcile is the ReplicaSet controller: it makes pods, or picks victims in its own order.
func (f *Fleet) reconcile(s int) {
	for n := 0; f.active < f.spec && n < burst; n++ {
		f.create()
	}
	f.schedule(s)
	if f.active <= f.spec {
		return
	}
	candidates := controller.ActivePodsWithRanks{Now: f.at(s)}
	byName := make(map[types.UID]*pod, f.active)
	for _, p := range f.pods {
		if p.gone == 0 {
			if f.config.Sessions != nil && f.config.Sessions.FewestFirst {
				p.rank()
			}
			candidates.Pods = append(candidates.Pods, p.object)
			byName[p.object.UID] = p
		}
	}
	// Every pod has a node of its own, so none is doubled up.
	candidates.Rank = make([]int, len(candidates.Pods))
	sort.Sort(candidates)
	for _, object := range candidates.Pods[:min(burst, f.active-f.spec)] {
		p := byName[object.UID]
		now := f.at(s)
		object.DeletionTimestamp = &now
		p.gone = f.leave(p, s)
		if object.Spec.NodeName == "" {
			p.gone = s + 1 // nothing runs that could drain
		}
		p.isReady, p.weight, p.share = false, 0, 0
		f.active--
	}
}

// node is the name of every node: none is ever doubled up.
const node = "node"

// schedule gives the pods that wait a node each, placeholders' nodes too, as long as there are any, and orders one for each pod
// and placeholder that has none.
func (f *Fleet) schedule(s int) {
	for len(f.ordered) > 0 && f.ordered[0] <= s {
		f.ordered = f.ordered[1:]
		f.nodes++
	}
	room := f.nodes
	for _, p := range f.pods {
		if p.object.Spec.NodeName != "" {
			room--
		}
	}
	for _, p := range f.pods {
		if p.object.Spec.NodeName != "" || p.gone != 0 || f.config.NodeStart > 0 && room <= 0 {
			continue
		}
		room--
		p.object.Spec.NodeName = node
		start := f.config.PodStart.Seconds() * (1 + f.config.StartSpread*noise(f.config.Seed, p.id, 0, 3))
		// Scheduling and pulling take a fifth of the start; then the process comes up.
		p.running = s + int(math.Round(start/5))
		p.ready = s + max(1, int(math.Round(start)))
	}
	wanted := len(f.pods) + f.config.Placeholders
	f.nodes = min(f.nodes, wanted)
	for f.nodes+len(f.ordered) < wanted {
		f.ordered = append(f.ordered, s+int(f.config.NodeStart/time.Second))
	}
	f.ordered = f.ordered[:wanted-f.nodes]
}

// suffix is the end of a pod's name, five characters of the alphabet of Kubernetes' names.
func suffix(id uint64) string {
	const alphabet = "bcdfghjklmnpqrstvwxz2456789"
	var text [5]byte
	for i := range text {
		text[len(text)-1-i] = alphabet[id%uint64(len(alphabet))]
		id /= uint64(len(alphabet))
	}
	return string(text[:])
}

// never is the second of what has not been decided.
const never = math.MaxInt

func (f *Fleet) create() *pod {
	f.made++
	id := f.made
	name := f.identity.Name + "-5d4b7c9f68-" + suffix(id)
	created := f.at(f.second)
	p := &pod{id: id, running: never, ready: never, factor: 1 + f.config.CapacitySpread*noise(f.config.Seed, id, 0, 1), object: &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: f.identity.Namespace, UID: types.UID(name),
			Labels: f.identity.Labels, CreationTimestamp: created},
		Spec: corev1.PodSpec{Containers: []corev1.Container{{Name: f.identity.Container,
			Resources: corev1.ResourceRequirements{Requests: corev1.ResourceList{corev1.ResourceCPU: f.cores}}}}},
		Status: corev1.PodStatus{Phase: corev1.PodPending,
			Conditions: []corev1.PodCondition{{Type: corev1.PodReady, Status: corev1.ConditionFalse, LastTransitionTime: created}}},
	}}
	p.counters[capacityCores] = 1
	interval := f.config.ScrapeInterval.Milliseconds()
	p.scrape = int64(f.second)*1000/interval*interval + int64(uniform(f.config.Seed, id, 2)*float64(interval))
	f.pods = append(f.pods, p)
	f.objects = append(f.objects, p.object)
	f.active++
	return p
}

// serve gives one second's load to the ready pods.
func (f *Fleet) serve(s int) Row {
	if f.config.Sessions != nil {
		return f.hold(s)
	}
	return f.render(s)
}

// render offers one second's frames to the ready pods.
func (f *Fleet) render(s int) Row {
	at := min(max(s, 0), len(f.load)-1)
	row := Row{Load: f.load[at], Capacity: f.capacity[at], Spec: f.spec, Pods: len(f.pods) + f.config.Placeholders}
	row.Frames = row.Load * f.config.FrameRate
	for _, p := range f.pods {
		if p.isReady {
			row.Ready++
		}
	}
	if row.Ready == 0 {
		row.Late = row.Frames
		return row
	}
	// Connections end at a fixed age and are then made anew with any pod: on average half of the
	// maximum age after a change.
	even := 1 / float64(row.Ready)
	renewed := min(1, 2/max(1, f.config.ConnectionMaxAge.Seconds()))
	total := 0.0
	for _, p := range f.pods {
		if p.isReady {
			p.weight += (even - p.weight) * renewed
			p.share = p.weight * (1 + f.config.LoadNoise*noise(f.config.Seed, p.id, uint64(s), 4)) * f.config.stuck(p.id, s)
			total += p.share
		}
	}
	cost := (1 - f.config.IdleCPU) / f.config.FrameRate / (1 - (1-row.Capacity)*f.config.SeenDrop)
	for _, p := range f.pods {
		if !p.isReady {
			continue
		}
		offered := row.Frames * p.share / total
		if f.config.MostLoad > 0 {
			offered = min(offered, f.config.MostLoad*f.config.FrameRate)
		}
		can := f.config.FrameRate * p.factor * row.Capacity * (1 + f.config.CapacityNoise*noise(f.config.Seed, p.id, uint64(s), 5))
		late := max(0, offered-can)
		row.Late += late
		p.step[frames] = offered
		p.step[overBudget] = late
		p.step[refused] = late
		p.step[renderCPU] = (offered - late) * cost / p.factor
		p.step[offeredCPU] = offered * cost / p.factor
		p.step[processCPU] = (p.step[renderCPU] + f.config.IdleCPU) * f.config.Cores
	}
	return row
}

// kubeStateMetricsInterval is the time between two scrapes of kube-state-metrics, in seconds: the chart's own.
const kubeStateMetricsInterval = 5

// scrape takes the samples that fall into the second and adds the second to the counters.
func (f *Fleet) scrape(s int) {
	start, end := int64(s)*1000, int64(s+1)*1000
	if f.replicas != nil && s%kubeStateMetricsInterval == 0 {
		f.replicas.Append(start, float64(f.spec))
	}
	for _, p := range f.pods {
		for p.scrape < end {
			at := p.scrape
			p.scrape += f.config.ScrapeInterval.Milliseconds()
			if s < p.running || at < start {
				continue
			}
			if p.series == nil {
				f.discover(p)
			}
			// A process that still starts is a target that does not answer.
			answered := s >= p.ready && !(f.config.Unscraped != nil && f.config.Unscraped(at)) && !(f.config.ScrapeLoss > 0 && uniform(f.config.Seed, p.id^uint64(at)<<20, 6) < f.config.ScrapeLoss)
			part := float64(at-start) / 1000
			for i, m := range p.exported {
				if m == up {
					p.series[i].Append(at, map[bool]float64{true: 1}[answered])
					continue
				}
				if !answered {
					continue
				}
				value := p.counters[m] + part*p.step[m]
				if f.config.Exported != nil {
					value = f.config.Exported(p.id, Metrics[m], at, value)
				}
				p.series[i].Append(at, value)
			}
		}
		if p.isReady || p.step[frames] != 0 {
			for m := range p.step {
				p.counters[m] += p.step[m]
			}
			if !p.isReady {
				p.step = [numMetrics]float64{}
			}
		}
	}
}

func (f *Fleet) discover(p *pod) {
	ls := labels.FromStrings("namespace", f.identity.Namespace, "pod", p.object.Name, "container", f.identity.Container,
		"job", f.identity.Name, "instance", fmt.Sprintf("10.%d.%d.%d:8080", p.id>>16&255, p.id>>8&255, p.id&255))
	for _, m := range f.wanted {
		p.series = append(p.series, f.store.Add(Metrics[m], ls))
		p.exported = append(p.exported, m)
	}
}
