package compactor

import (
	"cmp"
	"context"
	"slices"

	"github.com/firnlog/firn/internal/bug"
	"github.com/firnlog/firn/layout/commitlog"
	"github.com/firnlog/firn/layout/event"
	"github.com/firnlog/firn/layout/segment"
	"github.com/firnlog/firn/layout/snapshot"
)

// erase rewrites the data files that hold what was ordered to be forgotten.
// Queries have not shown it since the order; a crash here leaves orphans, and the
// order standing. Once no file of the table holds anything of a shard's orders,
// these are marked as rewritten. The files that were replaced, and the commits
// that they came from, go with the sweep, which then marks the orders as done.
//
// Neither folds nor merges can bring erased events back: a fold only adds events
// of positions behind the order's, a merge those of files that are still in the
// table, with the position up to which they all were rewritten.
func (c *Compactor) erase(ctx context.Context, id string, v *commitlog.View) (snapshot.Edit, Report, error) {
	for _, st := range v.Snapshot().Shards {
		pending := slices.ContainsFunc(st.Erasures, func(e snapshot.Erasure) bool { return e.Rewritten == 0 })
		dropped := slices.ContainsFunc(v.Unfolded(st.Shard), func(c *commitlog.Commit) bool { return c.Drop })
		if !pending || dropped { // a drop takes the files themselves, when it is folded
			continue
		}
		if edit, report, err := c.eraseShard(ctx, id, v, st); err != nil || !edit.Empty() {
			return edit, report, err
		}
	}
	return snapshot.Edit{}, Report{}, nil
}

// eraseShard rewrites files of a shard up to about the target's size, or where
// there is nothing left to rewrite marks its erasures so.
func (c *Compactor) eraseShard(ctx context.Context, id string, v *commitlog.View, st snapshot.Shard) (snapshot.Edit, Report, error) {
	var edit snapshot.Edit
	var report Report
	files, err := shardFiles(ctx, v, st.Shard)
	if err != nil {
		return edit, report, err
	}
	erasures := v.Erasures(st.Shard)
	to := erasures[len(erasures)-1].Position
	for _, f := range files {
		mask, err := v.FileMask(ctx, f)
		if err == nil && mask != nil {
			err = c.eraseFile(ctx, id, v, f, mask, to, &edit, &report)
		}
		if err != nil {
			return edit, report, err
		}
		if report.BytesWritten >= c.target() || len(edit.Remove) >= removesAtOnce || bug.In(bug.RewrittenEarly) && !edit.Empty() {
			break
		}
	}
	if edit.Empty() || bug.In(bug.RewrittenEarly) {
		edit.Shards = []snapshot.ShardEdit{{From: st, To: rewritten(st, v.Point.Now)}}
	}
	return edit, report, nil
}

// eraseFile takes a file's rewriting into an edit, or where it holds nothing of
// what its mask names, only the note that this is so.
func (c *Compactor) eraseFile(ctx context.Context, id string, v *commitlog.View, f snapshot.File, mask *commitlog.Mask, to int64, edit *snapshot.Edit, report *Report) error {
	file, err := v.FetchOnce(ctx, f)
	if err != nil {
		return err
	}
	held, err := holds(file, mask)
	if err != nil {
		return err
	}
	if !held {
		f.ErasedTo = to
		edit.Change = append(edit.Change, f)
		return nil
	}
	edit.Remove = append(edit.Remove, f)
	report.FilesErased++
	out, err := c.rewrite(ctx, id, file, f, mask)
	if err == nil && out.Rows > 0 {
		out.ErasedTo = to
		edit.Add = append(edit.Add, out)
		report.FilesWritten++
		report.BytesWritten += out.Bytes
	}
	return err
}

// holds reports whether a file has a row that a mask names.
func holds(file *segment.File, mask *commitlog.Mask) (bool, error) {
	for _, g := range file.Groups() {
		b, err := g.Read(segment.Set(segment.Stream, segment.Position, segment.Ordinal))
		if err != nil {
			return false, err
		}
		for i, position := range b.Ints(segment.Position) {
			if mask.Gone(b.Text(segment.Stream, i), position) || mask.Redacted(position, b.Ordinals()[i]) != nil {
				return true, nil
			}
		}
	}
	return false, nil
}

// rewrite stores a file's events as a mask leaves them, with a row group in
// memory, and returns the new file's entry: one without rows, and no file, where
// none are left.
func (c *Compactor) rewrite(ctx context.Context, id string, file *segment.File, f snapshot.File, mask *commitlog.Mask) (snapshot.File, error) {
	plan, err := planOf([]*segment.File{file})
	if err != nil {
		return snapshot.File{}, err
	}
	w := c.newFile(id, f.MinTime.Day(), f.Shard, f.Level, plan)
	defer w.discard()
	for _, g := range file.Groups() {
		b, err := g.Read(segment.AllColumns)
		if err != nil {
			return snapshot.File{}, err
		}
		events := make([]event.Event, b.Rows())
		for i := range events {
			events[i] = b.Event(i, f.Shard)
		}
		if err := cmp.Or(ctx.Err(), w.write(mask.Apply(events)), w.endPart()); err != nil {
			return snapshot.File{}, err
		}
	}
	if w.stat.Rows == 0 {
		return snapshot.File{}, nil
	}
	return w.store(ctx)
}

// rewritten returns a shard's state with all its erasures marked so.
func rewritten(st snapshot.Shard, now event.Micros) snapshot.Shard {
	st.Erasures = slices.Clone(st.Erasures)
	for i := range st.Erasures {
		if st.Erasures[i].Rewritten == 0 {
			st.Erasures[i].Rewritten = now
		}
	}
	return st
}
