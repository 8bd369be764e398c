package compactor

import (
	"context"
	"slices"
	"time"

	"github.com/firnlog/firn/internal/bug"
	"github.com/firnlog/firn/layout"
	"github.com/firnlog/firn/layout/chain"
	"github.com/firnlog/firn/layout/commitlog"
	"github.com/firnlog/firn/layout/event"
	"github.com/firnlog/firn/layout/snapshot"
)

// Erasures that are carried out to the last byte are remembered for goneLife, so
// that whoever ordered one can learn when, and the newest goneMax of an instance, in equal
// parts for its shards: with 256 shards as many each would make a large snapshot.
const (
	goneLife = 30 * 24 * time.Hour
	goneMax  = 1_024
)

// orders returns the keys of the commits of erasures that are under way by a
// snapshot, with the index of the newest one that says so, and the shards that have
// such.
func (s *sweep) orders() (commits map[string]int, shards map[int]bool) {
	commits, shards = map[string]int{}, map[int]bool{}
	for i, snap := range slices.Backward(s.snaps) {
		for _, st := range snap.Shards {
			for _, e := range st.Erasures {
				if e.Gone == 0 && !bug.In(bug.OrderSwept) {
					commits[layout.Commit(s.id, st.Shard, e.Position)] = i
					shards[st.Shard] = true
				}
			}
		}
	}
	return commits, shards
}

// kept reports whether a commit is that of an erasure which the snapshot of an
// index, or a newer one, needs to know what was redacted.
func (s *sweep) kept(key string, index int) bool {
	newest, ok := s.orderAt[key]
	return ok && newest <= index
}

// settle marks the erasures whose last byte this sweep, or one before it, has
// deleted. These are the ones that the oldest snapshot left knows as rewritten:
// before its predecessor went all that was dropped up to it did, with the commits
// that it folded. A crash before the mark leaves it to the next sweep.
func (s *sweep) settle(ctx context.Context) error {
	oldest, newest := s.snaps[s.oldest], s.snaps[0]
	if bug.In(bug.GoneEarly) {
		oldest = newest
	}
	if s.numbers[s.oldest] == 1 { // what it folded may be there yet
		return nil
	}
	var edit snapshot.Edit
	for _, st := range newest.Shards {
		if to, changed := settled(st, oldest.ShardState(st.Shard), event.ToMicros(s.now), goneMax/len(newest.Shards)); changed {
			edit.Shards = append(edit.Shards, snapshot.ShardEdit{From: st, To: to})
		}
	}
	if edit.Empty() {
		return nil
	}
	next, ok, err := s.table.Apply(ctx, newest, edit)
	if err != nil || !ok {
		return err
	}
	_, err = s.table.Commit(ctx, chain.Seen{Number: s.numbers[0], At: s.now}, next)
	return err
}

// settled returns a shard's state with the erasures marked as gone that an older
// state knows as rewritten, and of those that are gone with as many of the newest as
// are remembered.
func settled(st, oldest snapshot.Shard, now event.Micros, remembered int) (to snapshot.Shard, changed bool) {
	to = st
	to.Erasures = nil
	gone := 0
	for _, e := range slices.Backward(st.Erasures) {
		rewritten := slices.ContainsFunc(oldest.Erasures, func(o snapshot.Erasure) bool {
			return o.Position == e.Position && o.Rewritten != 0
		})
		if e.Gone == 0 && rewritten {
			e.Gone, changed = now, true
			if e.Stream != "" {
				e.Stream, e.Hash = "", commitlog.StreamHash(e.Stream)
			}
		}
		if e.Gone != 0 {
			if gone++; gone > remembered || now-e.Gone > event.Micros(goneLife.Microseconds()) {
				changed = true
				to.ErasedBefore = max(to.ErasedBefore, e.Position)
				continue
			}
		}
		to.Erasures = append(to.Erasures, e)
	}
	slices.Reverse(to.Erasures)
	return to, changed
}
