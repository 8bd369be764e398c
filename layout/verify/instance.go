package verify

import (
	"context"
	"maps"
	"slices"

	"github.com/firnlog/firn/layout"
	"github.com/firnlog/firn/layout/catalog"
	"github.com/firnlog/firn/layout/event"
	"github.com/firnlog/firn/layout/fault"
	"github.com/firnlog/firn/layout/snapshot"
	"github.com/firnlog/firn/layout/store"
)

// pass is one reading of one instance.
type pass struct {
	s    store.Store
	inst catalog.Instance
	out  *findings
	sum  Instance

	newest  store.Info         // the snapshot that is verified; no key for none
	snap    *snapshot.Snapshot // its content
	now     event.Micros       // store time of the list
	objects map[string]store.Info
	logs    map[int][]store.Info // commits by shard, oldest first
	history []folds              // of the readable snapshots, newest first
	dropped map[string]string    // keys that snapshots dropped, and which did
	named   map[string]bool      // keys that the snapshot names
	lost    bool                 // some files of the table are not known
	files   map[int][]dayFile    // by shard
}

// folds says how far a snapshot had folded, and when it was stored.
type folds struct {
	info   store.Info
	number int64
	shards []snapshot.Shard
}

// run reads the instance.
func (p *pass) run(ctx context.Context) error {
	p.sum = Instance{ID: p.inst.ID, State: string(p.inst.State), Generation: p.inst.Generation}
	p.objects, p.logs, p.files = map[string]store.Info{}, map[int][]store.Info{}, map[int][]dayFile{}
	p.dropped, p.named = map[string]string{}, map[string]bool{}
	snapshots, _, err := list(ctx, p.s, layout.Snapshots(p.inst.ID))
	if err != nil {
		return err
	}
	if err := p.readSnapshots(ctx, snapshots); err != nil {
		return err
	}
	if err := p.listObjects(ctx); err != nil || p.snap == nil {
		return err // without the newest snapshot nothing else can be told
	}
	if err := p.table(ctx); err != nil {
		return err
	}
	p.checkDropped()
	for _, shard := range p.shards() {
		if err := p.verifyShard(ctx, shard); err != nil {
			return fault.Wrap(err, "shard %d", shard)
		}
	}
	p.countRest()
	return nil
}

// listObjects lists all that the instance has.
func (p *pass) listObjects(ctx context.Context) error {
	all, now, err := list(ctx, p.s, layout.Root(p.inst.ID))
	if err != nil {
		return err
	}
	p.now = micros(now)
	for _, o := range all {
		p.sum.Objects++
		p.sum.Bytes += o.Size
		p.objects[o.Key] = o
		pl := parseKey(p.inst.ID, o.Key)
		switch {
		case pl.form == aCommit:
			p.logs[pl.shard] = append(p.logs[pl.shard], o)
		case pl.form == foreign && inChain(p.inst.ID, o.Key):
			p.out.fault(Foreign, o.Key, "the key is none of the chain that it lies in, which cannot be read past it")
		case pl.form == foreign:
			p.out.warn(Foreign, o.Key, "the key is none that an instance has")
		}
	}
	return nil
}

// shards returns the numbers of all shards that the instance has or ever left
// anything in.
func (p *pass) shards() []int {
	set := map[int]bool{}
	for shard := range p.inst.Shards {
		set[shard] = true
	}
	for shard := range p.logs {
		set[shard] = true
	}
	for shard := range p.files {
		set[shard] = true
	}
	for _, st := range p.snap.Shards {
		set[st.Shard] = true
	}
	return slices.Sorted(maps.Keys(set))
}

// checkDropped looks for what the sweeper would delete and the table needs.
func (p *pass) checkDropped() {
	for _, key := range slices.Sorted(maps.Keys(p.named)) {
		if by, ok := p.dropped[key]; ok {
			p.out.fault(Chain, key, "%s lists it as dropped, and the newest snapshot names it: the sweeper will delete it", by)
		}
	}
}

// countRest counts what the snapshot does not name.
func (p *pass) countRest() {
	for key := range p.objects {
		switch parseKey(p.inst.ID, key).form {
		case aManifest, aHeads, aKeys, aData:
		default:
			continue
		}
		switch {
		case p.named[key]:
		case p.dropped[key] != "":
			p.sum.Dropped++
		default:
			p.sum.Orphans++
		}
	}
}

// moved reports whether what the pass found can be explained by what happened
// to the bucket meanwhile, and returns the settings as they are then. Nothing
// that is named or behind the folded position is ever deleted, and settings do
// not change what was verified without being changed themselves.
func (p *pass) moved(ctx context.Context) (catalog.Instance, bool, error) {
	if len(p.out.faults.list) == 0 {
		return p.inst, false, nil
	}
	newest, err := newestCatalog(ctx, p.s)
	if fault.Is(err, fault.Corrupt) {
		return p.inst, false, nil // which is a fault of the catalog
	}
	if err != nil {
		return p.inst, false, err
	}
	for _, inst := range newest {
		if inst.ID == p.inst.ID && inst != p.inst {
			return inst, true, nil
		}
	}
	fresh := &pass{s: p.s, inst: p.inst, out: &findings{}, files: map[int][]dayFile{},
		dropped: map[string]string{}, named: map[string]bool{}, objects: map[string]store.Info{}}
	snapshots, _, err := list(ctx, p.s, layout.Snapshots(p.inst.ID))
	if err != nil {
		return p.inst, false, err
	}
	if err := fresh.readSnapshots(ctx, snapshots); err != nil || fresh.snap == nil || fresh.newest.Key == p.newest.Key {
		return p.inst, false, err
	}
	if err := fresh.table(ctx); err != nil {
		return p.inst, false, err
	}
	return p.inst, fresh.explains(p.out.faults.list), nil
}

// explains reports whether one of the objects that others found missing is no
// longer needed by the snapshot.
func (p *pass) explains(faults []Fault) bool {
	for _, f := range faults {
		if f.Kind != Missing {
			continue
		}
		pl := parseKey(p.inst.ID, f.Key)
		switch pl.form {
		case aCommit:
			if pl.number <= p.snap.ShardState(pl.shard).Folded {
				return true
			}
		case aSnapshot:
			return true // the newest was read, listed, and swept: we slept
		default:
			if !p.named[f.Key] {
				return true
			}
		}
	}
	return false
}
