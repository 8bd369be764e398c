package event

import (
	"bytes"

	"github.com/firnlog/firn/layout/fault"
)

// Request is a decoded append.
//
// Its events share the memory of the body that they were decoded from: that must
// not be changed afterwards, and what outlives its request, such as the name of a
// stream, is to be cloned, or keeps the whole body alive.
type Request struct {
	Events []Event
	// Expect is the batch's expectedSequence in text form, "" for none. It is
	// about the one stream of all events.
	Expect string
	// ExpectStreams is the batch's expectedSequences, in text form by stream.
	ExpectStreams map[string]string
}

// DecodeJSON reads one event, an array of events, or a batch: an object with
// the events in "events" and, where wanted, "expectedSequence" or
// "expectedSequences" beside them. An event without a timestamp gets now. The
// request has no events when the array is empty. Errors are of kind Invalid or
// Limit and say where: events[3] is the fourth event.
func DecodeJSON(body []byte, now Micros) (Request, error) {
	p := newParser(body, now)
	req, err := p.request()
	if err == nil {
		err = p.end()
	}
	if err != nil {
		return Request{}, err
	}
	return req, nil
}

// DecodeNDJSON reads one event a line; blank lines count as lines and are
// skipped. Errors are of kind Invalid or Limit and name the line, from 1.
func DecodeNDJSON(body []byte, now Micros) ([]Event, error) {
	p := newParser(nil, now)
	events := make([]Event, 0, min(bytes.Count(body, []byte("\n"))+1, MaxBatch))
	for line := 1; len(body) > 0; line++ {
		var text []byte
		text, body, _ = bytes.Cut(body, []byte("\n"))
		if text = bytes.Trim(text, " \t\r"); len(text) == 0 {
			continue
		}
		if len(events) == MaxBatch {
			return nil, batchError()
		}
		p.reset(text)
		e, err := p.wholeEvent()
		if err == nil {
			err = p.end()
		}
		if err != nil {
			return nil, fault.Wrap(err, "line %d", line)
		}
		events = append(events, e)
	}
	return events, nil
}

func batchError() error {
	return fault.New(fault.Limit, "the request has more than %d events", MaxBatch)
}

// request reads the value that DecodeJSON is given. The first member of an
// object tells a batch from an event.
func (p *parser) request() (req Request, err error) {
	switch kind := p.dec.PeekKind(); kind {
	case '[':
		req.Events, err = p.array("events", p.wholeEvent)
		return req, err
	case '{':
		if _, err = p.dec.ReadToken(); err != nil {
			return req, p.syntax(err)
		}
		first, err := p.name()
		if err != nil {
			return req, err
		}
		if isBatchMember(first) {
			return p.batch(first)
		}
		e, err := p.event(first)
		req.Events = []Event{e}
		return req, err
	default:
		return req, p.expected("the body", "an event, an array of events or a batch", kind)
	}
}

func isBatchMember(name []byte) bool {
	switch string(name) {
	case "events", "expectedSequence", "expected_sequence", "expectedSequences", "expected_sequences":
		return true
	}
	return false
}

// batch reads a batch from behind the name of its first member.
func (p *parser) batch(name []byte) (req Request, err error) {
	var given [3]bool
	for ; name != nil && err == nil; name, err = p.next(err) {
		switch string(name) {
		case "events":
			if err = once(&given[0], name); err == nil {
				req.Events, err = p.array("events", p.wholeEvent)
			}
		case "expectedSequence", "expected_sequence":
			if err = once(&given[1], name); err == nil {
				req.Expect, err = p.expectation("expectedSequence")
			}
		case "expectedSequences", "expected_sequences":
			if err = once(&given[2], name); err == nil {
				req.ExpectStreams, err = p.expectations()
			}
		default:
			err = fault.New(fault.Invalid, "%q is no member of a batch: known are events, expectedSequence and expectedSequences; what belongs to an event stands inside events", shorten(string(name)))
		}
	}
	if err == nil && !given[0] {
		err = fault.New(fault.Invalid, "the batch has no events")
	}
	return req, err
}

func once(given *bool, name []byte) error {
	if *given {
		return fault.New(fault.Invalid, "%q is given twice", name)
	}
	*given = true
	return nil
}

// expectation reads a sequence number, or a string, as the text that it is.
func (p *parser) expectation(what string) (string, error) {
	kind := p.dec.PeekKind()
	raw, err := p.value()
	if err != nil {
		return "", err
	}
	switch kind {
	case '0':
		return string(raw), nil
	case '"':
		if text := unquote(raw); len(text) > 0 {
			return string(text), nil
		}
	}
	return "", fault.New(fault.Invalid, "%s must be the number of the stream's last event, or \"none\", \"exists\" or \"any\"", what)
}

func (p *parser) expectations() (map[string]string, error) {
	if err := p.open('{', "expectedSequences", "an object that gives a sequence number to each stream"); err != nil {
		return nil, err
	}
	byStream := map[string]string{}
	name, err := p.name()
	for ; name != nil && err == nil; name, err = p.next(err) {
		stream := string(name)
		if err = CheckName("a stream in expectedSequences", stream); err != nil {
			break
		}
		if _, taken := byStream[stream]; taken {
			err = fault.New(fault.Invalid, "expectedSequences gives %q twice", shorten(stream))
			break
		}
		if len(byStream) == MaxBatch {
			err = fault.New(fault.Limit, "expectedSequences has more than %d streams", MaxBatch)
			break
		}
		byStream[stream], err = p.expectation("an expected sequence")
	}
	return byStream, err
}
