package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"

	"github.com/firnlog/firn/functions/client"
	"github.com/firnlog/firn/layout/fault"
	"github.com/firnlog/firn/querier"
)

// testInstance is the instance that writers append to.
const testInstance = "log"

// history is what writers were told. It is safe for concurrent use.
type history struct {
	acks chan struct{} // one for each acknowledgement, as long as there is room; nobody need listen

	mu       sync.Mutex                 // guards what is below
	acked    map[string]client.Stored   // by event id
	streams  map[string][]client.Stored // the same by stream
	sent     map[string]bool            // ids of all events that were ever sent
	refused  map[string]bool            // ids of those that are never to be stored
	unknown  int                        // appends of which an answer left open what became of them
	resolved int                        // of these: those that a repetition settled
}

func newHistory() *history {
	return &history{acks: make(chan struct{}, 1<<16), acked: map[string]client.Stored{}, streams: map[string][]client.Stored{},
		sent: map[string]bool{}, refused: map[string]bool{}}
}

// note takes in the receipt of an acknowledged append. A repetition must be
// answered as the first time.
func (h *history) note(t *testing.T, r client.Receipt, again bool) {
	t.Helper()
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, e := range r.Events {
		old, twice := h.acked[e.ID]
		if twice != again || again && old != e {
			t.Errorf("event %s was acknowledged as %v, and before as %v", e.ID, e, old)
		}
		if !again {
			h.acked[e.ID] = e
			h.streams[e.Stream] = append(h.streams[e.Stream], e)
		}
	}
	select {
	case h.acks <- struct{}{}:
	default:
	}
}

// head returns the highest sequence number that was acknowledged in a stream.
func (h *history) head(stream string) int64 {
	h.mu.Lock()
	defer h.mu.Unlock()
	var n int64
	if all := h.streams[stream]; len(all) > 0 {
		n = all[len(all)-1].Sequence // others may be higher: an expectation that fails
	}
	return n
}

// writer appends batch after batch, in streams that it shares with others and
// in one of its own.
type writer struct {
	name    string
	history *history
	random  *rand.Rand
	n       int      // batches made
	open    *pending // whose outcome is not known
}

// pending is an append that is to be settled.
type pending struct {
	client.Append
	ids       []string
	contested bool // others may be faster: its expectation may fail
	unsure    bool // an answer has left open what became of it
	repeat    bool // once it is settled, it is to be repeated all the same
}

// contested is the stream in which all writers expect something.
const contested = "contested"

// next makes an append: several events in streams of all, or one to three in one
// stream, which is expected to stand where it was last heard of.
func (w *writer) next() *pending {
	w.n++
	p := &pending{Append: client.Append{Instance: testInstance, Key: fmt.Sprintf("%s.%d", w.name, w.n), Receipts: true}, repeat: w.random.IntN(16) == 0}
	count, stream := 1+w.random.IntN(3), ""
	switch w.random.IntN(4) {
	case 0:
		stream = "own-" + w.name
	case 1:
		stream, p.contested = contested, true
	default:
		count = 1 + w.random.IntN(5)
	}
	if stream != "" {
		p.Expect = fmt.Sprint(w.history.head(stream))
	}
	var body bytes.Buffer
	for i := range count {
		id, in := fmt.Sprintf("%s.%d", p.Key, i), stream
		if in == "" {
			in = fmt.Sprintf("stream-%d", w.random.IntN(3))
		}
		p.ids = append(p.ids, id)
		fmt.Fprintf(&body, `{"stream_id":%q,"id":%q,"payload":{"of":%q}}`+"\n", in, id, id)
	}
	p.NDJSON = body.Bytes()
	w.history.mu.Lock()
	defer w.history.mu.Unlock()
	for _, id := range p.ids {
		w.history.sent[id] = true
	}
	return p
}

// write appends up to so many batches. It begins with the one that an earlier
// crash left open, whose repetition must settle it, and ends early when the
// server is gone.
func (w *writer) write(t *testing.T, c *client.Client, batches int) {
	for range batches {
		if w.open == nil {
			w.open = w.next()
		}
		if !w.settle(t, c) {
			return
		}
	}
}

