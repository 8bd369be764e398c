package verify

import (
	"context"
	"maps"
	"slices"

	"github.com/firnlog/firn/layout/commitlog"
	"github.com/firnlog/firn/layout/event"
	"github.com/firnlog/firn/layout/fault"
	"github.com/firnlog/firn/layout/store"
)

// readLog reads all commits that are there, oldest first: the folded ones, to
// compare the table with, and the tail.
func (s *shardPass) readLog(ctx context.Context) error {
	expect, last := s.state.Folded+1, s.state.Time
	var before event.Micros // time of the commit before, among the folded
	for _, o := range s.logs[s.shard] {
		pl := parseKey(s.inst.ID, o.Key)
		if pl.number <= s.state.Folded {
			t, err := s.readFolded(ctx, o, pl.number, before)
			if err != nil {
				return err
			}
			before = t
			continue
		}
		if expect < pl.number {
			s.noTail = true
			s.out.fault(Missing, s.logKey(s.shard, expect), "the tail has no commit from position %d on, and one at %d", expect, pl.number)
		}
		expect = pl.number + 1
		s.sum.Commits++
		c, err := s.openCommit(ctx, o.Key, pl.number)
		if err != nil {
			return err
		}
		if c == nil {
			s.noTail = true
			continue
		}
		if c.time < last {
			s.out.fault(Disorder, o.Key, "the commit's time is %s, before that of the commit before it, %s", c.time, last)
		}
		last = max(last, c.time)
		s.readTail(c)
	}
	for _, position := range slices.Sorted(maps.Keys(s.pending)) {
		s.obey(s.pending[position])
	}
	return nil
}

// openCommit reads a commit and checks it by itself; nil where that cannot be,
// or where the commit was folded and swept since it was listed.
func (s *shardPass) openCommit(ctx context.Context, key string, position int64) (*commit, error) {
	var c *commit
	err := guard(func() (err error) {
		c, err = readCommit(ctx, s.s, key, s.shard, position)
		return err
	})
	if fault.Is(err, fault.NotFound) && position <= s.state.Folded {
		return nil, nil
	}
	if err != nil {
		return nil, unreadable(s.out, key, err)
	}
	if c.own != key {
		s.out.fault(Misplaced, key, "the commit says that it is %q", c.own)
	}
	if other, ok := s.ids[c.id]; ok {
		s.out.fault(Duplicate, key, "the commit bears the writer's id %s, as %s does", c.id, other)
	}
	s.ids[c.id] = key
	if c.erase != nil && (c.erase.Stream != "") != (c.file.Rows() == 0) {
		s.out.fault(Content, key, "the erasure is of stream %q, and names %d events", c.erase.Stream, c.file.Rows())
	}
	if c.erase == nil && c.drop != (c.file.Rows() == 0) {
		s.out.fault(Content, key, "the commit is a drop: %v, and it has %d events", c.drop, c.file.Rows())
	}
	if bad := c.checkKeys(); bad != "" {
		s.out.fault(Keys, key, "%s", bad)
	}
	return c, nil
}

// readFolded takes in a commit at a folded position, whose events the table must
// hold, and returns its time. One that was stored after it was folded is only
// compared.
func (s *shardPass) readFolded(ctx context.Context, o store.Info, position int64, before event.Micros) (event.Micros, error) {
	s.sum.Folded++
	late := s.late(o, s.shard, position)
	c, err := s.openCommit(ctx, o.Key, position)
	if err != nil || c == nil {
		return before, err
	}
	if late && (c.drop || c.erase != nil) {
		return before, nil
	}
	if !late && (c.time < before || c.time > s.state.Time || position == s.state.Folded && c.time != s.state.Time) {
		s.out.fault(Disorder, o.Key, "the commit's time is %s, that of the one before it %s, and that of the last one folded %s", c.time, before, s.state.Time)
	}
	if c.drop {
		s.drops[position] = true
		if c.generation == s.state.Generation {
			clear(s.pending)
			clear(s.recent)
			clear(s.uses)
		}
		return c.time, nil
	}
	if c.erase != nil {
		s.pending[position] = c
		return c.time, nil
	}
	f := &folded{key: o.Key, late: late}
	err = c.events(func(e *event.Event) {
		s.checkEvent(c, e, len(f.events))
		f.events = append(f.events, kept{hash: hashOf(e), expires: s.mayExpire(e.Time), stream: s.intern(e.Stream)})
	})
	if err != nil {
		s.out.fault(Unreadable, c.key, "%v", err)
		return c.time, nil
	}
	s.recent[position] = f
	if late {
		return before, nil
	}
	for _, k := range c.keys {
		s.use(c, k, s.uses[k.Key])
		s.uses[k.Key] = append(s.uses[k.Key], keyUse{k, position, c.time, c.key})
	}
	return c.time, nil
}

