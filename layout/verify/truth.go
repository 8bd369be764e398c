package verify

import (
	"maps"
	"slices"

	"github.com/firnlog/firn/layout/event"
)

// checkStreams compares the table with the heads.
func (s *shardPass) checkStreams() {
	for _, name := range slices.Sorted(maps.Keys(s.streams)) {
		st := s.streams[name]
		if len(st.spans) > 0 && !s.noHeads {
			switch first := s.sources[st.spans[0].source]; {
			case st.head == 0:
				s.out.fault(Heads, first, "stream %q has events, and no run of heads has it", name)
			case st.head < st.last():
				s.out.fault(Heads, st.headKey, "stream %q stands at %d, and the table has its event %d", name, st.head, st.last())
			}
		}
		if s.noTable || !s.forEver() {
			continue
		}
		next := int64(1)
		for _, sp := range st.spans {
			if sp.lo > next && !s.erased.excuses(name, next == 1, sp.loPlace) {
				s.out.fault(Gap, s.sources[sp.source], "stream %q: events %d to %d are missing before number %d, which is here", name, next, sp.lo-1, sp.lo)
			}
			next = sp.hi + 1
		}
		if st.head >= next && !s.erased.excuses(name, next == 1, event.Place{}) {
			s.out.fault(Heads, st.headKey, "stream %q stands at %d, and the table has its events up to %d only", name, st.head, next-1)
		}
	}
}

// checkPlaces checks that the table holds whole commits, and that their times
// never go back.
func (s *shardPass) checkPlaces() {
	next, last := int64(0), event.Micros(0)
	if s.state.Generation == 0 {
		next = 1 // nothing was ever dropped
	}
	whole := s.forEver() && !s.noTable
	s.places.each(func(position int64, time event.Micros, events, highest int) {
		key := s.logKey(s.shard, position)
		if time < last || time > s.state.Time {
			s.out.fault(Disorder, key, "the events of position %d are of %s, those before of %s, and the last that was folded of %s", position, time, last, s.state.Time)
		}
		last = max(last, time)
		if whole && position >= s.erased.wholeFrom() && events != highest+1 {
			s.out.fault(Gap, key, "the table has %d events of position %d, and the ordinal %d among them", events, position, highest)
		}
		if whole && next > 0 {
			s.checkHole(next, position)
		}
		next = position + 1
	})
	if whole && next > 0 {
		s.checkHole(next, s.state.Folded+1)
	}
}

// checkHole notes that the table has no event of the positions from … to, to
// not included, if there is one that is not known to be a drop.
func (s *shardPass) checkHole(from, to int64) {
	for from = max(from, s.erased.wholeFrom()); from < to; from++ {
		_, ordered := s.orders[from]
		if !s.drops[from] && !ordered && s.pending[from] == nil {
			s.out.fault(Gap, s.logKey(s.shard, from), "positions %d to %d are folded, and the table has no event of them", from, to-1)
			return
		}
	}
}

// checkRecent checks that the table holds every event of the folded commits
// that are still there.
func (s *shardPass) checkRecent() {
	if s.noTable {
		return
	}
	for _, position := range slices.Sorted(maps.Keys(s.recent)) {
		c := s.recent[position]
		for ordinal, e := range c.events {
			switch {
			case e.seen || e.expires || s.erased.took(e.stream, position):
			case c.late:
				s.tooLate(c)
			default:
				s.out.fault(Gap, c.key, "event %d of the commit is not in the table, which is folded up to %d", ordinal, s.state.Folded)
			}
		}
	}
}

// tooLate warns of a commit that is not what was folded, and was stored after it.
func (s *shardPass) tooLate(c *folded) {
	s.out.warn(Late, c.key, "the commit was stored after its position was folded, by a process that had slept; it is of no effect")
}

// checkTail checks that the streams of the tail go on from where the heads say.
func (s *shardPass) checkTail() {
	if s.noHeads && !s.void || s.noTail {
		return
	}
	for _, name := range slices.Sorted(maps.Keys(s.tail)) {
		t, head := s.tail[name], int64(0)
		if st := s.streams[name]; st != nil && !s.void {
			head = st.head
		}
		switch {
		case t.first <= head:
			s.out.fault(Duplicate, t.key, "stream %q: number %d, and the table's heads stand at %d", name, t.first, head)
		case t.first > head+1:
			s.out.fault(Gap, t.key, "stream %q: number %d, and the table's heads stand at %d", name, t.first, head)
		}
	}
}
