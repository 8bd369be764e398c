package stackstate

import (
	"bytes"
	"errors"
	"io"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/firnlog/firn/layout/event"
	"github.com/firnlog/firn/layout/fault"
)

// message is StackState's common JSON object.
type message struct {
	host      string         // internalHostname
	collected jsontext.Value // collection_timestamp, nil for none
	events    []item         // in the order of the message
	ignored   map[string]int // what is not stored, by kind
	unknown   []string       // members that the common object does not have
}

// item is one event of a message.
type item struct {
	name  string         // that it stands under in events
	index int            // in the list of that name
	raw   jsontext.Value // the event object as sent
	err   error          // why there is none
}

// maxUnknown bounds how many unknown members a report names.
const maxUnknown = 20

// kinds are the members of the common object that are counted and not stored.
var kinds = []string{"metrics", "service_checks", "topologies", "health"}

// extras are what agents add to the common object about themselves.
var extras = map[string]bool{
	"apiKey": true, "agentVersion": true, "os": true, "python": true, "uuid": true, "resources": true, "processes": true,
	"host-tags": true, "external_host_tags": true, "systemStats": true, "gohai": true, "meta": true, "agent_checks": true,
	"snaps": true, "resources_meta": true, "ip": true,
}

// missingHost is what StackState answers, word for word: clients look for it.
const missingHost = "Failed to deserialize JSON on fields: , with message: Object is missing required member 'internalHostname'"

// decode reads a message. Text in it that is no Unicode is let through, since it
// spoils no more than the one event that it stands in.
func decode(body []byte) (*message, error) {
	m := &message{ignored: map[string]int{}}
	var events jsontext.Value
	hosted := false
	err := document(body, func(name string, v jsontext.Value) error {
		switch {
		case name == "internalHostname" && v.Kind() == '"':
			m.host, hosted = text(v), true
		case name == "internalHostname":
			return fault.New(fault.Invalid, "internalHostname must be a string")
		case name == "events":
			events = v
		case name == "collection_timestamp":
			m.collected = v
		default:
			return m.other(name, v)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	if !hosted {
		return nil, fault.New(fault.Invalid, "%s", missingHost)
	}
	return m, m.list(events)
}

// other counts what is not stored.
func (m *message) other(name string, v jsontext.Value) error {
	for _, kind := range kinds {
		if name == kind && v.Kind() == '[' {
			return elements(v, func(int, jsontext.Value) error { m.ignored[kind]++; return nil })
		}
		if name == kind && v.Kind() != 'n' {
			m.ignored[kind]++
		}
		if name == kind {
			return nil
		}
	}
	if !extras[name] && len(m.unknown) < maxUnknown {
		m.unknown = append(m.unknown, shorten(name))
	}
	return nil
}

// list reads the events, from an object of lists by name.
func (m *message) list(events jsontext.Value) error {
	if events == nil || events.Kind() == 'n' {
		return nil
	}
	if events.Kind() != '{' {
		return fault.New(fault.Invalid, "events must be an object that gives a list of events to each name")
	}
	return members(events, func(name string, list jsontext.Value) error {
		if list.Kind() != '[' {
			m.events = append(m.events, item{name: name, err: fault.New(fault.Invalid, "the events of a name must be a list")})
			return nil
		}
		return elements(list, func(i int, v jsontext.Value) error {
			if len(m.events) == event.MaxBatch {
				return fault.New(fault.Limit, "the message has more than %d events", event.MaxBatch)
			}
			m.events = append(m.events, item{name: name, index: i, raw: v})
			return nil
		})
	})
}

// document reads a body that is one JSON object, and nothing else.
func document(body []byte, take func(name string, v jsontext.Value) error) error {
	dec := decoder(body)
	v, err := dec.ReadValue()
	if err != nil {
		return badJSON(err)
	}
	if _, err := dec.ReadToken(); err != io.EOF {
		return fault.New(fault.Invalid, "more follows the JSON object: a body holds one message")
	}
	if v.Kind() != '{' {
		return fault.New(fault.Invalid, "the body must be a JSON object with internalHostname and events")
	}
	return members(v, take)
}

// members gives take the members of an object that is valid, as parts of it.
func members(raw jsontext.Value, take func(name string, v jsontext.Value) error) error {
	dec := decoder(raw)
	_, err := dec.ReadToken()
	for err == nil && dec.PeekKind() == '"' {
		var token jsontext.Token
		if token, err = dec.ReadToken(); err != nil {
			break
		}
		name := strings.ToValidUTF8(token.String(), "\uFFFD")
		var v jsontext.Value
		if v, err = dec.ReadValue(); err == nil {
			err = take(name, v)
		}
	}
	return err
}

// elements gives take the elements of an array that is valid, as parts of it.
func elements(raw jsontext.Value, take func(i int, v jsontext.Value) error) error {
	dec := decoder(raw)
	_, err := dec.ReadToken()
	for i := 0; err == nil && dec.PeekKind() != ']'; i++ {
		var v jsontext.Value
		if v, err = dec.ReadValue(); err == nil {
			err = take(i, v)
		}
	}
	return err
}

func decoder(raw []byte) *jsontext.Decoder {
	return jsontext.NewDecoder(bytes.NewBuffer(raw), jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true))
}

// badJSON says where a body stops being JSON.
func badJSON(err error) error {
	var bad *jsontext.SyntacticError
	switch {
	case err == io.EOF:
		return fault.New(fault.Invalid, "the body is empty")
	case !errors.As(err, &bad):
		return fault.New(fault.Invalid, "the body is not valid JSON: %w", err)
	case strings.Contains(bad.Err.Error(), "max depth"):
		return fault.New(fault.Invalid, "the JSON is nested too deep: an event may have %d levels", event.MaxDepth)
	case bad.Err == io.ErrUnexpectedEOF:
		return fault.New(fault.Invalid, "the body is not valid JSON: it ends too early, at byte %d", bad.ByteOffset)
	}
	return fault.New(fault.Invalid, "the body is not valid JSON at byte %d: %s", bad.ByteOffset, strings.TrimPrefix(bad.Err.Error(), "jsontext: "))
}

// text returns a value as a text: a string's content, nothing for null, and all
// else as the JSON that it is.
func text(v jsontext.Value) string {
	switch v.Kind() {
	case 0, 'n':
		return ""
	case '"':
		s, _ := jsontext.AppendUnquote(nil, v)
		return strings.ToValidUTF8(string(s), "\uFFFD")
	}
	return string(v)
}

// texts returns the texts of a list; a single value is a list of one, and null
// an empty one.
func texts(v jsontext.Value) []string {
	var out []string
	switch v.Kind() {
	case 0, 'n':
	case '[':
		_ = elements(v, func(_ int, one jsontext.Value) error {
			out = append(out, text(one))
			return nil
		})
	default:
		out = []string{text(v)}
	}
	return out
}

// shorten cuts outside text for use in a message.
func shorten(s string) string {
	if len(s) > 64 {
		return strings.ToValidUTF8(s[:64], "") + "…"
	}
	return s
}
