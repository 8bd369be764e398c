package compactor

import (
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/cespare/xxhash/v2"

	"github.com/firnlog/firn/layout"
	"github.com/firnlog/firn/layout/event"
	"github.com/firnlog/firn/layout/fault"
	"github.com/firnlog/firn/layout/segment"
	"github.com/firnlog/firn/layout/snapshot"
	"github.com/firnlog/firn/layout/store"
)

// fileWriter writes one data file and gathers its statistics.
type fileWriter struct {
	c    *Compactor
	body spool
	sum  *xxhash.Digest // of the whole file
	w    *segment.Writer
	stat snapshot.File
}

// newFile starts a data file with the columns and filters of a plan.
func (c *Compactor) newFile(id, day string, shard, level int, plan segment.Plan) *fileWriter {
	f := &fileWriter{c: c, sum: xxhash.New()}
	f.w = segment.NewDataWriter(io.MultiWriter(&f.body, f.sum), plan, map[string]string{"firn.format": "1"})
	f.stat = snapshot.File{Key: layout.NewData(id, day, shard), Shard: shard, Level: level, Types: map[string]int64{}}
	return f
}

// write appends events, which must go on in the order of the file's part.
func (f *fileWriter) write(events []event.Event) error {
	s := &f.stat
	for i := range events {
		e := &events[i]
		if s.Rows == 0 {
			s.MinTime, s.MinSequence, s.MinPosition, s.MinStream = e.Time, e.Sequence, e.Place.Position, strings.Clone(e.Stream)
			s.MaxTime, s.MaxSequence, s.MaxPosition, s.MaxStream = e.Time, e.Sequence, e.Place.Position, s.MinStream
		}
		s.Rows++
		s.MinTime, s.MaxTime = min(s.MinTime, e.Time), max(s.MaxTime, e.Time)
		s.MinSequence, s.MaxSequence = min(s.MinSequence, e.Sequence), max(s.MaxSequence, e.Sequence)
		s.MinPosition, s.MaxPosition = min(s.MinPosition, e.Place.Position), max(s.MaxPosition, e.Place.Position)
		if e.Stream < s.MinStream {
			s.MinStream = strings.Clone(e.Stream) // else it would keep what it was read with in memory
		}
		if e.Stream > s.MaxStream {
			s.MaxStream = strings.Clone(e.Stream)
		}
		f.countType(e.Type)
	}
	return f.w.Write(events)
}

func (f *fileWriter) countType(name string) {
	types := f.stat.Types
	if types == nil {
		return
	}
	if _, ok := types[name]; !ok {
		name = strings.Clone(name)
	}
	if types[name]++; len(types) > snapshot.MaxTypes {
		f.stat.Types = nil
	}
}

// endPart ends a part of the file: the rows that follow are sorted anew.
func (f *fileWriter) endPart() error { return f.w.Cut() }

// store ends the file, stores it and returns its entry for the manifest.
func (f *fileWriter) store(ctx context.Context) (snapshot.File, error) {
	if err := f.w.Close(); err != nil {
		return f.stat, err
	}
	size := f.body.Size()
	read, err := segment.Open(&f.body, size)
	if err != nil {
		return f.stat, err
	}
	f.stat.Bytes, f.stat.End = size, read.End()
	if f.stat.Rows >= snapshot.NumberRows {
		f.stat.Numbers = numbers(f.w.Fields())
	}
	end := make([]byte, size-f.stat.End)
	if _, err := f.body.ReadAt(end, f.stat.End); err != nil {
		return f.stat, err
	}
	f.stat.EndSum = segment.Sum(end)
	f.stat.Sum = fmt.Sprintf("%016x", f.sum.Sum64())
	_, err = f.c.Log.Store().Put(ctx, f.stat.Key, &f.body, store.Always)
	return f.stat, fault.Wrap(err, "storing a data file")
}

// discard frees what the file took on this machine.
func (f *fileWriter) discard() { f.body.discard() }
