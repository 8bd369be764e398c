package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"sync"
	"testing"

	"github.com/firnlog/firn/layout/commitlog"
	"github.com/firnlog/firn/layout/event"
	"github.com/firnlog/firn/layout/fault"
	"github.com/firnlog/firn/querier"
)

// ledger holds what appenders were told about every event that they sent. It is
// safe for concurrent use.
type ledger struct {
	mu      sync.Mutex
	acked   map[string]int64 // sequence numbers by event id
	unknown map[string]bool
	refused map[string]bool
	open    []commitlog.Batch // keyed batches of which something is unknown
}

func newLedger() *ledger {
	return &ledger{acked: map[string]int64{}, unknown: map[string]bool{}, refused: map[string]bool{}}
}

// note takes in the answer to an append, and reports kinds of errors that no
// fault on the wire may cause.
func (l *ledger) note(t *testing.T, shards int, b commitlog.Batch, r commitlog.Receipt, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	verdicts := map[int]error{}
	for _, p := range r.Parts {
		verdicts[p.Shard] = p.Err
	}
	doubt := false
	for i, e := range b.Events {
		verdict := err
		if err == nil {
			verdict = verdicts[commitlog.ShardFor(e.Stream, shards)]
		}
		switch kind := fault.KindOf(verdict); {
		case verdict == nil:
			l.ack(t, e.ID, r.Events[i].Sequence)
		case kind == fault.Unknown:
			l.unknown[e.ID], doubt = true, true
		case kind == fault.Unavailable, kind == fault.Conflict && len(b.Expect) > 0:
			l.refused[e.ID] = true
		default:
			t.Errorf("append of %s: %v (%s)", e.ID, verdict, kind)
		}
	}
	if doubt && b.Key != "" {
		l.open = append(l.open, b)
	}
}

func (l *ledger) ack(t *testing.T, id string, sequence int64) {
	if old, twice := l.acked[id]; twice && old != sequence {
		t.Errorf("event %s was acknowledged as %d and then as %d", id, old, sequence)
	}
	if sequence == 0 {
		t.Errorf("event %s was acknowledged without a number", id)
	}
	l.acked[id] = sequence
	delete(l.unknown, id)
	delete(l.refused, id)
}

// told returns the acknowledged events of now.
func (l *ledger) told() map[string]int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return maps.Clone(l.acked)
}

// settle repeats every keyed batch of which something is unknown: it must be
// stored then, or, where it expects something, be refused for good. A second
// repetition must answer as the first.
func (l *ledger) settle(t *testing.T, log *commitlog.Log, shards int) {
	t.Helper()
	open := l.open
	l.open = nil
	for _, b := range open {
		for range 2 {
			r, err := log.Append(t.Context(), instance, b)
			if fault.Is(err, fault.Conflict) && len(b.Expect) > 0 {
				for _, e := range b.Events {
					delete(l.unknown, e.ID)
				}
			} else if err != nil {
				t.Errorf("repetition of %s: %v", b.Key, err)
			}
			l.note(t, shards, b, r, err)
		}
	}
}

// stored is an event as a query shows it.
type stored struct {
	ID       string
	Stream   string `json:"stream_id"`
	Sequence int64  `json:"sequence_number"`
	Payload  struct{ Of string }
}

// read returns all events of the instance by stream and sequence number.
func read(ctx context.Context, log querier.Source) ([]stored, error) {
	q := querier.New(instance)
	q.Limit, q.NoTotal = querier.MaxLimit, true
	q.OrderBy = []querier.Order{{Field: querier.Stream}, {Field: querier.Sequence}}
	res, err := querier.NewEngine(log).Run(ctx, q)
	if err != nil {
		return nil, err
	}
	out := make([]stored, len(res.Events))
	for i, raw := range res.Events {
		if err := json.Unmarshal(raw, &out[i]); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// gapless reports events that are not numbered 1, 2, 3, … in their streams, that
// are there twice, or that hold what another one holds.
func gapless(t *testing.T, all []stored) map[string]int64 {
	t.Helper()
	found, last := map[string]int64{}, map[string]int64{}
	for _, e := range all {
		if _, twice := found[e.ID]; twice {
			t.Errorf("event %s is there twice", e.ID)
		}
		if e.Sequence != last[e.Stream]+1 {
			t.Errorf("in stream %s, %d follows %d", e.Stream, e.Sequence, last[e.Stream])
		}
		if e.Payload.Of != e.ID {
			t.Errorf("event %s has the payload of %q", e.ID, e.Payload.Of)
		}
		found[e.ID], last[e.Stream] = e.Sequence, e.Sequence
	}
	return found
}

// check compares what is stored with what appenders were told: what was
// acknowledged is there once, under its number; what is unknown at most once;
// and nothing else.
func (l *ledger) check(t *testing.T, log querier.Source) {
	t.Helper()
	all, err := read(t.Context(), log)
	if err != nil {
		t.Fatal(err)
	}
	l.compare(t, all)
}

// compare is check for events that were read already.
func (l *ledger) compare(t *testing.T, all []stored) {
	t.Helper()
	found := gapless(t, all)
	l.mu.Lock()
	defer l.mu.Unlock()
	for id, sequence := range l.acked {
		if found[id] != sequence {
			t.Errorf("event %s was acknowledged as %d and is stored as %d", id, sequence, found[id])
		}
	}
	for id := range found {
		if l.acked[id] == 0 && !l.unknown[id] {
			t.Errorf("event %s is there, and was refused (%v) or never sent", id, l.refused[id])
		}
	}
}

// eventsOf returns one event in each of the streams, whose ids begin with name.
func eventsOf(name string, streams ...string) []event.Event {
	var out []event.Event
	for i, s := range streams {
		id := fmt.Sprintf("%s.%d", name, i)
		out = append(out, event.Event{Stream: s, Type: "t", Time: 1_700_000_000_000_000, ID: id,
			Payload: fmt.Appendf(nil, `{"of":%q}`, id), Metadata: []byte("{}")})
	}
	return out
}
