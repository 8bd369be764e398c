package querier

import (
	lru "container/list"
	"context"
	"strings"
	"sync"

	"github.com/firnlog/firn/layout/commitlog"
	"github.com/firnlog/firn/layout/event"
	"github.com/firnlog/firn/layout/segment"
)

// decodedBytes bounds the columns of commits that tails share.
const decodedBytes = 64 << 20

// decoded keeps the columns of commits that were decoded last, so that any
// number of tails decode each once. It is safe for concurrent use.
type decoded struct {
	max int64

	mu    sync.Mutex // guards what is below, and the sizes of groups
	bytes int64
	last  *lru.List // of *decodedGroup, the last used first
	index map[*segment.Group]*lru.Element
}

// decodedGroup is a row group of a commit with the columns that tails asked for.
type decodedGroup struct {
	mu    sync.Mutex // guards chunk
	chunk *chunk
	size  int64
}

func newDecoded(max int64) *decoded {
	return &decoded{max: max, last: lru.New(), index: map[*segment.Group]*lru.Element{}}
}

// with calls f with a group's columns, which are f's alone meanwhile, as a mask
// leaves them.
func (d *decoded) with(g *segment.Group, shard int, mask *commitlog.Mask, f func(*chunk) error) error {
	dg := d.get(g, shard)
	dg.mu.Lock()
	defer dg.mu.Unlock()
	dg.chunk.mask = mask
	err := f(dg.chunk)
	d.grown(g, dg.chunk.size())
	return err
}

func (d *decoded) get(g *segment.Group, shard int) *decodedGroup {
	d.mu.Lock()
	defer d.mu.Unlock()
	if e, ok := d.index[g]; ok {
		d.last.MoveToFront(e)
		return e.Value.(*decodedGroup)
	}
	dg := &decodedGroup{chunk: &chunk{ctx: context.Background(), unit: &unit{group: g, shard: shard}, stats: &counters{}}}
	d.index[g] = d.last.PushFront(dg)
	return dg
}

// grown notes the size of a group and forgets those that were used longest ago.
func (d *decoded) grown(g *segment.Group, size int64) {
	d.mu.Lock()
	defer d.mu.Unlock()
	e, ok := d.index[g]
	if !ok {
		return // forgotten meanwhile
	}
	dg := e.Value.(*decodedGroup)
	d.bytes += size - dg.size
	dg.size = size
	for d.bytes > d.max {
		old := d.last.Remove(d.last.Back()).(*decodedGroup)
		delete(d.index, old.chunk.group)
		d.bytes -= old.size
	}
}

// size returns the bytes of the columns that were read.
func (c *chunk) size() int64 {
	size := int64(1024) // and whatever there is beside them
	for _, col := range c.have.List() {
		size += int64(c.parts[col].Column(col).Data().SizeInBytes())
	}
	for _, v := range c.vectors {
		size += v.size
	}
	return size
}

// matching returns the events of a commit from an ordinal on that match and that
// retention and a mask show, with memory of their own, and whether these are all: it stops
// behind the event that takes them beyond tailBytes. For rows that do not match
// no column is decoded but those that conditions need.
func (t *Tail) matching(ctx context.Context, c *commitlog.Commit, from int32, mask *commitlog.Mask) (events []event.Event, all bool, err error) {
	if t.plan.never {
		return nil, true, nil
	}
	size, shown := 0, false
	var before event.Micros
	for _, g := range c.File.Groups() {
		rows, err := t.rows(g, c.Shard, mask)
		if err != nil {
			return nil, false, err
		}
		if len(rows) > 0 && !shown {
			if before, err = t.feed.HiddenBefore(ctx); err != nil {
				return nil, false, err
			}
			shown = true
		}
		err = t.decoded.with(g, c.Shard, mask, func(ch *chunk) error {
			if len(rows) == 0 {
				return nil
			}
			if err := ch.load(segment.AllColumns); err != nil {
				return err
			}
			for _, row := range rows {
				if ch.place(row).Ordinal < from || event.Micros(ch.int(segment.Time, row)) < before || size > tailBytes {
					continue
				}
				events = append(events, ch.event(row))
				size += events[len(events)-1].Size()
			}
			return nil
		})
		if err != nil || size > tailBytes {
			return events, false, err
		}
	}
	return events, true, nil
}

// rows returns the rows of a commit's row group that match.
func (t *Tail) rows(g *segment.Group, shard int, mask *commitlog.Mask) (rows []int32, err error) {
	rest, ok := prune(groupExtent{g, shard}, t.plan.cheap)
	if !ok {
		return nil, nil
	}
	err = t.decoded.with(g, shard, mask, func(c *chunk) (err error) {
		rows, err = t.plan.filter(c, rest)
		return err
	})
	return rows, err
}

// event returns the event of a row with memory of its own. All columns must be
// loaded.
func (c *chunk) event(row int32) event.Event {
	e := event.Event{
		Stream: strings.Clone(c.text(segment.Stream, row)), Type: strings.Clone(c.text(segment.Type, row)),
		Time: event.Micros(c.int(segment.Time, row)), ID: strings.Clone(c.text(segment.ID, row)), Tags: c.tags(row),
		Payload: []byte(c.text(segment.Payload, row)), Metadata: []byte(c.text(segment.Metadata, row)),
		Sequence: c.int(segment.Sequence, row), Ingested: event.Micros(c.int(segment.Ingested, row)), Place: c.place(row),
	}
	for i, tag := range e.Tags {
		e.Tags[i] = strings.Clone(tag)
	}
	return e
}

// sizeOf returns about how many bytes the events take.
func sizeOf(events []event.Event) int64 {
	var n int64
	for i := range events {
		n += int64(events[i].Size())
	}
	return n
}
