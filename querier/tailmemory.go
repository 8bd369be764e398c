package querier

import (
	"context"
	"time"

	"golang.org/x/sync/semaphore"

	"github.com/firnlog/firn/layout/event"
)

// Bounds of live tails, by which a reader that is slow, or gone, costs a process
// little more than its cursor.
const (
	// tailBytes bounds the events that one tail has read ahead: the last may go
	// beyond it.
	tailBytes = 4 << 20
	// tailsBytes bounds those of all tails. Who finds no room waits.
	tailsBytes = 256 << 20
	// tailPatience is how long events that were read ahead wait for their
	// reader. Then they are let go, and read again from its cursor.
	tailPatience = 30 * time.Second
	// tailReplays bounds the tails that scan data files at the same time.
	tailReplays = 4
)

// tails is what the tails of an engine share.
type tails struct {
	src     Source
	memory  *semaphore.Weighted
	replays *semaphore.Weighted
	decoded *decoded
}

func newTails(src Source) *tails {
	return &tails{src: src, memory: semaphore.NewWeighted(tailsBytes), replays: semaphore.NewWeighted(tailReplays), decoded: newDecoded(decodedBytes)}
}

// ahead is what a tail has read and not yet returned: events of one shard in
// append order.
type ahead struct {
	events []event.Event
	shard  int
	behind mark  // where the shard is read on
	bytes  int64 // that are taken of tails.memory
	timer  *time.Timer
}

// take returns an event that was read ahead.
func (t *Tail) take() (event.Event, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	a := &t.ahead
	if len(a.events) == 0 {
		return event.Event{}, false
	}
	e := a.events[0]
	a.events = a.events[1:]
	t.marks[a.shard] = behind(e.Place)
	if len(a.events) == 0 {
		t.marks[a.shard] = a.behind
		t.letGo()
	}
	return e, true
}

// letGo forgets what was read ahead. t.mu is held.
func (t *Tail) letGo() {
	t.memory.Release(t.ahead.bytes)
	if t.ahead.timer != nil {
		t.ahead.timer.Stop()
	}
	t.ahead = ahead{}
}

// keep keeps events of one shard until they are taken, or for tailPatience, and
// as much of the room as they need; behind is where the shard is read on
// afterwards. It reports whether there are any.
func (t *Tail) keep(events []event.Event, shard int, behind mark, r *room) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.alive.Err() != nil {
		return false
	}
	if len(events) == 0 {
		t.marks[shard] = behind
		return false
	}
	bytes := min(r.bytes, sizeOf(events))
	r.bytes -= bytes
	t.ahead = ahead{events: events, shard: shard, behind: behind, bytes: bytes}
	t.ahead.timer = time.AfterFunc(tailPatience, func() {
		t.mu.Lock()
		defer t.mu.Unlock()
		t.letGo()
	})
	return true
}

// room is a part of the memory of all tails.
type room struct {
	tails *tails
	bytes int64
}

// room waits until there is room for so many bytes. The caller ends it.
func (t *tails) room(ctx context.Context, bytes int64) (*room, error) {
	if err := t.memory.Acquire(ctx, bytes); err != nil {
		return nil, err
	}
	return &room{t, bytes}, nil
}

// end gives back what was not kept.
func (r *room) end() { r.tails.memory.Release(r.bytes) }
