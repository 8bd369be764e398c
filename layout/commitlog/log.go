// Package commitlog is Firn's write-ahead log and the one place where events
// become true: a chain of commits for each shard of an instance. [Log.Append]
// writes it, [Log.Pin] reads it together with the snapshot.
//
// The way of an append: it waits in its shard's queue ([writer]) while the group
// before it is being stored; its group is planned against what is known of
// the shard ([state]: heads, keys and the log's end), encoded as one [Commit] and
// put at the log's next position. Whoever loses that position learns the
// winner's commit and plans anew. All that was known is dropped whenever an
// outcome is unknown, and built again from the bucket.
package commitlog

import (
	"cmp"
	"context"
	"errors"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/firnlog/firn/internal/bug"
	"github.com/firnlog/firn/layout"
	"github.com/firnlog/firn/layout/catalog"
	"github.com/firnlog/firn/layout/chain"
	"github.com/firnlog/firn/layout/fault"
	"github.com/firnlog/firn/layout/snapshot"
	"github.com/firnlog/firn/layout/store"
)

// cacheBytes bounds the decoded commits and runs that a log keeps in memory.
const cacheBytes = 128 << 20

// footerBytes bounds the footers, indexes and bloom filters of data files that a
// log keeps in memory. They are apart, so that a query over many files does not
// push out what appends need.
const footerBytes = 96 << 20

// ErrKeyReused says that an idempotency key was used before for another
// request. It has kind Invalid.
var ErrKeyReused = errors.New("the idempotency key was used for another request")

// Log is a bucket's event log. It is safe for concurrent use, and any number
// of logs in any number of processes may share a bucket.
type Log struct {
	store   store.Store
	catalog *catalog.Catalog
	cache   *cache
	footers *cache
	now     func() time.Time
	queue   int // bytes of events that a shard's queue and group take together

	slowTail, maxTail int64 // commits: see SlowTail
	slowBytes         int64

	mu        sync.Mutex // guards what is below
	writers   map[shardOf]*writer
	snapshots map[string]*seenSnapshot
	ends      map[shardOf]int64 // last position known to be written, by whomever
	backlog   map[string]*Backlog
	feeds     map[string]*Feed // by instance: of its newest life
}

// shardOf names a shard of an instance.
type shardOf struct {
	instance string
	shard    int
}

// seenSnapshot is the newest snapshot of an instance when it was looked up.
type seenSnapshot struct {
	snap   *snapshot.Snapshot
	seen   chain.Seen
	looked time.Time // by the process's clock
}

// Open returns the log in the bucket s. It makes no request.
func Open(s store.Store) *Log {
	return &Log{
		store: s, catalog: catalog.Open(s), cache: newCache(cacheBytes), footers: newCache(footerBytes), now: time.Now, queue: queueBytes, slowTail: SlowTail, maxTail: MaxTail, slowBytes: SlowTailBytes,
		writers: map[shardOf]*writer{}, snapshots: map[string]*seenSnapshot{}, ends: map[shardOf]int64{}, backlog: map[string]*Backlog{},
		feeds: map[string]*Feed{},
	}
}

// OpenWithClock is [Open] for a process whose clock is now: wrong ones are tried
// out that way.
func OpenWithClock(s store.Store, now func() time.Time) *Log {
	l := Open(s)
	l.now = now
	return l
}

// Store returns the bucket that the log lies in.
func (l *Log) Store() store.Store { return l.store }

// Table returns the snapshots of an instance, given by its id.
func (l *Log) Table(instance string) snapshot.Table {
	return snapshot.Table{Store: l.store, Instance: instance}
}

// locate looks up an active instance, by settings that are at most maxAge old,
// and, in a process that knows nothing yet, its newest snapshot at the same time:
// both take two requests in a row.
func (l *Log) locate(ctx context.Context, instance string, maxAge time.Duration) (catalog.Instance, error) {
	l.mu.Lock()
	first := len(l.snapshots) == 0
	l.mu.Unlock()
	var group errgroup.Group
	if first && catalog.CheckID(instance) == nil {
		group.Go(func() error {
			_, err := l.newest(ctx, instance, chain.Fresh)
			return err
		})
	}
	inst, err := l.catalog.Get(ctx, instance, maxAge)
	if err := cmp.Or(err, group.Wait()); err != nil {
		return inst, err
	}
	return active(inst)
}

// newest returns an instance's newest snapshot as it was at most maxAge ago by
// the process's clock. It costs nothing, one request, or two in a row.
func (l *Log) newest(ctx context.Context, instance string, maxAge time.Duration) (*seenSnapshot, error) {
	known := l.known(instance)
	if known != nil && maxAge > 0 && chain.Elapsed(known.looked, l.now()) < maxAge {
		return known, nil
	}
	table := l.Table(instance)
	for try := 1; ; try++ {
		looked := l.now()
		var number int64
		if known != nil {
			number = known.seen.Number
		}
		seen, err := table.LookFrom(ctx, number)
		if err != nil {
			return nil, err
		}
		next := &seenSnapshot{seen: seen, looked: looked}
		if known != nil && known.seen.Number == seen.Number {
			next.snap = known.snap
		} else if next.snap, err = table.Read(ctx, seen.Number); err != nil {
			if fault.Is(err, fault.NotFound) { // we slept for longer than the grace between the two requests
				if ctx.Err() == nil && try < pinTries {
					continue
				}
				err = fault.New(fault.Unavailable, "snapshot %d of %s is listed and cannot be read: it was replaced and swept before, or it is lost", seen.Number, instance)
			}
			return nil, err
		}
		l.saw(instance, next)
		return next, nil
	}
}

