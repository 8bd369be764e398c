package sim

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/firnlog/firn/layout/commitlog"
	"github.com/firnlog/firn/layout/event"
	"github.com/firnlog/firn/layout/fault"
)

// request is an append as a client makes it, once or again and again under its
// key.
type request struct {
	id    string
	batch commitlog.Batch
	began time.Time // when its key was used first
}

// appendAndRead is a client of the log.
func appendAndRead(a *actor) {
	var keyed []*request
	for n := range a.w.kind.operations {
		time.Sleep(a.dice.think())
		if a.dice.chance(0.3) {
			a.read()
		} else {
			r := a.request(n, keyed)
			if r.batch.Key != "" {
				keyed = append(keyed, r)
			}
			a.append(r)
		}
		a.rest()
	}
}

// request draws an append: a new one, a repetition under its key, or another
// one under the same key.
func (a *actor) request(n int, keyed []*request) *request {
	d := a.dice
	r := &request{id: fmt.Sprint(a.name, "-", n), began: time.Now()}
	if len(keyed) > 0 && d.chance(0.4) {
		first := keyed[d.n(len(keyed))]
		if d.chance(0.8) {
			return first
		}
		r.batch.Key, r.began = first.batch.Key, first.began
		for _, e := range first.batch.Events {
			r.add(a.event(e.Stream))
		}
		return r
	}
	stream := streams[d.n(len(streams))]
	for range 1 + d.n(3) {
		r.add(a.event(stream))
		if d.chance(0.3) {
			stream = streams[d.n(len(streams))]
		}
	}
	switch {
	case d.chance(0.35):
		r.batch.Key = "key-" + r.id
	case d.chance(0.4):
		want := commitlog.Expectation(d.n(8))
		if d.chance(0.15) {
			want = commitlog.Exists
		}
		r.batch.Expect = map[string]commitlog.Expectation{r.batch.Events[0].Stream: want}
	}
	return r
}

// event draws an event of a stream.
func (a *actor) event(stream string) event.Event {
	at := time.Now()
	if a.w.kind.dated {
		at = at.Add(-a.dice.between(0, 5*24*time.Hour))
	}
	return event.Event{Stream: stream, Type: "t", Time: event.ToMicros(at), Payload: []byte(`{}`), Metadata: []byte(`{}`)}
}

// add adds an event under an id that tells where it is from.
func (r *request) add(e event.Event) {
	r.batch.Hash = r.id
	e.ID = fmt.Sprint(r.id, "/", len(r.batch.Events))
	r.batch.Events = append(r.batch.Events, e)
}

// append carries out an append and notes what the client was told.
func (a *actor) append(r *request) {
	ctx, cancel := a.wait()
	defer cancel()
	call := time.Now()
	receipt, err := a.p.log.Append(ctx, instance, r.batch)
	refused := slices.ContainsFunc(receipt.Parts, func(p commitlog.Part) bool { return p.Err != nil })
	if !a.p.alive() && (err != nil || refused) { // nobody was told anything
		receipt, err = commitlog.Receipt{}, fault.New(fault.Unknown, "%w", errDead)
	}
	a.answered(call, err)
	a.w.appended(r, call, receipt, err)
}

// told returns what an error says to a client.
func told(err error) result {
	var c *commitlog.ConflictError
	switch {
	case errors.As(err, &c):
		return result{kind: conflict, stream: c.Stream, actual: c.Actual}
	case errors.Is(err, commitlog.ErrKeyReused):
		return result{kind: reused}
	case fault.Is(err, fault.Unknown):
		return result{kind: unknown}
	}
	return result{kind: failed}
}
