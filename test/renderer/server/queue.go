package server

import (
	"container/list"
	"sync"
	"sync/atomic"
	"time"
)

// job is one frame on its way through the queue.
type job struct {
	request
	deadline time.Time
	gone     atomic.Bool // its client is

	// The worker fills these in before it sends on done.
	frame     []byte
	rendered  bool // false: the budget was spent, or the client gone, when the frame's turn came
	started   time.Time
	completed time.Time
	cpu       time.Duration

	done    chan struct{} // holds one
	element *list.Element // the place in the queue, nil when not waiting
}

// queue hands frames to workers in the order of their arrival. It takes no more than the workers
// and the waiting places hold, and a frame can leave it while it waits.
type queue struct {
	workers, places int

	mu       sync.Mutex
	arrived  *sync.Cond
	waiting  list.List
	inFlight int
	closed   bool
}

func newQueue(workers, places int) *queue {
	q := &queue{workers: workers, places: places}
	q.arrived = sync.NewCond(&q.mu)
	return q
}

// offer puts j in the queue and reports whether there was a place.
func (q *queue) offer(j *job) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed || q.waiting.Len()+q.inFlight >= q.workers+q.places {
		return false
	}
	j.element = q.waiting.PushBack(j)
	q.arrived.Signal()
	return true
}

// withdraw takes j out of the queue and reports whether it was still waiting.
func (q *queue) withdraw(j *job) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if j.element == nil {
		return false
	}
	q.waiting.Remove(j.element)
	j.element = nil
	return true
}

// next waits for a frame. It returns nil once the queue is closed and empty.
func (q *queue) next() *job {
	q.mu.Lock()
	defer q.mu.Unlock()
	for q.waiting.Len() == 0 {
		if q.closed {
			return nil
		}
		q.arrived.Wait()
	}
	j := q.waiting.Remove(q.waiting.Front()).(*job)
	j.element = nil
	q.inFlight++
	return j
}

// finish frees the place of a frame that next returned and tells the one who offered it.
func (q *queue) finish(j *job) {
	q.mu.Lock()
	q.inFlight--
	q.mu.Unlock()
	j.done <- struct{}{}
}

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
	return q.waiting.Len(), q.inFlight
}
