// Package verify reads a bucket and derives again all that Firn says about it:
// chains, checksums, statistics, sequence numbers, heads, keys. It changes
// nothing, and goes by FORMAT.md rather than by the code that wrote the bucket.
//
// What is wrong is a [Fault] of the report, and does not stop the run. What a
// crash or a slow process may leave behind (orphans, objects in their grace,
// writes that came too late to count) is none: it is counted, or a warning.
// Where an object cannot be read, the checks that need all of its shard are
// left out, so that one bad object is not reported as a thousand lost events.
//
// # Views
//
// A run may go on while others append and compact. For each instance it takes
// the settings first, then the newest snapshot, then a list of all keys: what
// the snapshot names and the commits behind it stay in the bucket for 24 hours
// at least. If something is missing all the same, or does not fit the settings,
// both are looked up again; when they have moved on so that the matter is
// explained, the instance is read anew and nothing is reported.
//
// # Memory
//
// At a time, one shard is held: for each object of the instance its key, for
// each stream its name and the ranges of sequence numbers found (one, once all
// is read; many for a while, where events come in no order of time), for each
// event one bit, for each event of the commits that were folded within the last
// day 16 bytes, and of the events themselves one row group.
package verify

import (
	"context"
	"time"

	"github.com/firnlog/firn/layout/catalog"
	"github.com/firnlog/firn/layout/event"
	"github.com/firnlog/firn/layout/fault"
	"github.com/firnlog/firn/layout/store"
)

// Options say what is verified.
type Options struct {
	Instance string // id of the one instance to verify beside the catalog; "" for all
}

// passes bounds how often an instance is read anew because it moved on. Each
// time, what was read must have been swept, a day after it was replaced.
const passes = 5

// Run verifies a bucket. The report is complete when the error is nil. Errors:
// those of the store, Unavailable also for a bucket written by a newer program
// or one that changes faster than it can be read; NotFound when the catalog
// does not have the instance asked for.
func Run(ctx context.Context, s store.Store, opts Options) (*Report, error) {
	report := &Report{Instances: []Instance{}}
	out := &findings{}
	states, err := readCatalog(ctx, s, out)
	if err != nil {
		return nil, err
	}
	var list []catalog.Instance
	if len(states) > 0 {
		report.Catalog, list = states[0].Number, states[0].Instances
	}
	found := opts.Instance == ""
	for _, inst := range list {
		if opts.Instance != "" && opts.Instance != inst.ID {
			continue
		}
		found = true
		sum, faults, err := verifyInstance(ctx, s, inst)
		if err != nil {
			return nil, fault.Wrap(err, "verifying instance %s", inst.ID)
		}
		report.Instances = append(report.Instances, sum)
		out.add(faults)
	}
	if !found {
		return nil, fault.New(fault.NotFound, "the catalog has no instance %q", opts.Instance)
	}
	if opts.Instance == "" {
		if err := strangers(ctx, s, list, out); err != nil {
			return nil, err
		}
		if err := keepsVersions(ctx, s, out); err != nil {
			return nil, err
		}
	}
	report.Faults, report.Warnings = out.faults.list, out.warnings.list
	return report, nil
}

// verifyInstance reads an instance until what it found cannot be explained by
// the bucket's moving on under it.
func verifyInstance(ctx context.Context, s store.Store, inst catalog.Instance) (Instance, *findings, error) {
	for range passes {
		p := &pass{s: s, inst: inst, out: &findings{}}
		err := p.run(ctx)
		if err != nil {
			return p.sum, nil, err
		}
		next, moved, err := p.moved(ctx)
		if err != nil {
			return p.sum, nil, err
		}
		if !moved {
			return p.sum, p.out, nil
		}
		inst = next
	}
	return Instance{}, nil, fault.New(fault.Unavailable, "it changes faster than it can be read")
}

// strangers tells of what lies below instances/ and belongs to no instance, also
// none that was made meanwhile. Objects of Firn's are a fault: an instance is in
// the catalog before its first object is stored, and for ever.
func strangers(ctx context.Context, s store.Store, list []catalog.Instance, out *findings) error {
	const prefix = "instances/"
	known := map[string]bool{}
	for _, inst := range list {
		known[inst.ID] = true
	}
	fresh := false
	after := ""
	for {
		page, err := s.List(ctx, store.ListOptions{Prefix: prefix, StartAfter: after, Max: 1})
		if err != nil || len(page.Objects) == 0 {
			return err
		}
		key := page.Objects[0].Key
		id, below := cutSegment(key[len(prefix):])
		if !known[id] && !fresh {
			fresh = true
			newest, err := newestCatalog(ctx, s)
			if err != nil && !fault.Is(err, fault.Corrupt) { // which is a fault already
				return err
			}
			for _, inst := range newest {
				known[inst.ID] = true
			}
		}
		switch {
		case !below:
			out.warn(Foreign, key, "the object belongs to no instance")
			after = key
			continue
		case !known[id] && parseKey(id, key).form != foreign:
			out.fault(Missing, prefix+id+"/", "the catalog has no such instance, and Firn's objects are there: a state of the catalog is lost")
		case !known[id]:
			out.warn(Foreign, prefix+id+"/", "the catalog has no such instance")
		}
		after = prefix + id + "/~" // behind every key of this instance
	}
}

// micros is a store time as events have it.
func micros(t time.Time) event.Micros { return event.ToMicros(t) }
