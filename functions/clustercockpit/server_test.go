package clustercockpit

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/firnlog/firn/functions/front"
	"github.com/firnlog/firn/layout/commitlog"
	"github.com/firnlog/firn/layout/store"
	"github.com/firnlog/firn/querier"
)

// arrival is the clock of most tests. That of the log is the real one, so that a
// retention must be long for events of then to be shown.
var arrival = time.Date(2026, 11, 22, 6, 0, 0, 0, time.UTC)

// century is a retention in days.
const century = 36_500

// bench is an event store over a bucket in memory, with its door behind a real
// listener.
type bench struct {
	t     testing.TB
	store *EventStore
	url   string
	logs  *syncBuffer
}

func newBench(t testing.TB, config Config, change ...func(*front.Config)) *bench {
	t.Helper()
	log := commitlog.Open(store.NewMemory())
	logs := &syncBuffer{}
	cfg := front.Config{Log: log, Queries: querier.NewEngine(log), Store: store.NewMemory(), Logger: slog.New(slog.NewTextHandler(logs, nil)),
		Now: func() time.Time { return arrival }}
	for _, f := range change {
		f(&cfg)
	}
	s := front.New(cfg)
	c := New(s, config)
	srv := httptest.NewServer(s.Handler(c.Door()))
	t.Cleanup(srv.Close)
	return &bench{t, c, srv.URL, logs}
}

// anyone is a context that may do everything.
func anyone(t testing.TB) context.Context { return front.WithCaller(t.Context(), front.Anyone) }

// do sends a request and returns the answer's status, media type and body.
// Headers are given as "Name: value".
func do(t testing.TB, method, url, body string, headers ...string) (int, http.Header, string) {
	t.Helper()
	req, err := http.NewRequest(method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		req.Header.Add(name, value)
	}
	resp, err := http.DefaultTransport.RoundTrip(req) // follows no redirect
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, resp.Header, string(answer)
}

// write sends lines and wants them stored.
func (b *bench) write(params, lines string, headers ...string) {
	b.t.Helper()
	if status, _, answer := do(b.t, "POST", b.url+"/api/write/?"+params, lines, headers...); status != 200 || answer != "" {
		b.t.Fatalf("write %q: %d %s", lines, status, answer)
	}
}

// ask sends a query and wants an answer.
func (b *bench) ask(request string) queryAnswer {
	b.t.Helper()
	status, _, body := do(b.t, "POST", b.url+"/api/query/", request)
	var answer queryAnswer
	if err := json.Unmarshal([]byte(body), &answer); status != 200 || err != nil {
		b.t.Fatalf("query %s: %d %s %v", request, status, body, err)
	}
	return answer
}

// texts returns the texts of a list.
func texts(s series) string {
	var all []string
	for _, e := range s.Data {
		all = append(all, e.Event)
	}
	return strings.Join(all, " ")
}

// events returns what an instance holds, in append order.
func (b *bench) events(name string) []storedEvent {
	b.t.Helper()
	var all []storedEvent
	q := querier.New(name)
	q.Limit, q.NoTotal = querier.MaxLimit, true
	q.Select = []querier.Field{querier.Stream, querier.Payload, querier.Metadata}
	for {
		res, err := b.store.Query(anyone(b.t), q)
		if err != nil {
			b.t.Fatal(err)
		}
		for _, raw := range res.Events {
			e, err := parseStored(raw)
			if err != nil {
				b.t.Fatal(err)
			}
			all = append(all, e)
		}
		if res.Cursor == "" {
			return all
		}
		q.Cursor = res.Cursor
	}
}

// number returns the number that an event's text is.
func (b *bench) number(e storedEvent) int {
	b.t.Helper()
	n, err := strconv.Atoi(e.show(eventKind, false).Event)
	if err != nil {
		b.t.Fatal(err)
	}
	return n
}

// count returns how many events an instance holds; 0 for one that is not there.
func (b *bench) count(name string) int64 {
	b.t.Helper()
	q := querier.New(name)
	q.Limit = 0
	res, err := b.store.Query(anyone(b.t), q)
	if front.Status(err) == http.StatusNotFound {
		return 0
	}
	if err != nil {
		b.t.Fatal(err)
	}
	return res.Total
}

// stats returns the statistics.
func (b *bench) stats() statsAnswer {
	b.t.Helper()
	_, _, body := do(b.t, "GET", b.url+"/api/stats/", "")
	var answer statsAnswer
	if err := json.Unmarshal([]byte(body), &answer); err != nil {
		b.t.Fatalf("%v in %s", err, body)
	}
	return answer
}

// eventually waits for a condition, for which there is no signal.
func eventually(t testing.TB, what string, holds func() bool) {
	t.Helper()
	deadline := time.After(2 * time.Minute)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !holds() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("in vain waited for: %s", what)
		}
	}
}

// syncBuffer is a buffer that several goroutines may write to.
type syncBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *syncBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *syncBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}

// scripted is a log whose appends go through a test's function.
type scripted struct {
	front.Log
	append func(ctx context.Context, instance string, b commitlog.Batch) (commitlog.Receipt, error)
}

func (s scripted) Append(ctx context.Context, instance string, b commitlog.Batch) (commitlog.Receipt, error) {
	return s.append(ctx, instance, b)
}
