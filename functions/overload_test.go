package functions_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/firnlog/firn/functions/access"
	"github.com/firnlog/firn/functions/front"
	"github.com/firnlog/firn/internal/bubble"
	"github.com/firnlog/firn/layout/commitlog"
	"github.com/firnlog/firn/layout/store"
	"github.com/firnlog/firn/querier"
)

// send sends a body and returns the status of the answer, and the answer.
func (w *world) send(ctx context.Context, t *testing.T, path, key, encoding string, body []byte) (*http.Response, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(ctx, "POST", w.url+path, bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Expect", "100-continue") // else a refusal may meet a connection that is still written to
	if encoding != "" {
		req.Header.Set("Content-Encoding", encoding)
	}
	if key != "" {
		req.Header.Set("Authorization", "Bearer "+key)
	}
	resp, err := w.client.Do(req)
	if err != nil {
		t.Error(err)
		return nil, ""
	}
	defer resp.Body.Close()
	text, _ := io.ReadAll(resp.Body)
	return resp, string(text)
}

// TestOverload drives a server far beyond what it can take, in virtual time, with
// clients that write slowly and clients that do not read among the others: what is
// acknowledged is found, once; the rest is refused with a word about when to come
// again; memory stays within what there is; and no answer takes longer than the
// waits that there are, whatever else goes on.
func TestOverload(t *testing.T) {
	const (
		senders, each = 400, 5 // of 50 KB: 100 MB for 2 MB
		readers       = 200    // of 1 MB, that do not read for a while
		slow          = 60     // writers, of a byte a second
		memory        = 2 << 20
		putTime       = 200 * time.Millisecond
		// Appends wait for memory and for two commits, the one that is under way and
		// their own; queries for their turn and for memory.
		appends, reads = front.Patience + 2*putTime, 2 * front.Patience
	)
	bubble.Run(t, func(t *testing.T) {
		w, client, stop := inMemory(t, func(cfg *front.Config, _ *access.Config) {
			cfg.Limits.Memory, cfg.Limits.Answers, cfg.Limits.Queries = memory, memory, 4
			log := commitlog.Open(&lazy{cfg.Store, putTime})
			cfg.Log, cfg.Queries = log, querier.NewEngine(log)
		})
		w.client = client
		w.wants(t, native, list(sized(t, 1<<10), 1000), 201) // what readers ask for
		o := &overload{world: w, started: time.Now(), appends: appends, reads: reads, acknowledged: map[string]bool{}}
		var all sync.WaitGroup
		for n := range slow {
			all.Go(func() { o.trickle(t, n) })
		}
		for range readers {
			all.Go(func() { o.read(t) })
		}
		pad := strings.Repeat("x", 50<<10)
		for n := range senders {
			all.Go(func() {
				for i := range each {
					o.append(t, fmt.Sprintf("%d-%d", n, i), pad)
				}
			})
		}
		all.Wait()
		o.check(t)
		synctest.Wait() // until the handlers of those who left have seen it
		if left := w.events.Lent() + w.events.Unread(); left != 0 || o.lent.Load() > memory || o.held.Load() > memory {
			t.Errorf("%d and %d bytes were lent, %d still are; there are %d of each", o.lent.Load(), o.held.Load(), left, memory)
		}
		stop()
	})
}

// lazy is a store whose puts take their time.
type lazy struct {
	store.Store
	takes time.Duration
}

func (l *lazy) Put(ctx context.Context, key string, b store.Body, c store.Condition) (store.Receipt, error) {
	time.Sleep(l.takes)
	return l.Store.Put(ctx, key, b, c)
}

// overload is what came of many requests.
type overload struct {
	*world
	started time.Time

	appends, reads time.Duration // that an answer may take

	lent atomic.Int64 // at most, to requests
	held atomic.Int64 // at most, by answers

	mu           sync.Mutex // guards what is below
	acknowledged map[string]bool
	took         []time.Duration // those that were answered as they wanted
	refused      int
}

// note counts an answer, which may have taken so long at most.
func (o *overload) note(t *testing.T, began time.Time, most time.Duration, resp *http.Response, text string) (good bool) {
	highest(&o.lent, o.events.Lent())
	highest(&o.held, o.events.Unread())
	o.mu.Lock()
	defer o.mu.Unlock()
	switch {
	case resp.StatusCode/100 == 2:
		took := time.Since(began)
		if took > most {
			t.Errorf("an answer took %v, of %v at most", took, most)
		}
		o.took = append(o.took, took)
		return true
	case resp.StatusCode != http.StatusTooManyRequests && resp.StatusCode != http.StatusServiceUnavailable:
		t.Errorf("status %d: %.200s", resp.StatusCode, text)
	case resp.Header.Get("Retry-After") == "":
		t.Errorf("a refusal does not say when to come again: %.200s", text)
	}
	o.refused++
	return false
}

// highest notes n where it is more than what was noted.
func highest(at *atomic.Int64, n int64) {
	for seen := at.Load(); n > seen && !at.CompareAndSwap(seen, n); seen = at.Load() {
	}
}

func (o *overload) append(t *testing.T, id, pad string) {
	began := time.Now()
	resp, text := o.send(context.Background(), t, native, o.keys["owner"].full, "", fmt.Appendf(nil, `{"stream_id":"load","id":%q,"payload":%q}`, id, pad))
	if resp != nil && o.note(t, began, o.appends, resp, text) {
		o.mu.Lock()
		o.acknowledged[id] = true
		o.mu.Unlock()
	}
}

// trickle sends an append a byte a second for a minute, and goes.
func (o *overload) trickle(t *testing.T, n int) {
	body, far := io.Pipe()
	go func() {
		for range 60 {
			time.Sleep(time.Second)
			if _, err := far.Write([]byte("[")); err != nil {
				return
			}
		}
		_ = far.CloseWithError(io.ErrUnexpectedEOF)
	}()
	req, err := http.NewRequest("POST", o.url+native, body)
	if err != nil {
		t.Error(err)
		return
	}
	req.Header.Set("Authorization", "Bearer "+o.keys["owner"].full)
	if resp, err := o.client.Do(req); err == nil {
		_ = resp.Body.Close()
	}
	_ = body.CloseWithError(io.ErrClosedPipe)
}

// read asks for a page and takes it in a while later.
func (o *overload) read(t *testing.T) {
	began := time.Now()
	req, err := http.NewRequest("POST", o.url+queries, strings.NewReader(ask(`"limit":1000`)))
	if err != nil {
		t.Error(err)
		return
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Authorization", "Bearer "+o.keys["owner"].full)
	resp, err := o.client.Do(req)
	if err != nil {
		t.Error(err)
		return
	}
	defer resp.Body.Close()
	o.note(t, began, o.reads, resp, "")
	time.Sleep(20 * time.Second)
	if _, err := io.Copy(io.Discard, resp.Body); err != nil {
		t.Error(err)
	}
}

// check wants what was acknowledged to be there, and answers within a time.
func (o *overload) check(t *testing.T) {
	t.Helper()
	log := commitlog.Open(o.store)
	q := querier.New("acme-log")
	q.Stream, q.Limit, q.Select = "load", querier.MaxLimit, []querier.Field{querier.ID}
	res, err := querier.NewEngine(log).Run(t.Context(), q)
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]int{}
	for _, raw := range res.Events {
		var e struct{ ID string }
		if err := json.Unmarshal(raw, &e); err != nil {
			t.Fatal(err)
		}
		found[e.ID]++
	}
	for id := range o.acknowledged {
		if found[id] != 1 {
			t.Errorf("the event %s was acknowledged and is there %d times", id, found[id])
		}
	}
	if len(found) != len(o.acknowledged) {
		t.Errorf("%d events are there, %d were acknowledged", len(found), len(o.acknowledged))
	}
	slices.Sort(o.took)
	at := func(part float64) time.Duration { return o.took[int(part*float64(len(o.took)-1))] }
	if len(o.acknowledged) == 0 || o.refused == 0 {
		t.Errorf("%d acknowledged, %d refused: this is no overload", len(o.acknowledged), o.refused)
	}
	t.Logf("%d appends acknowledged, %d requests refused in %v; answers after %v (p50), %v (p99), %v (the last); at most %d bytes lent to requests and %d to answers",
		len(o.acknowledged), o.refused, time.Since(o.started), at(.5), at(.99), at(1), o.lent.Load(), o.held.Load())
}
