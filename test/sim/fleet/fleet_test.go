package fleet

import (
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"

	"holograph/test/sim/query"
)

var (
	identity = Identity{Namespace: "n", Name: "renderer", Container: "renderer", Labels: map[string]string{"app": "renderer"}}
	epoch    = time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)
)

// constant is a load in pods' worth that does not change.
func constant(load float64, seconds int) (l, c []float64) {
	for range seconds {
		l, c = append(l, load), append(c, 1)
	}
	return l, c
}

func start(t *testing.T, config Config, replicas int, load, capacity []float64) (*Fleet, *query.Store) {
	t.Helper()
	store := query.NewStore()
	store.Keep(20)
	f, err := New(config, identity, epoch, replicas, load, capacity, store, Metrics, 2*time.Minute)
	require.NoError(t, err)
	return f, store
}

func (f *Fleet) run(seconds int) { f.AdvanceTo(epoch.Add(time.Duration(seconds) * time.Second)) }

// TestFluidAgreesWithFrames renders frame by frame, as the reference renderer does: one frame at a
// time, paced arrivals that jitter, and a frame that cannot start in time is refused.
func TestFluidAgreesWithFrames(t *testing.T) {
	config := Defaults()
	config.CapacitySpread = 0
	for _, utilization := range []float64{0.5, 0.75, 0.85, 1, 1.2, 1.6, 2.25} {
		random := rand.New(rand.NewPCG(3, 0))
		const service, budget = 1.0 / 60, 2.0 / 60
		free, frames, late, pace := 0.0, 0.0, 0.0, 0.0
		for second := 0.0; second < 2000; second++ {
			rate := 60 * utilization * (1 + config.LoadNoise*random.NormFloat64())
			cost := service / (1 + config.CapacityNoise*random.NormFloat64())
			for ; pace < second+1; pace += 1 / rate {
				scheduled := pace + 0.15*random.NormFloat64()/rate
				begin := math.Max(scheduled, free)
				frames++
				if begin+cost > scheduled+budget {
					late++
					continue
				}
				free = begin + cost
			}
		}
		load, capacity := constant(4*utilization, 2000)
		f, _ := start(t, config, 4, load, capacity)
		f.run(2000)
		var offered, missed float64
		for _, row := range f.Rows {
			offered += row.Frames
			missed += row.Late
		}
		assert.InDelta(t, late/frames, missed/offered, 0.012, "share of late frames at utilization %v", utilization)
		assert.InDelta(t, config.LateShare(utilization), missed/offered, 0.005, "the formula that the oracle uses, at utilization %v", utilization)
	}
}

func TestUtilizationIsTheInverse(t *testing.T) {
	config := Defaults()
	assert.InDelta(t, 0.01, config.LateShare(config.Utilization(0.01)), 1e-6)
	assert.InDelta(t, 0.94, config.Utilization(0.01), 0.02)
}

// TestPodsWaitForNodes: a pod takes a placeholder's node at once, the next one waits for a new node, and then the placeholder
// has one again.
func TestPodsWaitForNodes(t *testing.T) {
	config := Defaults()
	config.StartSpread, config.PodStart = 0, 10*time.Second
	config.NodeStart, config.Placeholders = 100*time.Second, 1
	load, capacity := constant(1, 400)
	f, _ := start(t, config, 2, load, capacity)
	ready := func(second int) int {
		f.run(second + 1)
		return f.Rows[second].Ready
	}
	f.run(10)
	f.SetScale(4)
	assert.Equal(t, []int{2, 3}, []int{ready(19), ready(20)}, "Ready pods before and after the start of one that takes the placeholder's node")
	waiting := f.Pods()[3]
	assert.Empty(t, waiting.Spec.NodeName, "the node of the second pod, before a new one is there")
	assert.Equal(t, corev1.PodPending, waiting.Status.Phase)
	assert.Equal(t, []int{3, 4}, []int{ready(119), ready(120)}, "Ready pods before and after the start of the second, on the new node")
	f.SetScale(5)
	assert.Equal(t, []int{4, 5}, []int{ready(130), ready(131)}, "Ready pods: the placeholder had a node again")
	assert.Equal(t, 6, f.Rows[131].Pods, "pods, of which one is the placeholder")
	f.SetScale(2)
	f.run(150)
	f.SetScale(4)
	assert.Equal(t, []int{3, 3, 4}, []int{ready(160), ready(259), ready(260)}, "Ready pods: the nodes of the pods that left are gone")

	config.NodeStart = 0
	f, _ = start(t, config, 2, load, capacity)
	f.run(10)
	f.SetScale(9)
	assert.Equal(t, []int{2, 9}, []int{ready(19), ready(20)}, "Ready pods where every pod finds room")
}

