package compactor

import (
	"cmp"
	"context"
	"errors"
	"slices"

	"golang.org/x/sync/errgroup"

	"github.com/firnlog/firn/internal/bug"
	"github.com/firnlog/firn/layout/commitlog"
	"github.com/firnlog/firn/layout/event"
	"github.com/firnlog/firn/layout/segment"
	"github.com/firnlog/firn/layout/snapshot"
)

// One step folds commits of one shard until any of these bounds is reached, but at
// least one commit, whose size appends bound.
const (
	foldBytes  = 32 << 20 // of commits as they are stored
	foldMemory = 80 << 20 // of their events, which are in memory at once
	foldDays   = 256      // of their events, each of which becomes a file
)

// uploads is how many files a step stores at the same time.
const uploads = 8

// foldUntil returns the step that moves the head of one shard's tail into data
// files, the first shard's that is not folded up to the position in ends. It has
// an end also while others keep appending: what they add to a tail meanwhile is
// folded with it or left for the next run.
func (c *Compactor) foldUntil(ends []int64) step {
	return func(ctx context.Context, id string, v *commitlog.View) (snapshot.Edit, Report, error) {
		for shard, end := range v.Point.Ends {
			if shard < len(ends) && min(end, ends[shard]) > v.Snapshot().ShardState(shard).Folded {
				return c.foldShard(ctx, id, v, shard, bounded(v.Unfolded(shard)))
			}
		}
		return snapshot.Edit{}, Report{}, nil
	}
}

// bounded returns as many commits from the head of a tail as one step folds.
func bounded(tail []*commitlog.Commit) []*commitlog.Commit {
	size := 0
	for i, c := range tail {
		if size += c.Bytes; size > foldBytes && i > 0 {
			return tail[:i]
		}
	}
	return tail
}

func (c *Compactor) foldShard(ctx context.Context, id string, v *commitlog.View, shard int, tail []*commitlog.Commit) (snapshot.Edit, Report, error) {
	from := v.Snapshot().ShardState(shard)
	generation, voided := lastDrop(tail, from.Generation)
	to := snapshot.Shard{Shard: shard, Generation: generation}
	dropped := generation > from.Generation
	var edit snapshot.Edit
	var report Report
	if dropped { // the shard's files and runs are void, too
		var err error
		if edit.Remove, err = shardFiles(ctx, v, shard); err != nil {
			return edit, report, err
		}
		if len(edit.Remove) > removesAtOnce { // the drop is folded with the last of them
			edit.Remove = edit.Remove[:removesAtOnce]
			return edit, report, nil
		}
	}
	took, err := gather(ctx, v, tail[voided:])
	if err != nil {
		return edit, report, err
	}
	report.Commits = int64(voided + took.taken)
	last := tail[voided+took.taken-1]
	tail = tail[voided : voided+took.taken]
	to.Folded, to.Time = last.Position, last.Time
	if !dropped {
		to.Erasures, to.ErasedBefore = slices.Clone(from.Erasures), from.ErasedBefore
	}
	for _, c := range tail {
		if c.Erase != nil && !bug.In(bug.OrderForgotten) {
			to.Erasures = append(to.Erasures, c.Order())
		}
	}
	if edit.Add, err = c.writeDays(ctx, id, shard, took.events); err != nil {
		return edit, report, err
	}
	for i := range edit.Add {
		edit.Add[i].ErasedTo = last.Position
	}
	old := from
	if dropped {
		old.Heads, old.Keys = nil, nil
	}
	if to.Heads, err = c.foldHeads(ctx, id, shard, old.Heads, took.heads, last.Time); err != nil {
		return edit, report, err
	}
	if to.Keys, err = c.foldKeys(ctx, id, shard, old.Keys, tail, last.Time); err != nil {
		return edit, report, err
	}
	edit.Shards = []snapshot.ShardEdit{{From: from, To: to}}
	report.Events = int64(len(took.events))
	for _, f := range edit.Add {
		report.FilesWritten++
		report.BytesWritten += f.Bytes
	}
	return edit, report, nil
}

// lastDrop returns the generation that the last drop of a tail ends, and how many
// commits are void by it: the generation given and 0 where there is none.
func lastDrop(tail []*commitlog.Commit, generation int64) (dropped int64, voided int) {
	for i, c := range slices.Backward(tail) {
		if c.Drop && c.Generation > generation {
			return c.Generation, i + 1
		}
	}
	return generation, 0
}

// shardFiles returns all data files of a shard.
func shardFiles(ctx context.Context, v *commitlog.View, shard int) ([]snapshot.File, error) {
	var out []snapshot.File
	for _, d := range v.Days() {
		files, err := v.DayFiles(ctx, d)
		if err != nil {
			return nil, err
		}
		for _, f := range files {
			if f.Shard == shard {
				out = append(out, f)
			}
		}
	}
	return out, nil
}

// writeDays stores one data file for each day of the sorted events. Files are made
// one after the other, so that a fold takes one processor, and stored at once.
func (c *Compactor) writeDays(ctx context.Context, id string, shard int, events []*event.Event) ([]snapshot.File, error) {
	var days [][]*event.Event
	for first := 0; first < len(events); {
		next := first
		for next < len(events) && (dayOf(events[next].Time) == dayOf(events[first].Time) || bug.In(bug.WrongDay)) {
			next++
		}
		days = append(days, events[first:next])
		first = next
	}
	files := make([]snapshot.File, len(days))
	group, storing := errgroup.WithContext(ctx)
	group.SetLimit(uploads)
	for i, day := range days {
		if storing.Err() != nil {
			break
		}
		w, err := c.encodeDay(id, shard, day)
		if err != nil {
			w.discard()
			return nil, errors.Join(err, group.Wait())
		}
		group.Go(func() (err error) {
			defer w.discard()
			files[i], err = w.store(storing)
			return err
		})
	}
	return files, cmp.Or(group.Wait(), ctx.Err())
}

// foldChunk is how many events are handed to a file at once.
const foldChunk = 512

// encodeDay makes the data file of a day's events, which are sorted by stream and
// sequence.
func (c *Compactor) encodeDay(id string, shard int, events []*event.Event) (*fileWriter, error) {
	var h hours
	for _, e := range events {
		h[hourOf(e.Time)]++
	}
	p := h.parts()
	events = p.sorted(events)
	var ch segment.Chooser
	ch.AddSorted(events)
	w := c.newFile(id, events[0].Time.Day(), shard, 0, ch.Plan())
	chunk := make([]event.Event, 0, foldChunk)
	for i, e := range events {
		chunk = append(chunk, *e)
		last := i == len(events)-1 || p.last() > 0 && p.of(events[i+1].Time) != p.of(e.Time)
		if len(chunk) == foldChunk || last {
			if err := w.write(chunk); err != nil {
				return w, err
			}
			chunk = chunk[:0]
		}
		if last {
			if err := w.endPart(); err != nil {
				return w, err
			}
		}
	}
	return w, nil
}
