package stackstate

import (
	"encoding/json"
	"slices"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/firnlog/firn/layout/event"
)

// topologyEvent is the stored form of an event with a context, as StackState's
// topic sts_topology_events has it (agent's end-to-end tests).
func (f *fields) topologyEvent() []byte {
	c := f.context
	b := []byte{'{'}
	b = appendMember(b, "source_identifier", quote(c.identifier))
	b = appendMember(b, "element_identifiers", quoteAll(c.elements))
	b = appendMember(b, "source", quote(c.source))
	b = appendMember(b, "category", quote(c.category))
	b = appendMember(b, "data", quote(sorted(c.data)))
	b = appendMember(b, "name", quote(f.title))
	b = appendMember(b, "description", quote(f.text))
	b = appendMember(b, "type", quote(f.eventType))
	b = appendMember(b, "tags", quoteAll(f.tags))
	links := []byte{'['}
	for i, l := range c.links {
		if i > 0 {
			links = append(links, ',')
		}
		links = appendMember(append(links, '{'), "name", quote(l.title))
		links = append(appendMember(links, "url", quote(l.url)), '}')
	}
	return append(appendMember(b, "source_links", append(links, ']')), '}')
}

// genericEvent is the stored form of an event without a context, as StackState's
// topic sts_generic_events has it. Times are milliseconds since 1970.
func (f *fields) genericEvent(name string, at, received event.Micros) []byte {
	tags := f.tags
	if f.sourceType != "" {
		tags = append(slices.Clone(tags), "source_type_name:"+f.sourceType)
	}
	b := []byte{'{'}
	b = appendMember(b, "name", quote(name))
	b = appendMember(b, "title", quote(f.title))
	b = appendMember(b, "message", quote(f.text))
	b = appendMember(b, "eventType", quote(f.eventType))
	b = appendMember(b, "host", quote(f.host))
	b = appendMember(b, "timestamp", millis(at))
	b = appendMember(b, "timeReceived", millis(received))
	b = appendMember(b, "labels", []byte("[]"))
	return append(appendMember(b, "tags", structured(tags)), '}')
}

// structured returns tags as an object: the key of each is what stands before
// its first colon, the value what follows. A tag without one has the value "";
// a key with several values has the list of them.
func structured(tags []string) []byte {
	var keys []string
	values := map[string][]string{}
	for _, t := range tags {
		key, value, _ := strings.Cut(t, ":")
		key, value = strings.TrimSpace(key), strings.TrimSpace(value)
		if _, known := values[key]; !known {
			keys = append(keys, key)
		}
		if !slices.Contains(values[key], value) {
			values[key] = append(values[key], value)
		}
	}
	b := []byte{'{'}
	for _, key := range keys {
		value := quoteAll(values[key])
		if len(values[key]) == 1 {
			value = quote(values[key][0])
		}
		b = appendMember(b, key, value)
	}
	return append(b, '}')
}

// sorted returns an object as text with its names in order, and numbers and
// strings as they are.
func sorted(data jsontext.Value) string {
	if data == nil || data.Kind() == 'n' {
		return "{}"
	}
	v := data.Clone()
	err := v.Format(jsontext.ReorderRawObjects(true), jsontext.PreserveRawStrings(true), jsontext.AllowDuplicateNames(true))
	if err != nil {
		return string(data)
	}
	return string(v)
}

// appendMember appends a member to an object that begins with the last brace
// in b.
func appendMember(b []byte, name string, value []byte) []byte {
	if b[len(b)-1] != '{' {
		b = append(b, ',')
	}
	b, _ = jsontext.AppendQuote(b, name)
	return append(append(b, ':'), value...)
}

func quote(s string) []byte {
	b, _ := jsontext.AppendQuote(nil, strings.ToValidUTF8(s, "\uFFFD"))
	return b
}

func quoteAll(list []string) []byte {
	b := []byte{'['}
	for i, s := range list {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, quote(s)...)
	}
	return append(b, ']')
}

func millis(t event.Micros) []byte { return strconv.AppendInt(nil, int64(t)/1000, 10) }

// encode returns v as JSON. It is for values of this package that always encode.
func encode(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return b
}
