package vamp

import (
	"context"
	"net/http"

	"github.com/firnlog/firn/layout/catalog"
	"github.com/firnlog/firn/layout/commitlog"
	"github.com/firnlog/firn/layout/event"
	"github.com/firnlog/firn/layout/fault"
)

// eventMemory is about what an event takes beside its body, which its payload is
// a copy of.
const eventMemory = 2

// publish answers 201 with the event when it is stored.
func (d *door) publish(w http.ResponseWriter, r *http.Request, instance string) error {
	l := d.Borrow()
	defer l.End()
	body, err := readBody(w, r, l, maxEvent)
	if err != nil {
		return err
	}
	e, err := parseEvent(body, event.ToMicros(d.Now()))
	if err != nil {
		return err
	}
	if err := l.Grow(r.Context(), eventMemory*int64(e.Size())); err != nil {
		return err
	}
	if e, err = d.append(r.Context(), instance, e); err != nil {
		return err
	}
	v := newView(&e, instance)
	d.respond(w, r, http.StatusCreated, v.appendJSON(nil))
	return nil
}

// append stores an event in an instance, which is made if it is not there, and
// returns it as it is stored.
func (d *door) append(ctx context.Context, instance string, e event.Event) (event.Event, error) {
	receipt, err := d.Append(ctx, instance, commitlog.Batch{Events: []event.Event{e}}, &catalog.Instance{ID: instance, Name: instance})
	if err == nil {
		err = receipt.Parts[0].Err
	}
	if fault.Is(err, fault.Unknown) {
		err = fault.New(fault.Unknown, "%w: the event may or may not be stored, or may be yet; look for it before publishing it again", err)
	}
	if err != nil {
		return e, err
	}
	return receipt.Events[0], nil
}
