package commitlog

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/firnlog/firn/internal/bug"
	"github.com/firnlog/firn/layout"
	"github.com/firnlog/firn/layout/catalog"
	"github.com/firnlog/firn/layout/chain"
	"github.com/firnlog/firn/layout/event"
	"github.com/firnlog/firn/layout/fault"
	"github.com/firnlog/firn/layout/segment"
	"github.com/firnlog/firn/layout/snapshot"
	"github.com/firnlog/firn/layout/store"
)

// cursorAge is how long a point stays readable: the grace, less the time that a
// query at it may take.
const cursorAge = chain.Grace - chain.Fresh

// manifestsAtOnce bounds the manifests that a view reads at the same time.
const manifestsAtOnce = 16

// At returns the instance as it was at a point that [Log.Pin] gave before.
// Gone once what it reads may have been swept, or the instance was dropped.
func (l *Log) At(ctx context.Context, instance string, p Point) (*View, error) {
	if bug.In(bug.CursorMoves) {
		return l.Pin(ctx, instance)
	}
	inst, err := l.Instance(ctx, instance)
	if err == nil && inst.Generation < p.Generation { // made again since it was looked up
		inst, err = l.freshInstance(ctx, inst.ID)
	}
	if err != nil {
		return nil, err
	}
	if inst.Generation != p.Generation || len(p.Ends) != inst.Shards {
		return nil, earlierLife(inst)
	}
	began := l.now() // before it is known that what it reads is there
	snap, seen, err := l.snapshotAt(ctx, inst, p.Snapshot)
	if err != nil {
		return nil, err
	}
	v := l.view(inst, snap, p.Now)
	v.Point.Ends, v.began, v.seen = p.Ends, began, seen
	tails := make([][]*Commit, inst.Shards)
	for shard, end := range p.Ends {
		tails[shard], err = l.tail(ctx, inst.ID, snap.ShardState(shard), end, seen, allBytes)
		if errors.Is(err, errMoved) && (v.old() || !fault.Is(err, fault.Corrupt)) {
			return nil, tooOld(inst)
		}
		if err != nil {
			return nil, err
		}
	}
	v.take(tails)
	// What was erased since the point is in no page any more.
	if !bug.In(bug.CursorUnmasked) {
		v.erased, err = l.Pin(ctx, inst.ID)
	}
	switch {
	case err != nil || v.erased == nil:
	case v.erased.Point.Generation != p.Generation: // as only the log told
		return nil, earlierLife(inst)
	case v.old(): // who slept holds commits in memory whose erasures may be done, and listed no more
		return nil, tooOld(inst)
	}
	return v, err
}

func earlierLife(inst catalog.Instance) error {
	return fault.New(fault.Gone, "the cursor is of an earlier life of instance %s: start the query again", inst.ID)
}

// snapshotAt reads snapshot n if everything that it names is still there: it is
// the newest, or its successor is younger than the grace. It also returns the
// store time at which that was so.
func (l *Log) snapshotAt(ctx context.Context, inst catalog.Instance, n int64) (*snapshot.Snapshot, time.Time, error) {
	if n < 0 {
		return nil, time.Time{}, fault.New(fault.Invalid, "the cursor names no snapshot")
	}
	page, err := l.store.List(ctx, store.ListOptions{
		Prefix: layout.Snapshots(inst.ID), StartAfter: layout.Descending(layout.Snapshots(inst.ID), n+2), Max: 1})
	if err != nil {
		return nil, time.Time{}, fault.Wrap(err, "looking up the snapshots of %s", inst.ID)
	}
	if len(page.Objects) > 0 {
		first, ok := layout.ParseDescending(page.Objects[0].Key)
		if !ok || first < n || first == n+1 && page.StoreTime.Sub(page.Objects[0].Modified) > cursorAge {
			return nil, time.Time{}, tooOld(inst)
		}
	}
	if len(page.Objects) == 0 && n == 0 { // there is none yet, or the first ones are swept
		switch newest, err := l.Table(inst.ID).Look(ctx); {
		case err != nil:
			return nil, time.Time{}, err
		case newest.Number > 1:
			return nil, time.Time{}, tooOld(inst)
		}
	}
	snap, err := l.Table(inst.ID).Read(ctx, n)
	if fault.Is(err, fault.NotFound) {
		err = tooOld(inst)
	}
	return snap, page.StoreTime, err
}

func tooOld(inst catalog.Instance) error {
	return fault.New(fault.Gone, "the cursor is older than %v, and what it read of instance %s is gone: start the query again", cursorAge.Round(time.Hour), inst.ID)
}

// Snapshot returns the snapshot that the view stands on.
func (v *View) Snapshot() *snapshot.Snapshot { return v.snap }

// Unfolded returns all commits of a shard's tail, drops included.
func (v *View) Unfolded(shard int) []*Commit { return v.tails[shard] }

// Days returns the days of the snapshot with their totals, oldest first. They
// count hidden events too.
func (v *View) Days() []snapshot.Day { return v.snap.Days }

