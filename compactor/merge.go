package compactor

import (
	"cmp"
	"context"
	"slices"

	"github.com/firnlog/firn/layout/commitlog"
	"github.com/firnlog/firn/layout/segment"
	"github.com/firnlog/firn/layout/snapshot"
)

// mergeStep is how many bytes of files one step merges at most, but for a first
// merge that is larger: small merges of several days share a snapshot.
const mergeStep = 64 << 20

// merge merges the files of those days and shards that need it, the oldest first.
func (c *Compactor) merge(ctx context.Context, id string, v *commitlog.View) (snapshot.Edit, Report, error) {
	var edit snapshot.Edit
	var report Report
	var size int64
	for _, d := range v.Snapshot().Days {
		if d.Count < fewFiles {
			continue
		}
		files, err := v.DayFiles(ctx, d)
		if err != nil {
			return edit, report, err
		}
		for _, group := range byDayAndShard(files) {
			inputs := mergeable(group, over(group[0].MinTime, v.Point.Now), c.target())
			for _, f := range inputs {
				size += f.Bytes
			}
			if inputs == nil {
				continue
			}
			if !edit.Empty() && (size > mergeStep || len(edit.Remove)+len(inputs) > removesAtOnce) {
				return edit, report, nil
			}
			out, err := c.mergeFiles(ctx, id, v, inputs)
			if err != nil {
				return edit, report, err
			}
			edit.Remove, edit.Add = append(edit.Remove, inputs...), append(edit.Add, out)
			report.add(Report{FilesMerged: int64(len(inputs)), FilesWritten: 1, BytesWritten: out.Bytes})
		}
	}
	return edit, report, nil
}

// byDayAndShard returns the files of each day and shard, in their order.
func byDayAndShard(files []snapshot.File) [][]snapshot.File {
	compare := func(a, b snapshot.File) int {
		return cmp.Or(cmp.Compare(dayOf(a.MinTime), dayOf(b.MinTime)), cmp.Compare(a.Shard, b.Shard))
	}
	files = slices.SortedStableFunc(slices.Values(files), compare)
	var out [][]snapshot.File
	for from, to := 0, 0; from < len(files); from = to {
		for to < len(files) && compare(files[to], files[from]) == 0 {
			to++
		}
		out = append(out, files[from:to])
	}
	return out
}

// target returns the size that merges aim at.
func (c *Compactor) target() int64 { return cmp.Or(c.TargetBytes, DefaultTarget) }

// mergeFiles merges files of one day into one, with some rows of each in memory.
func (c *Compactor) mergeFiles(ctx context.Context, id string, v *commitlog.View, inputs []snapshot.File) (snapshot.File, error) {
	level, erasedTo := 0, inputs[0].ErasedTo
	var files []*segment.File
	for _, f := range inputs {
		level, erasedTo = max(level, f.Level+1), min(erasedTo, f.ErasedTo)
		file, err := v.FetchOnce(ctx, f)
		if err != nil {
			return snapshot.File{}, err
		}
		files = append(files, file)
	}
	plan, err := planOf(files)
	if err != nil {
		return snapshot.File{}, err
	}
	w := c.newFile(id, inputs[0].MinTime.Day(), inputs[0].Shard, level, plan)
	defer w.discard()
	if err := mergeParts(ctx, files, w); err != nil {
		return snapshot.File{}, err
	}
	out, err := w.store(ctx)
	out.ErasedTo = erasedTo
	return out, err
}

// mergeParts writes all rows of the files, part by part of the day.
func mergeParts(ctx context.Context, files []*segment.File, w *fileWriter) error {
	var h hours
	var groups []*segment.Group
	for _, f := range files {
		groups = append(groups, f.Groups()...)
	}
	for _, g := range groups {
		if err := h.group(g); err != nil {
			return err
		}
	}
	p := h.parts()
	for n := range p.last() + 1 {
		var all sources
		for _, g := range groups {
			if p.mayHold(g, n) {
				all = append(all, newSource(g, w.stat.Shard, &p, n, mergeBytes/int64(len(files))))
			}
		}
		if err := mergeRows(ctx, all, w.write); err != nil {
			return err
		}
		if err := w.endPart(); err != nil {
			return err
		}
	}
	return nil
}
