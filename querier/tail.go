package querier

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"sync"

	"github.com/firnlog/firn/layout/catalog"
	"github.com/firnlog/firn/layout/commitlog"
	"github.com/firnlog/firn/layout/event"
	"github.com/firnlog/firn/layout/fault"
)

// TailQuery asks for events as they are appended.
type TailQuery struct {
	Instance string      // id
	Stream   string      // only events of this stream; "" for all
	Where    []Predicate // all must hold
	After    string      // a tail's cursor; FromStart; "" for what is appended from now on
}

// Tail is the reading of a log from a cursor on: each event that is there, and
// then each that comes, once, in append order within each shard. It is for one
// goroutine, but for Close.
//
// All that a tail keeps is how far it has read, by shard ([mark]). Commits that
// it has not seen it takes out of the log; what was folded since, out of data
// files, until it has caught up with the log.
type Tail struct {
	*tails
	engine *Engine
	plan   *plan
	inst   catalog.Instance
	feed   *commitlog.Feed
	alive  context.Context // until Close
	end    context.CancelFunc

	reading chan error // answers the read that is under way; nil for none

	// The reading goroutine's own:
	view    *commitlog.View // until all that it holds is read
	scanned []int64         // by shard: up to where erasures are known, to the view or to be none
	turn    int             // the shard that is looked at first

	mu    sync.Mutex // guards what is below; marks are written by who reads ahead or takes, one at a time
	marks []mark
	ahead ahead
}

// errClosed ends the reading of a tail that was closed meanwhile.
var errClosed = fault.New(fault.Unavailable, "the tail was closed here: go on from its last cursor")

// Tail begins to read at a cursor. Where that is "", every event that is
// acknowledged after the call will be read, and none that was before it. The
// caller MUST close the tail. Errors: Invalid for a bad condition or cursor; Gone
// for a cursor of an instance's earlier life; NotFound.
func (e *Engine) Tail(ctx context.Context, q TailQuery) (*Tail, error) {
	ask := New(q.Instance)
	ask.Stream, ask.Where, ask.NoTotal = q.Stream, q.Where, true
	p, err := newPlan(ask)
	if err != nil {
		return nil, err
	}
	v, err := e.tails.src.Pin(ctx, q.Instance)
	if err != nil {
		return nil, err
	}
	marks, err := marksOf(v, q.After)
	if err != nil {
		return nil, err
	}
	t := &Tail{tails: e.tails, engine: e, plan: p, inst: v.Instance, feed: v.Follow(), marks: marks, view: v, scanned: slices.Clone(v.Point.Ends)}
	t.alive, t.end = context.WithCancel(context.WithoutCancel(ctx))
	context.AfterFunc(t.alive, t.feed.Close)
	return t, nil
}

// Next returns the next event, and waits for one as long as ctx lasts: when it
// ends, the error is its own. Reading goes on all the same, so that the wait may
// be short, and Next be called again. All other errors end the tail: Gone once
// the instance was deleted, and what reading the bucket can end with, where a new
// tail may go on from the cursor.
func (t *Tail) Next(ctx context.Context) (event.Event, error) {
	for {
		if e, ok := t.take(); ok {
			return e, nil
		}
		if t.reading == nil {
			read := make(chan error, 1)
			t.reading = read
			go func() { read <- t.read(t.alive) }()
		}
		select {
		case err := <-t.reading:
			t.reading = nil
			switch {
			case t.alive.Err() != nil:
				return event.Event{}, errClosed
			case err != nil:
				return event.Event{}, err
			}
		case <-ctx.Done():
			return event.Event{}, ctx.Err()
		}
	}
}

// Ready reports whether Next returns at once.
func (t *Tail) Ready() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return len(t.ahead.events) > 0
}

// Cursor returns the cursor behind the event that Next returned last, and all
// that does not match behind it, as far as that is known.
func (t *Tail) Cursor() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return encodeMarks(&t.inst, t.marks)
}

