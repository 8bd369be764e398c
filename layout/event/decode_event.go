package event

import (
	"slices"

	"github.com/firnlog/firn/layout/fault"
)

// member is a bit for each member of an event.
type member uint8

const (
	memberStream member = 1 << iota
	memberType
	memberTime
	memberPayload
	memberMetadata
	memberTags
	memberID
)

// memberOf returns the member of that name, in either spelling, and 0 for
// names that no event has.
func memberOf(name []byte) member {
	switch string(name) {
	case "stream_id", "streamId":
		return memberStream
	case "event_type", "eventType":
		return memberType
	case "timestamp":
		return memberTime
	case "payload":
		return memberPayload
	case "metadata":
		return memberMetadata
	case "tags":
		return memberTags
	case "id":
		return memberID
	}
	return 0
}

// emptyObject stands for a payload or metadata that was left out. All such
// events share it; what is appended to it goes elsewhere.
var emptyObject = []byte("{}")[:2:2]

// wholeEvent reads an event object.
func (p *parser) wholeEvent() (Event, error) {
	if err := p.open('{', "an event", "an object"); err != nil {
		return Event{}, err
	}
	name, err := p.name()
	if err != nil {
		return Event{}, err
	}
	return p.event(name)
}

// event reads an event from behind the name of its first member; a nil name is
// the end of the object.
func (p *parser) event(name []byte) (Event, error) {
	e := Event{Stream: DefaultStream, Type: DefaultType, Time: p.now, Payload: emptyObject, Metadata: emptyObject}
	var given member
	var err error
	for ; name != nil && err == nil; name, err = p.next(err) {
		m := memberOf(name)
		switch {
		case m == 0:
			err = unknownMember(string(name))
		case given&m != 0:
			err = repeatedMember(string(name), m)
		default:
			given |= m
			err = p.set(&e, m)
		}
	}
	if err == nil && given&memberID != 0 && e.ID == "" {
		err = fault.New(fault.Invalid, "id must not be empty: leave it out to have one derived")
	}
	if err == nil {
		err = e.Check(p.now)
	}
	return e, err
}

// set reads the value of one member.
func (p *parser) set(e *Event, m member) (err error) {
	var text []byte
	switch m {
	case memberStream:
		text, err = p.textOf("stream_id")
		e.Stream = shared(text)
	case memberType:
		text, err = p.textOf("event_type")
		e.Type = shared(text)
	case memberID:
		text, err = p.textOf("id")
		e.ID = shared(text)
	case memberTime:
		e.Time, err = p.time(e.Time)
	case memberPayload:
		e.Payload, err = p.value()
	case memberMetadata:
		e.Metadata, err = p.metadata()
	case memberTags:
		e.Tags, err = p.tags()
	}
	return err
}

// time reads a timestamp; null means none, which is the time of arrival.
func (p *parser) time(arrival Micros) (Micros, error) {
	kind := p.dec.PeekKind()
	switch kind {
	case 'n', '0', '"':
	default:
		return 0, p.expected("timestamp", "an RFC 3339 string or a number", kind)
	}
	raw, err := p.value()
	switch {
	case err != nil:
		return 0, err
	case kind == 'n':
		return arrival, nil
	case kind == '"':
		raw = unquote(raw)
	}
	return ParseTime(string(raw))
}

func (p *parser) metadata() ([]byte, error) {
	kind := p.dec.PeekKind()
	if kind != '{' && kind != 'n' {
		return nil, p.expected("metadata", "an object", kind)
	}
	raw, err := p.value()
	if kind == 'n' {
		raw = emptyObject
	}
	return raw, err
}

// tags reads the set of tags, in the order given; null means none.
func (p *parser) tags() ([]string, error) {
	if p.dec.PeekKind() == 'n' {
		_, err := p.value()
		return nil, err
	}
	if err := p.open('[', "tags", "an array of strings"); err != nil {
		return nil, err
	}
	var tags []string
	for n := 1; p.dec.PeekKind() != ']'; n++ {
		if n > MaxTags {
			return nil, fault.New(fault.Invalid, "more than %d tags are given", MaxTags)
		}
		text, err := p.textOf("a tag")
		if err != nil {
			return nil, err
		}
		if tag := shared(text); !slices.Contains(tags, tag) {
			tags = append(tags, tag)
		}
	}
	_, err := p.dec.ReadToken()
	return tags, err
}

func unknownMember(name string) error {
	switch name {
	case "sequence_number", "sequenceNumber", "ingested_at", "ingestedAt", "instanceId", "instance_id", "position", "ordinal", "shard":
		return fault.New(fault.Invalid, "%q is assigned by Firn and cannot be given", name)
	case "events":
		return fault.New(fault.Invalid, "\"events\" is no member of an event: a batch holds nothing but events, expectedSequence and expectedSequences")
	}
	return fault.New(fault.Invalid, "%q is no member of an event: known are stream_id, event_type, timestamp, payload, metadata, tags and id", shorten(name))
}

func repeatedMember(name string, m member) error {
	switch m {
	case memberStream:
		return fault.New(fault.Invalid, "%q is given twice: stream_id and streamId are one member", name)
	case memberType:
		return fault.New(fault.Invalid, "%q is given twice: event_type and eventType are one member", name)
	}
	return fault.New(fault.Invalid, "%q is given twice", name)
}
