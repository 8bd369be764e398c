package stackstate

import (
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/firnlog/firn/layout/event"
	"github.com/firnlog/firn/layout/fault"
)

// reserved are the fields of a generic event. No event may have such a name, nor
// one that leads into such a field.
var reserved = []string{"eventType", "host", "labels", "message", "name", "tags", "timeReceived", "timestamp", "title"}

// checkReserved returns an error for the name of an event that is reserved, or
// that is a reserved word, a dot and more. Other names that begin alike, such as
// hostDown, are as good as any.
func checkReserved(name string) error {
	word, _, _ := strings.Cut(name, ".")
	if slices.Contains(reserved, word) {
		return fault.New(fault.Invalid, "an event cannot have the name %q: %s is a field of events", shorten(name), word)
	}
	return nil
}

// fields are what is read of an event object.
type fields struct {
	title, text, eventType, sourceType, host string
	time                                     jsontext.Value
	tags                                     []string
	context                                  *topology
}

// topology is what is read of a context.
type topology struct {
	source, identifier, category string
	elements                     []string
	data                         jsontext.Value
	links                        []link
}

type link struct{ title, url string }

// stored is an event as it is to be stored.
type stored struct {
	event event.Event
	key   string // its identity in the source system, "" for none
	hash  string // of the event object
	note  string // what of it is not where it should be
}

// build makes an event of an item. now is the time of its arrival.
func (m *message) build(it item, now event.Micros) (stored, error) {
	var s stored
	if it.err != nil {
		return s, it.err
	}
	if err := checkReserved(it.name); err != nil {
		return s, err
	}
	if it.raw.Kind() != '{' {
		return s, fault.New(fault.Invalid, "an event must be an object")
	}
	raw, repaired := repair(it.raw)
	if repaired {
		s.note = "text that is no Unicode was replaced"
	}
	raw, f := read(raw)
	at, err := m.time(f.time, now)
	if err != nil {
		return s, err
	}
	if f.host == "" {
		f.host = m.host
	}
	s.event = event.Event{Stream: it.name, Type: f.kind(it.name), Time: at, Metadata: raw}
	if f.context != nil {
		s.event.Payload = f.topologyEvent()
		s.identify(f.context, raw)
	} else {
		s.event.Payload = f.genericEvent(it.name, at, now)
	}
	s.tag(f)
	return s, s.event.Check(now)
}

// kind is the event's type: what the agents' checks copy back and forth.
func (f *fields) kind(name string) string {
	for _, k := range []string{f.eventType, f.sourceType} {
		if k != "" {
			return k
		}
	}
	return name
}

// time is the event's own, else the message's, else that of its arrival.
func (m *message) time(given jsontext.Value, now event.Micros) (event.Micros, error) {
	if t := text(given); t != "" {
		at, err := event.ParseTime(t)
		return at, fault.Wrap(err, "timestamp")
	}
	if at, err := event.ParseTime(text(m.collected)); err == nil {
		return at, nil
	}
	return now, nil
}

// identify gives the event the identity that its source knows it by.
func (s *stored) identify(c *topology, raw jsontext.Value) {
	if c.identifier == "" {
		return
	}
	id := sha256.Sum256([]byte(strconv.Quote(c.source) + c.identifier))
	content := sha256.Sum256(raw)
	s.key, s.hash = "stackstate:"+hex.EncodeToString(id[:]), hex.EncodeToString(content[:])
}

// tag gives the event its tags and its host's, as far as they can be tags of an
// event: the others stay where they are in payload and metadata.
func (s *stored) tag(f *fields) {
	left := 0
	for _, t := range append([]string{"host:" + f.host}, f.tags...) {
		switch {
		case slices.Contains(s.event.Tags, t):
		case len(s.event.Tags) == event.MaxTags || len(t) > event.MaxTag || event.CheckName("a tag", t) != nil:
			left++
		default:
			s.event.Tags = append(s.event.Tags, t)
		}
	}
	if left > 0 {
		s.note = strings.TrimPrefix(s.note+"; "+strconv.Itoa(left)+" tags are too long or too many to be found as tags", "; ")
	}
}

// repair replaces text that is no Unicode, as a JVM would.
func repair(raw jsontext.Value) (jsontext.Value, bool) {
	if raw.IsValid(jsontext.AllowDuplicateNames(true)) {
		return raw, false
	}
	fixed := raw.Clone()
	// The value is valid but for its text, which this writes anew.
	if err := fixed.Format(jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true)); err != nil {
		return raw, false
	}
	return fixed, true
}

// read reads an event object, and returns it without the key that the first
// agents put in: who may read events must not learn it.
func read(raw jsontext.Value) (jsontext.Value, *fields) {
	f := &fields{}
	var secret bool
	_ = members(raw, func(name string, v jsontext.Value) error {
		switch name {
		case "msg_title":
			f.title = text(v)
		case "msg_text":
			f.text = text(v)
		case "event_type":
			f.eventType = text(v)
		case "source_type_name":
			f.sourceType = text(v)
		case "host":
			f.host = text(v)
		case "timestamp":
			f.time = v
		case "tags":
			f.tags = texts(v)
		case "api_key":
			secret = true
		case "context":
			f.context = readContext(v)
		}
		return nil
	})
	if secret {
		raw = without(raw, "api_key")
	}
	return raw, f
}

// without returns an object without a member; the others stay as they are.
func without(raw jsontext.Value, member string) jsontext.Value {
	b := []byte{'{'}
	_ = members(raw, func(name string, v jsontext.Value) error {
		if name != member {
			b = appendMember(b, name, v)
		}
		return nil
	})
	return append(b, '}')
}

// readContext returns nil for what is no object: then there is no context.
func readContext(raw jsontext.Value) *topology {
	if raw.Kind() != '{' {
		return nil
	}
	c := &topology{}
	_ = members(raw, func(name string, v jsontext.Value) error {
		switch name {
		case "source":
			c.source = text(v)
		case "source_identifier":
			c.identifier = text(v)
		case "category":
			c.category = text(v)
		case "element_identifiers":
			c.elements = texts(v)
		case "data":
			c.data = v
		case "source_links":
			c.links = readLinks(v)
		}
		return nil
	})
	return c
}

func readLinks(raw jsontext.Value) []link {
	if raw.Kind() != '[' {
		return nil
	}
	var links []link
	_ = elements(raw, func(_ int, one jsontext.Value) error {
		var l link
		if one.Kind() == '{' {
			_ = members(one, func(name string, v jsontext.Value) error {
				switch name {
				case "title":
					l.title = text(v)
				case "url":
					l.url = text(v)
				}
				return nil
			})
			links = append(links, l)
		}
		return nil
	})
	return links
}
