// Package compactor turns the log of an instance into its table: it folds the
// tail into sorted, partitioned data files, merges small files into large ones,
// drops what retention has passed, and sweeps what nobody reads any more.
//
// It works in steps. Each step writes new objects, which nobody sees, and then
// commits one snapshot that names them and drops what they replace; a crash
// before that leaves orphans for the sweeper, and nothing else ever needs to be
// undone. Two compactors at once do no harm: at most one of two steps that touch
// the same files is committed.
package compactor

import (
	"context"
	"time"

	"github.com/firnlog/firn/internal/bug"
	"github.com/firnlog/firn/layout"
	"github.com/firnlog/firn/layout/chain"
	"github.com/firnlog/firn/layout/commitlog"
	"github.com/firnlog/firn/layout/fault"
	"github.com/firnlog/firn/layout/snapshot"
)

// Compactor compacts the instances of a bucket, one at a time: it is not safe
// for concurrent use. Others may work on the same bucket.
type Compactor struct {
	Log *commitlog.Log
	// TargetBytes is the size towards which data files are merged; 0 means
	// DefaultTarget.
	TargetBytes int64
	// Progress, when set, is called after each step with what was done so far.
	Progress func(instance string, r Report)
	Metrics  *Metrics // nil for none

	// folding, when set, takes one value for each step of a fold. A server folds what
	// is due beside looking at all instances, and each step must begin behind the
	// other's last one: else both would fold the same commits, and one in vain.
	folding chan struct{}

	watched      map[string]*watch // by instance: of the looks at all
	catalogSwept time.Time         // by such a look

	history map[string]map[string]*snapshot.Snapshot // by instance and key: what sweeps read before
	rules   rules
}

// DefaultTarget is the size of data files, in bytes, that merges aim at: they are
// half to twice as large where there is enough.
const DefaultTarget = 256 << 20

// removesAtOnce is how many data files one step takes out of the table, or a few
// more: the snapshot lists all that it drops. A variable for tests.
var removesAtOnce = 2_000

// Report says what a run did to an instance.
type Report struct {
	Commits      int64 `json:"commits"`       // commits folded
	Events       int64 `json:"events"`        // events folded
	FilesWritten int64 `json:"files_written"` // data files, by folds and merges
	FilesMerged  int64 `json:"files_merged"`  // data files replaced by merges
	FilesExpired int64 `json:"files_expired"` // data files dropped by retention
	FilesErased  int64 `json:"files_erased"`  // data files rewritten without what was erased
	BytesWritten int64 `json:"bytes_written"` // of data files
	Swept        int64 `json:"swept"`         // objects deleted
}

// add sums up two reports.
func (r *Report) add(o Report) {
	r.Commits += o.Commits
	r.Events += o.Events
	r.FilesWritten += o.FilesWritten
	r.FilesMerged += o.FilesMerged
	r.FilesExpired += o.FilesExpired
	r.FilesErased += o.FilesErased
	r.BytesWritten += o.BytesWritten
	r.Swept += o.Swept
}

// step is one piece of work towards one snapshot. It returns an empty edit when
// there is nothing left to do.
type step func(ctx context.Context, id string, v *commitlog.View) (snapshot.Edit, Report, error)

// Run brings an instance, given by its id, up to date: everything folded that
// was committed before the call, merged where it pays, expired files dropped,
// garbage swept. It returns what was done until then also beside an error.
func (c *Compactor) Run(ctx context.Context, id string) (Report, error) {
	total, err := c.compact(ctx, id)
	if err != nil {
		return total, err
	}
	swept, err := c.Sweep(ctx, id, false)
	total.Swept = int64(len(swept))
	c.Metrics.sweptObjects(len(swept))
	return total, err
}

// compact is [Compactor.Run] without the sweep.
func (c *Compactor) compact(ctx context.Context, id string) (total Report, err error) {
	if err := c.fold(ctx, id, &total); err != nil {
		return total, err
	}
	err = c.tidy(ctx, id, &total)
	return total, err
}

// fold folds everything that was committed before the call.
func (c *Compactor) fold(ctx context.Context, id string, total *Report) error {
	c.Log.Folding(id)
	v, _, err := c.Log.PinFold(ctx, id, 0)
	if err != nil {
		return err
	}
	until := c.foldUntil(ends(v))
	for more := true; more && err == nil; {
		more, err = c.foldOnce(ctx, id, until, total)
	}
	return err
}

