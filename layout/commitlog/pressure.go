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
// From SlowTailBytes on each group waits the longer the more bytes the one before it
// had, so that a compactor beside the writers gets its share of the processor, and
// who appends for long goes at its pace; slowestBytes further no shard takes more than
// slowRate, and never less: what nobody compacts can still be imported.
const (
	SlowTailBytes = 160 << 20
	slowestBytes  = 128 << 20
	slowRate      = 20 << 20 // bytes a second
)

// slowest is how long a group waits just below MaxTail.
const slowest = 2 * time.Second

// lookAgain is how old what is known of the newest snapshot may be where the tail
// seems long: it may have been folded since.
const lookAgain = time.Second

// tail returns how many commits the snapshot that is known does not hold.
func (st *state) tail() int64 { return st.end - st.folded.Folded }

// linger waits before the next group is taken where the tail is long. Requests
// that are given up meanwhile are still in the queue, and surely not written.
func (w *writer) linger() {
	if w.st == nil || !w.st.long() {
		return
	}
	w.adopt()
	time.Sleep(w.st.wait())
}

// long reports whether the tail is so long that groups wait, or about to be.
func (st *state) long() bool {
	return st.tail() >= st.log.slowTail || int64(st.tailBytes) >= st.log.slowBytes
}

// wait returns how long the next group waits.
func (st *state) wait() time.Duration {
	part := func(over, most int64) float64 { return min(1, max(0, float64(over)/float64(most))) }
	byLength := part(st.tail()-st.log.slowTail, st.log.maxTail-st.log.slowTail) * float64(slowest)
	last := 0
	if n := len(st.tailSizes); n > 0 {
		last = st.tailSizes[n-1]
	}
	byBytes := part(int64(st.tailBytes)-st.log.slowBytes, slowestBytes) * float64(last) / slowRate * float64(time.Second)
	return time.Duration(max(byLength, byBytes))
}

// adopt takes in what this process's compactor has folded since, which costs no
// request.
func (w *writer) adopt() {
	if known := w.log.known(w.instance); known != nil && known.seen.Number > w.st.base.seen.Number && known.snap.ShardState(w.shard).Folded <= w.st.end {
		w.st.rebase(known)
	}
}

// suspicious reports whether the tail seems long and a newer snapshot may say
// that it is not.
func (w *writer) suspicious() bool {
	return w.st.long() && chain.Elapsed(w.st.base.looked, w.log.now()) >= lookAgain
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
