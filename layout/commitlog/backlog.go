package commitlog

import (
	"time"

	"github.com/firnlog/firn/layout"
	"github.com/firnlog/firn/layout/chain"
	"github.com/firnlog/firn/layout/snapshot"
)

// Backlog is what this process has committed to an instance since it last saw a
// snapshot being committed there: the work that waits for the compactor.
type Backlog struct {
	Commits int
	Bytes   int
	Since   time.Time // of the first of them
}

// wrote adds a commit to the backlog.
func (l *Log) wrote(instance string, bytes int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	b := l.backlog[instance]
	if b == nil {
		b = &Backlog{Since: l.now()}
		l.backlog[instance] = b
	}
	b.Commits++
	b.Bytes += bytes
}

// Backlogs returns the backlog of every instance that has one.
func (l *Log) Backlogs() map[string]Backlog {
	l.mu.Lock()
	defer l.mu.Unlock()
	out := make(map[string]Backlog, len(l.backlog))
	for id, b := range l.backlog {
		out[id] = *b
	}
	return out
}

// Folding says that a compactor begins to fold all that an instance's log holds
// now: the backlog starts anew.
func (l *Log) Folding(instance string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.backlog, instance)
}

// Committed tells the log of a snapshot that its process has just committed
// behind the one that it had seen, so that views use it at once, and commits that
// it folded do not stay in memory.
func (l *Log) Committed(instance string, snap *snapshot.Snapshot, seen chain.Seen) {
	l.mu.Lock()
	before := l.snapshots[instance]
	l.mu.Unlock()
	for _, st := range snap.Shards {
		if before == nil {
			break
		}
		for n := before.snap.ShardState(st.Shard).Folded + 1; n <= st.Folded; n++ {
			l.cache.drop(layout.Commit(instance, st.Shard, n))
		}
	}
	l.saw(instance, &seenSnapshot{snap: snap, seen: chain.Seen{Number: snap.Number, At: seen.At}, looked: l.now()})
}
