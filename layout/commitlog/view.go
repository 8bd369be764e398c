package commitlog

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/firnlog/firn/internal/bug"
	"github.com/firnlog/firn/layout"
	"github.com/firnlog/firn/layout/catalog"
	"github.com/firnlog/firn/layout/chain"
	"github.com/firnlog/firn/layout/event"
	"github.com/firnlog/firn/layout/fault"
	"github.com/firnlog/firn/layout/snapshot"
	"github.com/firnlog/firn/layout/store"
)

// Point is what a query reads: one snapshot, one end of the log in each shard,
// and one "now". A cursor carries it, so that all pages of a query agree.
type Point struct {
	Generation int64        `json:"g"` // of the instance
	Snapshot   int64        `json:"s"` // number of the snapshot, 0 for none
	Ends       []int64      `json:"e"` // by shard: the last position that is read
	Now        event.Micros `json:"n"`
}

// View is an instance at a [Point].
type View struct {
	Instance catalog.Instance
	Point    Point
	// HiddenBefore is the time before which events are hidden by retention.
	HiddenBefore event.Micros
	// Tail holds the commits of events that no data file holds yet, by shard
	// and position.
	Tail []*Commit

	log     *Log
	began   time.Time // by the process's clock, when it was pinned
	seen    time.Time // by the store's clock, when what it reads was known to be there
	snap    *snapshot.Snapshot
	tails   [][]*Commit // by shard: every commit of the tail
	logged  []int64     // by shard: the last position of the log
	dropped []int64     // by shard: the generation that the tail drops, 0 for none
	erased  *View       // the view whose erasures count: this one, or for a cursor one of now
}

// pinGuess is how many positions of a log that nothing is known of are asked for
// beside the LIST that says where it ends: a tail of so many commits takes a cold
// view no round trip of its own.
const pinGuess = 16

// errMoved says that what was known of the log does not fit what is there: the
// compactor has passed by, and the view must be pinned anew.
var errMoved = errors.New("the log has moved on")

// missingError is errMoved about an object that is not there. To who looks again
// and still misses it, it is lost.
type missingError struct{ key string }

func (e *missingError) Error() string { return e.key + " is missing" }

func (e *missingError) Is(target error) bool { return target == errMoved }

// missing returns a missingError of kind Corrupt.
func missing(key string) error { return fault.New(fault.Corrupt, "%w", &missingError{key}) }

// pinTries bounds how often a view is pinned anew, or a writer starts over. Each time, a compactor must
// have folded and swept, which takes it longer than the grace.
const pinTries = 5

// manyUnfolded is the tail, in commits, from which on it is likely that a
// snapshot newer than the known one has folded it.
const manyUnfolded = 64

// Pin returns the instance as it is now: every event that was acknowledged
// before the call is in the view. While the newest snapshot known is younger
// than an hour it costs one LIST for each shard, and the commits that are not in
// memory. NotFound when the instance does not exist.
func (l *Log) Pin(ctx context.Context, instance string) (*View, error) {
	return l.pinned(ctx, instance, wholeTail)
}

// PinOver is [Log.Pin] for who goes on with [View.Files] of the same time: what
// that takes of manifests is read beside the log.
func (l *Log) PinOver(ctx context.Context, instance string, from, to event.Micros) (*View, error) {
	return l.pinned(ctx, instance, want{bytes: allBytes, from: from, to: to})
}

// pinned is Pin with what is wanted.
func (l *Log) pinned(ctx context.Context, instance string, w want) (*View, error) {
	inst, err := l.locate(ctx, instance, catalog.MaxAge)
	if err != nil {
		return nil, err
	}
	maxAge := chain.Fresh
	var last error
	for range pinTries {
		if l.unfolded(inst.ID, inst.Shards) > manyUnfolded {
			maxAge = min(maxAge, time.Second)
		}
		base, err := l.newest(ctx, inst.ID, maxAge)
		if err != nil {
			return nil, err
		}
		began := l.now()
		v, err := l.pin(ctx, inst, base, w)
		if err == nil && v.outlived() && !bug.In(bug.EarlierSettings) {
			// The instance was deleted since it was looked up, and perhaps made
			// again, with other shards.
			if inst, err = l.freshInstance(ctx, inst.ID); err != nil {
				return nil, err
			}
			continue
		}
		if !errors.Is(err, errMoved) {
			return v, err
		}
		maxAge, last = 0, l.awake(began, err)
	}
	return nil, restless(inst.ID, last)
}

