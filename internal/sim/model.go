package sim

import (
	"bytes"
	"fmt"
	"math"
	"strings"

	"github.com/firnlog/firn/layout/commitlog"
	"github.com/firnlog/firn/layout/event"
)

// action is what an operation does.
type action int

const (
	appends action = iota
	reads
	drops   // the instance is deleted
	creates // the instance is made again
	counts  // the events are counted, by a query
	erases  // a stream is erased, or events are redacted
)

// op is an operation on one part of the log: on a shard, or in worlds where
// shards change with each life, on a stream.
type op struct {
	action action
	id     string            // of an append: its events bear it
	number int               // of an append or an erasure: its index in the model
	events []event.Event     // appended to this part, in order; or redacted
	stream string            // that is erased; "" for a redaction
	expect map[string]expect // of an append: by stream
	key    string            // idempotency key, or ""
	stale  bool              // the key may have been forgotten meanwhile
	from   event.Micros      // of a read: what is before is hidden
	upTo   int64             // of a drop: the highest generation that it can have ended
}

type expect = commitlog.Expectation

// result is what the client was told.
type result struct {
	kind       resultKind
	numbers    string // of the events appended
	stream     string // whose expectation did not hold
	actual     int64  // where it stands
	generation int64  // that was read or made
	seen       string // what was read
	count      int64  // of events that were counted
}

type resultKind int

const (
	done     resultKind = iota
	conflict            // nothing written, for an expectation did not hold
	reused              // nothing written, for the key was used for another body
	unknown             // nobody can tell
	failed              // surely not written
	written             // nobody was told, but its commit is there
)

// state is the state of one part of the log. It is comparable: the appends and
// erasures in their order are a text of two bytes each.
type state struct {
	generation int64
	dropped    bool
	log        string
}

// model says what one part of the log may do: it is checked against what the
// clients were told.
type model struct{ writes []*op }

// add takes in an append or an erasure.
func (m *model) add(o *op) {
	o.number = len(m.writes)
	m.writes = append(m.writes, o)
}

// with returns a state after an append or an erasure.
func (s state) with(o *op) state {
	s.log += string([]byte{byte(o.number >> 8), byte(o.number)})
	return s
}

// step returns the states that the part may be in after the operation; none
// when the operation cannot have had that result.
func (m *model) step(s state, o *op, r result) []any {
	switch {
	case r.kind == failed:
		return []any{s}
	case o.action == appends:
		return m.stepAppend(s, o, r)
	case o.action == reads:
		if s.dropped || s.generation != r.generation || m.render(s, o.from) != r.seen {
			return nil
		}
		return []any{s}
	case o.action == counts:
		if s.dropped || int64(len(m.shown(s))) != r.count {
			return nil
		}
		return []any{s}
	case o.action == erases:
		return may(s, s.with(o), !s.dropped, r)
	case o.action == drops:
		gone := state{generation: s.generation, dropped: true}
		return may(s, gone, !s.dropped && s.generation <= o.upTo, r)
	}
	made := state{generation: s.generation + 1}
	return may(s, made, s.dropped && (r.kind == unknown || r.generation == made.generation), r)
}

// may returns the states after an operation that leads to next if it is
// possible, and to nothing else unless its outcome is unknown.
func may(s, next state, possible bool, r result) []any {
	var out []any
	if r.kind == unknown {
		out = append(out, s)
	}
	if possible {
		out = append(out, next)
	}
	return out
}

func (m *model) stepAppend(s state, o *op, r result) []any {
	if s.dropped {
		return may(s, s, false, r)
	}
	id, stored := m.stored(s, o.key)
	used := id != ""
	fresh := !used || o.stale
	next := s.with(o)
	switch r.kind {
	case done:
		if used && id == o.id && stored == r.numbers {
			return []any{s}
		}
		return may(s, next, fresh && m.holds(s, o) && r.numbers == m.numbers(s, o), r)
	case conflict:
		want, ours := o.expect[r.stream]
		if !ours || fresh && !holds(want, r.actual) && m.head(s, r.stream) == r.actual {
			return []any{s}
		}
	case reused:
		if used && id != o.id {
			return []any{s}
		}
	case unknown, written:
		return may(s, next, fresh && m.holds(s, o), r)
	}
	return nil
}

// walk calls f with every append and erasure of a state in order.
func (m *model) walk(s state, f func(o *op)) {
	for i := 0; i < len(s.log); i += 2 {
		f(m.writes[int(s.log[i])<<8|int(s.log[i+1])])
	}
}

// head returns the sequence number of a stream's last event.
func (m *model) head(s state, stream string) (n int64) {
	m.walk(s, func(o *op) {
		for i := range o.events {
			if o.action == appends && o.events[i].Stream == stream {
				n++
			}
		}
	})
	return n
}

func (m *model) holds(s state, o *op) bool {
	for stream, want := range o.expect {
		if !holds(want, m.head(s, stream)) {
			return false
		}
	}
	return true
}

func holds(x expect, head int64) bool {
	return x == commitlog.Any || x == commitlog.Exists && head > 0 || int64(x) == head
}

// numbers returns the sequence numbers that an append's events get.
func (m *model) numbers(s state, o *op) string {
	heads := map[string]int64{}
	var b strings.Builder
	for i := range o.events {
		stream := o.events[i].Stream
		if _, ok := heads[stream]; !ok {
			heads[stream] = m.head(s, stream)
		}
		heads[stream]++
		fmt.Fprintf(&b, "%d ", heads[stream])
	}
	return b.String()
}

// stored returns the id of the append that was last stored under a key, and
// the numbers of its events; "" for none.
func (m *model) stored(s state, key string) (id, numbers string) {
	if key == "" {
		return "", ""
	}
	before := state{}
	m.walk(s, func(o *op) {
		if o.key == key {
			id, numbers = o.id, m.numbers(before, o)
		}
		before.log = s.log[:len(before.log)+2]
	})
	return id, numbers
}

// render returns the events of a state that are not hidden, as a read shows
// them.
func (m *model) render(s state, from event.Micros) string { return render(m.shown(s), from) }

// shown returns the events of a state, numbered, less those that are erased.
func (m *model) shown(s state) []event.Event {
	heads := map[string]int64{}
	var events []event.Event
	m.walk(s, func(o *op) {
		if o.action == erases {
			events = o.erase(events)
			return
		}
		for _, e := range o.events {
			heads[e.Stream]++
			e.Sequence = heads[e.Stream]
			events = append(events, e)
		}
	})
	return events
}

// render returns events in the order of the log as text, less those that are
// hidden.
func render(events []event.Event, from event.Micros) string {
	var b strings.Builder
	for i := range events {
		if e := &events[i]; e.Time >= from {
			fmt.Fprintf(&b, "%s=%s:%d", e.ID, e.Stream, e.Sequence)
			if isRedacted(e) {
				b.WriteByte('!')
			}
			b.WriteByte(' ')
		}
	}
	return b.String()
}

// never is the end of an operation whose outcome is unknown.
const never = int64(math.MaxInt64)

// isRedacted reports whether an event is shown as a redaction leaves it.
func isRedacted(e *event.Event) bool { return bytes.Equal(e.Payload, commitlog.Redacted) }
