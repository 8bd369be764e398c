package clustercockpit

import (
	"context"
	"errors"

	"github.com/firnlog/firn/layout/catalog"
	"github.com/firnlog/firn/layout/commitlog"
	"github.com/firnlog/firn/layout/event"
	"github.com/firnlog/firn/layout/fault"

	"github.com/firnlog/firn/functions/front"
)

// group is what goes into one instance, in the order of arrival.
type group struct {
	cluster string
	kind    kind
	create  catalog.Instance // what to make the instance from
	events  []event.Event

	key, hash string // of the append
}

// groups are entries divided by instance, in the order of their first entries.
type groups struct {
	list   []*group
	byName map[string]*group
}

// add takes in entries: all of them, or none where an error says that one of
// their instances cannot be made.
func (c *EventStore) add(to *groups, entries []entry) error {
	for _, e := range entries {
		name := instanceName(e.cluster, e.kind)
		if to.byName[name] != nil {
			continue
		}
		spec, err := c.newInstance(e.cluster, e.kind)
		if err != nil {
			return err
		}
		if to.byName == nil {
			to.byName = map[string]*group{}
		}
		g := &group{cluster: e.cluster, kind: e.kind, create: spec}
		to.byName[name], to.list = g, append(to.list, g)
	}
	for _, e := range entries {
		g := to.byName[instanceName(e.cluster, e.kind)]
		g.events = append(g.events, e.event)
	}
	return nil
}

// target returns the reference of the instance that a group goes into, which
// may not be there yet, if the caller may append to it.
func (c *EventStore) target(ctx context.Context, g *group) (string, error) {
	inst, err := c.instance(ctx, g.cluster, g.kind, front.CanAppend)
	if fault.Is(err, fault.NotFound) {
		return g.create.ID, nil
	}
	return inst.ID, err
}

// store appends a group and returns how many events are stored, those of an
// earlier append under the same key included. An error says that not all are.
func (c *EventStore) store(ctx context.Context, g *group) (int, error) {
	ref, err := c.target(ctx, g)
	if err != nil {
		return 0, err
	}
	receipt, err := c.Append(ctx, ref, commitlog.Batch{Events: g.events, Key: g.key, Hash: g.hash}, &g.create)
	stored := 0
	for _, p := range receipt.Parts {
		if p.Err == nil {
			stored += p.Count
		} else if err == nil || fault.Is(p.Err, fault.Unknown) {
			err = p.Err
		}
	}
	switch {
	case err != nil && errors.Is(err, commitlog.ErrKeyReused): // no failure of the store's
	case err != nil:
		c.counters.add(writesFailed, 1)
	case !receipt.Replayed:
		c.counters.add(writes, 1)
		c.counters.add(flushed, int64(stored))
	default:
		c.counters.add(replayed, int64(stored))
	}
	return stored, err
}

// note counts what a body held.
func (c *EventStore) note(d *decoded) {
	c.counters.add(processed, d.count())
	for k, n := range d.ignored {
		if n > 0 {
			c.counters.add(ignoredCounters[k], n)
		}
	}
}

// withoutLogs takes logs out of what is to be stored, where the configuration
// says so; they count as ignored.
func (c *EventStore) withoutLogs(d *decoded) {
	if !c.config.IgnoreLogs {
		return
	}
	kept := d.entries[:0]
	for _, e := range d.entries {
		if e.kind == logKind {
			d.ignored[logKind]++
			continue
		}
		kept = append(kept, e)
	}
	d.entries = kept
}
