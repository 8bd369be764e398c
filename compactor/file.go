package compactor

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"

	"github.com/cespare/xxhash/v2"

	"github.com/firnlog/firn/layout"
	"github.com/firnlog/firn/layout/event"
	"github.com/firnlog/firn/layout/fault"
	"github.com/firnlog/firn/layout/segment"
	"github.com/firnlog/firn/layout/snapshot"
	"github.com/firnlog/firn/layout/store"
)

// fileWriter writes one data file by way of a temporary file, and gathers its
// statistics.
type fileWriter struct {
	c    *Compactor
	tmp  *os.File
	sum  *xxhash.Digest // of the whole file
	buf  *bufio.Writer
	w    *segment.Writer
	stat snapshot.File
}

func (c *Compactor) newFile(id, day string, shard, level int) (*fileWriter, error) {
	tmp, err := os.CreateTemp("", "firn-*.parquet")
	if err != nil {
		return nil, fault.New(fault.Unavailable, "no temporary file for a data file: %w", err)
	}
	f := &fileWriter{c: c, tmp: tmp, sum: xxhash.New()}
	f.buf = bufio.NewWriterSize(io.MultiWriter(tmp, f.sum), 1<<20)
	f.w = segment.NewWriter(f.buf, true, map[string]string{"firn.format": "1"})
	f.stat = snapshot.File{Key: layout.NewData(id, day, shard), Shard: shard, Level: level, Types: map[string]int64{}}
	return f, nil
}

// write appends events, which must go on in the order of the file.
func (f *fileWriter) write(events []event.Event) error {
	s := &f.stat
	for i := range events {
		e := &events[i]
		if s.Rows == 0 {
			s.MinTime, s.MinSequence, s.MinPosition, s.MinStream = e.Time, e.Sequence, e.Place.Position, e.Stream
			s.MaxTime, s.MaxSequence, s.MaxPosition = e.Time, e.Sequence, e.Place.Position
		}
		s.Rows++
		s.MinTime, s.MaxTime = min(s.MinTime, e.Time), max(s.MaxTime, e.Time)
		s.MinSequence, s.MaxSequence = min(s.MinSequence, e.Sequence), max(s.MaxSequence, e.Sequence)
		s.MinPosition, s.MaxPosition = min(s.MinPosition, e.Place.Position), max(s.MaxPosition, e.Place.Position)
		s.MaxStream = e.Stream // rows come by stream
		if s.Types != nil {
			if s.Types[e.Type]++; len(s.Types) > snapshot.MaxTypes {
				s.Types = nil
			}
		}
	}
	return f.w.Write(events)
}

// store ends the file, stores it and returns its entry for the manifest.
func (f *fileWriter) store(ctx context.Context) (snapshot.File, error) {
	if err := f.w.Close(); err != nil {
		return f.stat, err
	}
	if err := f.buf.Flush(); err != nil {
		return f.stat, fault.New(fault.Unavailable, "writing a data file: %w", err)
	}
	size, err := f.tmp.Seek(0, io.SeekEnd)
	if err != nil {
		return f.stat, err
	}
	read, err := segment.Open(f.tmp, size)
	if err != nil {
		return f.stat, err
	}
	f.stat.Bytes, f.stat.End = size, read.End()
	end := make([]byte, size-f.stat.End)
	if _, err := f.tmp.ReadAt(end, f.stat.End); err != nil {
		return f.stat, err
	}
	f.stat.EndSum = segment.Sum(end)
	f.stat.Sum = fmt.Sprintf("%016x", f.sum.Sum64())
	_, err = f.c.Log.Store().Put(ctx, f.stat.Key, io.NewSectionReader(f.tmp, 0, size), store.Always)
	return f.stat, fault.Wrap(err, "storing a data file")
}

// discard removes the temporary file.
func (f *fileWriter) discard() {
	f.tmp.Close()
	os.Remove(f.tmp.Name())
}