// TestPodLife follows a pod from its creation to its end.
func TestPodLife(t *testing.T) {
	config := Defaults()
	config.StartSpread = 0
	load, capacity := constant(3, 400)
	f, store := start(t, config, 2, load, capacity)
	f.run(10)
	f.SetScale(3)
	f.run(11)
	newcomer := f.Pods()[2]
	assert.Equal(t, corev1.PodPending, newcomer.Status.Phase)
	f.run(14)
	assert.Equal(t, corev1.PodRunning, newcomer.Status.Phase, "a fifth of the start is scheduling and pulling")
	assert.Equal(t, corev1.ConditionFalse, newcomer.Status.Conditions[0].Status)
	f.run(26)
	assert.Equal(t, corev1.ConditionTrue, newcomer.Status.Conditions[0].Status)
	assert.Equal(t, []int{2, 3}, []int{f.Rows[24].Ready, f.Rows[25].Ready})
	assert.Less(t, f.Rows[25].Late, f.Rows[24].Late)
	assert.Greater(t, f.Rows[25].Late, 30.0, "connections are still with the old pods")

	values := func(at int) map[string]float64 {
		q, err := query.Compile(store, `rate(holograph_offered_cpu_seconds_total[40s])`)
		require.NoError(t, err)
		got := map[string]float64{}
		require.NoError(t, q.Eval(int64(at)*1000, nil, func(s query.Sample) { got[s.Labels.Get("pod")] = s.Value }))
		return got
	}
	f.run(30)
	assert.NotContains(t, values(30), newcomer.Name, "one scrape is no rate yet")
	f.run(90)
	assert.Less(t, f.Rows[50].Late, 15.0)
	assert.InDelta(t, 1, values(90)[newcomer.Name], 0.1)

	f.SetScale(2)
	f.run(91)
	assert.NotNil(t, newcomer.DeletionTimestamp, "the youngest pod goes first")
	spec, status := f.Scale()
	assert.Equal(t, []int{2, 2, 3}, []int{spec, status, len(f.Pods())})
	f.run(101)
	assert.Len(t, f.Pods(), 2, "drained")
	assert.Contains(t, values(105), newcomer.Name, "a range still sees a pod that is gone")
	f.run(300)
	assert.NotContains(t, values(300), newcomer.Name)
}

// TestVictims: pods that have no node yet go first, then the ones not ready, then the youngest.
func TestVictims(t *testing.T) {
	config := Defaults()
	config.StartSpread = 0
	load, capacity := constant(1, 400)
	f, _ := start(t, config, 3, load, capacity)
	f.SetScale(5)
	f.run(100)
	f.SetScale(6)
	f.run(110)
	f.SetScale(7)
	f.run(111)
	f.SetScale(4)
	f.run(112)
	var victims []int
	for _, p := range f.pods {
		if p.object.DeletionTimestamp != nil {
			victims = append(victims, int(p.id))
		}
	}
	require.Len(t, victims, 3)
	assert.Contains(t, victims, 7, "Pending")
	assert.Contains(t, victims, 6, "Running, not Ready")
	assert.Subset(t, []int{4, 5}, victims[:1], "Ready for the shortest time")
}

func TestScrapePhases(t *testing.T) {
	load, capacity := constant(5, 60)
	f, _ := start(t, Defaults(), 10, load, capacity)
	f.run(60)
	phases := map[int64]bool{}
	for _, p := range f.pods {
		phases[(p.scrape%15000+15000)%15000] = true
	}
	assert.Len(t, phases, 10, "every pod has a phase of its own")
}

// TestCounters: what pods export adds up to what the rows say.
func TestCounters(t *testing.T) {
	load, capacity := constant(4, 600)
	f, _ := start(t, Defaults(), 3, load, capacity)
	before := map[int]float64{}
	sum := func(m int) (total float64) {
		for _, p := range f.pods {
			total += p.counters[m]
		}
		return total
	}
	for m := range numMetrics {
		before[m] = sum(m)
	}
	f.run(600)
	var offered, late float64
	for _, row := range f.Rows {
		offered += row.Frames
		late += row.Late
	}
	assert.InDelta(t, offered, sum(frames)-before[frames], 1e-6*offered)
	assert.InDelta(t, late, sum(overBudget)-before[overBudget], 1e-6*offered)
	assert.InDelta(t, 4, (sum(offeredCPU)-before[offeredCPU])/600, 0.2, "demand does not saturate")
	assert.Less(t, (sum(renderCPU)-before[renderCPU])/600, 3.05, "rendering does")
}

