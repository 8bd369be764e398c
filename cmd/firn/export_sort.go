package main

import (
	"context"
	"io"
	"os"
	"slices"

	"github.com/firnlog/firn/layout/event"
	"github.com/firnlog/firn/layout/fault"
)

// exportMemory is how many bytes of events an export holds before it sorts them
// into a temporary file. Some megabytes for each of those that are merged, and
// what the format's writer holds, come on top.
const exportMemory = 64 << 20

// mergeWidth is how many sorted runs are merged at once.
const mergeWidth = 64

// sorter brings events into the order of their commits' times, then of streams
// and sequence numbers. The events of a stream keep their order by that: a commit's
// time is never before that of the commit before it. What does not fit in memory
// lies in a temporary file, which close removes.
type sorter struct {
	memory int // bytes that may be held
	spill  spill

	held   []byte // events one behind the other, as appendSortable writes them
	starts []int  // where each of them begins
	one    []byte // scratch
}

func newSorter(memory int, create func() (*os.File, error)) *sorter {
	return &sorter{memory: memory, spill: spill{create: create}}
}

// startBytes is what an event takes beside its bytes.
const startBytes = 8

// add takes an event, whose memory stays the caller's.
func (s *sorter) add(e *record) error {
	at, err := event.ParseTime(e.Ingested)
	if err != nil {
		return fault.Wrap(err, "an event of the answer")
	}
	s.one = e.appendSortable(s.one[:0], at)
	if len(s.starts) > 0 && len(s.held)+len(s.one)+startBytes*(len(s.starts)+1) > s.memory {
		if err := s.spill.add(s.sorted()); err != nil {
			return err
		}
		s.held, s.starts = s.held[:0], s.starts[:0]
	}
	if s.held == nil {
		s.held = make([]byte, 0, s.memory)
	}
	s.starts = append(s.starts, len(s.held))
	s.held = append(s.held, s.one...)
	return nil
}

// sorted sorts the events in memory and returns them one after the other.
func (s *sorter) sorted() ordered {
	slices.SortFunc(s.starts, func(a, b int) int { return compareSortable(s.held[a:], s.held[b:]) })
	return &heldSource{s.held, s.starts}
}

// each calls do with all events in order. The memory of each event is its own.
func (s *sorter) each(ctx context.Context, do func(*record) error) error {
	for len(s.spill.runs) >= mergeWidth {
		if err := s.narrow(ctx); err != nil {
			return err
		}
	}
	merged, err := s.spill.merge(ctx, len(s.spill.runs), s.sorted())
	if err != nil {
		return err
	}
	defer merged.close()
	for {
		text, err := merged.next()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		var e record
		if err := e.readSortable(text); err != nil {
			return err
		}
		if err := do(&e); err != nil {
			return err
		}
	}
}

// narrow merges the first runs of the file into one.
func (s *sorter) narrow(ctx context.Context) error {
	merged, err := s.spill.merge(ctx, mergeWidth)
	if err != nil {
		return err
	}
	defer merged.close()
	s.spill.runs = s.spill.runs[mergeWidth:]
	return s.spill.add(merged)
}

func (s *sorter) close() { s.spill.close() }
