package compactor

import (
	"cmp"
	"context"
	"math/bits"
	"slices"
	"strings"

	"github.com/firnlog/firn/layout/commitlog"
	"github.com/firnlog/firn/layout/event"
	"github.com/firnlog/firn/layout/segment"
	"github.com/firnlog/firn/layout/snapshot"
)

// fanIn is how many files of about the same size a day and shard must hold
// before they are merged into one. Files grow eightfold by each merge, so that
// an event is rewritten about once for each factor of eight.
const fanIn = 8

// merge merges the files of one day and shard that most need it.
func (c *Compactor) merge(ctx context.Context, id string, v *commitlog.View) (snapshot.Edit, Report, error) {
	for _, d := range v.Snapshot().Days {
		files, err := v.DayFiles(ctx, d)
		if err != nil {
			return snapshot.Edit{}, Report{}, err
		}
		if inputs := mergeable(files, cmp.Or(c.TargetBytes, DefaultTarget)); inputs != nil {
			return c.mergeFiles(ctx, id, v, d.Day, inputs)
		}
	}
	return snapshot.Edit{}, Report{}, nil
}

// mergeable returns fanIn files of one shard that are of about the same size and
// together not larger than twice the target, the smallest such ones; nil for none.
func mergeable(files []snapshot.File, target int64) []snapshot.File {
	type class struct{ shard, size int }
	classes := map[class][]snapshot.File{}
	for _, f := range files {
		if f.Bytes < target {
			cl := class{f.Shard, sizeClass(f.Bytes)}
			classes[cl] = append(classes[cl], f)
		}
	}
	var best []snapshot.File
	for _, fs := range classes {
		if len(fs) < fanIn {
			continue
		}
		slices.SortFunc(fs, func(a, b snapshot.File) int {
			return cmp.Or(cmp.Compare(a.Bytes, b.Bytes), strings.Compare(a.Key, b.Key))
		})
		var total int64
		n := 0
		for n < len(fs) && (total+fs[n].Bytes <= 2*target || n < 2) && n < 2*fanIn {
			total += fs[n].Bytes
			n++
		}
		if best == nil || fs[0].Bytes < best[0].Bytes {
			best = fs[:n]
		}
	}
	return best
}

// sizeClass numbers sizes by powers of eight, with all below 64 KiB in one.
func sizeClass(bytes int64) int {
	return bits.Len64(uint64(bytes>>16)) / 3
}

// mergeFiles merges sorted files into one, with a row group of each in memory.
func (c *Compactor) mergeFiles(ctx context.Context, id string, v *commitlog.View, day string, inputs []snapshot.File) (snapshot.Edit, Report, error) {
	edit, report := snapshot.Edit{Remove: inputs}, Report{FilesMerged: int64(len(inputs)), FilesWritten: 1}
	level := 0
	var sources []*source
	for _, f := range inputs {
		level = max(level, f.Level+1)
		file, err := v.Open(ctx, f)
		if err != nil {
			return edit, report, err
		}
		s := &source{shard: f.Shard, groups: file.Groups()}
		if err := s.next(); err != nil {
			return edit, report, err
		}
		sources = append(sources, s)
	}
	w, err := c.newFile(id, day, inputs[0].Shard, level)
	if err != nil {
		return edit, report, err
	}
	defer w.discard()
	if err := mergeRows(ctx, sources, w.write); err != nil {
		return edit, report, err
	}
	out, err := w.store(ctx)
	edit.Add, report.BytesWritten = []snapshot.File{out}, out.Bytes
	return edit, report, err
}

// source is a sorted file being merged, at one of its rows.
type source struct {
	shard  int
	groups []*segment.Group // that are still to be read
	batch  *segment.Batch   // nil at the end
	row    int
	head   event.Event
}

// next moves on to the next row.
func (s *source) next() error {
	s.row++
	for s.batch == nil || s.row >= s.batch.Rows() {
		if len(s.groups) == 0 {
			s.batch = nil
			return nil
		}
		b, err := s.groups[0].Read(segment.AllColumns)
		if err != nil {
			return err
		}
		s.batch, s.row, s.groups = b, 0, s.groups[1:]
	}
	s.head = s.batch.Event(s.row, s.shard)
	return nil
}

// mergeRows hands the rows of all sources to write, in order and in chunks.
func mergeRows(ctx context.Context, sources []*source, write func([]event.Event) error) error {
	chunk := make([]event.Event, 0, 1024)
	sources = slices.DeleteFunc(sources, func(s *source) bool { return s.batch == nil })
	for len(sources) > 0 {
		at := 0
		for i, s := range sources {
			if before(&s.head, &sources[at].head) {
				at = i
			}
		}
		s := sources[at]
		if chunk = append(chunk, s.head); len(chunk) == cap(chunk) {
			if err := cmp.Or(ctx.Err(), write(chunk)); err != nil {
				return err
			}
			chunk = chunk[:0]
		}
		if err := s.next(); err != nil {
			return err
		}
		if s.batch == nil {
			sources = slices.Delete(sources, at, at+1)
		}
	}
	return write(chunk)
}

func before(a, b *event.Event) bool {
	if a.Stream != b.Stream {
		return a.Stream < b.Stream
	}
	return a.Sequence < b.Sequence
}