// outlived reports whether a shard bears the drop of the instance's own
// generation.
func (v *View) outlived() bool {
	for shard, generation := range v.dropped {
		if max(generation, v.snap.ShardState(shard).Generation) >= v.Instance.Generation {
			return true
		}
	}
	return false
}

// PinNewest is [Log.Pin] for an instance in any state, with settings and a
// snapshot that are the newest now, and what was seen of the snapshots' chain:
// where a compactor starts. The view has the shards of earlier lives, too, so
// that what was deleted with these is folded and swept. What is hidden goes by the store's time, so that no
// wrong clock makes a compactor delete early.
func (l *Log) PinNewest(ctx context.Context, id string) (*View, chain.Seen, error) {
	return l.pinNewest(ctx, id, allBytes)
}

// pinNewest is PinNewest with so many stored bytes of each shard's tail.
func (l *Log) pinNewest(ctx context.Context, id string, bytes int) (*View, chain.Seen, error) {
	var last error
	for range pinTries {
		began := l.now()
		base, err := l.newest(ctx, id, 0)
		if err != nil {
			return nil, chain.Seen{}, err
		}
		// The settings are looked up behind the snapshot, so that they are never of
		// an earlier life than its files, and say what was hidden when it was seen.
		inst, err := l.catalog.Get(ctx, id, 0)
		if err != nil {
			return nil, chain.Seen{}, err
		}
		inst.Shards = max(inst.Shards, inst.FormerShards)
		v, err := l.pin(ctx, inst, base, want{bytes: bytes, from: 1})
		if errors.Is(err, errMoved) {
			last = l.awake(began, err)
			continue
		}
		if err == nil && !bug.In(bug.ExpireByOwn) {
			v.HiddenBefore = inst.HiddenBefore(event.ToMicros(base.seen.At))
		}
		return v, base.seen, err
	}
	return nil, chain.Seen{}, restless(id, last)
}

// unfolded returns how many commits are known behind the known snapshot.
func (l *Log) unfolded(instance string, shards int) int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	known := l.snapshots[instance]
	if known == nil {
		return 0
	}
	var n int64
	for s := range shards {
		n += max(0, l.ends[shardOf{instance, s}]-known.snap.ShardState(s).Folded)
	}
	return n
}

// allBytes stands for a tail as a whole.
const allBytes = -1

// want says what is read when a view is pinned.
type want struct {
	bytes    int          // stored ones of each shard's tail
	from, to event.Micros // the time whose manifests are read, none where it ends before it begins
}

// wholeTail is what a view needs.
var wholeTail = want{bytes: allBytes, from: 1}

