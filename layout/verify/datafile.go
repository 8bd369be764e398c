package verify

import (
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/cespare/xxhash/v2"

	"github.com/firnlog/firn/layout/event"
	"github.com/firnlog/firn/layout/fault"
	"github.com/firnlog/firn/layout/segment"
	"github.com/firnlog/firn/layout/snapshot"
	"github.com/firnlog/firn/layout/store"
)

// readFile checks a data file by itself, and takes its events into what is known
// of the shard, unless a drop in the tail has made them void.
func (s *shardPass) readFile(ctx context.Context, f dayFile) error {
	o, ok := s.objects[f.Key]
	switch {
	case !ok:
		s.noTable = true
		s.out.fault(Missing, f.Key, "%s names the data file, and it is not there", f.by)
		return nil
	case o.Size != f.Bytes || f.End < 4 || f.End >= f.Bytes:
		s.noTable = true
		s.out.fault(Mismatch, f.Key, "the data file has %d bytes, and %s says %d, with the end from %d on", o.Size, f.by, f.Bytes, f.End)
		return nil
	}
	r := &fileReader{shardPass: s, f: f, source: int32(len(s.sources)), stat: snapshot.File{Types: map[string]int64{}}}
	s.sources = append(s.sources, f.Key)
	err := guard(func() error { return r.read(ctx) })
	if err != nil {
		s.noTable = true
		return unreadable(s.out, f.Key, err)
	}
	return nil
}

// fileReader reads the rows of one data file.
type fileReader struct {
	*shardPass
	f      dayFile
	source int32
	stat   snapshot.File // what the rows say

	stream   string // of the row before in its row group
	sequence int64  // likewise

	open     span // that goes on with the rows; lo is 0 for none
	openName string
}

func (r *fileReader) read(ctx context.Context) error {
	if err := r.checkSum(ctx); err != nil {
		return err
	}
	file, err := segment.OpenData(ctx, r.s, r.f.File)
	if err != nil {
		return err
	}
	if file.Meta("firn.format") != "1" {
		return fault.New(fault.Corrupt, "the footer bears no format that is known")
	}
	if file.End() != r.f.End {
		r.out.fault(Mismatch, r.f.Key, "the pages end at byte %d, and %s says %d", file.End(), r.f.by, r.f.End)
	}
	numbers := paths(file, r.f.Numbers)
	for _, g := range file.Groups() {
		b, err := g.ReadFields(segment.AllColumns, numbers)
		if err != nil {
			return err
		}
		r.rows(g, b)
		r.gatherNumbers(b, numbers)
	}
	r.flush()
	r.compare(file)
	return nil
}

// checkSum reads the whole file and compares its checksum: damage anywhere,
// also in what readers of parts have no checksum for, shows here.
func (r *fileReader) checkSum(ctx context.Context) error {
	o, err := r.s.Get(ctx, r.f.Key, store.Range{})
	if err != nil {
		return err
	}
	defer o.Body.Close()
	sum := xxhash.New()
	if _, err := io.Copy(sum, o.Body); err != nil {
		return fault.New(fault.Unavailable, "reading the file: %w", err)
	}
	if got := fmt.Sprintf("%016x", sum.Sum64()); got != r.f.Sum {
		return fault.New(fault.Corrupt, "the file's checksum is %s, and %s says %s", got, r.f.by, r.f.Sum)
	}
	return nil
}

// rows takes in the rows of a row group, which are sorted by themselves.
func (r *fileReader) rows(g *segment.Group, b *segment.Batch) {
	r.stream, r.sequence = "", 0
	for i := range b.Rows() {
		e := b.Event(i, r.shard)
		if bad := illegal(&e); bad != "" {
			r.out.fault(Content, r.f.Key, "row %d, of stream %q: %s", r.stat.Rows, e.Stream, bad)
		}
		if day := e.Time.Day(); day != r.f.day {
			r.out.fault(Misplaced, r.f.Key, "row %d is of %s, and the file of day %s", r.stat.Rows, e.Time, r.f.day)
		}
		if e.Stream < r.stream || i > 0 && e.Stream == r.stream && e.Sequence <= r.sequence {
			r.out.fault(Disorder, r.f.Key, "row %d, stream %q number %d, comes behind stream %q number %d", r.stat.Rows, e.Stream, e.Sequence, r.stream, r.sequence)
		}
		r.gather(&e)
		if !r.void {
			r.take(&e)
		}
		if e.Stream != r.stream {
			r.stream = strings.Clone(e.Stream)
		}
		r.sequence = e.Sequence
	}
	if bad := outside(g, b); bad != "" {
		r.out.fault(Mismatch, r.f.Key, "the row group that ends with row %d: %s", r.stat.Rows, bad)
	}
}

