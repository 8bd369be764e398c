package clustercockpit

import (
	"cmp"
	"encoding/json"
	"math"
	"strconv"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/influxdata/line-protocol/v2/lineprotocol"

	"github.com/firnlog/firn/layout/event"
	"github.com/firnlog/firn/layout/fault"
)

// The tags with a meaning, and the field that a message's text is in.
const (
	clusterTag  = "cluster"
	hostTag     = "hostname"
	eventMember = "event"
	logMember   = "log"
)

// member returns the name of the field, and of the payload's member, that holds
// the text of a message.
func (k kind) member() string {
	if k == logKind {
		return logMember
	}
	return eventMember
}

// entry makes an event of the message.
func (l *line) entry(k kind, from source) (entry, error) {
	cluster := l.tag(clusterTag)
	if cluster == "" {
		if from.cluster == "" {
			return entry{}, fault.New(fault.Invalid, "the message has no tag %s, and nothing else names its cluster", clusterTag)
		}
		cluster = from.cluster
		l.setTag(tag{clusterTag, cluster})
	}
	payload, err := l.payload(k)
	if err != nil {
		return entry{}, err
	}
	e := event.Event{
		Stream: cmp.Or(l.tag(hostTag), event.DefaultStream), Type: l.measurement, Time: l.time,
		Tags: l.eventTags(), Payload: payload, Metadata: l.metadata(),
	}
	return entry{cluster, k, e}, e.Check(from.arrived)
}

// payload returns the message's text, and its other fields behind it, as an
// object.
func (l *line) payload(k kind) ([]byte, error) {
	var text string
	for i := range l.fields {
		if l.fields[i].key == k.member() {
			text = l.fields[i].text
		}
	}
	b := appendMember([]byte{'{'}, k.member())
	b = appendText(b, text)
	for i := range l.fields {
		f := &l.fields[i]
		if f.key == k.member() {
			continue
		}
		b = appendMember(append(b, ','), f.key)
		if f.value.Kind() == lineprotocol.String {
			b = appendText(b, f.text)
			continue
		}
		value, err := json.Marshal(f.value.Interface())
		if err != nil {
			return nil, fault.New(fault.Invalid, "the field %q: %w", shorten(f.key), err)
		}
		b = append(b, value...)
	}
	return append(b, '}'), nil
}

// metadata returns all tags as an object.
func (l *line) metadata() []byte {
	b := []byte{'{'}
	for i, t := range l.tags {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendText(appendMember(b, t.key), t.value)
	}
	return append(b, '}')
}

// eventTags returns the tags as key:value. What is longer or more than an event
// can have is in the metadata only.
func (l *line) eventTags() []string {
	tags := make([]string, 0, min(len(l.tags), event.MaxTags))
	for _, t := range l.tags {
		if len(t.key)+1+len(t.value) <= event.MaxTag && len(tags) < event.MaxTags {
			tags = append(tags, t.key+":"+t.value)
		}
	}
	return tags
}

func appendMember(b []byte, name string) []byte { return append(appendText(b, name), ':') }

// appendText appends a JSON string. The decoder lets only UTF-8 through.
func appendText(b []byte, s string) []byte {
	b, _ = jsontext.AppendQuote(b, s)
	return b
}

// precision is the unit of timestamps as nanoseconds; 0 where the magnitude of
// each tells it.
type precision int64

// parsePrecision reads the parameter precision.
func parsePrecision(s string) (precision, error) {
	switch s {
	case "":
		return 0, nil
	case "ns", "n":
		return 1, nil
	case "us", "u":
		return 1e3, nil
	case "ms":
		return 1e6, nil
	case "s":
		return 1e9, nil
	}
	return 0, fault.New(fault.Invalid, "the parameter precision is s, ms, us or ns, not %q", shorten(s))
}

// parse reads a timestamp.
func (p precision) parse(text string) (event.Micros, error) {
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return 0, fault.New(fault.Invalid, "invalid timestamp %q: it is a whole number of seconds, milliseconds, microseconds or nanoseconds since 1970", shorten(text))
	}
	if p == 0 {
		return event.EpochTime(n)
	}
	if p < 1e3 {
		micros := n / 1e3
		if n%1e3 < 0 {
			micros-- // before 1970, too, what is below a microsecond is cut off
		}
		return event.Micros(micros), nil
	}
	unit := int64(p / 1e3)
	if n > math.MaxInt64/unit || n < math.MinInt64/unit {
		return 0, fault.New(fault.Invalid, "the timestamp %d is out of range", n)
	}
	return event.Micros(n * unit), nil
}
