package server

import (
	"container/list"
	"slices"
	"sync"
	"time"
)

// job is one frame on its way through the queue.
type job struct {
	request
	deadline time.Time

	// The queue's.
	gone     bool          // its client is
	promised bool          // a worker was free when it came, so it is begun unless its budget is spent
	element  *list.Element // the place in the queue, nil when not waiting
	done     chan struct{} // holds one

	// Set before done is sent on.
	fate      fate
	frame     *[]byte
	started   time.Time // when its turn came
	completed time.Time
	cpu       time.Duration
}

// fate is what becomes of a frame whose turn has come.
type fate int

const (
	rendered  fate = iota
	late           // it cannot be complete in time any more
	abandoned      // it could, but its client had gone
)

// queue hands frames to workers in the order of their arrival. It takes a frame only if the frame can be complete in
// time behind those that it has taken already, and a frame can leave it while it waits.
type queue struct {
	workers int
	places  int // for frames that wait
	budget  time.Duration

	mu       sync.Mutex
	arrived  *sync.Cond
	waiting  list.List // of *job
	wanted   int       // how many of them have a client yet
	inFlight []*job    // those being rendered; in front the one that began first
	pace     pace
	refusals float64 // the share of the last frames that were refused when they came
	closed   bool
}

// crowded is the share of refused frames from which the whole margin applies. At 1.2 times the capacity one frame in six
// is refused.
const crowded = 0.1

func newQueue(workers, places int, budget time.Duration) *queue {
	q := &queue{workers: workers, places: places, budget: budget}
	q.arrived = sync.NewCond(&q.mu)
	return q
}

// offer puts j in the queue, unless it is closed or j would not be complete in time, and reports whether it did.
//
// A frame that finds a worker free is taken whatever frames took of late: it takes nobody's turn, and where the pace
// is wrong, as after a single hitch or a change of the scene, this is how the queue comes to know.
func (q *queue) offer(j *job) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed || q.waiting.Len() >= q.places {
		return false
	}
	j.promised = q.wanted < q.workers-len(q.inFlight)
	if !j.promised && q.expected(time.Now()).After(j.deadline) {
		q.refusals += (1 - q.refusals) / remembered
		return false
	}
	q.refusals -= q.refusals / remembered
	j.element = q.waiting.PushBack(j)
	q.wanted++
	q.arrived.Signal()
	return true
}

// expected is when a frame that comes now should be complete, with a margin. Frames whose clients have gone take no
// time.
//
// The margin grows with the share of frames that are refused. A queue that is full most of the time loses the capacity
// that its late frames take. One that is full now and then loses nothing by a late frame, and would refuse frames that
// are in time more often than not: with the whole margin, a pod with a limit of a tenth of a core refused 1 % of its
// frames at 45 % of its capacity. q.mu is held.
func (q *queue) expected(now time.Time) time.Time {
	// Workers become free in the order in which they began, and those that wait take them in turns.
	rounds, worker := q.wanted/q.workers, q.wanted%q.workers
	took := time.Duration(rounds+1) * q.pace.mean
	before := rounds
	if idle := q.workers - len(q.inFlight); worker >= idle {
		took += max(0, q.pace.mean-now.Sub(q.inFlight[worker-idle].started))
		before++
	}
	return now.Add(took + time.Duration(float64(q.pace.margin(before))*min(1, q.refusals/crowded)))
}

// leave notes that the client of j has gone. A frame that waits keeps its place: whether the renderer is late shows
// when its turn comes. If it left with its client, clients that give up would hide an overload.
func (q *queue) leave(j *job) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if j.element != nil && !j.gone {
		j.gone = true
		q.wanted--
	}
}

// withdraw takes j out of the queue and reports whether it was still waiting.
func (q *queue) withdraw(j *job) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if j.element == nil {
		return false
	}
	q.remove(j)
	return true
}

// remove takes a waiting frame out. q.mu is held.
func (q *queue) remove(j *job) {
	q.waiting.Remove(j.element)
	j.element = nil
	if !j.gone {
		q.wanted--
	}
}

// next waits for a frame to render. It decides the fate of those before it that are not worth rendering, and returns
// nil once the queue is closed and empty.
func (q *queue) next() *job {
	q.mu.Lock()
	defer q.mu.Unlock()
	for {
		for q.waiting.Len() == 0 {
			if q.closed {
				return nil
			}
			q.arrived.Wait()
		}
		j := q.waiting.Front().Value.(*job)
		q.remove(j)
		j.started = time.Now()
		needed := q.pace.rest(q.wanted > 0)
		if j.promised {
			needed = 1
		}
		switch {
		case j.started.Add(needed).After(j.deadline):
			j.fate = late
		case j.gone:
			j.fate = abandoned
		default:
			j.fate = rendered
			q.inFlight = append(q.inFlight, j)
			return j
		}
		j.done <- struct{}{}
	}
}

// finish takes back a frame that next returned, once it is complete, and tells the one who offered it.
func (q *queue) finish(j *job) {
	q.mu.Lock()
	i := slices.Index(q.inFlight, j)
	q.inFlight = slices.Delete(q.inFlight, i, i+1)
	q.learn(j.completed.Sub(j.started))
	q.mu.Unlock()
	j.done <- struct{}{}
}

// warmUp starts the pace.
func (q *queue) warmUp(took time.Duration) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.learn(took)
}

// learn adds a frame to the pace. How much longer than the budget it took does not matter, it was late; and one hitch
// of a second would keep the others out until it is forgotten. q.mu is held.
func (q *queue) learn(took time.Duration) { q.pace.add(min(took, q.budget)) }

// close lets the workers go once the queue is empty.
func (q *queue) close() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.closed = true
	q.arrived.Broadcast()
}

// depth is the number of frames waiting and being rendered now.
func (q *queue) depth() (waiting, inFlight int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.waiting.Len(), len(q.inFlight)
}
