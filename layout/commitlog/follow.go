package commitlog

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/firnlog/firn/layout"
	"github.com/firnlog/firn/layout/catalog"
	"github.com/firnlog/firn/layout/chain"
	"github.com/firnlog/firn/layout/event"
	"github.com/firnlog/firn/layout/fault"
)

// Waits between two looks for the next commit of a shard. What other processes
// append is seen within the longest one and a round trip, which together stay
// below a second.
const (
	minPoll = 100 * time.Millisecond // after a commit of another process
	maxPoll = 900 * time.Millisecond // when none came for long
)

// pollPatience is how long a store may fail before followers are told.
const pollPatience = 30 * time.Second

// ErrFolded says that a position of the log is no longer read as tail: its
// events are in data files, which a view knows.
var ErrFolded = errors.New("the commit has been folded")

// Feed follows the log of one instance, for all who read it in this process. It
// knows where each shard's log ends: at once what this process appends, and
// what others do by asking for the next position again and again, one request a
// poll and shard however many readers there are. It keeps no commits: readers
// hold positions and take commits out of the log's memory, or the bucket.
type Feed struct {
	log     *Log
	inst    catalog.Instance
	stop    context.CancelFunc
	readers int // guarded by log.mu

	mu      sync.Mutex // guards what is below
	ends    []int64    // by shard: the last position
	changed chan struct{}
	err     error // why following ended before its readers did
}

// Follow returns the feed that goes on from the view. The caller MUST close it.
func (v *View) Follow() *Feed {
	l := v.log
	l.mu.Lock()
	defer l.mu.Unlock()
	f := l.feeds[v.Instance.ID]
	if f == nil || f.inst.Generation != v.Instance.Generation {
		ctx, stop := context.WithCancel(context.Background())
		older := f == nil || f.inst.Generation < v.Instance.Generation
		f = &Feed{log: l, inst: v.Instance, stop: stop, ends: make([]int64, v.Instance.Shards), changed: make(chan struct{})}
		if older {
			l.feeds[v.Instance.ID] = f
		} // else the view is of a life that is over, as the first look at the log will tell
		for shard := range f.ends {
			f.ends[shard] = v.Point.Ends[shard]
			go f.poll(ctx, shard)
		}
	}
	f.readers++
	for shard, end := range v.Point.Ends {
		f.reach(shard, end)
	}
	return f
}

// Close ends one reader's following. With the last reader the polls end.
func (f *Feed) Close() {
	f.log.mu.Lock()
	defer f.log.mu.Unlock()
	if f.readers--; f.readers == 0 {
		f.stop()
		f.unlist()
	}
}

// unlist has later readers start a feed of their own. log.mu is held.
func (f *Feed) unlist() {
	if f.log.feeds[f.inst.ID] == f {
		delete(f.log.feeds, f.inst.ID)
	}
}

// Changed returns a channel that is closed once a shard's end moves on or
// following fails. Ends are looked at after the call see every change before it.
func (f *Feed) Changed() <-chan struct{} {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.changed
}

// End returns the last position of a shard's log, as far as is known, or why
// the log can no longer be followed.
func (f *Feed) End(shard int) (int64, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.ends[shard], f.err
}

// Commit returns the commit at a position up to the shard's end. ErrFolded when
// it is in data files and no longer in memory.
func (f *Feed) Commit(ctx context.Context, shard int, position int64) (*Commit, error) {
	// What is in memory was checked when it came there, and never changes.
	if c, ok := f.log.cache.get(layout.Commit(f.inst.ID, shard, position)); ok {
		return c.(*Commit), nil
	}
	for _, maxAge := range []time.Duration{chain.Fresh, 0} {
		base, err := f.log.newest(ctx, f.inst.ID, maxAge)
		if err != nil {
			return nil, err
		}
		if position <= base.snap.ShardState(shard).Folded {
			return nil, ErrFolded
		}
		c, err := f.log.commit(ctx, f.inst.ID, shard, position, base.seen.At)
		if !fault.Is(err, fault.NotFound) && !errors.Is(err, errMoved) {
			return c, err
		}
	}
	return nil, fault.New(fault.Corrupt, "position %d of shard %d of %s is missing in the log", position, shard, f.inst.ID)
}

// HiddenBefore returns the time before which events are hidden by retention, by
// settings that are at most [catalog.MaxAge] old. Gone when the instance is no
// more.
func (f *Feed) HiddenBefore(ctx context.Context) (event.Micros, error) {
	inst, err := f.log.Instance(ctx, f.inst.ID)
	if fault.Is(err, fault.NotFound) || err == nil && inst.Generation > f.inst.Generation {
		return 0, f.Gone()
	}
	if err != nil {
		return 0, err
	}
	return inst.HiddenBefore(event.ToMicros(f.log.now())), nil
}

// Gone is the error for readers of an instance that was deleted.
func (f *Feed) Gone() error { return fault.New(fault.Gone, "instance %q was deleted", f.inst.ID) }

// reach notes how far a shard's log goes, and reports whether that is news. It
// never waits for readers: log.mu and a writer may be held up by it.
func (f *Feed) reach(shard int, position int64) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if shard >= len(f.ends) || position <= f.ends[shard] {
		return false
	}
	f.ends[shard] = position
	f.wake()
	return true
}

// wake tells all readers of a change. f.mu is held.
func (f *Feed) wake() {
	close(f.changed)
	f.changed = make(chan struct{})
}

// fail ends the feed for all its readers.
func (f *Feed) fail(err error) {
	f.log.mu.Lock()
	f.unlist()
	f.log.mu.Unlock()
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.err == nil {
		f.err = fault.Wrap(err, "following the log of %s", f.inst.ID)
		f.wake()
	}
	f.stop()
}

// poll looks for what other processes append to a shard until ctx ends.
func (f *Feed) poll(ctx context.Context, shard int) {
	wait := minPoll
	var failing time.Time
	for pausePoll(ctx, wait) {
		found, err := f.look(ctx, shard)
		for found && err == nil {
			wait = minPoll / 2
			found, err = f.look(ctx, shard)
		}
		wait = min(2*wait, maxPoll)
		switch now := f.log.now(); {
		case err == nil:
			failing = time.Time{}
		case ctx.Err() != nil:
			return
		case failing.IsZero():
			failing = now
		case chain.Elapsed(failing, now) > pollPatience:
			f.fail(err)
			return
		}
	}
}

// pausePoll waits. It returns false when ctx ends first.
func pausePoll(ctx context.Context, wait time.Duration) bool {
	t := time.NewTimer(wait)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// look asks for the position behind a shard's end and reports whether it is
// there. That there is nothing may also mean that it was folded and swept while
// this process slept: the snapshot, which is looked up again after an hour by
// any clock, or when the store's shows in the answer that so much has passed,
// tells then (rule 3 of chains).
func (f *Feed) look(ctx context.Context, shard int) (bool, error) {
	base, err := f.log.newest(ctx, f.inst.ID, chain.Fresh)
	if err != nil {
		return false, err
	}
	f.reach(shard, base.snap.ShardState(shard).Folded)
	end, err := f.End(shard)
	if err != nil {
		return false, err
	}
	_, err = f.log.commit(ctx, f.inst.ID, shard, end+1, base.seen.At)
	switch {
	case err == nil, fault.Is(err, fault.Corrupt): // which is for the readers to tell
		return f.reach(shard, end+1), nil
	case fault.Is(err, fault.NotFound):
		return false, nil
	case errors.Is(err, errMoved):
		_, err = f.log.newest(ctx, f.inst.ID, 0)
		return err == nil, err
	}
	return false, err
}
