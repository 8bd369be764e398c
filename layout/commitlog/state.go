package commitlog

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/firnlog/firn/internal/bug"
	"github.com/firnlog/firn/layout"
	"github.com/firnlog/firn/layout/chain"
	"github.com/firnlog/firn/layout/event"
	"github.com/firnlog/firn/layout/fault"
	"github.com/firnlog/firn/layout/snapshot"
)

// KeyLife is how long an idempotency key is remembered, counted between the
// commit times of its two uses. Writers' clocks may differ by twice MaxSkew, so
// that a repeat within 24 hours of real time is always found.
const KeyLife = 24*time.Hour + 2*MaxSkew

// MaxSkew is how far a writer's clock may be from the store's.
const MaxSkew = 15 * time.Minute

// guess is how many positions behind the folded one are asked for at once when
// nothing is known: a tail of up to 16 commits, and two free positions behind it,
// take a cold append one round trip. One free position alone may be the hole that
// a lost commit left.
const guess = 18

// learnReads is how many commits of a long tail are in memory at once while they are
// learned.
const learnReads = 64

// Bounds of the streams and of the idempotency keys that a shard's state keeps in
// memory: of some 100 and 300 bytes each.
const (
	maxHeads = 1 << 20
	maxKeys  = 1 << 18
)

// state is what a writer knows of its shard. It is true up to the position end,
// and belongs to the one goroutine that writes.
type state struct {
	log      *Log
	instance string
	shard    int

	base    *seenSnapshot
	folded  snapshot.Shard          // the shard in base
	void    bool                    // a drop came after folded: its runs count no more
	end     int64                   // the last position known
	time    event.Micros            // its commit's time
	dropped int64                   // the highest generation that was dropped
	heads   map[string]*head        // of the streams that were looked up, or written to since
	keys    map[string]snapshot.Key // likewise; the zero Key where there is none
	plans   int64                   // made on this state

	tailSizes []int // of the commits behind folded, as they are stored
	tailBytes int   // their sum
}

// head is where a stream stands.
type head struct {
	sequence int64 // of its last event
	planned  int64 // what the plan of that number makes of it
	plan     int64
}

// cold builds a shard's state from the bucket: the newest snapshot, then in one
// round trip what the runs say of the names, and the next positions of the log,
// and where these are not the end for sure, a list of the others and these at once.
func (l *Log) cold(ctx context.Context, instance string, shard int, n names) (*state, error) {
	base, err := l.newest(ctx, instance, chain.Fresh)
	if err != nil {
		return nil, err
	}
	st := &state{log: l, instance: instance, shard: shard, heads: map[string]*head{}, keys: map[string]snapshot.Key{}}
	st.stand(base)
	group, gctx := errgroup.WithContext(ctx)
	group.Go(func() (err error) {
		_, err = st.next(gctx, guess)
		return err
	})
	var found findings
	runs := st.folded
	group.Go(func() (err error) {
		found, err = l.find(gctx, runs, n)
		return err
	})
	if err := group.Wait(); err != nil {
		return nil, err
	}
	if !st.void {
		st.take(found)
	}
	if st.end < st.folded.Folded+guess-1 {
		return st, nil
	}
	return st, st.learnRest(ctx)
}

// learnRest learns every commit behind the end as the log lists them, so that
// one that is missing among them is not taken for the log's end.
func (st *state) learnRest(ctx context.Context) error {
	end, err := st.log.end(ctx, st.instance, st.shard, st.base)
	if err != nil {
		return err
	}
	for st.end < end {
		some, err := st.log.commits(ctx, st.instance, st.shard, st.end+1, min(end, st.end+learnReads), st.base.seen.At)
		if err != nil {
			return err
		}
		for _, c := range some {
			if err := st.learn(c); err != nil {
				return err
			}
		}
	}
	return nil
}

// stand sets the state to that of a snapshot.
func (st *state) stand(base *seenSnapshot) {
	st.base, st.folded = base, base.snap.ShardState(st.shard)
	st.void, st.end, st.time, st.dropped = false, st.folded.Folded, st.folded.Time, st.folded.Generation
	st.tailSizes, st.tailBytes = nil, 0
}

