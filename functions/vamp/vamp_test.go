package vamp

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/firnlog/firn/functions/api"
	"github.com/firnlog/firn/functions/front"
	"github.com/firnlog/firn/layout/commitlog"
	"github.com/firnlog/firn/layout/store"
	"github.com/firnlog/firn/querier"
)

// server is a door, and the native one, behind a real listener, with a clock that
// a test sets.
type server struct {
	t    *testing.T
	url  string
	door *door
	mu   sync.Mutex
	time time.Time
}

func (s *server) now() time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.time
}

// at sets the clock, in RFC 3339.
func (s *server) at(text string) {
	s.t.Helper()
	t, err := time.Parse(time.RFC3339, text)
	if err != nil {
		s.t.Fatal(err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.time = t
}

// serve starts a server over a new bucket in memory, changed by change.
func serve(t *testing.T, change ...func(*front.Config)) *server {
	t.Helper()
	bucket := store.NewMemory()
	log := commitlog.Open(bucket)
	s := &server{t: t}
	s.at("2016-09-13T09:00:00Z")
	cfg := front.Config{Log: log, Queries: querier.NewEngine(log), Store: bucket, Now: s.now, Logger: slog.New(slog.NewTextHandler(t.Output(), nil))}
	for _, f := range change {
		f(&cfg)
	}
	service := front.New(cfg)
	srv := httptest.NewServer(service.Handler(api.Door(service), Door(service, "")))
	t.Cleanup(srv.Close)
	s.url, s.door = srv.URL, &door{Service: service, instance: DefaultInstance}
	return s
}

// reply is an answer.
type reply struct {
	*http.Response
	body string
}

// send writes a request as it stands, but for Host, Content-Length and the
// chunks of a chunked body, and reads the answer.
func (s *server) send(method, target string, headers []string, body string) reply {
	s.t.Helper()
	conn, err := net.Dial("tcp", strings.TrimPrefix(s.url, "http://"))
	if err != nil {
		s.t.Fatal(err)
	}
	defer conn.Close()
	var b bytes.Buffer
	fmt.Fprintf(&b, "%s %s HTTP/1.1\r\nHost: vamp.example\r\nConnection: close\r\n", method, target)
	chunked := false
	for _, h := range headers {
		b.WriteString(h + "\r\n")
		chunked = chunked || strings.EqualFold(h, "Transfer-Encoding: chunked")
	}
	switch {
	case chunked:
		half := len(body) / 2
		fmt.Fprintf(&b, "\r\n%x\r\n%s\r\n%x\r\n%s\r\n0\r\n\r\n", half, body[:half], len(body)-half, body[half:])
	case body != "":
		fmt.Fprintf(&b, "Content-Length: %d\r\n\r\n%s", len(body), body)
	default:
		b.WriteString("\r\n")
	}
	go conn.Write(b.Bytes()) // a refusal may come before all of it was read
	resp, err := http.ReadResponse(bufio.NewReader(conn), &http.Request{Method: method})
	if err != nil {
		s.t.Fatalf("%s %s: %v", method, target, err)
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	if err != nil {
		s.t.Fatalf("%s %s: %v", method, target, err)
	}
	return reply{resp, string(raw)}
}

// get sends a GET.
func (s *server) get(target string) reply {
	s.t.Helper()
	return s.send("GET", target, nil, "")
}

// find sends a query as a body.
func (s *server) find(body string) reply {
	s.t.Helper()
	return s.send("GET", "/api/v1/events", nil, body)
}

// publish publishes an event that must be taken.
func (s *server) publish(body string) string {
	s.t.Helper()
	r := s.send("POST", "/api/v1/events", []string{"Content-Type: application/json"}, body)
	r.want(s.t, 201)
	return r.body
}

// want fails unless the status is as given and the body holds all texts.
func (r reply) want(t *testing.T, status int, texts ...string) {
	t.Helper()
	if r.StatusCode != status {
		t.Errorf("status %d, want %d: %s", r.StatusCode, status, r.body)
	}
	for _, text := range texts {
		if !strings.Contains(r.body, text) {
			t.Errorf("%s does not hold %s", r.body, text)
		}
	}
}

// is fails unless the answer is 200 with this body.
func (r reply) is(t *testing.T, body string) {
	t.Helper()
	if r.StatusCode != 200 || r.body != body {
		t.Errorf("status %d\n got %s\nwant %s", r.StatusCode, r.body, body)
	}
}
