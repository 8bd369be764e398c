package compactor

import (
	"context"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/firnlog/firn/internal/bug"
	"github.com/firnlog/firn/layout"
	"github.com/firnlog/firn/layout/chain"
	"github.com/firnlog/firn/layout/fault"
	"github.com/firnlog/firn/layout/snapshot"
	"github.com/firnlog/firn/layout/store"
)

// orphanAge is how much older than the newest snapshot an object that no
// snapshot names must be to count as an orphan. A compactor does not apply an edit
// to a snapshot so much younger than the edit's objects, so that none can come to be
// named: from applyAge on it gives up, sooner because the machines of a store do not
// tell the same time to the second.
const (
	orphanAge = time.Hour
	applyAge  = orphanAge - 5*time.Minute
)

// Sweep deletes what an instance no longer needs, and returns the keys (with
// dryRun: those that it would delete). Only the sweeper deletes, and only what
// can never be read again, so that it may stop, or sleep, anywhere:
//
//   - what snapshots dropped that are older than the grace: first all that they
//     dropped, with the commits that they folded, and only then the snapshots
//     before them, but for data files that the bucket's rule deletes, which are
//     tagged;
//   - objects that no snapshot names and that are so much older than the newest
//     one that no compactor can still be about to commit them. Where none is,
//     an empty snapshot is committed for a later sweep to go by.
func (c *Compactor) Sweep(ctx context.Context, id string, dryRun bool) ([]string, error) {
	s := &sweep{c: c, id: id, table: c.Log.Table(id), dryRun: dryRun, done: map[string]bool{}}
	if err := s.history(ctx); err != nil || len(s.infos) == 0 {
		return s.swept, err
	}
	s.orderAt, s.erasing = s.orders()
	if err := s.superseded(ctx); err != nil {
		return s.swept, err
	}
	waiting, err := s.orphans(ctx)
	if err != nil || dryRun {
		return s.swept, err
	}
	if waiting {
		return s.swept, s.advance(ctx)
	}
	return s.swept, s.settle(ctx)
}

// sweep is one run of the sweeper over one instance.
type sweep struct {
	c      *Compactor
	id     string
	table  snapshot.Table
	dryRun bool
	swept  []string
	done   map[string]bool // the same as a set

	now     time.Time    // store time of the look at the snapshots
	infos   []store.Info // of all snapshots, newest first
	numbers []int64
	snaps   []*snapshot.Snapshot
	oldest  int            // index of the oldest one left
	orderAt map[string]int // commits of erasures, and the newest snapshot by which they are under way
	erasing map[int]bool   // shards that have such
}

