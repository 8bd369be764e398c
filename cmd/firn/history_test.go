package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"

	"github.com/firnlog/firn/cmd/firn/internal/client"
	"github.com/firnlog/firn/layout/fault"
)

// testInstance is the instance that writers append to.
const testInstance = "log"

// history is what writers were told. It is safe for concurrent use.
type history struct {
	acks chan struct{} // one for each acknowledgement; nobody need listen

	mu    sync.Mutex
	acked map[string]client.Stored // by event id
	sent  map[string]bool          // ids of all events that were ever sent
}

func newHistory() *history {
	return &history{acks: make(chan struct{}, 1<<20), acked: map[string]client.Stored{}, sent: map[string]bool{}}
}

// note takes in the receipt of an acknowledged append.
func (h *history) note(t *testing.T, r client.Receipt) {
	t.Helper()
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, e := range r.Events {
		if old, twice := h.acked[e.ID]; twice {
			t.Errorf("event %s was acknowledged twice, as %v and %v", e.ID, old, e)
		}
		h.acked[e.ID] = e
	}
	h.acks <- struct{}{}
}

// writer appends batch after batch, in streams that it shares with others.
type writer struct {
	name    string
	history *history
	random  *rand.Rand
	n       int            // batches made
	open    *client.Append // a batch whose outcome is not known
}

// next makes a batch of one to five events.
func (w *writer) next() client.Append {
	w.n++
	var body bytes.Buffer
	w.history.mu.Lock()
	defer w.history.mu.Unlock()
	for i := range 1 + w.random.IntN(5) {
		id := fmt.Sprintf("%s.%d.%d", w.name, w.n, i)
		w.history.sent[id] = true
		fmt.Fprintf(&body, `{"stream_id":"stream-%d","id":%q,"payload":{"i":%d}}`+"\n", w.random.IntN(3), id, i)
	}
	return client.Append{Instance: testInstance, NDJSON: body.Bytes(), Key: fmt.Sprintf("%s.%d", w.name, w.n), Receipts: true}
}

// write appends up to so many batches. It begins with the one that an earlier
// crash left open, whose repetition must settle it, and ends early when the
// server is gone.
func (w *writer) write(t *testing.T, c *client.Client, batches int) {
	for range batches {
		if w.open == nil {
			next := w.next()
			w.open = &next
		}
		r, err := c.Append(context.Background(), *w.open)
		if fault.Is(err, fault.Unknown) || fault.Is(err, fault.Unavailable) {
			return
		}
		if err != nil {
			t.Errorf("append %s: %v", w.open.Key, err)
			return
		}
		w.open = nil
		w.history.note(t, r)
	}
}

// writers runs all writers at once, on the clients in turn, until all are done.
func runWriters(t *testing.T, all []*writer, clients []*client.Client, batches int) {
	var wg sync.WaitGroup
	for i, w := range all {
		wg.Go(func() { w.write(t, clients[i%len(clients)], batches) })
	}
	wg.Wait()
}

// stored is an event as a query shows it.
type stored struct {
	ID       string
	Stream   string `json:"stream_id"`
	Sequence int64  `json:"sequence_number"`
}

// check compares what is stored with what writers were told: each acknowledged
// event is there once, as acknowledged; nothing is there that was not sent; and
// the sequence numbers of each stream are 1, 2, 3, …
func (h *history) check(t *testing.T, c *client.Client) {
	t.Helper()
	found := map[string]stored{}
	last := map[string]int64{}
	for _, e := range allEvents(t, c) {
		if old, twice := found[e.ID]; twice {
			t.Errorf("event %s is stored twice: %v and %v", e.ID, old, e)
		}
		found[e.ID] = e
		if !h.sent[e.ID] {
			t.Errorf("event %v was never sent", e)
		}
		if e.Sequence != last[e.Stream]+1 {
			t.Errorf("in stream %s, %d follows %d", e.Stream, e.Sequence, last[e.Stream])
		}
		last[e.Stream] = e.Sequence
	}
	for id, ack := range h.acked {
		if got := found[id]; got != (stored{ack.ID, ack.Stream, ack.Sequence}) {
			t.Errorf("event %s was acknowledged as %v and is stored as %v", id, ack, got)
		}
	}
	t.Logf("%d events stored, %d of them acknowledged", len(found), len(h.acked))
}

// allEvents returns the instance's events by stream and sequence number.
func allEvents(t *testing.T, c *client.Client) []stored {
	t.Helper()
	q := query{}
	q.set("from", from{Instance: testInstance})
	q.set("select", []string{"id", "stream_id", "sequence_number"})
	q.set("orderBy", []order{{"stream_id", "asc"}, {"sequence_number", "asc"}})
	var out []stored
	for {
		res, err := c.Query(t.Context(), q.encode())
		if err != nil {
			t.Fatal(err)
		}
		for _, raw := range res.Events {
			var e stored
			if err := json.Unmarshal(raw, &e); err != nil {
				t.Fatal(err)
			}
			out = append(out, e)
		}
		if res.Cursor == "" {
			return out
		}
		q.set("cursor", res.Cursor)
	}
}
