package compactor

import (
	"container/heap"
	"context"

	"github.com/apache/arrow-go/v18/arrow"

	"github.com/firnlog/firn/layout/event"
	"github.com/firnlog/firn/layout/segment"
)

// mergeBytes bounds the rows that a merge holds in memory, all its inputs
// together, not counting the row group that it writes.
const mergeBytes = 48 << 20

// probeRows is how many rows of a row group are read first at most, to see how
// large they are.
const probeRows = 1_024

// source is a row group being merged, at one of its rows: sorted by stream and
// sequence. Some of its rows are in memory, none before it is its turn: its head
// is then a lower bound of its first row.
type source struct {
	group  *segment.Group
	shard  int
	parts  *parts
	part   int   // whose rows alone count
	budget int64 // of bytes in memory

	read  int // rows of the group read so far
	take  int // rows to read the next time
	batch *segment.Batch
	row   int // in the batch
	head  event.Event
}

// newSource returns the rows of a row group that are of a part of the day.
func newSource(g *segment.Group, shard int, p *parts, part int, budget int64) *source {
	perRow := g.Unpacked(segment.AllColumns)/int64(max(1, g.Rows())) + 1
	s := &source{group: g, shard: shard, parts: p, part: part, budget: budget, take: int(max(1, min(probeRows, budget/perRow)))}
	s.head.Stream, _, _ = g.Strings(segment.Stream)
	return s
}

// next moves on to the next row of the part. It reports whether there is one.
func (s *source) next() (bool, error) {
	for {
		s.row++
		for s.batch == nil || s.row >= s.batch.Rows() {
			if s.read == s.group.Rows() {
				return false, nil
			}
			if err := s.load(); err != nil {
				return false, err
			}
		}
		if s.parts.of(event.Micros(s.batch.Ints(segment.Time)[s.row])) == s.part {
			s.head = s.batch.Event(s.row, s.shard)
			return true, nil
		}
	}
}

// load reads the next rows of the group: as many as fit into the budget, judging
// by those before, and no more than eight times as many.
func (s *source) load() error {
	to := min(s.read+s.take, s.group.Rows())
	b, err := s.group.ReadRows(segment.Rows{{From: s.read, To: to}}, segment.AllColumns, nil)
	if err != nil {
		return err
	}
	var size int64
	for _, column := range b.Record.Columns() {
		size += memoryOf(column.Data())
	}
	perRow := size/int64(to-s.read) + 1
	s.take = int(max(1, min(s.budget/perRow, 8*int64(s.take))))
	s.batch, s.row, s.read = b, 0, to
	return nil
}

// memoryOf returns the bytes of an array's buffers.
func memoryOf(a arrow.ArrayData) int64 {
	var n int64
	for _, b := range a.Buffers() {
		if b != nil {
			n += int64(b.Len())
		}
	}
	for _, child := range a.Children() {
		n += memoryOf(child)
	}
	if _, ok := a.DataType().(*arrow.DictionaryType); ok {
		n += memoryOf(a.Dictionary())
	}
	return n
}

// sources is a heap of sources by their heads.
type sources []*source

func (s sources) Len() int           { return len(s) }
func (s sources) Less(i, j int) bool { return before(&s[i].head, &s[j].head) }
func (s sources) Swap(i, j int)      { s[i], s[j] = s[j], s[i] }
func (s *sources) Push(x any)        { *s = append(*s, x.(*source)) }
func (s *sources) Pop() any {
	last := (*s)[len(*s)-1]
	(*s)[len(*s)-1] = nil // lets go of its rows
	*s = (*s)[:len(*s)-1]
	return last
}

func before(a, b *event.Event) bool {
	if a.Stream != b.Stream {
		return a.Stream < b.Stream
	}
	return a.Sequence < b.Sequence
}

// A chunk of merged rows keeps what its sources have read in memory.
const (
	mergeRowsAtOnce  = 1_024
	mergeBytesAtOnce = 1 << 20
)

// mergeRows hands the rows of all sources to write, in order and in chunks.
func mergeRows(ctx context.Context, all sources, write func([]event.Event) error) error {
	chunk, size := make([]event.Event, 0, mergeRowsAtOnce), 0
	heap.Init(&all)
	for len(all) > 0 {
		s := all[0]
		if s.batch != nil {
			chunk, size = append(chunk, s.head), size+s.head.Size()
			if len(chunk) == mergeRowsAtOnce || size >= mergeBytesAtOnce {
				if err := ctx.Err(); err != nil {
					return err
				}
				if err := write(chunk); err != nil {
					return err
				}
				clear(chunk)
				chunk, size = chunk[:0], 0
			}
		}
		more, err := s.next()
		if err != nil {
			return err
		}
		if more {
			heap.Fix(&all, 0)
		} else {
			heap.Pop(&all)
		}
	}
	return write(chunk)
}
