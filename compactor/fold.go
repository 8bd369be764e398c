package compactor

import (
	"cmp"
	"context"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"

	"github.com/firnlog/firn/layout/commitlog"
	"github.com/firnlog/firn/layout/event"
	"github.com/firnlog/firn/layout/snapshot"
)

// foldBytes bounds the commits, in stored bytes of one shard, that one step
// folds: their events are in memory at once, some six to ten times as large.
const foldBytes = 16 << 20

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
	last := tail[len(tail)-1]
	to := snapshot.Shard{Shard: shard, Folded: last.Position, Time: last.Time, Generation: from.Generation}
	var edit snapshot.Edit
	report := Report{Commits: int64(len(tail))}
	for i, commit := range slices.Backward(tail) {
		if commit.Drop && commit.Generation > from.Generation {
			// All that came before is void: the shard's files and runs, too.
			to.Generation, tail = commit.Generation, tail[i+1:]
			var err error
			if edit.Remove, err = shardFiles(ctx, v, shard); err != nil {
				return edit, report, err
			}
			break
		}
	}
	dropped := to.Generation > from.Generation
	events, err := gather(ctx, v, tail)
	if err != nil {
		return edit, report, err
	}
	if !dropped {
		to.Erasures = slices.Clone(from.Erasures)
	}
	for _, c := range tail {
		if c.Erase != nil {
			to.Erasures = append(to.Erasures, c.Order())
		}
	}
	if edit.Add, err = c.writeDays(ctx, id, shard, events); err != nil {
		return edit, report, err
	}
	for i := range edit.Add {
		edit.Add[i].ErasedTo = last.Position
	}
	old := from
	if dropped {
		old.Heads, old.Keys = nil, nil
	}
	if to.Heads, err = c.foldHeads(ctx, id, shard, old.Heads, events, last.Time); err != nil {
		return edit, report, err
	}
	if to.Keys, err = c.foldKeys(ctx, id, shard, old.Keys, tail, last.Time); err != nil {
		return edit, report, err
	}
	edit.Shards = []snapshot.ShardEdit{{From: from, To: to}}
	report.Events = int64(len(events))
	for _, f := range edit.Add {
		report.FilesWritten++
		report.BytesWritten += f.Bytes
	}
	return edit, report, nil
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

// gather returns the events of the commits as erasures leave them, sorted by
// day, stream and sequence.
func gather(ctx context.Context, v *commitlog.View, commits []*commitlog.Commit) ([]event.Event, error) {
	var all []event.Event
	for _, c := range commits {
		if !c.Holds() {
			continue
		}
		events, err := c.Events()
		if err != nil {
			return nil, err
		}
		mask, err := v.TailMask(ctx, c)
		if err != nil {
			return nil, err
		}
		all = append(all, mask.Apply(events)...)
	}
	slices.SortFunc(all, func(a, b event.Event) int {
		return cmp.Or(cmp.Compare(dayOf(a.Time), dayOf(b.Time)), strings.Compare(a.Stream, b.Stream), cmp.Compare(a.Sequence, b.Sequence))
	})
	return all, nil
}

// dayOf numbers the UTC days.
func dayOf(t event.Micros) int64 {
	const day = 86400_000000
	d := int64(t) / day
	if int64(t)%day < 0 {
		d--
	}
	return d
}

// writeDays stores one data file for each day of the sorted events.
func (c *Compactor) writeDays(ctx context.Context, id string, shard int, events []event.Event) ([]snapshot.File, error) {
	var days [][]event.Event
	for first := 0; first < len(events); {
		next := first
		for next < len(events) && dayOf(events[next].Time) == dayOf(events[first].Time) {
			next++
		}
		days = append(days, events[first:next])
		first = next
	}
	files := make([]snapshot.File, len(days))
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(uploads)
	for i, day := range days {
		group.Go(func() error {
			w, err := c.newFile(id, day[0].Time.Day(), shard, 0)
			if err != nil {
				return err
			}
			defer w.discard()
			if err := w.write(day); err != nil {
				return err
			}
			files[i], err = w.store(ctx)
			return err
		})
	}
	return files, group.Wait()
}
