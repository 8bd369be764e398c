package verify

import (
	"bytes"
	"context"

	"github.com/firnlog/firn/layout/commitlog"
	"github.com/firnlog/firn/layout/event"
	"github.com/firnlog/firn/layout/store"
)

// keepsVersions warns of a bucket in which what is erased does not end.
func keepsVersions(ctx context.Context, s store.Store, out *findings) error {
	rules, ok := store.RulesOf(s)
	if !ok {
		return nil
	}
	kept, err := rules.Versioned(ctx)
	if err == nil && kept {
		out.warn(Versions, "", "the bucket keeps former versions of objects: what is erased, expired or deleted may still lie in them, and is paid for")
	}
	return err
}

// erasures is what a shard was ordered to forget, by the snapshot and by the
// commits of orders that are there.
type erasures struct {
	streams   map[string]*order // by the stream's hash: the last order
	redacted  map[event.Place]*order
	payloads  map[event.Place][]byte // what stands in the place of the redacted ones
	forgotten int64                  // up to here there were orders of which nothing is known any more
	last      int64                  // highest position of an order for a stream
}

// order is an erasure.
type order struct {
	position int64
	done     bool // no data file of the table may hold anything of it
}

// learn takes in the orders that the snapshot knows.
func (s *shardPass) learn() {
	s.erased = erasures{streams: map[string]*order{}, redacted: map[event.Place]*order{}, payloads: map[event.Place][]byte{}, forgotten: s.state.ErasedBefore}
	s.orders = map[int64]bool{}
	last := int64(0)
	for _, e := range s.state.Erasures {
		if e.Position <= last || e.Position > s.state.Folded || e.Gone != 0 && e.Rewritten == 0 {
			s.out.fault(Chain, s.newest.Key, "shard %d, folded up to %d: the erasure of position %d comes behind that of %d, or was gone before it was rewritten", s.shard, s.state.Folded, e.Position, last)
		}
		last = max(last, e.Position)
		s.orders[e.Position] = e.Rewritten != 0
		hash := e.Hash
		if e.Stream != "" {
			hash = commitlog.StreamHash(e.Stream)
		}
		if hash != "" {
			s.erased.erase(hash, e.Position, e.Rewritten != 0)
		}
		if key := s.logKey(s.shard, e.Position); e.Gone == 0 {
			if _, ok := s.objects[key]; !ok {
				s.out.fault(Missing, key, "the newest snapshot names the erasure, and its commit is not there")
			}
		}
	}
}

// erase notes an order for a stream. Of several the last one counts for what is
// gone, and is done only if it is.
func (e *erasures) erase(hash string, position int64, done bool) {
	if known := e.streams[hash]; known == nil || known.position <= position {
		e.streams[hash] = &order{position, done}
	}
	e.last = max(e.last, position)
}

// obey takes in the commit of an order. One that was folded is in the snapshot: if
// not, it was lost, and what it erased will come back.
func (s *shardPass) obey(c *commit) {
	done, known := s.orders[c.position]
	if c.position <= s.state.Folded && !known {
		s.out.fault(Gap, c.key, "the erasure is folded, and the newest snapshot does not know it: what it erased is seen again")
		return
	}
	if c.erase.Stream != "" {
		s.erased.erase(commitlog.StreamHash(c.erase.Stream), c.position, done)
	}
	err := c.events(func(e *event.Event) {
		s.erased.redacted[e.Place] = &order{c.position, done}
		s.erased.payloads[e.Place] = c.erase.Payload
	})
	if err != nil {
		s.out.fault(Unreadable, c.key, "%v", err)
	}
}

// forgot notes that a drop made all orders before it void.
func (s *shardPass) forgot() {
	s.erased = erasures{streams: map[string]*order{}, redacted: map[event.Place]*order{}, payloads: map[event.Place][]byte{}}
}

// checkErased looks for a row of a data file that must not be there any more.
func (r *fileReader) checkErased(e *event.Event) {
	if len(r.erased.streams) > 0 {
		o := r.erased.streams[commitlog.StreamHash(e.Stream)]
		if o != nil && e.Place.Position < o.position && (o.done || r.f.ErasedTo >= o.position) {
			r.out.fault(Content, r.f.Key, "an event of position %d is there, whose stream was erased at %d: that was carried out up to %d, says %s", e.Place.Position, o.position, r.f.ErasedTo, r.f.by)
		}
	}
	if o := r.erased.redacted[e.Place]; o != nil && (o.done || r.f.ErasedTo >= o.position) && !r.erased.shows(e) {
		r.out.fault(Content, r.f.Key, "the event of place %s shows what was redacted at %d: that was carried out up to %d, says %s", e.Place, o.position, r.f.ErasedTo, r.f.by)
	}
}

// shows reports whether an event is as its redaction left it.
func (e *erasures) shows(of *event.Event) bool {
	payload, ok := e.payloads[of.Place]
	return ok && bytes.Equal(of.Payload, payload) && string(of.Metadata) == "{}"
}

// excuses reports whether events of a stream may be missing that were appended
// before those of a place, or before now at the zero place. An order takes a
// stream's events from their beginning on, so that, once it is carried out,
// nothing is left before those that it took. Of orders that are forgotten only the
// position of the last one is known: others may have been anywhere before it.
func (e *erasures) excuses(stream string, fromBeginning bool, before event.Place) bool {
	if e.forgotten > 0 && fromBeginning {
		return true
	}
	if len(e.streams) == 0 {
		return false
	}
	o := e.streams[commitlog.StreamHash(stream)]
	return o != nil && (!o.done || fromBeginning && (before.Position == 0 || before.Position > o.position))
}

// took reports whether an event of a stream, at a position, may have been erased.
func (e *erasures) took(stream string, position int64) bool {
	if position < e.forgotten {
		return true
	}
	if len(e.streams) == 0 {
		return false
	}
	o := e.streams[commitlog.StreamHash(stream)]
	return o != nil && position < o.position
}

// wholeFrom returns the position from which on commits are in the table as a whole.
func (e *erasures) wholeFrom() int64 { return max(e.forgotten, e.last) + 1 }
