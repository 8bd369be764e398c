package compactor

import (
	"bytes"
	"context"
	"slices"
	"strings"

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

// foldHeads adds a run with the last sequence number of every stream in events.
func (c *Compactor) foldHeads(ctx context.Context, id string, shard int, old []snapshot.Run, events []event.Event, now event.Micros) ([]snapshot.Run, error) {
	if bug.In(bug.HeadsForgotten) {
		return old, nil
	}
	last := map[string]int64{}
	for _, e := range events {
		last[e.Stream] = max(last[e.Stream], e.Sequence)
	}
	entries := make([]snapshot.Head, 0, len(last))
	for stream, n := range last {
		entries = append(entries, snapshot.Head{Stream: stream, Sequence: n})
	}
	byStream := func(a, b snapshot.Head) int { return strings.Compare(a.Stream, b.Stream) }
	return foldRun(ctx, c.Log.Store(), layout.NewHeads(id, shard), old, entries, now, byStream, nil)
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
	byKey := func(a, b snapshot.Key) int { return strings.Compare(a.Key, b.Key) }
	return foldRun(ctx, c.Log.Store(), layout.NewKeys(id, shard), old, entries, now, byKey, func(k snapshot.Key) bool { return over(k.Time) })
}

// foldRun puts a run of the entries before the old ones, or of the entries and
// the newest old ones together. Entries in newer runs win. What void reports is
// left out of a merge.
func foldRun[T snapshot.Head | snapshot.Key](ctx context.Context, s store.Store, key string, old []snapshot.Run, entries []T, now event.Micros,
	compare func(a, b T) int, void func(T) bool) ([]snapshot.Run, error) {
	if len(entries) == 0 {
		return old, nil
	}
	for len(old) > 0 && old[0].Rows < runGrowth*int64(len(entries)) {
		older, err := snapshot.ReadRun[T](ctx, s, old[0])
		if err != nil {
			return nil, err
		}
		if void != nil {
			older = slices.DeleteFunc(older, void)
		}
		entries = append(entries, older...)
		slices.SortStableFunc(entries, compare)
		entries = slices.CompactFunc(entries, func(a, b T) bool { return compare(a, b) == 0 })
		old = old[1:]
	}
	slices.SortFunc(entries, compare)
	body, err := snapshot.EncodeRun(key, entries)
	if err != nil {
		return nil, err
	}
	if _, err := s.Put(ctx, key, bytes.NewReader(body), store.Always); err != nil {
		return nil, fault.Wrap(err, "storing a run")
	}
	run := snapshot.Run{Key: key, Rows: int64(len(entries)), Bytes: int64(len(body)), Newest: now}
	return append([]snapshot.Run{run}, old...), nil
}
