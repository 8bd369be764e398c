package sim

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/firnlog/firn/layout/commitlog"
	"github.com/firnlog/firn/layout/event"
	"github.com/firnlog/firn/layout/segment"
	"github.com/firnlog/firn/layout/store"
	"github.com/firnlog/firn/querier"
)

// order is an erasure that somebody asked for.
type order struct {
	op        *op
	id        string
	call, end time.Time
	kind      resultKind
}

// erase orders that a stream, or some events that were just read, be forgotten, or
// looks how far the erasures are.
func (a *actor) erase() {
	p := a.read()
	if p != nil && a.dice.chance(0.3) {
		a.look()
		return
	}
	o := &order{op: &op{action: erases, stream: streams[a.dice.n(len(streams))]}, call: time.Now(), kind: unknown}
	if p != nil && a.dice.chance(0.5) {
		o.op.stream = ""
		for _, e := range p.parts[a.w.part(streams[0])] {
			if a.dice.chance(0.3) {
				o.op.events = append(o.op.events, e)
			}
		}
	}
	a.w.mu.Lock()
	a.w.history.model.add(o.op)
	a.w.orders = append(a.w.orders, o)
	a.w.mu.Unlock()
	id, err := a.order(o.op)
	a.answered(o.call, err)
	res := a.heard(err)
	a.w.mu.Lock()
	defer a.w.mu.Unlock()
	o.id, o.end, o.kind = id, time.Now(), res.kind
	a.w.everywhere(o.op, o.call, o.end, res)
}

// order asks for an erasure.
func (a *actor) order(o *op) (id string, err error) {
	ctx, cancel := a.wait()
	defer cancel()
	if o.stream != "" {
		return a.p.log.EraseStream(ctx, instance, o.stream)
	}
	return a.p.log.Redact(ctx, instance, o.events, nil)
}

// look looks how far the erasures are. What is called gone is in no object.
func (a *actor) look() {
	ctx, cancel := a.wait()
	defer cancel()
	call := time.Now()
	list, err := a.p.log.Erasures(ctx, instance)
	a.answered(call, err)
	for _, e := range list {
		if e.Gone == 0 {
			continue
		}
		if where := a.w.holding(e.ID); where != "" {
			a.w.broke("an erasure is called gone, and %s", where)
		}
	}
}

var countAll = []byte(`{"from":{"instance":"` + instance + `"},"reduce":{"type":"count"}}`)

// count counts the events by a query, which goes by totals where it can.
func (a *actor) count() {
	ctx, cancel := a.wait()
	defer cancel()
	call := time.Now()
	q, err := querier.Parse(countAll)
	if err != nil {
		panic(err)
	}
	res, err := querier.NewEngine(a.p.log).Run(ctx, q)
	a.answered(call, err)
	if err != nil || !a.p.alive() {
		return
	}
	a.w.mu.Lock()
	defer a.w.mu.Unlock()
	a.w.everywhere(&op{action: counts}, call, time.Now(), result{count: res.Total})
}

// erase returns events as an erasure leaves them.
func (o *op) erase(events []event.Event) []event.Event {
	var left []event.Event
	for _, e := range events {
		if o.names(&e) {
			if o.stream != "" {
				continue
			}
			e.Payload = commitlog.Redacted
		}
		left = append(left, e)
	}
	return left
}

// names reports whether an erasure concerns an event that was there before it.
func (o *op) names(e *event.Event) bool {
	for i := range o.events {
		if o.events[i].Stream == e.Stream && o.events[i].Sequence == e.Sequence {
			return true
		}
	}
	return o.stream == e.Stream
}

// erasedSince returns what events that were read until a time must look like when
// they are read again from call on: as those erasures leave them that were carried
// out in between, and, where nobody can tell, as they are now.
func (w *world) erasedSince(was, is []event.Event, until, call time.Time) []event.Event {
	w.mu.Lock()
	defer w.mu.Unlock()
	now := map[string]*event.Event{}
	for i := range is {
		now[number(&is[i])] = &is[i]
	}
	for _, o := range w.orders {
		switch {
		case o.kind == failed:
		case o.kind == done && o.call.After(until) && o.end.Before(call):
			was = o.op.erase(was)
		default:
			was = o.op.perhaps(was, now)
		}
	}
	return was
}

// perhaps returns events as an erasure that may have been carried out leaves them,
// where they are not as before now.
func (o *op) perhaps(was []event.Event, now map[string]*event.Event) []event.Event {
	var out []event.Event
	for _, e := range was {
		as, is := []event.Event{e}, now[number(&e)]
		if o.names(&e) && (is == nil || isRedacted(is) && o.stream == "") {
			as = o.erase(as)
		}
		out = append(out, as...)
	}
	return out
}

func number(e *event.Event) string { return fmt.Sprint(e.Stream, ":", e.Sequence) }

// forgotten checks, when all is compacted and swept, that every erasure is carried
// out to the last byte.
func (w *world) forgotten() error {
	list, err := commitlog.Open(w.mem).Erasures(context.Background(), instance)
	if err != nil {
		return fmt.Errorf("the erasures cannot be read in the end: %w", err)
	}
	for _, e := range list { // those of a month ago are no longer listed
		if e.Gone == 0 {
			return fmt.Errorf("an erasure is not carried out in the end: %+v", e)
		}
	}
	for _, o := range w.orders {
		if where := w.holding(o.id); o.kind == done && where != "" {
			return fmt.Errorf("in the end %s, and %s was answered", where, o.op)
		}
	}
	return nil
}

// holding returns which object has anything of what an erasure named: of a stream,
// events that were surely appended before. It is "" for none.
func (w *world) holding(id string) string {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, o := range w.orders {
		if o.id != id {
			continue
		}
		before := w.appendedBefore(o.call)
		for _, key := range w.keys() {
			for _, e := range w.rows(key) {
				if o.op.names(&e) && !isRedacted(&e) && (o.op.stream == "" || before[e.ID]) {
					return fmt.Sprintf("%s holds %s", key, render([]event.Event{e}, event.MinTime))
				}
			}
		}
	}
	return ""
}

// appendedBefore returns the ids of the events that were appended before a time and
// surely not again, under a key. The lock is held.
func (w *world) appendedBefore(at time.Time) map[string]bool {
	ids := map[string]bool{}
	for _, h := range w.history.parts[w.part(streams[0])] {
		o := h.Input.(*op)
		if o.action == appends && o.key == "" && h.Output.(result).kind == done && w.began.Add(time.Duration(h.Return)).Before(at) {
			for _, e := range o.events {
				ids[e.ID] = true
			}
		}
	}
	return ids
}

// keys returns the keys of all commits and data files in the bucket.
func (w *world) keys() (keys []string) {
	for after, more := "", true; more; {
		page, err := w.mem.List(context.Background(), store.ListOptions{Prefix: "instances/", StartAfter: after})
		if err != nil {
			panic(err) // the store in memory never fails
		}
		for _, o := range page.Objects {
			if after = o.Key; strings.Contains(o.Key, "/log/") || strings.Contains(o.Key, "/data/") {
				keys = append(keys, o.Key)
			}
		}
		more = page.More
	}
	return keys
}

// rows returns the events in an object. A commit of an erasure has none, only names.
func (w *world) rows(key string) []event.Event {
	body, _, err := store.ReadAll(context.Background(), w.mem, key)
	if err != nil {
		return nil
	}
	f, err := segment.Open(bytes.NewReader(body), int64(len(body)))
	if err != nil || f.Meta("firn.kind") == "erase" {
		return nil
	}
	events, _ := eventsOf(f, 0)
	return events
}
