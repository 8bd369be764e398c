package compactor

import (
	"bytes"
	"cmp"
	"context"
	"slices"
	"strings"
	"sync/atomic"

	"golang.org/x/sync/errgroup"

	"github.com/firnlog/firn/internal/bug"
	"github.com/firnlog/firn/layout"
	"github.com/firnlog/firn/layout/commitlog"
	"github.com/firnlog/firn/layout/event"
	"github.com/firnlog/firn/layout/fault"
	"github.com/firnlog/firn/layout/snapshot"
	"github.com/firnlog/firn/layout/store"
)

// Runs grow geometrically: a new run takes in the newest old ones as long as
// these are less than twice its size, so that their number stays logarithmic in
// the streams and each entry is rewritten about as often.
const runGrowth = 2

// foldHeads adds a run with the last sequence numbers of streams.
func (c *Compactor) foldHeads(ctx context.Context, id string, shard int, old []snapshot.Run, entries []snapshot.Head, now event.Micros) ([]snapshot.Run, error) {
	if bug.In(bug.HeadsForgotten) {
		return old, nil
	}
	return foldRun(ctx, c.Log.Store(), layout.NewHeads(id, shard), old, entries, now, nil)
}

// foldKeys adds a run with the idempotency keys of the commits, and leaves out
// those whose time is over.
func (c *Compactor) foldKeys(ctx context.Context, id string, shard int, old []snapshot.Run, commits []*commitlog.Commit, now event.Micros) ([]snapshot.Run, error) {
	over := func(t event.Micros) bool { return now-t > event.Micros(commitlog.KeyLife.Microseconds()) }
	old = slices.DeleteFunc(slices.Clone(old), func(r snapshot.Run) bool { return over(r.Newest) })
	last := map[string]snapshot.Key{}
	for _, commit := range commits {
		if bug.In(bug.KeysForgotten) {
			break
		}
		for _, k := range commit.Keys {
			last[k.Key] = snapshot.Key{Key: k.Key, Hash: k.Hash, Position: commit.Position, Ordinal: k.First, Count: k.Count, Time: commit.Time}
		}
	}
	entries := make([]snapshot.Key, 0, len(last))
	for _, k := range last {
		entries = append(entries, k)
	}
	return foldRun(ctx, c.Log.Store(), layout.NewKeys(id, shard), old, entries, now, func(k snapshot.Key) bool { return over(k.Time) })
}

// foldRun puts a run of the entries before the old ones, or of the entries and
// the newest old ones together. Entries in newer runs win. What void reports is
// left out of a merge.
func foldRun[T snapshot.Entry](ctx context.Context, s store.Store, key string, old []snapshot.Run, entries []T, now event.Micros, void func(T) bool) ([]snapshot.Run, error) {
	if len(entries) == 0 {
		return old, nil
	}
	rows, taken := int64(len(entries)), 0
	for taken < len(old) && old[taken].Rows < runGrowth*rows {
		rows += old[taken].Rows
		taken++
	}
	slices.SortFunc(entries, byName) // heads are, keys are not
	m := runMerge[T]{store: s, old: old[:taken], void: void, read: make([]runPart[T], taken)}
	m.run = snapshot.Run{Key: key, Newest: now}
	if parts := snapshot.PartsFor(rows); parts > 1 {
		m.run.Parts = parts
	}
	if err := m.merge(ctx, entries); err != nil {
		return nil, err
	}
	return append([]snapshot.Run{m.run}, old[taken:]...), nil
}

// runMerge writes a new run in the place of old ones, part by part, so that a
// part of each is in memory.
type runMerge[T snapshot.Entry] struct {
	store store.Store
	old   []snapshot.Run // newest first
	void  func(T) bool   // nil for none
	run   snapshot.Run
	read  []runPart[T] // of each old run, the part that was read last
}

// runPart is a part of an old run.
type runPart[T snapshot.Entry] struct {
	object  string
	entries []T
}

func (m *runMerge[T]) merge(ctx context.Context, entries []T) error {
	fresh := make([][]T, m.run.Count())
	for _, e := range entries {
		part := snapshot.PartOf(e.Name(), len(fresh))
		fresh[part] = append(fresh[part], e)
	}
	var rows, size atomic.Int64
	group, gctx := errgroup.WithContext(ctx)
	group.SetLimit(uploads)
	for part := range fresh {
		merged, err := m.part(gctx, part, fresh[part])
		if err != nil {
			return cmp.Or(group.Wait(), err)
		}
		group.Go(func() error {
			n, err := putRun(gctx, m.store, m.run.Object(part), merged)
			rows.Add(int64(len(merged)))
			size.Add(n)
			return err
		})
	}
	err := group.Wait()
	m.run.Rows, m.run.Bytes = m.run.Rows+rows.Load(), m.run.Bytes+size.Load()
	return err
}

// part returns the entries of a part of the new run, in order, given the fresh ones.
func (m *runMerge[T]) part(ctx context.Context, part int, entries []T) ([]T, error) {
	parts := m.run.Count()
	for i, r := range m.old {
		// An old run in fewer parts has one that holds all that belongs here. Of one
		// in more parts, since much of it was replaced or is void, several do.
		first, end := part*r.Count()/parts, (part+1)*r.Count()/parts
		var kept []T
		for of := first; of < max(end, first+1); of++ {
			older, err := m.older(ctx, i, of)
			if err != nil {
				return nil, err
			}
			for _, e := range older {
				if snapshot.PartOf(e.Name(), parts) == part && (m.void == nil || !m.void(e)) {
					kept = append(kept, e)
				}
			}
		}
		if end > first+1 {
			slices.SortFunc(kept, byName)
		}
		entries = union(entries, kept)
	}
	return entries, nil
}

func byName[T snapshot.Entry](a, b T) int { return strings.Compare(a.Name(), b.Name()) }

// union returns the entries of both, in order as both are: of two with one name the
// newer.
func union[T snapshot.Entry](newer, older []T) []T {
	if len(older) == 0 {
		return newer
	}
	out := make([]T, 0, len(newer)+len(older))
	for len(newer) > 0 && len(older) > 0 {
		switch c := byName(newer[0], older[0]); {
		case c > 0:
			out, older = append(out, older[0]), older[1:]
		case c == 0:
			older = older[1:]
			fallthrough
		default:
			out, newer = append(out, newer[0]), newer[1:]
		}
	}
	return append(append(out, newer...), older...)
}

// older returns a part of an old run, from memory if it was the last one read.
func (m *runMerge[T]) older(ctx context.Context, run, part int) ([]T, error) {
	object := m.old[run].Object(part)
	if m.read[run].object != object {
		entries, err := snapshot.ReadRun[T](ctx, m.store, m.old[run], part)
		if err != nil {
			return nil, err
		}
		m.read[run] = runPart[T]{object, entries}
	}
	return m.read[run].entries, nil
}

// putRun stores an object of a run, and returns its size.
func putRun[T snapshot.Entry](ctx context.Context, s store.Store, key string, entries []T) (int64, error) {
	body, err := snapshot.EncodeRun(key, entries)
	if err != nil {
		return 0, err
	}
	_, err = s.Put(ctx, key, bytes.NewReader(body), store.Always)
	return int64(len(body)), fault.Wrap(err, "storing a run")
}
