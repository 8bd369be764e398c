package e2e

import (
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/firnlog/firn/functions/api"
	"github.com/firnlog/firn/functions/front"
	"github.com/firnlog/firn/layout/commitlog"
	"github.com/firnlog/firn/layout/store"
	"github.com/firnlog/firn/querier"
)

// server is an HTTP API under test, and what was said to its client.
type server struct {
	*ledger
	url string
}

// surface returns the API over a store, as a server would mount it.
func surface(s store.Store) http.Handler {
	log := commitlog.Open(s)
	return api.New(front.Config{Log: log, Queries: querier.NewEngine(log), Store: s, Logger: slog.New(slog.DiscardHandler)})
}

// serve serves the API over a store for the time of the test.
func serve(t *testing.T, s store.Store) *server {
	t.Helper()
	srv := httptest.NewServer(surface(s))
	t.Cleanup(srv.Close)
	return &server{newLedger(), srv.URL}
}

// answer is what the API says.
type answer struct {
	status int
	Error  string
	Code   string
	Data   struct {
		Replayed bool
		Events   []struct {
			ID       string
			Sequence int64 `json:"sequence_number"`
		}
		Result struct{ Events []stored }
	}
}

// call sends a request, with an idempotency key if there is one.
func (s *server) call(t *testing.T, method, path, body, key string) answer {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, s.url+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	return s.send(t, req, key, http.DefaultClient.Do)
}

// send has a request answered by do.
func (s *server) send(t *testing.T, req *http.Request, key string, do func(*http.Request) (*http.Response, error)) answer {
	t.Helper()
	if key != "" {
		req.Header.Set("Idempotency-Key", key)
	}
	resp, err := do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	a := answer{status: resp.StatusCode}
	if err == nil {
		err = json.Unmarshal(text, &a)
	}
	if err != nil {
		t.Fatalf("%s %s: %q: %v", req.Method, req.URL, text, err)
	}
	return a
}

// append appends two events, which are called after name, and notes the answer.
// Every answer but 201, 503 and 504 is an error.
func (s *server) append(t *testing.T, name, key string) answer {
	t.Helper()
	a := s.call(t, http.MethodPost, "/v1/instances/"+instance+"/events", bodyOf(name), key)
	s.hear(t, name, a)
	return a
}

// bodyOf is the body of an append.
func bodyOf(name string) string {
	var b strings.Builder
	for i, e := range eventsOf(name, "a", "b") {
		fmt.Fprintf(&b, "%s{\"stream_id\":%q,\"id\":%q,\"payload\":%s}", "[,"[i:i+1], e.Stream, e.ID, e.Payload)
	}
	return b.String() + "]"
}

// hear takes in the answer to an append.
func (s *server) hear(t *testing.T, name string, a answer) {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case a.status == http.StatusCreated:
		for _, e := range a.Data.Events {
			s.ack(t, e.ID, e.Sequence)
		}
	case a.status == http.StatusServiceUnavailable && a.Code == "unavailable":
	case a.status == http.StatusGatewayTimeout && a.Code == "unknown_outcome":
		for _, e := range eventsOf(name, "a", "b") {
			s.unknown[e.ID] = true
		}
	default:
		t.Errorf("append %s: %d %s: %s", name, a.status, a.Code, a.Error)
	}
}

// mustAppend has an append succeed.
func (s *server) mustAppend(t *testing.T, name, key string) answer {
	t.Helper()
	a := s.append(t, name, key)
	if a.status != http.StatusCreated {
		t.Errorf("append %s: %d: %s", name, a.status, a.Error)
	}
	return a
}

const allEvents = `{"from":{"instance":"` + instance + `"},"limit":10000,"orderBy":[{"field":"stream_id"},{"field":"sequence_number"}]}`

// query asks for all events, and compares them with what was acknowledged.
func (s *server) query(t *testing.T) {
	t.Helper()
	a := s.call(t, http.MethodPost, "/v1/query", allEvents, "")
	if a.status != http.StatusOK {
		t.Errorf("query: %d: %s", a.status, a.Error)
		return
	}
	s.compare(t, a.Data.Result.Events)
}

// ready wants /readyz to have a status, with a reason that contains a text
// where it is not 200. /healthz must be fine in any case.
func (s *server) ready(t *testing.T, status int, reason string) {
	t.Helper()
	if a := s.call(t, http.MethodGet, "/readyz", "", ""); a.status != status || !strings.Contains(a.Error, reason) {
		t.Errorf("/readyz: %d: %q, want %d and %q", a.status, a.Error, status, reason)
	}
	if a := s.call(t, http.MethodGet, "/healthz", "", ""); a.status != http.StatusOK {
		t.Errorf("/healthz: %d: %s", a.status, a.Error)
	}
}

// refuses wants an append to be answered 503, with a reason that contains a text.
func (s *server) refuses(t *testing.T, name, reason string) {
	t.Helper()
	if a := s.append(t, name, ""); a.status != http.StatusServiceUnavailable || !strings.Contains(a.Error, reason) {
		t.Errorf("append %s: %d: %q, want 503 and %q", name, a.status, a.Error, reason)
	}
}
