package querier

import (
	"context"
	"slices"

	"github.com/firnlog/firn/layout/event"
	"github.com/firnlog/firn/layout/fault"
	"github.com/firnlog/firn/layout/segment"
)

// What was erased lies in data files and commits until a compactor has rewritten
// them. A source that an erasure concerns has a mask, and is read row by row: of
// it neither its counts nor the statistics, columns and filters of what lies
// within payload and metadata say anything, since these would tell of what is
// gone. What they say of other columns is only ever too wide, and prunes rightly.

// visible returns the rows of a chunk that no erasure took, in ascending order.
func (c *chunk) visible() ([]int32, error) {
	rows := make([]int32, c.rows())
	for i := range rows {
		rows[i] = int32(i)
	}
	if c.mask == nil {
		return rows, nil
	}
	if err := c.load(segment.Set(segment.Stream, segment.Position)); err != nil {
		return nil, err
	}
	positions := c.ints(segment.Position)
	return slices.DeleteFunc(rows, func(row int32) bool {
		return c.mask.Gone(c.text(segment.Stream, row), positions[row])
	}), nil
}

// whole returns the columns that are needed to show those given: with payloads,
// the places by which redactions name them.
func (c *chunk) whole(cols segment.Columns) segment.Columns {
	if c.mask.Redacts() && cols&(segment.Set(segment.Payload)|segment.Set(segment.Metadata)) != 0 {
		cols |= placeColumns
	}
	return cols
}

// redacted returns what stands in the place of a row's payload or metadata, and
// whether anything does.
func (c *chunk) redacted(col segment.Column, row int32) (string, bool) {
	if col != segment.Payload && col != segment.Metadata || !c.mask.Redacts() {
		return "", false
	}
	place := c.place(row)
	payload := c.mask.Redacted(place.Position, place.Ordinal)
	if payload == nil {
		return "", false
	}
	if col == segment.Metadata {
		return "{}", true
	}
	return string(payload), true
}

// Find returns which events match a query's instance, stream and conditions, in
// append order: their streams, sequence numbers and places, and nothing else of
// them. Errors are those of [Engine.Run]; Limit also when more than most match.
func (e *Engine) Find(ctx context.Context, q *Query, most int) ([]event.Event, error) {
	ask := New(q.Instance)
	ask.Stream, ask.Where, ask.NoTotal = q.Stream, q.Where, true
	p, err := newPlan(ask)
	if err != nil {
		return nil, err
	}
	r, err := e.begin(ctx, p)
	if err != nil {
		return nil, err
	}
	r.top = newTop(r.order, most+1, nil, r.memory)
	if err := r.scan(ctx); err != nil {
		return nil, err
	}
	entries, err := r.top.sorted(ctx)
	if err != nil {
		return nil, err
	}
	if len(entries) > most {
		return nil, fault.New(fault.Limit, "more than %d events match: narrow the conditions, by time for one, and repeat until none is left", most)
	}
	return r.names(ctx, entries)
}

// names reads the streams and sequence numbers of entries.
func (r *run) names(ctx context.Context, entries []*entry) ([]event.Event, error) {
	out := make([]event.Event, len(entries))
	chunks := map[*unit]*chunk{}
	for i, e := range entries {
		c := chunks[e.unit]
		if c == nil {
			c = &chunk{unit: e.unit, ctx: ctx, stats: &r.stats}
			chunks[e.unit] = c
			if err := r.ready(ctx, e.unit); err != nil {
				return nil, err
			}
			if err := c.load(segment.Set(segment.Stream, segment.Sequence)); err != nil {
				return nil, err
			}
		}
		out[i] = event.Event{Stream: c.text(segment.Stream, e.row), Sequence: c.ints(segment.Sequence)[e.row], Place: e.place}
	}
	return out, nil
}