// foldOnce is [Compactor.once] for a fold, when it is its turn.
func (c *Compactor) foldOnce(ctx context.Context, id string, s step, total *Report) (more bool, err error) {
	if c.folding != nil {
		select {
		case c.folding <- struct{}{}:
			defer func() { <-c.folding }()
		case <-ctx.Done():
			return false, ctx.Err()
		}
	}
	return c.once(ctx, id, s, foldBytes, total)
}

// tidy merges files, and drops those that are expired or erased.
func (c *Compactor) tidy(ctx context.Context, id string, total *Report) error {
	err := c.repeat(ctx, id, c.erase, foldBytes, total)
	for _, s := range []step{c.merge, c.expire} {
		if err == nil {
			err = c.repeat(ctx, id, s, 0, total)
		}
	}
	return err
}

// repeat carries out a step until there is nothing left to do.
func (c *Compactor) repeat(ctx context.Context, id string, s step, tail int, total *Report) (err error) {
	for more := true; more && err == nil; {
		more, err = c.once(ctx, id, s, tail, total)
	}
	return err
}

// once carries out a step, which needs so many bytes of each shard's tail. It reports
// whether there was anything to do.
func (c *Compactor) once(ctx context.Context, id string, s step, tail int, total *Report) (more bool, err error) {
	began := time.Now()
	v, seen, err := c.Log.PinFold(ctx, id, tail)
	if err != nil {
		return false, err
	}
	edit, report, err := s(ctx, id, v)
	if err != nil || edit.Empty() {
		return false, lost(began, err)
	}
	done, err := c.commit(ctx, id, v.Snapshot(), seen, edit)
	if err != nil {
		return false, lost(began, err)
	}
	if done {
		total.add(report)
		c.Metrics.stepped(report)
		if c.Progress != nil {
			c.Progress(id, *total)
		}
	}
	return true, nil
}

// lost explains that an object is missing which the snapshot named when a step
// began: only who sleeps may find that it was swept.
func lost(began time.Time, err error) error {
	if fault.Is(err, fault.NotFound) && chain.Elapsed(began, time.Now()) <= chain.Fresh {
		return fault.New(fault.Corrupt, "an object is missing that the snapshot names: %w", err)
	}
	return err
}

// commit commits an edit that was made from base. Where other snapshots were
// first, it is applied to the newest one, as long as that names all that the
// edit takes out, and the edit's objects are younger than applyAge by the store's
// clock. It reports whether the edit is in the table; if not, its objects are
// orphans.
func (c *Compactor) commit(ctx context.Context, id string, base *snapshot.Snapshot, seen chain.Seen, e snapshot.Edit) (bool, error) {
	table := c.Log.Table(id)
	began := seen.At
	for {
		next, ok, err := table.Apply(ctx, base, e)
		if err != nil || !ok {
			return false, err
		}
		if bug.In(bug.DeleteFirst) {
			c.deleteFolded(ctx, id, e)
		}
		won, err := table.Commit(ctx, seen, next)
		if !won && bug.In(bug.LoserCleansUp) {
			c.cleanUp(ctx, e)
		}
		if err != nil {
			return false, err
		}
		if won {
			c.Log.Committed(id, next, seen)
			c.Metrics.committed(id, next)
			return true, nil
		}
		if seen, err = table.Look(ctx); err != nil {
			return false, err
		}
		if seen.At.Sub(began) > applyAge {
			return false, nil
		}
		if base, err = table.Read(ctx, seen.Number); err != nil {
			return false, err
		}
	}
}

// deleteFolded is the mistake [bug.DeleteFirst].
func (c *Compactor) deleteFolded(ctx context.Context, id string, e snapshot.Edit) {
	for _, s := range e.Shards {
		for n := s.From.Folded + 1; n <= s.To.Folded; n++ {
			_ = c.Log.Store().Delete(ctx, layout.Commit(id, s.To.Shard, n))
		}
	}
}

// cleanUp is the mistake [bug.LoserCleansUp].
func (c *Compactor) cleanUp(ctx context.Context, e snapshot.Edit) {
	for _, f := range e.Add {
		_ = c.Log.Store().Delete(ctx, f.Key)
	}
}
