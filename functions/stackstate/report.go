package stackstate

import (
	"strconv"

	"github.com/firnlog/firn/functions/front"
	"github.com/firnlog/firn/layout/event"
)

// outcome is what became of one event.
type outcome struct {
	status   string // accepted, duplicate or rejected
	reason   string // why it was rejected
	note     string
	id       string
	sequence int64
}

func (o *outcome) accept(e event.Event, before bool) {
	o.status, o.id, o.sequence = "accepted", e.EventID(), e.Sequence
	if before {
		o.status = "duplicate"
	}
}

func (o *outcome) reject(err error) { o.status, o.reason = "rejected", front.PublicText(err) }

// count adds the message to the metrics.
func (v *delivery) count() {
	for kind, n := range v.message.ignored {
		v.items.WithLabelValues(kind, "ignored").Add(float64(n))
	}
	for _, o := range v.report {
		v.items.WithLabelValues("events", o.status).Inc()
	}
}

// render writes the report: how many events were accepted, duplicates and
// rejected, what was ignored, and each event in the order of the message.
func (v *delivery) render() []byte {
	sums := map[string]int{}
	for _, o := range v.report {
		sums[o.status]++
	}
	b := []byte(`{"status":"ok"`)
	for _, status := range []string{"accepted", "duplicate", "rejected"} {
		b = appendMember(b, status, strconv.AppendInt(nil, int64(sums[status]), 10))
	}
	if len(v.message.ignored) > 0 {
		b = appendMember(b, "ignored", encode(v.message.ignored))
	}
	if len(v.message.unknown) > 0 {
		b = appendMember(b, "unknown", quoteAll(v.message.unknown))
	}
	b = append(b, `,"events":[`...)
	for i, o := range v.report {
		if i > 0 {
			b = append(b, ',')
		}
		b = o.append(b, v.message.events[i])
	}
	return append(b, "]}"...)
}

func (o *outcome) append(b []byte, it item) []byte {
	b = appendMember(append(b, '{'), "name", quote(it.name))
	b = appendMember(b, "index", strconv.AppendInt(nil, int64(it.index), 10))
	b = appendMember(b, "status", quote(o.status))
	if o.id != "" {
		b = appendMember(b, "id", quote(o.id))
		b = appendMember(b, "sequence_number", strconv.AppendInt(nil, o.sequence, 10))
	}
	if o.reason != "" {
		b = appendMember(b, "reason", quote(o.reason))
	}
	if o.note != "" {
		b = appendMember(b, "note", quote(o.note))
	}
	return append(b, '}')
}