// use checks that an idempotency key was free.
func (s *shardPass) use(c *commit, k keyRange, before []keyUse) {
	if n := len(before); n > 0 && c.time-before[n-1].time <= event.Micros(commitlog.KeyLife.Microseconds()) {
		s.out.fault(Duplicate, c.key, "the idempotency key %q was used at position %d and is used again at %d, within its life", k.Key, before[n-1].position, c.position)
	}
}

// checkEvent checks an event of a commit by itself.
func (s *shardPass) checkEvent(c *commit, e *event.Event, ordinal int) {
	if bad := illegal(e); bad != "" {
		s.out.fault(Content, c.key, "event %d, of stream %q: %s", ordinal, e.Stream, bad)
	}
	if e.Place.Position != c.position || int(e.Place.Ordinal) != ordinal || e.Ingested != c.time {
		s.out.fault(Misplaced, c.key, "event %d bears the place %s and the time %s, and the commit's time is %s", ordinal, e.Place, e.Ingested, c.time)
	}
}

// readTail takes in a commit of the tail.
func (s *shardPass) readTail(c *commit) {
	if c.drop {
		if c.generation > s.highest { // other drops mean nothing
			s.highest, s.void = c.generation, true
			s.undropped = nil
			clear(s.tail)
			clear(s.tailKeys)
			clear(s.uses)
			clear(s.recent)
			clear(s.pending)
			s.forgot()
		}
		return
	}
	if c.generation <= s.highest || c.generation > s.inst.Generation {
		s.out.fault(Chain, c.key, "the commit is of generation %d; generation %d is dropped, and the instance is in generation %d", c.generation, s.highest, s.inst.Generation)
	} else if c.generation < s.inst.Generation {
		s.undropped = c
	}
	if c.erase != nil {
		s.pending[c.position] = c
		return
	}
	ordinal := 0
	err := c.events(func(e *event.Event) {
		s.checkEvent(c, e, ordinal)
		ordinal++
		if want, ok := s.checkShard(e.Stream); !ok && c.generation == s.inst.Generation && s.shard < s.inst.Shards {
			s.out.fault(Misplaced, c.key, "stream %q belongs in shard %d", e.Stream, want)
		}
		s.follow(c, e)
	})
	if err != nil {
		s.noTail = true
		s.out.fault(Unreadable, c.key, "%v", err)
	}
	for _, k := range c.keys {
		u := keyUse{k, c.position, c.time, c.key}
		if first, ok := s.tailKeys[k.Key]; ok {
			s.use(c, k, []keyUse{first})
		} else {
			s.tailKeys[k.Key] = u
		}
		s.use(c, k, s.uses[k.Key])
	}
}

// follow checks that an event of the tail has the number behind the last of its
// stream.
func (s *shardPass) follow(c *commit, e *event.Event) {
	t := s.tail[e.Stream]
	if t == nil {
		s.tail[string([]byte(e.Stream))] = &tailStream{first: e.Sequence, last: e.Sequence, key: c.key}
		return
	}
	if e.Sequence <= t.last {
		s.out.fault(Duplicate, c.key, "stream %q: number %d comes behind number %d", e.Stream, e.Sequence, t.last)
		return
	}
	if e.Sequence > t.last+1 && !s.noTail {
		s.out.fault(Gap, c.key, "stream %q: number %d comes behind number %d", e.Stream, e.Sequence, t.last)
	}
	t.last = e.Sequence
}