// pin reads the tails of all shards behind a snapshot.
func (l *Log) pin(ctx context.Context, inst catalog.Instance, base *seenSnapshot, w want) (*View, error) {
	v := l.view(inst, base.snap, event.ToMicros(l.now()))
	v.seen = base.seen.At
	v.Point.Ends, v.logged = make([]int64, inst.Shards), make([]int64, inst.Shards)
	tails := make([][]*Commit, inst.Shards)
	group, gctx := errgroup.WithContext(ctx)
	group.Go(func() error {
		_, _ = v.entries(gctx, w.from, w.to) // who needs them asks again, and hears why not
		return nil
	})
	for shard := range inst.Shards {
		group.Go(func() error {
			guessed := l.guess(gctx, inst.ID, shard, base, w)
			end, err := l.end(gctx, inst.ID, shard, base)
			if guessed(); err != nil {
				return err
			}
			if v.old() && !trusting() { // we slept meanwhile: the end is of long ago
				l.forget(inst.ID, shard)
				return errMoved
			}
			st := base.snap.ShardState(shard)
			tails[shard], err = l.tail(gctx, inst.ID, st, end, base.seen.At, w.bytes)
			v.Point.Ends[shard], v.logged[shard] = end, end
			if w.bytes != allBytes {
				v.Point.Ends[shard] = min(end, st.Folded+int64(len(tails[shard])))
			}
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	v.take(tails)
	return v, nil
}

// guess begins to read the next positions of a shard's log into memory where
// nothing is known of it, so that a short tail is there when its end is. What is
// not there, or comes too late, does not count. The function returned waits.
func (l *Log) guess(ctx context.Context, instance string, shard int, base *seenSnapshot, w want) (wait func()) {
	l.mu.Lock()
	_, known := l.ends[shardOf{instance, shard}]
	l.mu.Unlock()
	var group sync.WaitGroup
	if known || w.bytes != allBytes {
		return group.Wait
	}
	folded := base.snap.ShardState(shard).Folded
	for i := range int64(pinGuess) {
		group.Go(func() { _, _ = l.commit(ctx, instance, shard, folded+1+i, base.seen.At) })
	}
	return group.Wait
}

func (l *Log) view(inst catalog.Instance, snap *snapshot.Snapshot, now event.Micros) *View {
	return &View{
		Instance: inst, log: l, began: l.now(), snap: snap, dropped: make([]int64, inst.Shards), HiddenBefore: inst.HiddenBefore(now),
		Point: Point{Generation: inst.Generation, Snapshot: snap.Number, Now: now},
	}
}

// take sorts out which commits of the tails count: those behind a drop.
func (v *View) take(tails [][]*Commit) {
	v.tails = tails
	for shard, tail := range tails {
		var live []*Commit
		highest := v.snap.ShardState(shard).Generation
		for _, c := range tail {
			switch {
			case c.Drop && c.Generation > highest:
				highest = c.Generation
				v.dropped[shard] = highest
				live = nil
			case c.Holds():
				live = append(live, c)
			}
		}
		v.Tail = append(v.Tail, live...)
	}
}

// end returns the last position of a shard's log, by one LIST behind the last
// one known. errMoved when what it lists does not go on from there, or when the
// store's clock says that the snapshot is not fresh any more.
func (l *Log) end(ctx context.Context, instance string, shard int, base *seenSnapshot) (int64, error) {
	l.mu.Lock()
	end := max(l.ends[shardOf{instance, shard}], base.snap.ShardState(shard).Folded)
	l.mu.Unlock()
	if end > 0 && bug.In(bug.ViewFromMemory) {
		return end, nil
	}
	for {
		page, err := l.store.List(ctx, store.ListOptions{Prefix: layout.Log(instance, shard), StartAfter: layout.Commit(instance, shard, end)})
		if err != nil {
			return 0, fault.Wrap(err, "looking up the log of %s", instance)
		}
		if chain.Stale(base.seen.At, page.StoreTime) && !trusting() {
			l.forget(instance, shard)
			return 0, errMoved
		}
		for _, o := range page.Objects {
			n, ok := layout.ParseCommit(o.Key)
			if !ok {
				return 0, fault.New(fault.Corrupt, "%s is no key of a log", o.Key)
			}
			if n != end+1 && !bug.In(bug.HoleInTail) {
				l.forget(instance, shard)
				return 0, missing(layout.Commit(instance, shard, end+1))
			}
			end = n
		}
		if !page.More {
			l.reached(instance, shard, end)
			return end, nil
		}
	}
}

// tail reads the commits behind a folded position, the first of so many bytes.
// errMoved when one is gone.
func (l *Log) tail(ctx context.Context, instance string, st snapshot.Shard, end int64, seen time.Time, bytes int) (commits []*Commit, err error) {
	first := st.Folded + 1
	if bug.In(bug.CountedTwice) {
		first = max(1, st.Folded)
	}
	if bytes == allBytes {
		commits, err = l.commits(ctx, instance, st.Shard, first, end, seen)
	} else {
		commits, err = l.some(ctx, instance, st.Shard, first, end, seen, bytes)
	}
	if bug.In(bug.HoleInTail) {
		commits = slices.DeleteFunc(commits, func(c *Commit) bool { return c == nil })
	}
	if errors.Is(err, errMoved) {
		l.forget(instance, st.Shard)
	}
	return commits, err
}

// awake returns err, or errMoved where this process slept since then: what is
// missing was perhaps swept meanwhile.
func (l *Log) awake(since time.Time, err error) error {
	if chain.Elapsed(since, l.now()) > chain.Fresh {
		return errMoved
	}
	return err
}

// restless is the error of who looked again and again: that of an object that
// is missing, or that there is no rest.
func restless(instance string, err error) error {
	if fault.Is(err, fault.Corrupt) {
		return err
	}
	return fault.New(fault.Unavailable, "instance %s changes faster than it can be read", instance)
}
