package codebolt

import (
	"context"
	"fmt"
	"slices"
	"strconv"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/firnlog/firn/functions/front"
	"github.com/firnlog/firn/layout/catalog"
	"github.com/firnlog/firn/layout/commitlog"
	"github.com/firnlog/firn/layout/event"
	"github.com/firnlog/firn/layout/fault"
)

// eventMemory is about what an event takes beside its own bytes, decoded and in
// the reply.
const eventMemory = 768

// target is what an append says beside its events.
type target struct {
	instance   string // id or unique name
	autoCreate bool
}

// set takes in a member, and reports whether it is one of a target.
func (t *target) set(member string, v jsontext.Value) (bool, error) {
	switch member {
	case "instanceId":
		return true, setText("params.instanceId", v, &t.instance)
	case "autoCreateInstance":
		return true, setFlag("params.autoCreateInstance", v, &t.autoCreate)
	}
	return false, nil
}

func (d *Server) appendEvent(ctx context.Context, loan *front.Loan, raw jsontext.Value) (answer, error) {
	var to target
	var g ignored
	e, err := d.readEvent("params", paramsOf(raw), &g, to.set)
	if err != nil {
		return answer{}, err
	}
	instance, receipt, err := d.store(ctx, loan, to, []event.Event{e}, len(raw))
	if err != nil {
		return answer{}, err
	}
	data := append(appendEntry([]byte(`{"event":`), instance, &receipt.Events[0]), '}')
	return answer{data, g.note()}, nil
}

// appendEvents stores a batch, whole or not at all where the instance has one
// shard. With more, a part of it may fail: then the reply fails and says which
// events are stored, null standing for the others.
func (d *Server) appendEvents(ctx context.Context, loan *front.Loan, raw jsontext.Value) (answer, error) {
	var to target
	var g ignored
	var events []event.Event
	given := false
	none := func(string, jsontext.Value) (bool, error) { return false, nil }
	err := object("params", paramsOf(raw), &g, func(member string, v jsontext.Value) (bool, error) {
		if member != "events" {
			return to.set(member, v)
		}
		given, events = true, nil
		return true, list("params.events", v, func(i int, one jsontext.Value) error {
			if i == event.MaxBatch {
				return fault.New(fault.Limit, "params.events has more than %d events", event.MaxBatch)
			}
			at := fmt.Sprintf("params.events[%d]", i)
			e, err := d.readEvent(at, one, &g, none)
			events = append(events, e)
			return err
		})
	})
	switch {
	case err != nil:
		return answer{}, err
	case !given:
		return answer{}, fault.New(fault.Invalid, "params.events is missing")
	case len(events) == 0:
		return d.nothing(ctx, to, g)
	}
	instance, receipt, err := d.store(ctx, loan, to, events, len(raw))
	if err != nil {
		return answer{}, err
	}
	count := 0
	b := []byte(`{"events":[`)
	for i := range receipt.Events {
		if i > 0 {
			b = append(b, ',')
		}
		if receipt.Events[i].Sequence == 0 {
			b = append(b, "null"...)
			continue
		}
		count++
		b = appendEntry(b, instance, &receipt.Events[i])
	}
	b = append(strconv.AppendInt(append(b, `],"count":`...), int64(count), 10), '}')
	return answer{b, g.note()}, partial(receipt)
}

// nothing answers an empty batch: it stores nothing, and makes no instance.
func (d *Server) nothing(ctx context.Context, to target, g ignored) (answer, error) {
	if to.instance == "" {
		return answer{}, errNoInstance
	}
	_, err := d.Instance(ctx, to.instance, front.CanAppend)
	if err != nil && !(to.autoCreate && fault.Is(err, fault.NotFound)) {
		return answer{}, err
	}
	return answer{[]byte(`{"events":[],"count":0}`), g.note()}, nil
}

