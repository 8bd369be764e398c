package commitlog

import (
	"context"
	"runtime"
	"sync"
	"time"

	"github.com/firnlog/firn/layout/event"
	"github.com/firnlog/firn/layout/fault"
)

// Bounds of group commit. A group is what waits when the one before it is
// stored, up to groupEvents and groupBytes (a single request may be larger); a
// queue takes queueBytes, and who comes then waits for room.
const (
	groupEvents = 100_000
	groupBytes  = 32 << 20
	queueBytes  = 128 << 20
)

// groupTime bounds how long a group is tried: then its outcome is unknown, or
// surely failed.
const groupTime = 30 * time.Second

// probeAge is how old, by about a round trip, the knowledge of the log's end may
// be that a writer goes by where others write, too.
const probeAge = 50 * time.Millisecond

// requestTime bounds how long after its arrival a request may still be planned.
// A process that slept for weeks must not carry out what it was asked before: the
// key under which it was to be found again may be forgotten by then.
const requestTime = 15 * time.Minute

// writer appends to one shard for this process. Requests queue up, and one
// goroutine, which lives only while there are some, commits them in groups:
// only one PUT for each shard and process is under way.
type writer struct {
	log      *Log
	instance string
	shard    int

	mu      sync.Mutex // guards what is below
	queue   []*request
	bytes   int           // of the events in the queue and in the group
	room    chan struct{} // closed when bytes shrink; nil when nobody waits for that
	running bool

	// The goroutine's own:
	st       *state        // nil when nothing is known
	current  time.Time     // when it was the log's end, for all that was known
	shared   bool          // others wrote to the shard when we last looked
	skew     time.Duration // how far the store's clock was ahead of ours
	compared time.Time     // when they were compared last, by ours
}

// request is one shard's part of a batch on its way.
type request struct {
	batch      Batch
	generation int64    // of the instance, as the caller knows it
	drop       bool     // a drop commit instead of events
	erase      *Erasure // an erasure instead of events, with the batch's rows as they are
	size       int      // of the events in bytes
	heads      []*head  // of the events' streams, for the plan that is being made
	arrived    time.Time
	done       chan outcome
}

// alone reports whether the request needs a commit of its own.
func (r *request) alone() bool { return r.drop || r.erase != nil }

// outcome is what became of a request.
type outcome struct {
	events   []event.Event
	position int64
	replayed bool
	err      error
}

func newRequest(b Batch, generation int64, now time.Time) *request {
	r := &request{batch: b, generation: generation, arrived: now, done: make(chan outcome, 1)}
	for i := range b.Events {
		r.size += b.Events[i].Size()
	}
	return r
}

// submit queues a request and waits for its outcome. When ctx ends first, a
// request that is still in the queue is taken out and surely not written; for
// one that is in a group the outcome is Unknown to the caller, and the group goes
// on.
func (w *writer) submit(ctx context.Context, r *request) outcome {
	if err := w.enqueue(ctx, r); err != nil {
		return outcome{err: err}
	}
	select {
	case o := <-r.done:
		return o
	case <-ctx.Done():
	}
	if w.withdraw(r) {
		return outcome{err: fault.New(fault.Unavailable, "the append was given up before it was written: %w", ctx.Err())}
	}
	select {
	case o := <-r.done: // it was settled at the same moment
		return o
	default:
		return outcome{err: fault.New(fault.Unknown, "the append was given up while it was being written: %w", ctx.Err())}
	}
}

// enqueue adds r to the queue once there is room, and starts the goroutine.
func (w *writer) enqueue(ctx context.Context, r *request) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	for w.bytes > 0 && w.bytes+r.size > w.log.queue {
		if w.room == nil {
			w.room = make(chan struct{})
		}
		room := w.room
		w.mu.Unlock()
		select {
		case <-room:
			w.mu.Lock()
		case <-ctx.Done():
			w.mu.Lock()
			return fault.New(fault.Overload, "shard %d of %s takes in all that it can", w.shard, w.instance)
		}
	}
	w.queue = append(w.queue, r)
	w.bytes += r.size
	if !w.running {
		w.running = true
		go w.run()
	}
	return nil
}

// withdraw takes r out of the queue. It reports false when r is in a group.
func (w *writer) withdraw(r *request) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	for i, q := range w.queue {
		if q == r {
			w.queue = append(w.queue[:i:i], w.queue[i+1:]...)
			w.free(r)
			return true
		}
	}
	return false
}

// free gives back the room that r took. The lock is held.
func (w *writer) free(r *request) {
	w.bytes -= r.size
	if w.room != nil {
		close(w.room)
		w.room = nil
	}
}

// run commits groups until the queue is empty.
func (w *writer) run() {
	for {
		runtime.Gosched() // requests that are ready to be queued join the group
		if !w.wanted() {
			return
		}
		w.linger()
		group := w.take()
		if len(group) == 0 {
			return
		}
		ctx, cancel := context.WithTimeout(context.Background(), groupTime)
		deferred := w.commit(ctx, group)
		cancel()
		w.putBack(deferred)
	}
}

// wanted reports whether anything waits. If not, the goroutine has to end.
func (w *writer) wanted() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.running = len(w.queue) > 0
	return w.running
}

// take returns the next group. Two requests with the same idempotency key are
// never in one group, since the later one must be answered like the first; a
// drop or an erasure is a group of its own.
func (w *writer) take() []*request {
	w.mu.Lock()
	defer w.mu.Unlock()
	var group, rest []*request
	keys := map[string]bool{}
	events, bytes := 0, 0
	for i, r := range w.queue {
		full := len(group) > 0 && (events+len(r.batch.Events) > groupEvents || bytes+r.size > groupBytes || r.alone() || group[0].alone())
		if full {
			rest = append(rest, w.queue[i:]...)
			break
		}
		if key := r.batch.Key; key != "" {
			if keys[key] {
				rest = append(rest, r)
				continue
			}
			keys[key] = true
		}
		group = append(group, r)
		events += len(r.batch.Events)
		bytes += r.size
	}
	w.queue = rest
	w.running = len(group) > 0
	return group
}

// putBack returns requests to the head of the queue: they wait for the outcome
// of the group that was just stored.
func (w *writer) putBack(rs []*request) {
	if len(rs) == 0 {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.queue = append(rs, w.queue...)
}

// settle answers a request.
func (w *writer) settle(r *request, o outcome) {
	w.mu.Lock()
	w.free(r)
	w.mu.Unlock()
	r.done <- o
}
