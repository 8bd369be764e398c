package verify

import (
	"context"
	"encoding/json"

	"github.com/firnlog/firn/layout"
	"github.com/firnlog/firn/layout/fault"
	"github.com/firnlog/firn/layout/seal"
	"github.com/firnlog/firn/layout/snapshot"
	"github.com/firnlog/firn/layout/store"
)

// readSnapshots checks the chain of snapshots, as listed, and takes the newest
// as the one to verify; where that cannot be read, none. An instance without
// snapshots has the empty one.
func (p *pass) readSnapshots(ctx context.Context, infos []store.Info) error {
	links := links{out: p.out, prefix: layout.Snapshots(p.inst.ID), ids: map[string]string{}}
	first := true
	for _, o := range infos {
		pl := parseKey(p.inst.ID, o.Key)
		if pl.form != aSnapshot || !links.follows(pl.number, o) {
			continue // foreign keys are found when all is listed
		}
		s, err := readSnapshot(ctx, p.s, o.Key)
		if fault.Is(err, fault.NotFound) && !first {
			continue // swept since it was listed
		}
		if err := unreadable(p.out, o.Key, err); err != nil {
			return err
		}
		if s != nil {
			links.identify(o.Key, pl.number, s.Number, s.ID)
			p.remember(o, pl.number, s)
		}
		if first {
			p.snap, p.newest, p.sum.Snapshot, first = s, o, pl.number, false
		}
	}
	if first {
		p.snap = &snapshot.Snapshot{}
	}
	return nil
}

// remember keeps of a snapshot what others are compared with.
func (p *pass) remember(o store.Info, number int64, s *snapshot.Snapshot) {
	f := folds{info: o, number: number}
	for _, st := range s.Shards {
		f.shards = append(f.shards, snapshot.Shard{Shard: st.Shard, Folded: st.Folded, Time: st.Time, Generation: st.Generation})
	}
	if n := len(p.history); n > 0 {
		p.checkProgress(p.history[n-1], s)
	}
	p.history = append(p.history, f)
	for _, key := range s.Dropped {
		p.dropped[key] = o.Key
	}
}

// checkProgress checks that folding went on from an older snapshot to a newer.
func (p *pass) checkProgress(newer folds, older *snapshot.Snapshot) {
	now := snapshot.Snapshot{Shards: newer.shards}
	for _, was := range older.Shards {
		is := now.ShardState(was.Shard)
		if is.Folded < was.Folded || is.Time < was.Time || is.Generation < was.Generation {
			p.out.fault(Chain, newer.info.Key, "shard %d went back from position %d, time %s, generation %d to position %d, time %s, generation %d",
				was.Shard, was.Folded, was.Time, was.Generation, is.Folded, is.Time, is.Generation)
		}
	}
}

// late reports whether a commit at a folded position was stored after a
// snapshot had folded it, by one who had slept: nobody reads it.
func (p *pass) late(o store.Info, shard int, position int64) bool {
	late := false
	for _, f := range p.history {
		s := snapshot.Snapshot{Shards: f.shards}
		if s.ShardState(shard).Folded < position {
			break
		}
		late = o.Modified.After(f.info.Modified)
	}
	return late
}

// readSnapshot returns the snapshot at a key.
func readSnapshot(ctx context.Context, s store.Store, key string) (*snapshot.Snapshot, error) {
	snap := &snapshot.Snapshot{}
	if err := readJSON(ctx, s, key, snap); err != nil {
		return nil, err
	}
	if err := known(snap.Format, snapshot.Format); err != nil {
		return nil, err
	}
	if err := seal.At(key, snap.Key); err != nil {
		return nil, err
	}
	return snap, nil
}

// readJSON reads a sealed JSON object.
func readJSON(ctx context.Context, s store.Store, key string, to any) error {
	body, _, err := store.ReadAll(ctx, s, key)
	if err != nil {
		return err
	}
	if err := seal.Check(body); err != nil {
		return err
	}
	if err := json.Unmarshal(body, to); err != nil {
		return fault.New(fault.Corrupt, "the object has not the form that its key says: %w", err)
	}
	return nil
}