// readEvent reads an event from an object that may hold more, which other takes.
func (d *Server) readEvent(at string, raw jsontext.Value, g *ignored, other func(string, jsontext.Value) (bool, error)) (event.Event, error) {
	now := event.ToMicros(d.Now())
	e := event.Event{Stream: event.DefaultStream, Type: event.DefaultType, Time: now, Payload: []byte("{}"), Metadata: []byte("{}")}
	err := object(at, raw, g, func(member string, v jsontext.Value) (bool, error) {
		switch member {
		case "stream_id", "streamId":
			return true, setText(at+"."+member, v, &e.Stream)
		case "event_type", "eventType":
			return true, setText(at+"."+member, v, &e.Type)
		case "id":
			return true, setText(at+".id", v, &e.ID)
		case "payload":
			e.Payload = v
			return true, nil
		case "metadata":
			if v.Kind() != '{' {
				return true, fault.New(fault.Invalid, "%s.metadata must be an object", at)
			}
			e.Metadata = v
			return true, nil
		case "timestamp":
			return true, setTime(at+".timestamp", v, &e.Time)
		case "tags":
			return true, setTags(at+".tags", v, &e.Tags)
		}
		return other(member, v)
	})
	if err == nil {
		err = fault.Wrap(e.Check(now), "%s", at)
	}
	return e, err
}

func setTime(at string, raw jsontext.Value, out *event.Micros) error {
	text := string(raw)
	switch raw.Kind() {
	case '"':
		text = unquote(raw)
	case '0':
	default:
		return fault.New(fault.Invalid, "%s must be an ISO 8601 string or a number since 1970", at)
	}
	t, err := event.ParseTime(text)
	*out = t
	return fault.Wrap(err, "%s", at)
}

// setTags reads a set of strings, in the order given.
func setTags(at string, raw jsontext.Value, out *[]string) error {
	*out = nil
	return list(at, raw, func(i int, one jsontext.Value) error {
		var tag string
		if err := setText(at, one, &tag); err != nil {
			return err
		}
		if i >= event.MaxTags {
			return fault.New(fault.Invalid, "%s has more than %d tags", at, event.MaxTags)
		}
		if !slices.Contains(*out, tag) {
			*out = append(*out, tag)
		}
		return nil
	})
}

// store appends events, and returns the id of the instance that they are in. All
// memory that the reply takes is borrowed before, since what is stored must not
// be called refused. size is that of the request.
func (d *Server) store(ctx context.Context, loan *front.Loan, to target, events []event.Event, size int) (string, commitlog.Receipt, error) {
	if to.instance == "" {
		return "", commitlog.Receipt{}, errNoInstance
	}
	if err := loan.Grow(ctx, 2*int64(size)+eventMemory*int64(len(events))); err != nil {
		return "", commitlog.Receipt{}, err
	}
	inst, err := d.Instance(ctx, to.instance, front.CanAppend)
	var create *catalog.Instance
	// Rights go by ids: whether a name that can be none is denied is settled by the
	// id that it leads to.
	unknown := fault.Is(err, fault.NotFound) || fault.Is(err, fault.Denied) && catalog.CheckID(to.instance) != nil
	if unknown && to.autoCreate {
		inst, err = d.spec(ctx, to.instance), nil
		create = &inst
	}
	if err != nil {
		return "", commitlog.Receipt{}, err
	}
	receipt, err := d.Append(ctx, inst.ID, commitlog.Batch{Events: events}, create)
	if fault.Is(err, fault.Unknown) {
		err = fault.New(fault.Unknown, "%w: the events may or may not be stored, or may be yet; look before they are sent again", err)
	}
	return inst.ID, receipt, err
}

// partial returns an error when some of a batch's parts are not stored.
func partial(receipt commitlog.Receipt) error {
	var failed error
	for _, p := range receipt.Parts {
		if p.Err != nil && (failed == nil || fault.Is(p.Err, fault.Unknown)) {
			failed = p.Err
		}
	}
	return fault.Wrap(failed, "only the events in data are known to be stored")
}

// appendEntry appends a stored event in the form in which queries show it.
func appendEntry(b []byte, instance string, e *event.Event) []byte {
	b = appendText(append(b, `{"id":`...), e.EventID())
	b = appendText(append(b, `,"instanceId":`...), instance)
	b = appendText(append(b, `,"stream_id":`...), e.Stream)
	b = appendText(append(b, `,"event_type":`...), e.Type)
	b = append(append(b, `,"payload":`...), e.Payload...)
	b = append(append(b, `,"metadata":`...), e.Metadata...)
	b = appendText(append(b, `,"timestamp":`...), e.Time.String())
	b = strconv.AppendInt(append(b, `,"sequence_number":`...), e.Sequence, 10)
	for i, tag := range e.Tags {
		open := `,`
		if i == 0 {
			open = `,"tags":[`
		}
		b = appendText(append(b, open...), tag)
	}
	if len(e.Tags) > 0 {
		b = append(b, ']')
	}
	b = appendText(append(b, `,"ingested_at":`...), e.Ingested.String())
	return append(b, '}')
}