// settle sends the open append. It reports false where that has to be repeated.
func (w *writer) settle(t *testing.T, c *client.Client) bool {
	p, h := w.open, w.history
	r, err := c.Append(context.Background(), p.Append)
	switch {
	case fault.Is(err, fault.Unknown):
		h.mu.Lock()
		defer h.mu.Unlock()
		if !p.unsure {
			p.unsure = true
			h.unknown++
		}
		return false
	case fault.Is(err, fault.Unavailable):
		return false
	case err == nil:
		h.note(t, r, false)
		if p.repeat {
			w.repeat(t, c)
		}
	case fault.Is(err, fault.Conflict) && p.contested:
		h.mu.Lock()
		for _, id := range p.ids {
			h.refused[id] = true
		}
		h.mu.Unlock()
	default:
		t.Errorf("append %s, expecting %q: %v", p.Key, p.Expect, err)
	}
	w.open = nil
	h.mu.Lock()
	defer h.mu.Unlock()
	if p.unsure {
		h.resolved++
	}
	return true
}

// repeat sends an append that was acknowledged once more.
func (w *writer) repeat(t *testing.T, c *client.Client) {
	r, err := c.Append(context.Background(), w.open.Append)
	switch {
	case fault.Is(err, fault.Unknown), fault.Is(err, fault.Unavailable):
	case err != nil || !r.Replayed:
		t.Errorf("repetition of append %s: %+v, %v", w.open.Key, r, err)
	default:
		w.history.note(t, r, true)
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
	Payload  struct{ Of string }
}

// asStored is how an acknowledged event must be stored.
func asStored(e client.Stored) stored {
	return stored{e.ID, e.Stream, e.Sequence, struct{ Of string }{e.ID}}
}

// check compares what is stored with what writers were told: each acknowledged
// event is there once, as acknowledged; nothing is there that was not sent, or
// that was refused; and the sequence numbers of each stream are 1, 2, 3, …
// It returns how many events are stored.
func (h *history) check(t *testing.T, c *client.Client) int {
	t.Helper()
	all, err := events(t.Context(), c, "")
	if err != nil {
		t.Fatal(err)
	}
	found := gapless(t, all)
	h.mu.Lock()
	defer h.mu.Unlock()
	for id, e := range found {
		if !h.sent[id] || h.refused[id] {
			t.Errorf("event %v was never sent, or refused (%v)", e, h.refused[id])
		}
	}
	for id, ack := range h.acked {
		if got := found[id]; got != asStored(ack) {
			t.Errorf("event %s was acknowledged as %v and is stored as %v", id, ack, got)
		}
	}
	return len(found)
}

// checkAll is check once every writer's last append is settled: nothing else may
// be stored then.
func (h *history) checkAll(t *testing.T, c *client.Client, all []*writer) {
	t.Helper()
	for _, w := range all {
		if w.open != nil {
			t.Errorf("append %s is not settled", w.open.Key)
		}
	}
	if n := h.check(t, c); n != len(h.acked) || n == 0 {
		t.Errorf("%d events are stored and %d acknowledged, though every append is settled", n, len(h.acked))
	}
}

// gapless reports events that are not numbered 1, 2, 3, … in their streams, and
// that are there twice. It returns all by id.
func gapless(t *testing.T, all []stored) map[string]stored {
	t.Helper()
	found, last := map[string]stored{}, map[string]int64{}
	for _, e := range all {
		if old, twice := found[e.ID]; twice {
			t.Errorf("event %s is stored twice: %v and %v", e.ID, old, e)
		}
		if e.Sequence != last[e.Stream]+1 {
			t.Errorf("in stream %s, %d follows %d", e.Stream, e.Sequence, last[e.Stream])
		}
		found[e.ID], last[e.Stream] = e, e.Sequence
	}
	return found
}

// events returns the instance's events, or those of one stream, by stream and
// sequence number.
func events(ctx context.Context, c *client.Client, stream string) ([]stored, error) {
	q := query{}
	q.set("from", from{testInstance, stream})
	q.set("select", []string{"id", "stream_id", "sequence_number", "payload"})
	q.set("orderBy", []order{{"stream_id", "asc"}, {"sequence_number", "asc"}})
	q.set("limit", querier.MaxLimit)
	var out []stored
	for {
		res, err := c.Query(ctx, q.encode())
		if err != nil {
			return nil, err
		}
		for _, raw := range res.Events {
			var e stored
			if err := json.Unmarshal(raw, &e); err != nil {
				return nil, err
			}
			out = append(out, e)
		}
		if res.Cursor == "" {
			return out, nil
		}
		q.set("cursor", res.Cursor)
	}
}
