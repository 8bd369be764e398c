package verify

import (
	"context"
	"maps"
	"slices"

	"github.com/firnlog/firn/layout/commitlog"
	"github.com/firnlog/firn/layout/event"
	"github.com/firnlog/firn/layout/snapshot"
)

// checkAge checks what the snapshot says of a run's age: of several, the newest
// stands first.
func (s *shardPass) checkAge(runs []snapshot.Run, i int) {
	r := runs[i]
	if r.Newest > s.state.Time || i > 0 && r.Newest > runs[i-1].Newest {
		s.out.fault(Disorder, r.Object(0), "the run is said to be of %s, newer than the run before it or than the shard, of %s", r.Newest, s.state.Time)
	}
}

// readHeads reads the runs of heads. Of a stream's entries the one in the
// earliest run counts; those in later runs are older.
func (s *shardPass) readHeads(ctx context.Context) error {
	for i, r := range s.state.Heads {
		s.checkAge(s.state.Heads, i)
		whole, err := readRun(ctx, s.pass, r, s.seeHead)
		if err != nil {
			return err
		}
		s.noHeads = s.noHeads || !whole
	}
	return nil
}

// seeHead takes in an entry of a run of heads.
func (s *shardPass) seeHead(object string, h snapshot.Head) {
	if err := event.CheckName("stream_id", h.Stream); err != nil || h.Sequence < 1 {
		s.out.fault(Content, object, "an entry says that stream %.80q stands at %d", h.Stream, h.Sequence)
		return
	}
	if s.void {
		return
	}
	if want, ok := s.checkShard(h.Stream); !ok && s.shard < s.inst.Shards {
		s.out.fault(Misplaced, object, "stream %q belongs in shard %d", h.Stream, want)
	}
	st := s.stream(h.Stream)
	switch {
	case st.head == 0:
		st.head, st.headKey = h.Sequence, object
	case h.Sequence > st.head:
		s.out.fault(Heads, object, "stream %q stands at %d, and at %d by the newer run %s", h.Stream, h.Sequence, st.head, st.headKey)
	}
}

// readKeys reads the runs of idempotency keys and compares them with the commits
// that are there.
func (s *shardPass) readKeys(ctx context.Context) error {
	life := event.Micros(commitlog.KeyLife.Microseconds())
	found, complete := map[string]snapshot.Key{}, true
	for i, r := range s.state.Keys {
		s.checkAge(s.state.Keys, i)
		if s.state.Time-r.Newest > life {
			s.out.fault(Keys, r.Object(0), "the run is of %s, and no key lives from then to %s", r.Newest, s.state.Time)
		}
		whole, err := readRun(ctx, s.pass, r, func(object string, k snapshot.Key) { s.seeKey(object, k, r.Newest, found) })
		if err != nil {
			return err
		}
		complete = complete && whole
	}
	if complete && !s.void {
		s.checkUses(found, life)
	}
	return nil
}

// seeKey takes in an entry of a run of keys, whose newest one is of the time newest.
func (s *shardPass) seeKey(object string, k snapshot.Key, newest event.Micros, found map[string]snapshot.Key) {
	if k.Key == "" || k.Position < 1 || k.Position > s.state.Folded || k.Ordinal < 0 || k.Count < 1 || k.Time > newest {
		s.out.fault(Content, object, "key %.80q stands for %d events from %d at position %d, of %s, which cannot be in a run of %s, folded up to %d",
			k.Key, k.Count, k.Ordinal, k.Position, k.Time, newest, s.state.Folded)
		return
	}
	if c := s.recent[k.Position]; c != nil && !c.late && !s.used(k) {
		s.out.fault(Keys, object, "key %q is said to stand for %d events from %d at position %d, which that commit does not say", k.Key, k.Count, k.Ordinal, k.Position)
	}
	if newer, ok := found[k.Key]; !ok {
		found[k.Key] = k
	} else if newer.Position < k.Position {
		s.out.fault(Keys, object, "key %q was used at position %d, and at %d by a newer run", k.Key, k.Position, newer.Position)
	}
}

// used reports whether a commit that is there says what an entry of a run says.
func (s *shardPass) used(k snapshot.Key) bool {
	for _, u := range s.uses[k.Key] {
		if u.position == k.Position && u.First == k.Ordinal && u.Count == k.Count && u.Hash == k.Hash && u.time == k.Time {
			return true
		}
	}
	return false
}

// checkUses checks that the runs have the keys of all commits that are there and
// whose life is not over, and that none of these was used again in the tail.
func (s *shardPass) checkUses(found map[string]snapshot.Key, life event.Micros) {
	for _, key := range slices.Sorted(maps.Keys(s.uses)) {
		uses := s.uses[key]
		last := uses[len(uses)-1]
		if k, ok := found[key]; s.state.Time-last.time <= life && (!ok || k.Position != last.position) {
			s.out.fault(Keys, last.commit, "no run has the key %q, used at position %d", key, last.position)
		}
	}
	for _, key := range slices.Sorted(maps.Keys(s.tailKeys)) {
		u := s.tailKeys[key]
		if k, ok := found[key]; ok && u.time-k.Time <= life {
			s.out.fault(Duplicate, u.commit, "the idempotency key %q was used at position %d and is used again at %d, within its life", key, k.Position, u.position)
		}
	}
}
