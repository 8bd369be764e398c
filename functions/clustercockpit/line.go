package clustercockpit

import (
	"bytes"
	"errors"
	"io"
	"strings"

	"github.com/influxdata/line-protocol/v2/lineprotocol"

	"github.com/firnlog/firn/layout/event"
	"github.com/firnlog/firn/layout/fault"
)

// kind is what a message is, which its fields tell.
type kind int

// The kinds of messages. Only events and logs are stored.
const (
	eventKind   kind = iota // a string field event
	logKind                 // a string field log
	metricKind              // a field value that is no string
	controlKind             // a string field control and the tag method
	queryKind               // a string field query
	otherKind
	numKinds
)

// source is what a body of lines comes from, and what its lines may lack.
type source struct {
	cluster   string // of lines without the tag cluster; "" where each must have it
	tags      []tag  // set on every line, whatever it says itself
	precision precision
	arrived   event.Micros // the time of lines without one
	limit     int          // of lines; 0 for none
}

// entry is a message to be stored.
type entry struct {
	cluster string
	kind    kind // event or log
	event   event.Event
}

// decoded is a body of lines.
type decoded struct {
	entries []entry
	ignored [numKinds]int64 // messages of kinds that are not stored
}

// count returns how many messages there were.
func (d *decoded) count() int64 {
	n := int64(len(d.entries))
	for _, i := range d.ignored {
		n += i
	}
	return n
}

// decode reads a body of lines. An error names the line; it is Invalid, or
// Limit for a body of too many lines or an event that is too large.
func decode(body []byte, from source) (decoded, error) {
	var out decoded
	dec, lines := newDecoder(body)
	var l line
	for dec.Next() {
		at := lines.count
		if from.limit > 0 && out.count() == int64(from.limit) {
			return out, fault.New(fault.Limit, "at line %d: the body has more than %d messages: send them in several", at, from.limit)
		}
		if err := l.read(dec, from); err != nil {
			return out, lineError(at, err)
		}
		k := l.kind()
		if k > logKind {
			out.ignored[k]++
			continue
		}
		e, err := l.entry(k, from)
		if err != nil {
			return out, lineError(at, err)
		}
		out.entries = append(out.entries, e)
	}
	return out, nil
}

// lineError says in which line an error is. The library's own say so.
func lineError(at int, err error) error {
	var syntax *lineprotocol.DecodeError
	if errors.As(err, &syntax) {
		text := err.Error() // quotes the rest of the line, however long
		if len(text) > 300 {
			text = strings.ToValidUTF8(text[:300], "") + "…"
		}
		return fault.New(fault.Invalid, "%s", text)
	}
	if fault.KindOf(err) == fault.Internal {
		err = fault.New(fault.Invalid, "%w", err)
	}
	return fault.Wrap(err, "at line %d", at)
}

// newDecoder returns a decoder of a body, and what counts the lines for it. A
// single line, which most NATS messages are, needs no counting and no buffer.
func newDecoder(body []byte) (*lineprotocol.Decoder, *lineReader) {
	if end := bytes.IndexByte(body, '\n'); end < 0 || end == len(body)-1 {
		return lineprotocol.NewDecoderWithBytes(body), &lineReader{count: 1}
	}
	lines := &lineReader{rest: body}
	return lineprotocol.NewDecoder(lines), lines
}

// lineReader gives a body line by line, so that the decoder, which reads only
// what it needs, has read exactly up to the line that a message begins in.
type lineReader struct {
	rest   []byte
	count  int  // of lines begun
	inside bool // a line that was not given to its end
}

// Read implements [io.Reader].
func (r *lineReader) Read(p []byte) (int, error) {
	if len(r.rest) == 0 {
		return 0, io.EOF
	}
	if !r.inside {
		r.count++
	}
	n := min(len(p), len(r.rest))
	end := bytes.IndexByte(r.rest[:n], '\n')
	if r.inside = end < 0; !r.inside {
		n = end + 1
	}
	copy(p, r.rest[:n])
	r.rest = r.rest[n:]
	return n, nil
}

// tag is a tag of a line.
type tag struct{ key, value string }

// field is a field of a line.
type field struct {
	key   string
	value lineprotocol.Value // of a string: its kind only
	text  string             // of a string
}

// line is a message as it is read. It is used again for the next.
type line struct {
	measurement string
	tags        []tag
	fields      []field
	time        event.Micros
}

// read reads the decoder's message.
func (l *line) read(dec *lineprotocol.Decoder, from source) error {
	l.tags, l.fields = l.tags[:0], l.fields[:0]
	name, err := dec.Measurement()
	if err != nil {
		return err
	}
	l.measurement = string(name)
	for {
		key, value, err := dec.NextTag()
		if err != nil {
			return err
		}
		if key == nil {
			break
		}
		l.setTag(tag{string(key), string(value)})
	}
	for {
		key, value, err := dec.NextField()
		if err != nil {
			return err
		}
		if key == nil {
			break
		}
		l.setField(string(key), value)
	}
	text, err := dec.TimeBytes()
	if err != nil {
		return err
	}
	for _, t := range from.tags {
		l.setTag(t)
	}
	l.time = from.arrived
	if text != nil {
		l.time, err = from.precision.parse(string(text))
	}
	return err
}

// setTag adds a tag; of several with one key the last counts.
func (l *line) setTag(t tag) {
	for i := range l.tags {
		if l.tags[i].key == t.key {
			l.tags[i] = t
			return
		}
	}
	l.tags = append(l.tags, t)
}

// setField adds a field; of several with one key the last counts.
func (l *line) setField(key string, v lineprotocol.Value) {
	f := field{key: key, value: v}
	if v.Kind() == lineprotocol.String {
		f.text = string(v.BytesV()) // the decoder's memory is its own
	}
	for i := range l.fields {
		if l.fields[i].key == key {
			l.fields[i] = f
			return
		}
	}
	l.fields = append(l.fields, f)
}

func (l *line) tag(key string) string {
	for _, t := range l.tags {
		if t.key == key {
			return t.value
		}
	}
	return ""
}

// has reports whether there is a field that is a string, or that is none.
func (l *line) has(key string, text bool) bool {
	for i := range l.fields {
		if f := &l.fields[i]; f.key == key {
			return (f.value.Kind() == lineprotocol.String) == text
		}
	}
	return false
}

// kind tells what the message is (cc-specifications, as cc-lib reads it).
func (l *line) kind() kind {
	method := l.tag("method")
	switch {
	case l.has("event", true):
		return eventKind
	case l.has("log", true):
		return logKind
	case l.has("value", false):
		return metricKind
	case l.has("control", true) && (method == "GET" || method == "PUT"):
		return controlKind
	case l.has("query", true):
		return queryKind
	}
	return otherKind
}