// TestIdleCPU: what a pod takes beside frames leaves less of its CPU to them, and is there without any.
func TestIdleCPU(t *testing.T) {
	config := Defaults()
	config.IdleCPU = 0.1
	for name, c := range map[string]struct{ load, rendering, process float64 }{
		"no frames":           {0, 0, 3 * 0.1},
		"half of what it can": {1.5, 1.5 * 0.9, 1.5*0.9 + 3*0.1},
		"more than it can":    {6, 3 * 0.9, 3},
	} {
		load, capacity := constant(c.load, 600)
		f, _ := start(t, config, 3, load, capacity)
		sum := func(m int) (total float64) {
			for _, p := range f.pods {
				total += p.counters[m]
			}
			return total
		}
		rendering, process := sum(renderCPU), sum(processCPU)
		f.run(600)
		assert.InDelta(t, c.rendering, (sum(renderCPU)-rendering)/600, 0.1, name)
		assert.InDelta(t, c.process, (sum(processCPU)-process)/600, 0.1, name)
	}
}

// TestLoadSpread: over a minute pods differ by the spread asked for, and within a second by more, as connections last
// less than a minute.
func TestLoadSpread(t *testing.T) {
	config := Defaults()
	config.LoadNoise, config.LoadSpread = 0, 0.1
	const pods, minutes = 10, 200
	load, capacity := constant(5, 60*minutes)
	f, _ := start(t, config, pods, load, capacity)
	variance := func(values []float64) float64 {
		mean, squares := 0.0, 0.0
		for _, v := range values {
			mean += v / pods
		}
		for _, v := range values {
			squares += (v/mean - 1) * (v/mean - 1) / (pods - 1)
		}
		return squares
	}
	var inMinutes, inSeconds float64
	for minute := range minutes {
		minuteLoad, secondLoad := make([]float64, pods), make([]float64, pods)
		for i, p := range f.pods {
			minuteLoad[i] = -p.counters[frames]
		}
		f.run(60 * (minute + 1))
		for i, p := range f.pods {
			minuteLoad[i] += p.counters[frames]
			secondLoad[i] = p.step[frames]
		}
		inMinutes += variance(minuteLoad) / minutes
		inSeconds += variance(secondLoad) / minutes
	}
	assert.InDelta(t, 0.1, math.Sqrt(inMinutes), 0.01)
	assert.InDelta(t, 0.1/(4/math.Pi*math.Sqrt(10./60)), math.Sqrt(inSeconds), 0.02)
}

func TestAPodIsOfferedNoMoreThanItsMostLoad(t *testing.T) {
	config := Defaults()
	config.MostLoad = 300
	load, capacity := constant(10000, 10)
	f, _ := start(t, config, 2, load, capacity)
	f.run(10)
	for _, p := range f.pods {
		assert.InDelta(t, 300*config.FrameRate, p.step[frames], 1e-9, "frames per second offered to one of two pods with 10,000 pods' load")
	}
}

// TestCores: CPU use and what a pod asks for are told in cores, whatever part of one a pod has.
func TestCores(t *testing.T) {
	config := Defaults()
	config.Cores = 0.03
	load, capacity := constant(1.5, 600)
	f, _ := start(t, config, 3, load, capacity)
	used := 0.0
	for _, p := range f.pods {
		used -= p.counters[processCPU]
	}
	f.run(600)
	for _, p := range f.pods {
		used += p.counters[processCPU]
		assert.Equal(t, "30m", p.object.Spec.Containers[0].Resources.Requests.Cpu().String())
	}
	assert.InDelta(t, 1.5*0.03, used/600, 0.001)
}

func TestUnknownMetric(t *testing.T) {
	load, capacity := constant(1, 60)
	_, err := New(Defaults(), identity, epoch, 1, load, capacity, query.NewStore(), []string{"frames_missed"}, time.Minute)
	assert.EqualError(t, err, `the renderer's model exports no metric "frames_missed"`)
}

func TestNoise(t *testing.T) {
	var sum, squares float64
	const n = 100_000
	for i := range uint64(n) {
		v := noise(1, i%100, i/100, 4)
		sum += v
		squares += v * v
	}
	assert.InDelta(t, 0, sum/n, 0.02)
	assert.InDelta(t, 1, squares/n, 0.02)
}