// DayFiles returns all data files of a day of the snapshot, by one request where
// they are in a manifest that is not in memory.
func (v *View) DayFiles(ctx context.Context, d snapshot.Day) ([]snapshot.File, error) {
	files, err := v.log.files(ctx, v.Instance.ID, d)
	return files, v.gone(err)
}

// Files returns the data files that may hold events of the time from … to (both
// inclusive) and that are not hidden as a whole, by one request for each
// manifest of the days in question that is not in memory, some at once.
func (v *View) Files(ctx context.Context, from, to event.Micros) ([]snapshot.File, error) {
	days, err := v.entries(ctx, from, to)
	if err != nil {
		return nil, err
	}
	from = max(from, v.HiddenBefore)
	var out []snapshot.File
	for _, files := range days {
		for _, f := range files {
			if f.MaxTime >= from && f.MinTime <= to && !v.void(f) {
				out = append(out, f)
			}
		}
	}
	return out, nil
}

// entries returns the data files of each day that has events of the time from …
// to, as far as they are not hidden.
func (v *View) entries(ctx context.Context, from, to event.Micros) ([][]snapshot.File, error) {
	from = max(from, v.HiddenBefore)
	days := slices.DeleteFunc(slices.Clone(v.snap.Days), func(d snapshot.Day) bool { return d.MaxTime < from || d.MinTime > to || from > to })
	out := make([][]snapshot.File, len(days))
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(manifestsAtOnce)
	for i, d := range days {
		group.Go(func() (err error) {
			out[i], err = v.DayFiles(ctx, d)
			return err
		})
	}
	return out, group.Wait()
}

// void reports whether a data file is of an earlier life of the instance: its
// shard bears a drop that is not folded yet, or does not exist any more.
func (v *View) void(f snapshot.File) bool {
	return f.Shard >= len(v.dropped) || v.dropped[f.Shard] > 0
}

// files returns the data files of a day, whose manifest is kept in memory.
func (l *Log) files(ctx context.Context, instance string, d snapshot.Day) ([]snapshot.File, error) {
	if d.Manifest == "" {
		return d.Files, nil
	}
	if files, ok := l.cache.get(d.Manifest); ok {
		return files.([]snapshot.File), nil
	}
	files, err := l.Table(instance).Files(ctx, d)
	if err != nil {
		return nil, err
	}
	const perFile = 1024 // bytes of a file's entry in memory
	l.cache.put(d.Manifest, files, perFile*len(files))
	return files, nil
}

// Open opens a data file of the view, by one request where its end is not in
// memory. The pages are read later, under the same context.
func (v *View) Open(ctx context.Context, f snapshot.File) (*segment.File, error) {
	file, err := v.log.open(ctx, f, segment.OpenData)
	return file, v.gone(err)
}

// Fetch is [View.Open] for who goes on to read pages: where the file's end is not
// in memory and the file is small, the same request brings all of it, which stays
// in memory as long as the file that is returned.
func (v *View) Fetch(ctx context.Context, f snapshot.File) (*segment.File, error) {
	file, err := v.log.open(ctx, f, segment.FetchData)
	return file, v.gone(err)
}

// FetchOnce is [View.Fetch] for who replaces the file: nothing is kept of it, which
// would push out what others come back for.
func (v *View) FetchOnce(ctx context.Context, f snapshot.File) (*segment.File, error) {
	file, err := segment.FetchData(ctx, v.log.store, f)
	return file, v.gone(err)
}

// opener is [segment.OpenData] or [segment.FetchData].
type opener func(ctx context.Context, s store.Store, f snapshot.File) (*segment.File, error)

// open opens a data file. What opening reads is kept in memory: footer and
// indexes, and with them the bloom filters that are read later. It is kept by all
// that a manifest says of the file's identity, and only once the checksum agreed.
func (l *Log) open(ctx context.Context, f snapshot.File, open opener) (*segment.File, error) {
	name := fmt.Sprint(f.Key, " ", f.Bytes, " ", f.End, " ", f.EndSum)
	if kept, ok := l.footers.get(name); ok {
		return kept.(*segment.File).In(ctx), nil
	}
	file, err := open(ctx, l.store, f)
	if err == nil {
		l.footers.put(name, file.In(context.Background()), int(file.Size()))
	}
	return file, err
}

// gone explains why an object that a view names is missing: in time, the sweeper
// takes it. Before, nobody may.
func (v *View) gone(err error) error {
	if fault.Is(err, fault.NotFound) && !v.old() {
		return fault.New(fault.Corrupt, "an object is missing that the snapshot names: %w", err)
	}
	return gone(err)
}

func gone(err error) error {
	if fault.Is(err, fault.NotFound) {
		return fault.New(fault.Gone, "the query took longer than its data are kept: %w", err)
	}
	return err
}

// old reports whether what the view reads may have been swept since.
func (v *View) old() bool { return chain.Elapsed(v.began, v.log.now()) > chain.Fresh }