// Close ends the tail; a Next that waits returns. It may be called twice, and
// from any goroutine.
func (t *Tail) Close() {
	t.end()
	t.mu.Lock()
	defer t.mu.Unlock()
	t.letGo()
}

// pass notes that a shard has been read up to a mark.
func (t *Tail) pass(shard int, m mark) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.marks[shard] = m
}

// read reads ahead. It returns once there is something, or an error.
func (t *Tail) read(ctx context.Context) error {
	for {
		changed := t.feed.Changed()
		if found, err := t.round(ctx); found || err != nil {
			return err
		}
		t.view = nil // every shard is read up to its end
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// round reads the shards in turn, until events match or all are read up to their
// ends.
func (t *Tail) round(ctx context.Context) (bool, error) {
	for range t.marks {
		shard := t.turn
		t.turn = (t.turn + 1) % len(t.marks)
		for {
			end, err := t.feed.End(shard)
			if err = cmp.Or(ctx.Err(), err); err != nil {
				return false, err
			}
			if t.marks[shard].position > end {
				break
			}
			if found, err := t.step(ctx, shard, end); found || err != nil {
				return found, err
			}
		}
	}
	return false, nil
}

// step reads on in a shard whose log is known up to end: a page out of data files
// or a commit.
func (t *Tail) step(ctx context.Context, shard int, end int64) (bool, error) {
	if err := t.learnErasures(ctx, shard, end); err != nil {
		return false, err
	}
	if t.view != nil && t.marks[shard].position <= t.view.Snapshot().ShardState(shard).Folded {
		return t.replay(ctx, shard)
	}
	c, err := t.feed.Commit(ctx, shard, t.marks[shard].position)
	switch {
	case errors.Is(err, commitlog.ErrFolded):
		return false, t.pin(ctx)
	case err != nil:
		return false, err
	case c.Drop && c.Generation >= t.inst.Generation:
		return false, t.feed.Gone()
	}
	return t.commit(ctx, c)
}

// commit reads a commit.
func (t *Tail) commit(ctx context.Context, c *commitlog.Commit) (bool, error) {
	next := mark{position: c.Position + 1}
	if !c.Holds() || c.Generation < t.inst.Generation { // of an earlier life
		t.pass(c.Shard, next)
		return false, nil
	}
	room, err := t.room(ctx, tailBytes)
	if err != nil {
		return false, err
	}
	defer room.end()
	var mask *commitlog.Mask
	if t.view != nil { // else no erasure lies ahead
		if mask, err = t.view.TailMask(ctx, c); err != nil {
			return false, err
		}
	}
	events, all, err := t.matching(ctx, c, t.marks[c.Shard].ordinal, mask)
	if err != nil {
		return false, err
	}
	if !all {
		next = behind(events[len(events)-1].Place)
	}
	return t.keep(events, c.Shard, next, room), nil
}

// learnErasures looks for erasures among the commits of a shard up to end that are
// ahead of its mark. Where there is one, what lies before it is read by the view
// that knows it.
func (t *Tail) learnErasures(ctx context.Context, shard int, end int64) error {
	for p := max(t.scanned[shard], t.marks[shard].position) + 1; p <= end; p++ {
		c, err := t.feed.Commit(ctx, shard, p)
		if errors.Is(err, commitlog.ErrFolded) || err == nil && c.Erase != nil {
			return t.pin(ctx)
		}
		if err != nil {
			return err
		}
		t.scanned[shard] = p
	}
	return nil
}

// pin takes a view of the instance as it is now, if it is still the same.
func (t *Tail) pin(ctx context.Context) error {
	v, err := t.src.Pin(ctx, t.inst.ID)
	if fault.Is(err, fault.NotFound) || err == nil && v.Instance.Generation != t.inst.Generation {
		return t.feed.Gone()
	}
	if err == nil {
		t.view, t.scanned = v, slices.Clone(v.Point.Ends)
	}
	return err
}