// rebase puts the state onto a newer snapshot, which must not have folded more
// than is known.
func (st *state) rebase(base *seenSnapshot) {
	before := st.folded.Folded
	st.base, st.folded = base, base.snap.ShardState(st.shard)
	st.void = st.folded.Generation < st.dropped
	gone := min(int(st.folded.Folded-before), len(st.tailSizes))
	for _, size := range st.tailSizes[:gone] {
		st.tailBytes -= size
	}
	st.tailSizes = st.tailSizes[gone:]
}

// reach moves the end on to a commit behind it.
func (st *state) reach(c *Commit) {
	st.end, st.time = c.Position, c.Time
	st.tailSizes, st.tailBytes = append(st.tailSizes, c.Bytes), st.tailBytes+c.Bytes
	st.log.reached(st.instance, st.shard, st.end)
}

// catchUp learns every commit behind the end. It asks for one, and as long as
// there are more for twice as many at once, so that it takes few round trips to
// learn what many others wrote meanwhile, and one request when there is nothing.
func (st *state) catchUp(ctx context.Context) error {
	for n := 1; ; n = min(2*n, 16) {
		if whole, err := st.next(ctx, n); err != nil || !whole {
			return err
		}
	}
}

// next asks for the n positions behind the end at once, and learns what is there
// up to the first hole. It reports whether there may be more.
func (st *state) next(ctx context.Context, n int) (whole bool, err error) {
	found := make([]*Commit, n)
	group, gctx := errgroup.WithContext(ctx)
	for i := range found {
		group.Go(func() (err error) {
			found[i], err = st.log.commit(gctx, st.instance, st.shard, st.end+1+int64(i), st.base.seen.At)
			if fault.Is(err, fault.NotFound) {
				err = nil // behind the log's end, for all that is known
			}
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return false, err
	}
	for i, c := range found {
		if c == nil {
			return st.behind(ctx, found[i+1:])
		}
		if err := st.learn(c); err != nil {
			return false, err
		}
	}
	return true, nil
}

// behind looks again at the hole behind the end, if commits were found behind it.
// These were written after the hole was asked for, and what is in it before them;
// else it is lost, and must not be written to.
func (st *state) behind(ctx context.Context, found []*Commit) (more bool, err error) {
	if !slices.ContainsFunc(found, func(c *Commit) bool { return c != nil }) {
		return false, nil
	}
	_, err = st.log.commit(ctx, st.instance, st.shard, st.end+1, st.base.seen.At)
	if fault.Is(err, fault.NotFound) {
		err = missing(layout.Commit(st.instance, st.shard, st.end+1))
	}
	return true, err
}

// learn takes in the commit at the position behind the end.
func (st *state) learn(c *Commit) error {
	if c.Position != st.end+1 {
		return fmt.Errorf("commitlog: position %d learned at end %d", c.Position, st.end)
	}
	switch {
	case c.Drop && c.Generation > st.dropped:
		st.dropped, st.void = c.Generation, true
		clear(st.heads)
		clear(st.keys)
	case !c.Holds(): // a drop of a generation that is dropped already, or an erasure
	case bug.In(bug.StaleHeads) && len(st.heads) > 0:
	default:
		if err := c.heads(st.setHead); err != nil {
			return err
		}
		for _, k := range c.Keys {
			st.keys[k.Key] = snapshot.Key{Key: k.Key, Hash: k.Hash, Position: c.Position, Ordinal: k.First, Count: k.Count, Time: c.Time}
		}
	}
	st.reach(c)
	return nil
}

// refresh looks up the newest snapshot. Where that has folded more than is
// known, it begins again from there.
func (st *state) refresh(ctx context.Context) error {
	base, err := st.log.newest(ctx, st.instance, 0)
	if err != nil {
		return err
	}
	if base.snap.ShardState(st.shard).Folded > st.end {
		again, err := st.log.cold(ctx, st.instance, st.shard, names{})
		if err == nil {
			*st = *again
		}
		return err
	}
	st.rebase(base)
	return nil
}

// setHead notes where a stream stands, without holding on to the memory that
// its name lies in.
func (st *state) setHead(stream string, n int64) {
	if h := st.heads[stream]; h != nil {
		h.sequence = n
		return
	}
	st.heads[strings.Clone(stream)] = &head{sequence: n}
}
