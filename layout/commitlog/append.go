package commitlog

import (
	"context"
	"errors"
	"slices"
	"sync"

	"github.com/cespare/xxhash/v2"

	"github.com/firnlog/firn/internal/bug"
	"github.com/firnlog/firn/layout/catalog"
	"github.com/firnlog/firn/layout/chain"
	"github.com/firnlog/firn/layout/fault"
)

// ShardFor returns the shard, of so many, that a stream lies in: XXH64 of its
// id, modulo the shards.
func ShardFor(stream string, shards int) int {
	return int(xxhash.Sum64String(stream) % uint64(shards))
}

// Append stores a batch in the instance with the id or unique name given. It
// returns once every part of the batch is durable, numbered and visible to every
// query that starts from then on, or refused.
//
// An error means that no shard stored its part (see package fault for what each
// kind says), or, with kind Unknown, that nobody can tell: the same batch with
// the same key settles it. Where some shards stored their parts and others did
// not, the error is nil and the receipt's Parts say so.
func (l *Log) Append(ctx context.Context, instance string, b Batch) (Receipt, error) {
	if len(b.Events) == 0 {
		return Receipt{}, fault.New(fault.Invalid, "the batch holds no events")
	}
	// Settings of an hour ago do no harm here: the log itself tells of deletions.
	inst, err := l.locate(ctx, instance, chain.Fresh)
	if err != nil {
		return Receipt{}, err
	}
	r, err := l.append(ctx, inst, b)
	if !errors.Is(err, errDropped) {
		return r, err
	}
	// The instance was deleted since it was looked up, and perhaps made again.
	if inst, err = l.freshInstance(ctx, inst.ID); err != nil {
		return Receipt{}, err
	}
	return l.append(ctx, inst, b)
}

// append stores a batch in an instance as it was looked up.
func (l *Log) append(ctx context.Context, inst catalog.Instance, b Batch) (Receipt, error) {
	parts := split(inst, b)
	if len(parts) > 1 && len(b.Expect) > 0 {
		return Receipt{}, fault.New(fault.Invalid, "an expected sequence needs all streams of the batch in one shard; these lie in %d", len(parts))
	}
	outcomes := make([]outcome, len(parts))
	submit := func(i int) {
		outcomes[i] = l.writer(inst.ID, parts[i].shard).submit(ctx, newRequest(parts[i].batch, inst.Generation, l.now()))
	}
	var wg sync.WaitGroup
	for i := range parts[1:] {
		wg.Go(func() { submit(i + 1) })
	}
	submit(0)
	wg.Wait()
	return receipt(b, parts, outcomes)
}

// part is what one shard gets of a batch.
type part struct {
	shard int
	batch Batch
	index []int // of its events in the batch; nil where the part is all of it
}

// split divides a batch by shard, keeping the order within each.
func split(inst catalog.Instance, b Batch) []part {
	if inst.Shards == 1 && !bug.In(bug.SplitBatch) {
		return []part{{batch: b}}
	}
	byShard := map[int]int{}
	var parts []part
	for i := range b.Events {
		shard := ShardFor(b.Events[i].Stream, inst.Shards)
		at, ok := byShard[shard]
		if !ok || bug.In(bug.SplitBatch) {
			at = len(parts)
			byShard[shard] = at
			parts = append(parts, part{shard: shard, batch: Batch{Expect: b.Expect, Key: b.Key, Hash: b.Hash}})
		}
		parts[at].batch.Events = append(parts[at].batch.Events, b.Events[i])
		parts[at].index = append(parts[at].index, i)
	}
	// Expectations of streams that the batch has no event for count as well.
	for stream := range b.Expect {
		shard := ShardFor(stream, inst.Shards)
		if _, ok := byShard[shard]; !ok {
			byShard[shard] = len(parts)
			parts = append(parts, part{shard: shard})
		}
	}
	return parts
}

// receipt puts the shards' outcomes together.
func receipt(b Batch, parts []part, outcomes []outcome) (Receipt, error) {
	r := Receipt{Replayed: true}
	var failed error
	for i, p := range parts {
		o, count := outcomes[i], len(p.batch.Events)
		if o.err == nil && len(o.events) != count {
			o.err = fault.New(fault.Corrupt, "%d events are stored under the idempotency key, not %d", len(o.events), count)
		}
		r.Parts = append(r.Parts, Part{Shard: p.shard, Count: count, Position: o.position, Err: o.err})
		if o.err != nil {
			if failed == nil || fault.Is(o.err, fault.Unknown) {
				failed = o.err
			}
			r.Replayed = false
			continue
		}
		r.Replayed = r.Replayed && o.replayed
		if p.index == nil {
			r.Events = o.events
			continue
		}
		if r.Events == nil {
			r.Events = slices.Clone(b.Events)
		}
		for j, at := range p.index {
			r.Events[at] = o.events[j]
		}
	}
	if r.Events == nil {
		return Receipt{}, failed
	}
	return r, nil
}