// gather adds a row to the statistics.
func (r *fileReader) gather(e *event.Event) {
	s := &r.stat
	if s.Rows == 0 {
		s.MinTime, s.MaxTime = e.Time, e.Time
		s.MinStream, s.MaxStream = strings.Clone(e.Stream), strings.Clone(e.Stream)
		s.MinSequence, s.MaxSequence = e.Sequence, e.Sequence
		s.MinPosition, s.MaxPosition = e.Place.Position, e.Place.Position
	}
	s.Rows++
	s.MinTime, s.MaxTime = min(s.MinTime, e.Time), max(s.MaxTime, e.Time)
	s.MinSequence, s.MaxSequence = min(s.MinSequence, e.Sequence), max(s.MaxSequence, e.Sequence)
	s.MinPosition, s.MaxPosition = min(s.MinPosition, e.Place.Position), max(s.MaxPosition, e.Place.Position)
	if e.Stream < s.MinStream {
		s.MinStream = strings.Clone(e.Stream)
	}
	if e.Stream > s.MaxStream {
		s.MaxStream = strings.Clone(e.Stream)
	}
	if s.Types != nil {
		if _, ok := s.Types[e.Type]; !ok {
			s.Types[strings.Clone(e.Type)] = 0
		}
		if s.Types[e.Type]++; len(s.Types) > snapshot.MaxTypes {
			s.Types = nil
		}
	}
}

// take takes a row into what is known of the shard.
func (r *fileReader) take(e *event.Event) {
	p := e.Place.Position
	if e.Sequence < 1 || e.Place.Ordinal < 0 || p < 1 || p > r.state.Folded {
		r.out.fault(Content, r.f.Key, "stream %q number %d is said to be of position %d, and the log is folded up to %d", e.Stream, e.Sequence, p, r.state.Folded)
		return
	}
	if want, ok := r.checkShard(e.Stream); !ok && r.shard < r.inst.Shards {
		r.out.fault(Misplaced, r.f.Key, "stream %q belongs in shard %d", e.Stream, want)
	}
	r.checkErased(e)
	free, sameTime := r.places.add(e)
	if !free {
		r.out.fault(Duplicate, r.f.Key, "stream %q number %d is from the place %s, as another event of the table is", e.Stream, e.Sequence, e.Place)
	}
	if !sameTime {
		r.out.fault(Mismatch, r.f.Key, "the event from %s is said to be ingested at %s, others of its commit at another time", e.Place, e.Ingested)
	}
	if c := r.recent[p]; c != nil {
		switch at := int(e.Place.Ordinal); {
		case at < len(c.events) && (c.events[at].hash == hashOf(e) || r.erased.shows(e)):
			c.events[at].seen = true
		case c.late:
			r.tooLate(c)
		default:
			r.out.fault(Mismatch, r.f.Key, "stream %q number %d is not the event that the commit %s holds at its place", e.Stream, e.Sequence, c.key)
		}
	}
	if r.open.lo > 0 && e.Stream == r.openName && e.Sequence == r.open.hi+1 && r.open.hiEnd.Compare(e.Place) < 0 {
		r.open.hi, r.open.hiEnd = e.Sequence, e.Place
		return
	}
	r.flush()
	if e.Stream != r.openName {
		r.openName = strings.Clone(e.Stream)
	}
	r.open = span{lo: e.Sequence, hi: e.Sequence, loPlace: e.Place, hiEnd: e.Place, source: r.source}
}

// flush ends the open span.
func (r *fileReader) flush() {
	if r.open.lo == 0 {
		return
	}
	switch kind, number := r.shardPass.stream(r.openName).add(r.open); kind {
	case Duplicate:
		r.out.fault(Duplicate, r.f.Key, "stream %q: number %d is in the table more than once", r.openName, number)
	case Disorder:
		r.out.fault(Disorder, r.f.Key, "stream %q: the events about number %d were not appended in the order of their numbers", r.openName, number)
	}
	r.open = span{}
}

// compare compares what is said of the file with what its rows say.
func (r *fileReader) compare(file *segment.File) {
	f, s := &r.f.File, &r.stat
	bad := firstOf(
		unequal("rows", f.Rows, s.Rows),
		unequal("min_time", f.MinTime, s.MinTime), unequal("max_time", f.MaxTime, s.MaxTime),
		unequal("min_stream", f.MinStream, s.MinStream), unequal("max_stream", f.MaxStream, s.MaxStream),
		unequal("min_sequence", f.MinSequence, s.MinSequence), unequal("max_sequence", f.MaxSequence, s.MaxSequence),
		unequal("min_position", f.MinPosition, s.MinPosition), unequal("max_position", f.MaxPosition, s.MaxPosition),
		unequalTypes(f.Types, s.Types),
		unequalNumbers(file, f.Numbers, s.Numbers))
	if bad != "" {
		r.out.fault(Mismatch, r.f.Key, "in %s, %s", r.f.by, bad)
	}
	if s.Rows == 0 {
		r.out.fault(Content, r.f.Key, "the data file has no rows")
	}
}

// outside looks for values outside the bounds by which readers leave a row
// group out.
func outside(g *segment.Group, b *segment.Batch) string {
	for _, c := range []segment.Column{segment.Sequence, segment.Position, segment.Time, segment.Ingested} {
		lo, hi, ok := g.Ints(c)
		for _, v := range b.Ints(c) {
			if ok && (v < lo || v > hi) {
				return "a value of " + c.String() + " lies outside the bounds in the footer"
			}
		}
	}
	for _, c := range []segment.Column{segment.Stream, segment.Type} {
		lo, hi, ok := g.Strings(c)
		for i := range b.Rows() {
			if v := b.Text(c, i); ok && (v < lo || v > hi) {
				return "a value of " + c.String() + " lies outside the bounds in the footer"
			}
		}
	}
	return ""
}
