package verify

import (
	"context"
	"encoding/json"
	"strings"

	"github.com/firnlog/firn/layout"
	"github.com/firnlog/firn/layout/catalog"
	"github.com/firnlog/firn/layout/fault"
	"github.com/firnlog/firn/layout/seal"
	"github.com/firnlog/firn/layout/store"
)

// catalogState is an object of the catalog's chain as FORMAT.md describes it.
type catalogState struct {
	Format    int                `json:"format"`
	Key       string             `json:"key"`
	Number    int64              `json:"number"`
	ID        string             `json:"id"`
	Instances []catalog.Instance `json:"instances"`
}

func decodeCatalog(key string, body []byte) (*catalogState, error) {
	if err := seal.Check(body); err != nil {
		return nil, err
	}
	st := &catalogState{}
	if err := json.Unmarshal(body, st); err != nil {
		return nil, fault.New(fault.Corrupt, "the object is no state of the catalog: %w", err)
	}
	if err := known(st.Format, catalog.Format); err != nil {
		return nil, err
	}
	if err := seal.At(key, st.Key); err != nil {
		return nil, err
	}
	return st, nil
}

// known refuses formats of newer programs.
func known(format, newest int) error {
	switch {
	case format > newest:
		return fault.New(fault.Unavailable, "format %d is newer than this program, which knows up to %d: upgrade it", format, newest)
	case format < 1:
		return fault.New(fault.Corrupt, "the object bears no format")
	}
	return nil
}

// readCatalog checks the catalog's chain and returns its readable states, the
// newest first.
func readCatalog(ctx context.Context, s store.Store, out *findings) ([]*catalogState, error) {
	infos, _, err := list(ctx, s, layout.Catalog)
	if err != nil {
		return nil, err
	}
	links := links{out: out, prefix: layout.Catalog, ids: map[string]string{}}
	var states []*catalogState
	for _, o := range infos {
		n, ok := layout.ParseDescending(o.Key)
		if !ok || n < 1 || o.Key != layout.Descending(layout.Catalog, n) {
			out.fault(Foreign, o.Key, "the key is none of the catalog's chain, which cannot be read past it")
			continue
		}
		if !links.follows(n, o) {
			continue
		}
		body, _, err := store.ReadAll(ctx, s, o.Key)
		if fault.Is(err, fault.NotFound) {
			continue // swept since it was listed
		}
		var st *catalogState
		if err == nil {
			st, err = decodeCatalog(o.Key, body)
		}
		if err := unreadable(out, o.Key, err); err != nil {
			return nil, err
		}
		if st == nil {
			continue
		}
		links.identify(o.Key, n, st.Number, st.ID)
		checkInstances(out, o.Key, st)
		if len(states) > 0 && states[len(states)-1].Number == n+1 {
			checkChange(out, layout.Descending(layout.Catalog, n+1), st, states[len(states)-1])
		}
		states = append(states, st)
	}
	return states, nil
}

// newestCatalog returns the instances as the catalog has them now.
func newestCatalog(ctx context.Context, s store.Store) ([]catalog.Instance, error) {
	return catalog.Open(s).List(ctx, 0)
}

// checkInstances checks one state by itself.
func checkInstances(out *findings, key string, st *catalogState) {
	names, last := map[string]bool{}, ""
	for i, inst := range st.Instances {
		c := inst
		c.ID = strings.TrimPrefix(c.ID, "_") // Firn's own
		if err := c.Check(); err != nil {
			out.fault(Content, key, "instance %q: %v", inst.ID, err)
		}
		switch inst.State {
		case catalog.Active:
			if names[inst.Name] {
				out.fault(Duplicate, key, "two active instances have the name %q", inst.Name)
			}
			names[inst.Name] = true
		case catalog.Deleting, catalog.Deleted:
		default:
			out.fault(Content, key, "instance %q has the state %q", inst.ID, inst.State)
		}
		if inst.Generation < 1 {
			out.fault(Content, key, "instance %q has the generation %d", inst.ID, inst.Generation)
		}
		if i > 0 && inst.ID <= last {
			out.fault(Disorder, key, "instance %q comes behind %q", inst.ID, last)
		}
		last = inst.ID
	}
}

var stateRank = map[catalog.State]int{catalog.Active: 0, catalog.Deleting: 1, catalog.Deleted: 2}

// checkChange checks that one state can follow another; key is that of next.
func checkChange(out *findings, key string, prev, next *catalogState) {
	now := map[string]catalog.Instance{}
	for _, inst := range next.Instances {
		now[inst.ID] = inst
	}
	for _, was := range prev.Instances {
		is, ok := now[was.ID]
		switch {
		case !ok:
			out.fault(Chain, key, "instance %q was in the state before and is gone: deleted ones stay, too", was.ID)
		case is.Generation == was.Generation:
			if is.Shards != was.Shards {
				out.fault(Chain, key, "instance %q has %d shards and had %d: they are fixed at creation", was.ID, is.Shards, was.Shards)
			}
			if stateRank[is.State] < stateRank[was.State] {
				out.fault(Chain, key, "instance %q went from %s back to %s in its generation %d", was.ID, was.State, is.State, is.Generation)
			}
			if is.VisibleFrom < was.VisibleFrom && was.VisibleFrom != 0 {
				out.fault(Chain, key, "instance %q shows events again that were hidden", was.ID)
			}
		case is.Generation != was.Generation+1 || was.State != catalog.Deleted:
			out.fault(Chain, key, "instance %q went from generation %d, %s, to generation %d", was.ID, was.Generation, was.State, is.Generation)
		}
	}
}
