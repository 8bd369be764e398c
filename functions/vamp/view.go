package vamp

import (
	"bytes"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/firnlog/firn/functions/front"
	"github.com/firnlog/firn/layout/event"
)

// metadata are what an event's metadata hold of Vamp's members.
type metadata struct {
	Version   string
	Timestamp string // as submitted, in Java's form; "" where it is the event's time in UTC
	Digest    string
}

// encode returns the metadata as JSON, without what is not there.
func (m *metadata) encode() []byte {
	b := []byte{'{'}
	add := func(name, text string) {
		if text == "" {
			return
		}
		if len(b) > 1 {
			b = append(b, ',')
		}
		b = appendText(append(appendText(b, name), ':'), text)
	}
	add("version", m.Version)
	add("timestamp", m.Timestamp)
	add("digest", m.Digest)
	return append(b, '}')
}

// view is an event as Vamp shows it.
type view struct {
	id, kind string
	tags     []string
	at       event.Micros
	value    jsontext.Value
	metadata
}

// stored is an event as queries return it.
type stored struct {
	ID        string         `json:"id"`
	Type      string         `json:"event_type"`
	Payload   jsontext.Value `json:"payload"`
	Metadata  jsontext.Value `json:"metadata"`
	Timestamp string         `json:"timestamp"`
	Tags      []string       `json:"tags"`
}

// parseStored reads an event of a query's result. Documents within it are as
// clients sent them, and may have a name twice.
func parseStored(raw jsontext.Value, instance string) (view, error) {
	var s stored
	if err := json.Unmarshal(raw, &s, jsontext.AllowDuplicateNames(true)); err != nil {
		return view{}, err
	}
	at, err := event.ParseTime(s.Timestamp)
	e := event.Event{ID: s.ID, Type: s.Type, Payload: s.Payload, Metadata: s.Metadata, Time: at, Tags: s.Tags}
	return newView(&e, instance), err
}

// newView returns an event of an instance as Vamp shows it. Events that came in
// by other doors are shown as well as can be: a payload that is no {"value": …}
// is the value as a whole.
func newView(e *event.Event, instance string) view {
	v := view{id: e.EventID(), kind: e.Type, tags: e.Tags, at: e.Time, value: valueOf(e.Payload)}
	if instance == front.Own {
		v.value = archived(e.Payload)
	}
	var m map[string]jsontext.Value
	if json.Unmarshal(e.Metadata, &m, jsontext.AllowDuplicateNames(true)) == nil {
		v.Version, v.Timestamp, v.Digest = text(m["version"]), text(m["timestamp"]), text(m["digest"])
	}
	if t, err := time.Parse(time.RFC3339Nano, v.Timestamp); err != nil || event.ToMicros(t) != e.Time {
		v.Timestamp = e.Time.String()
	}
	if v.Version == "" {
		v.Version = "1.0"
	}
	return v
}

// nothing is the value of an event that was published without one.
var nothing = jsontext.Value(`""`)

// valueOf returns the value that a payload stands for.
func valueOf(payload jsontext.Value) jsontext.Value {
	if bytes.HasPrefix(payload, []byte("{")) {
		switch list, err := members(payload); {
		case err == nil && len(list) == 0:
			return nothing
		case err == nil && len(list) == 1 && list[0].name == "value":
			return list[0].raw
		}
	}
	return payload
}

// archived returns the value of an event of Firn's own: what the thing is like
// now, and nothing when it was deleted, as Vamp archives it.
func archived(payload jsontext.Value) jsontext.Value {
	list, err := members(payload)
	if err != nil {
		return payload
	}
	given, _, err := known(list, "action", "value")
	if err != nil || given["value"] == nil || text(given["action"]) == "delete" {
		return nothing
	}
	return given["value"]
}

// text returns the content of a JSON string, "" for all else.
func text(raw jsontext.Value) string {
	if raw.Kind() != '"' {
		return ""
	}
	b, _ := jsontext.AppendUnquote(nil, raw)
	return string(b)
}

// appendJSON appends the view as a JSON object.
func (v *view) appendJSON(b []byte) []byte {
	b = appendText(append(b, `{"id":`...), v.id)
	b = appendText(append(b, `,"version":`...), v.Version)
	b = append(b, `,"tags":[`...)
	for i, tag := range v.tags {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendText(b, tag)
	}
	b = append(append(b, `],"value":`...), v.value...)
	b = appendText(append(b, `,"timestamp":`...), v.Timestamp)
	b = appendText(append(b, `,"type":`...), v.kind)
	if v.Digest != "" {
		b = appendText(append(b, `,"digest":`...), v.Digest)
	}
	return append(b, '}')
}