// history reads the snapshots that are there: those of the last 24 hours and a
// few. A compactor that lives long reads each of them once.
func (s *sweep) history(ctx context.Context) error {
	if err := s.list(ctx); err != nil {
		return err
	}
	known, now := s.c.history[s.id], make(map[string]*snapshot.Snapshot, len(s.infos))
	snaps := make([]*snapshot.Snapshot, len(s.infos))
	group, gctx := errgroup.WithContext(ctx)
	group.SetLimit(2 * uploads)
	for i, o := range s.infos {
		if snaps[i] = known[o.Key]; snaps[i] != nil && i > 0 { // of the newest, its files are needed too
			continue
		}
		group.Go(func() (err error) {
			snaps[i], err = s.table.Read(gctx, s.numbers[i])
			if fault.Is(err, fault.NotFound) {
				err = nil // another sweeper was faster
			}
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return err
	}
	infos, numbers := s.infos, s.numbers
	s.infos, s.numbers = nil, nil
	if len(snaps) > 0 && snaps[0] == nil {
		return nil // we slept since the list: nothing is known of what is named now
	}
	for i, snap := range snaps {
		if snap == nil {
			continue
		}
		s.infos, s.numbers, s.snaps = append(s.infos, infos[i]), append(s.numbers, numbers[i]), append(s.snaps, snap)
		now[infos[i].Key] = &snapshot.Snapshot{Shards: snap.Shards, Dropped: snap.Dropped}
	}
	if s.c.history == nil {
		s.c.history = map[string]map[string]*snapshot.Snapshot{}
	}
	s.c.history[s.id] = now
	return nil
}

// list finds the snapshots that are there.
func (s *sweep) list(ctx context.Context) error {
	for after, more := "", true; more; {
		page, err := s.c.Log.Store().List(ctx, store.ListOptions{Prefix: layout.Snapshots(s.id), StartAfter: after})
		if err != nil {
			return err
		}
		s.now, more = page.StoreTime, page.More
		for _, o := range page.Objects {
			n, ok := layout.ParseDescending(o.Key)
			if !ok {
				return fault.New(fault.Corrupt, "%s is no key of a snapshot", o.Key)
			}
			s.infos, s.numbers, after = append(s.infos, o), append(s.numbers, n), o.Key
		}
	}
	return nil
}

// superseded deletes what snapshots older than the grace replaced, the oldest
// first. A snapshot goes only after all that its successor dropped, so that a
// crash in between leaves the rest to be found again.
func (s *sweep) superseded(ctx context.Context) error {
	if bug.In(bug.PredecessorFirst) {
		for _, o := range s.infos[1:] {
			_ = s.delete(ctx, o.Key)
		}
		return nil
	}
	s.oldest = len(s.snaps) - 1
	for i := len(s.snaps) - 1; i >= 0; i-- {
		if s.now.Sub(s.infos[i].Modified) <= chain.Grace && !bug.In(bug.GraceOfObjects) {
			return nil
		}
		if i == len(s.snaps)-1 && s.numbers[i] > 1 {
			continue // its predecessor is gone, so all that it dropped is
		}
		for _, key := range s.snaps[i].Dropped {
			if s.kept(key, i) {
				continue
			}
			if err := s.drop(ctx, key); err != nil {
				return err
			}
		}
		for _, st := range s.snaps[i].Shards {
			if i+1 < len(s.snaps) && st.Folded == s.snaps[i+1].ShardState(st.Shard).Folded {
				continue // what it folded went with the one before
			}
			if err := s.commits(ctx, st, i); err != nil {
				return err
			}
		}
		if i+1 < len(s.snaps) {
			if err := s.delete(ctx, s.infos[i+1].Key); err != nil {
				return err
			}
			s.oldest = i
		}
	}
	return nil
}

// commits deletes the commits of a shard that the snapshot of an index folded.
func (s *sweep) commits(ctx context.Context, st snapshot.Shard, index int) error {
	prefix, after := layout.Log(s.id, st.Shard), ""
	for {
		page, err := s.c.Log.Store().List(ctx, store.ListOptions{Prefix: prefix, StartAfter: after})
		if err != nil {
			return err
		}
		for _, o := range page.Objects {
			n, ok := layout.ParseCommit(o.Key)
			if !ok || n > st.Folded {
				return nil
			}
			after = o.Key
			if s.kept(o.Key, index) {
				continue
			}
			if err := s.delete(ctx, o.Key); err != nil {
				return err
			}
		}
		if !page.More {
			return nil
		}
	}
}

// orphans deletes objects that no snapshot names any more or ever did, and reports
// whether some wait for a snapshot to be told from what is being written.
func (s *sweep) orphans(ctx context.Context) (waiting bool, err error) {
	newest := s.infos[0].Modified
	named, err := s.named(ctx)
	if err != nil {
		return false, err
	}
	for _, prefix := range []string{layout.Data(s.id), layout.Manifests(s.id), layout.Heads(s.id), layout.Keys(s.id)} {
		for after, more := "", true; more; {
			page, err := s.c.Log.Store().List(ctx, store.ListOptions{Prefix: prefix, StartAfter: after})
			if err != nil {
				return false, err
			}
			more = page.More
			for _, o := range page.Objects {
				after = o.Key
				switch {
				case named[o.Key] || s.done[o.Key]:
				case newest.Sub(o.Modified) > orphanAge, s.now.Sub(o.Modified) > orphanAge && bug.In(bug.OrphansByAge):
					if left, err := s.left(ctx, o.Key); err != nil {
						return false, err
					} else if left {
						continue
					}
					if err := s.delete(ctx, o.Key); err != nil {
						return false, err
					}
				case s.now.Sub(o.Modified) > orphanAge:
					waiting = true
				}
			}
		}
	}
	return waiting, nil
}

// named returns the keys that must stay: what the newest snapshot names, and
// what the snapshots still within their grace dropped.
func (s *sweep) named(ctx context.Context) (map[string]bool, error) {
	keys := map[string]bool{}
	for _, snap := range s.snaps {
		for _, key := range snap.Dropped {
			keys[key] = true
		}
	}
	newest := s.snaps[0]
	for _, st := range newest.Shards {
		for _, r := range append(slices.Clone(st.Heads), st.Keys...) {
			for _, key := range r.Objects() {
				keys[key] = true
			}
		}
	}
	for _, d := range newest.Days {
		keys[d.Manifest] = true
		files, err := s.table.Files(ctx, d)
		if err != nil {
			return nil, err
		}
		for _, f := range files {
			keys[f.Key] = true
		}
	}
	return keys, nil
}

// advance commits a snapshot that changes nothing, so that a later sweep can
// tell the orphans of now from what is being written. Losing is as good.
func (s *sweep) advance(ctx context.Context) error {
	next, ok, err := s.table.Apply(ctx, s.snaps[0], snapshot.Edit{})
	if err != nil || !ok {
		return err
	}
	_, err = s.table.Commit(ctx, chain.Seen{Number: s.numbers[0], At: s.now}, next)
	return err
}

// delete removes an object, or notes that it would.
func (s *sweep) delete(ctx context.Context, key string) error {
	s.swept, s.done[key] = append(s.swept, key), true
	if s.dryRun {
		return nil
	}
	return s.c.Log.Store().Delete(ctx, key)
}

// SweepCatalog deletes the states of the catalog that were replaced longer ago
// than the grace, the oldest first.
func (c *Compactor) SweepCatalog(ctx context.Context) error {
	var infos []store.Info // newest first
	var now time.Time
	for more := true; more; {
		after := ""
		if len(infos) > 0 {
			after = infos[len(infos)-1].Key
		}
		page, err := c.Log.Store().List(ctx, store.ListOptions{Prefix: layout.Catalog, StartAfter: after})
		if err != nil {
			return err
		}
		infos, now, more = append(infos, page.Objects...), page.StoreTime, page.More
	}
	if len(infos) > 0 && now.Sub(infos[0].Modified) > chain.Grace && bug.In(bug.CatalogSwept) {
		_ = c.Log.Store().Delete(ctx, infos[0].Key)
	}
	for i := len(infos) - 1; i > 0 && now.Sub(infos[i-1].Modified) > chain.Grace; i-- {
		if err := c.Log.Store().Delete(ctx, infos[i].Key); err != nil {
			return err
		}
	}
	return nil
}