// known returns the newest snapshot of an instance that this process knows, nil for
// none.
func (l *Log) known(instance string) *seenSnapshot {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.snapshots[instance]
}

// writer returns the one writer of a shard in this process.
func (l *Log) writer(instance string, shard int) *writer {
	l.mu.Lock()
	defer l.mu.Unlock()
	s := shardOf{instance, shard}
	if l.writers[s] == nil {
		l.writers[s] = &writer{log: l, instance: instance, shard: shard}
	}
	return l.writers[s]
}

// saw remembers a snapshot unless a newer one is known.
func (l *Log) saw(instance string, s *seenSnapshot) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if old := l.snapshots[instance]; old == nil || s.seen.Number >= old.seen.Number {
		l.snapshots[instance] = s
	}
}

// commit returns the commit at a position, from memory or the bucket, where
// seen is the store time at which the newest snapshot was last looked up.
// NotFound when there is none; errMoved when the answer comes so late that the
// position may have been swept, and written again by a writer who slept.
func (l *Log) commit(ctx context.Context, instance string, shard int, position int64, seen time.Time) (*Commit, error) {
	c, err := l.peek(ctx, instance, shard, position, seen)
	if err == nil {
		l.cache.put(c.Key, c, c.Bytes)
	}
	return c, err
}

// peek is commit without keeping in memory what comes from the bucket.
func (l *Log) peek(ctx context.Context, instance string, shard int, position int64, seen time.Time) (*Commit, error) {
	key := layout.Commit(instance, shard, position)
	if c, ok := l.cache.get(key); ok {
		return c.(*Commit), nil
	}
	c, at, err := l.read(ctx, key, shard, position)
	if chain.Stale(seen, at) && !trusting() {
		return nil, errMoved
	}
	return c, err
}

// read reads a commit from the bucket, and returns the store's time then, also
// where there is none.
func (l *Log) read(ctx context.Context, key string, shard int, position int64) (*Commit, time.Time, error) {
	body, o, err := store.ReadAll(ctx, l.store, key)
	if err != nil {
		return nil, store.AbsentAt(err), err
	}
	c, err := decodeAt(key, body, shard, position)
	return c, o.StoreTime, err
}

// erasure returns the commit of an erasure that a view knows of. It is kept as
// long as a snapshot names the erasure, so that its age does not matter.
func (l *Log) erasure(ctx context.Context, instance string, shard int, position int64) (*Commit, error) {
	key := layout.Commit(instance, shard, position)
	if c, ok := l.cache.get(key); ok {
		return c.(*Commit), nil
	}
	c, _, err := l.read(ctx, key, shard, position)
	if err == nil {
		l.cache.put(key, c, c.Bytes)
	}
	return c, gone(err)
}

// trusting reports whether a mistake is to be made by which what was read late
// counts.
func trusting() bool { return bug.In(bug.TrustSlowReader) || bug.In(bug.HoleInTail) }

// commits returns the commits of the positions from … to, as [Log.commit] does,
// and errMoved when one does not exist. They are kept in memory unless they are more
// than that holds: a long tail would push out what this process has just written, and
// most of itself.
func (l *Log) commits(ctx context.Context, instance string, shard int, from, to int64, seen time.Time) ([]*Commit, error) {
	out := make([]*Commit, max(0, to-from+1))
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(16)
	for i := range out {
		group.Go(func() (err error) {
			out[i], err = l.peek(ctx, instance, shard, from+int64(i), seen)
			if fault.Is(err, fault.NotFound) && !bug.In(bug.HoleInTail) {
				err = missing(layout.Commit(instance, shard, from+int64(i)))
			}
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return out, err
	}
	size := 0
	for _, c := range out {
		if c != nil { // nil by a planted mistake alone
			size += c.Bytes
		}
	}
	if size <= cacheBytes {
		for _, c := range out {
			if c != nil {
				l.cache.put(c.Key, c, c.Bytes)
			}
		}
	}
	return out, nil
}

// reached notes that a position of a shard's log is written, and tells those who
// follow it.
func (l *Log) reached(instance string, shard int, position int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	s := shardOf{instance, shard}
	l.ends[s] = max(l.ends[s], position)
	if f := l.feeds[instance]; f != nil {
		f.reach(shard, position)
	}
}

// forget drops what is known of a shard's end: it did not fit what was found.
func (l *Log) forget(instance string, shard int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.ends, shardOf{instance, shard})
}
