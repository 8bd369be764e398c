package commitlog

import (
	"context"

	"github.com/firnlog/firn/internal/bug"
	"github.com/firnlog/firn/layout"
	"github.com/firnlog/firn/layout/event"
	"github.com/firnlog/firn/layout/fault"
	"github.com/firnlog/firn/layout/snapshot"
)

// Mask says what is erased of a data file or a commit: events of streams, and
// payloads of single events. The nil mask hides nothing.
type Mask struct {
	streams  map[string]int64 // events of the stream below this position are gone
	redacted map[place][]byte // what stands in the place of the payload
}

// place is a position and an ordinal in one shard.
type place struct {
	position int64
	ordinal  int32
}

// Gone reports whether an event of the stream at a position is erased.
func (m *Mask) Gone(stream string, position int64) bool {
	return m != nil && (position < m.streams[stream] || m.streams[stream] > 0 && bug.In(bug.ErasedLater))
}

// Redacted returns the payload that stands in the place of an event's own, nil
// where it was not redacted. Its metadata are {} then.
func (m *Mask) Redacted(position int64, ordinal int32) []byte {
	if m == nil {
		return nil
	}
	return m.redacted[place{position, ordinal}]
}

// Redacts reports whether the mask replaces any payload.
func (m *Mask) Redacts() bool { return m != nil && len(m.redacted) > 0 }

// Apply carries the mask out on events, in place, and returns those that are
// left.
func (m *Mask) Apply(events []event.Event) []event.Event {
	if m == nil {
		return events
	}
	left := events[:0]
	for _, e := range events {
		if m.Gone(e.Stream, e.Place.Position) {
			continue
		}
		if payload := m.Redacted(e.Place.Position, e.Place.Ordinal); payload != nil {
			e.Payload, e.Metadata = payload, []byte("{}")
		}
		left = append(left, e)
	}
	return left
}

// Erasures returns the erasures of a shard that the view knows of and that are not
// carried out yet to the last byte: those of its snapshot, and of its tail. For a
// view of a cursor these are the ones of now: what is erased is erased on every
// page.
func (v *View) Erasures(shard int) []snapshot.Erasure {
	if v.erased != nil {
		v = v.erased
	}
	var list []snapshot.Erasure
	if v.dropped[shard] == 0 {
		for _, e := range v.snap.ShardState(shard).Erasures {
			if e.Gone == 0 {
				list = append(list, e)
			}
		}
	}
	for _, c := range v.tails[shard] {
		switch {
		case c.Drop && c.Generation >= v.dropped[shard]:
			list = nil // what was erased before is gone as a whole
		case c.Erase != nil:
			list = append(list, c.Order())
		}
	}
	return list
}

// Order returns a commit's erasure as snapshots name it.
func (c *Commit) Order() snapshot.Erasure {
	return snapshot.Erasure{ID: c.Erase.ID, Position: c.Position, Time: c.Time, Stream: c.Erase.Stream}
}

// FileMask returns what is erased of a data file and still lies in it, nil for
// nothing: what its bounds show that it cannot hold is left out, and what no file
// of the table holds any more. It costs one request for each redaction whose
// commit is not in memory.
func (v *View) FileMask(ctx context.Context, f snapshot.File) (*Mask, error) {
	var open []snapshot.Erasure
	for _, e := range v.Erasures(f.Shard) {
		if e.Rewritten != 0 && v.erased == nil { // the view's own files were rewritten before
			continue
		}
		if e.Position > f.ErasedTo && f.MinPosition < e.Position && (e.Stream == "" || f.MinStream <= e.Stream && e.Stream <= f.MaxStream) {
			open = append(open, e)
		}
	}
	return v.mask(ctx, f.Shard, open, f.MinPosition, f.MaxPosition)
}

// TailMask returns what is erased of a commit of the tail, nil for nothing.
func (v *View) TailMask(ctx context.Context, c *Commit) (*Mask, error) {
	var open []snapshot.Erasure
	for _, e := range v.Erasures(c.Shard) {
		if bug.In(bug.TailUnmasked) {
			break
		}
		if e.Position > c.Position || bug.In(bug.ErasedLater) {
			open = append(open, e)
		}
	}
	return v.mask(ctx, c.Shard, open, c.Position, c.Position)
}

// mask puts erasures together, for events at positions from … to.
func (v *View) mask(ctx context.Context, shard int, erasures []snapshot.Erasure, from, to int64) (*Mask, error) {
	var m *Mask
	for _, e := range erasures {
		if e.Stream != "" {
			m = m.with()
			m.streams[e.Stream] = max(m.streams[e.Stream], e.Position)
			continue
		}
		c, err := v.log.erasure(ctx, v.Instance.ID, shard, e.Position)
		if err != nil {
			return nil, fault.Wrap(err, "reading erasure %s", e.ID)
		}
		names, err := c.Events()
		if err != nil {
			return nil, fault.Wrap(err, "%s", layout.Commit(v.Instance.ID, shard, e.Position))
		}
		for _, n := range names {
			if n.Place.Position >= from && n.Place.Position <= to {
				m = m.with()
				m.redacted[place{n.Place.Position, n.Place.Ordinal}] = c.Erase.Payload
			}
		}
	}
	return m, nil
}

// with returns a mask that can be added to.
func (m *Mask) with() *Mask {
	if m == nil {
		m = &Mask{streams: map[string]int64{}, redacted: map[place][]byte{}}
	}
	return m
}
