package clustercockpit

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"

	"github.com/google/uuid"

	"github.com/firnlog/firn/functions/front"
	"github.com/firnlog/firn/layout/commitlog"
	"github.com/firnlog/firn/layout/event"
	"github.com/firnlog/firn/layout/fault"
	"github.com/firnlog/firn/querier"
)

// take stores a batch of messages, in their order, and acknowledges them. It
// tries until they are stored, and returns false only when ctx ends before.
//
// What cannot be read is refused, with a line in the log, and holds up nothing.
//
// How a second delivery does no harm: each event of a stream's message has an id
// of its own, made of the stream, the sequence number and the place in the
// message, and each append the idempotency key of its first event. A crash
// before the append was settled leaves the batch as it was, so that the next
// delivery begins with the same event, and the key settles it. A crash behind
// that leaves events that are seen by every query: what comes again is looked
// for, and only what is not there is appended.
func (r *natsReceiver) take(ctx context.Context, batch []message) bool {
	var to groups
	again := false
	for i := range batch {
		m := &batch[i]
		r.messages.Add(1)
		if err := r.read(m, &to); err != nil {
			r.reject(m, err)
			continue
		}
		if m.again {
			r.redelivered.Add(1)
			again = true
		}
	}
	unsure := r.unsure.Swap(false)
	found := 0
	for _, g := range to.list {
		n, ok := r.storeGroup(ctx, g, again || unsure)
		if !ok {
			return false
		}
		found += n
	}
	if found > 0 {
		r.unsure.Store(true)
	}
	for i := range batch {
		if batch[i].done != nil {
			batch[i].done()
		}
	}
	return true
}

// read decodes a message, gives its events their ids and adds them to their
// groups.
func (r *natsReceiver) read(m *message, to *groups) error {
	d, err := decode(m.body, r.source(m))
	if err != nil {
		return err
	}
	for i := range d.entries {
		if err := r.Limits.CheckEvent(&d.entries[i].event); err != nil {
			return err
		}
	}
	if m.id != "" {
		for i := range d.entries {
			d.entries[i].event.ID = fmt.Sprintf("%s-%d", m.id, i)
		}
	}
	r.withoutLogs(&d)
	if err := r.add(to, d.entries); err != nil {
		return err
	}
	r.note(&d)
	return nil
}

// reject counts a message that cannot be read.
func (r *natsReceiver) reject(m *message, err error) {
	r.refused.Add(1)
	r.counters.add(decodeErrors, 1)
	r.Logger.Warn("a NATS message is refused", "receiver", r.config.Name, "subject", m.subject, "id", m.id, "reason", err.Error())
	if m.refuse != nil {
		m.refuse()
	}
	m.done = nil
}

// storeGroup stores a group in appends of as many events as one may have. It
// returns how many were found to be stored already; lookFirst is set when that
// may be.
func (r *natsReceiver) storeGroup(ctx context.Context, g *group, lookFirst bool) (found int, ok bool) {
	for events := range slices.Chunk(g.events, int(r.Limits.Batch)) {
		part := *g
		part.events = events
		n, ok := r.storePart(ctx, &part, lookFirst)
		if !ok {
			return found, false
		}
		found += n
	}
	return found, true
}

// storePart appends events until they are stored.
func (r *natsReceiver) storePart(ctx context.Context, g *group, lookFirst bool) (found int, ok bool) {
	all := len(g.events)
	for try := 0; ; try++ {
		err := r.tryPart(ctx, g, lookFirst)
		if err == nil {
			r.trouble.Store(nil)
			return all - len(g.events), true
		}
		if errors.Is(err, commitlog.ErrKeyReused) && !lookFirst {
			lookFirst = true // another batch that began with the same event is stored
			continue
		}
		if !r.failed(ctx, "appending to "+g.create.Name, try, err) {
			return 0, false
		}
	}
}

// tryPart appends what is not stored of a part. Repeated with the same events it
// uses the same key, so that a try of which nobody could tell is settled.
func (r *natsReceiver) tryPart(ctx context.Context, g *group, lookFirst bool) error {
	if lookFirst {
		if err := r.dropStored(ctx, g); err != nil || len(g.events) == 0 {
			return err
		}
	}
	if g.key == "" || g.events[0].ID != "" {
		g.key, g.hash = appendKey(g.events)
	}
	_, err := r.store(ctx, g)
	return err
}

// appendKey returns the idempotency key of an append, which is that of its first
// event, and a hash of its events. Events that come but once get a key for the
// tries of this process.
func appendKey(events []event.Event) (key, hash string) {
	if events[0].ID == "" {
		key = uuid.NewString()
		return key, key
	}
	h := sha256.New()
	for i := range events {
		fmt.Fprintln(h, events[i].ID)
	}
	return events[0].ID, hex.EncodeToString(h.Sum(nil))
}

// dropStored takes out of a group what its instance has already.
func (r *natsReceiver) dropStored(ctx context.Context, g *group) error {
	inst, err := r.instance(ctx, g.cluster, g.kind, front.CanQuery)
	if fault.Is(err, fault.NotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	stored := map[string]bool{}
	for part := range slices.Chunk(g.events, querier.MaxLimit/2) {
		if err := r.findStored(ctx, inst.ID, part, stored); err != nil {
			return err
		}
	}
	var left []event.Event
	for _, e := range g.events {
		if e.ID == "" || !stored[e.ID] {
			left = append(left, e)
		}
	}
	g.events = left
	return nil
}

// findStored notes the ids of those events that an instance has. An event has
// the same time in every delivery.
func (r *natsReceiver) findStored(ctx context.Context, instance string, events []event.Event, stored map[string]bool) error {
	first, last := events[0].Time, events[0].Time
	ids := querier.Predicate{Field: querier.ID, Operator: querier.In}
	for i := range events {
		first, last = min(first, events[i].Time), max(last, events[i].Time)
		ids.Values = append(ids.Values, querier.Text(events[i].ID))
	}
	ask := querier.New(instance)
	ask.Where = []querier.Predicate{ids, text(querier.Timestamp, querier.Gte, first.String()), text(querier.Timestamp, querier.Lte, last.String())}
	ask.Select = []querier.Field{querier.ID}
	ask.Limit, ask.NoTotal = querier.MaxLimit, true
	res, err := r.Query(ctx, ask)
	if err != nil {
		return err
	}
	for _, raw := range res.Events {
		id, err := eventID(raw)
		if err != nil {
			return err
		}
		stored[id] = true
	}
	return nil
}
