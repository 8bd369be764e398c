package commitlog

import (
	"context"
	"time"

	"github.com/firnlog/firn/layout/chain"
	"github.com/firnlog/firn/layout/fault"
)

// Bounds of a shard's tail, in commits that no snapshot holds yet. Whoever starts
// anew reads all of them, so that a tail which nobody compacts makes everything
// dearer. From SlowTail on each group waits, longer the longer the tail is, which
// also makes groups larger; at MaxTail events are refused until a compactor has run.
const (
	SlowTail = 4096
	MaxTail  = 16384
)

// Bounds of a tail in bytes as they are stored: every query holds it in memory.
// From SlowTailBytes on groups wait as well, so that a compactor beside them gets
// its share of the processor, and who appends goes at its pace; slowestBytes
// further they wait as long as they ever do.
const (
	SlowTailBytes = 160 << 20
	slowestBytes  = 1 << 30
)

// slowest is how long a group waits just below MaxTail, or far beyond SlowTailBytes.
const slowest = 2 * time.Second

// lookAgain is how old what is known of the newest snapshot may be where the tail
// seems long: it may have been folded since.
const lookAgain = time.Second

// tail returns how many commits the snapshot that is known does not hold.
func (st *state) tail() int64 { return st.end - st.folded.Folded }

// linger waits before the next group is taken where the tail is long. Requests
// that are given up meanwhile are still in the queue, and surely not written.
func (w *writer) linger() {
	if w.st == nil || w.st.long() <= 0 {
		return
	}
	w.adopt()
	if part := w.st.long(); part > 0 {
		time.Sleep(time.Duration(part * float64(slowest)))
	}
}

// adopt takes in what this process's compactor has folded since, which costs no
// request.
func (w *writer) adopt() {
	if known := w.log.known(w.instance); known != nil && known.seen.Number > w.st.base.seen.Number && known.snap.ShardState(w.shard).Folded <= w.st.end {
		w.st.rebase(known)
	}
}

// long returns how far the tail is on its way from slow to slowest: at most 0 when
// it is not slow, and at most 1.
func (st *state) long() float64 {
	way := func(n, from, to int64) float64 { return min(1, float64(n-from)/float64(to-from)) }
	l := st.log
	return max(way(st.tail(), l.slowTail, l.maxTail), way(int64(st.tailBytes), l.slowBytes, l.slowBytes+slowestBytes))
}

// suspicious reports whether the tail seems long and a newer snapshot may say
// that it is not.
func (w *writer) suspicious() bool {
	return w.st.long() >= 0 && chain.Elapsed(w.st.base.looked, w.log.now()) >= lookAgain
}

// full refuses the events of a plan where the tail has its greatest length.
// Deletions and erasures are always written.
func (w *writer) full(p *plan) bool {
	n := w.st.tail()
	if n < w.log.maxTail || p.members[0].alone() {
		return false
	}
	for _, r := range p.members {
		w.settle(r, outcome{err: fault.New(fault.Overload, "%d commits of shard %d of %s wait to be compacted, and no more are taken: run the compactor (firn compact %s), and see why it does not run",
			n, w.shard, w.instance, w.instance)})
	}
	return true
}

// Unfolded returns how many commits of an instance, given by its id, no snapshot
// holds yet: of the shard that has most, as far as this process knows the ends of
// shards, and by a snapshot that was the newest at most maxAge ago. It makes at
// most two requests, and none where such a snapshot is known.
func (l *Log) Unfolded(ctx context.Context, instance string, maxAge time.Duration) (int64, error) {
	base, err := l.newest(ctx, instance, maxAge)
	if err != nil {
		return 0, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	var most int64
	for s, end := range l.ends {
		if s.instance == instance {
			most = max(most, end-base.snap.ShardState(s.shard).Folded)
		}
	}
	return most, nil
}
