package api

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/firnlog/firn/functions/front"
	"github.com/firnlog/firn/layout/catalog"
	"github.com/firnlog/firn/layout/commitlog"
	"github.com/firnlog/firn/layout/store"
	"github.com/firnlog/firn/querier"
)

// server is a surface behind a real listener.
type server struct {
	t    *testing.T
	url  string
	logs *syncBuffer
}

// scripted is a log whose appends are answered by a test.
type scripted struct {
	front.Log
	append func(commitlog.Batch) (commitlog.Receipt, error)
}

func (s scripted) Append(_ context.Context, _ string, b commitlog.Batch) (commitlog.Receipt, error) {
	return s.append(b)
}

func (s scripted) Instance(_ context.Context, ref string) (catalog.Instance, error) {
	return catalog.Instance{ID: ref}, nil
}

// script has the server's appends answered by f.
func script(f func(commitlog.Batch) (commitlog.Receipt, error)) func(*front.Config) {
	return func(cfg *front.Config) { cfg.Log = scripted{cfg.Log, f} }
}

// serve starts a server over a new bucket in memory, changed by change.
func serve(t *testing.T, change ...func(*front.Config)) *server {
	t.Helper()
	s := store.NewCounted(store.NewMemory())
	log := commitlog.Open(s)
	logs := &syncBuffer{}
	cfg := front.Config{Log: log, Queries: querier.NewEngine(log), Store: s, Logger: slog.New(slog.NewTextHandler(logs, nil))}
	for _, f := range change {
		f(&cfg)
	}
	srv := httptest.NewServer(New(cfg))
	t.Cleanup(srv.Close)
	return &server{t, srv.URL, logs}
}

// syncBuffer is a buffer that a server's goroutines may write to.
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

// reply is an answer and its envelope.
type reply struct {
	*http.Response
	raw      []byte
	envelope struct {
		Type      string
		Success   *bool
		Data      json.RawMessage
		Error     string
		Code      string
		Details   json.RawMessage
		Timestamp time.Time
		RequestID string
	}
}

// do sends a request. Headers are given as "Name: value". The answer must come
// in the envelope.
func (s *server) do(method, path, body string, headers ...string) reply {
	s.t.Helper()
	req, err := http.NewRequest(method, s.url+path, strings.NewReader(body))
	if err != nil {
		s.t.Fatal(err)
	}
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		req.Header.Add(name, value)
	}
	if len(body) > 100<<10 {
		req.Header.Set("Expect", "100-continue") // else a refusal may meet a connection that is still being written to
	}
	resp, err := http.DefaultTransport.RoundTrip(req) // follows no redirect
	if err != nil {
		s.t.Fatal(err)
	}
	defer resp.Body.Close()
	out := reply{Response: resp}
	if out.raw, err = io.ReadAll(resp.Body); err != nil {
		s.t.Fatal(err)
	}
	if method == http.MethodHead {
		return out
	}
	if err := json.Unmarshal(out.raw, &out.envelope); err != nil {
		s.t.Fatalf("%s %s: %v in %q", method, path, err, out.raw)
	}
	e := &out.envelope
	if e.Success == nil || e.Type == "" || e.Timestamp.IsZero() || e.RequestID == "" || e.RequestID != resp.Header.Get("X-Request-Id") ||
		resp.Header.Get("Content-Type") != "application/json" || *e.Success != (e.Error == "") || *e.Success != (e.Code == "") {
		s.t.Fatalf("%s %s: %q is no proper envelope, headers %v", method, path, out.raw, resp.Header)
	}
	return out
}

// want fails unless the status is as given and the answer holds all texts.
func (r reply) want(t *testing.T, status int, texts ...string) reply {
	t.Helper()
	if r.StatusCode != status {
		t.Errorf("%s %s: %d, want %d: %s", r.Request.Method, r.Request.URL, r.StatusCode, status, r.raw)
	}
	for _, text := range texts {
		if !strings.Contains(string(r.raw), text) {
			t.Errorf("%s %s: %s does not hold %s", r.Request.Method, r.Request.URL, r.raw, text)
		}
	}
	return r
}

// data fails unless the data is the JSON given.
func (r reply) data(t *testing.T, want string) {
	t.Helper()
	if !sameJSON(r.envelope.Data, []byte(want)) {
		t.Errorf("%s %s: data %s\nwant %s", r.Request.Method, r.Request.URL, r.envelope.Data, want)
	}
}

func sameJSON(a, b []byte) bool {
	var x, y any
	return json.Unmarshal(a, &x) == nil && json.Unmarshal(b, &y) == nil && reflect.DeepEqual(x, y)
}

// events returns the events of an instance as the API shows them.
func (s *server) events(instance, params string) []map[string]any {
	s.t.Helper()
	var data struct {
		Result struct{ Events []map[string]any }
	}
	r := s.do("GET", "/v1/instances/"+instance+"/events"+params, "").want(s.t, 200)
	if err := json.Unmarshal(r.envelope.Data, &data); err != nil {
		s.t.Fatal(err)
	}
	return data.Result.Events
}

// show writes members of events as a short text.
func show(events []map[string]any, members ...string) string {
	var all []string
	for _, e := range events {
		var one []string
		for _, m := range members {
			one = append(one, fmt.Sprint(e[m]))
		}
		all = append(all, strings.Join(one, ":"))
	}
	return strings.Join(all, " ")
}
