package api

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/firnlog/firn/functions/front"
	"github.com/firnlog/firn/internal/bubble"
	"github.com/firnlog/firn/layout/commitlog"
	"github.com/firnlog/firn/layout/fault"
	"github.com/firnlog/firn/layout/store"
	"github.com/firnlog/firn/querier"
)

// streaming is a server with the deadlines of a real one, made short.
type streaming struct {
	*server
	service *front.Service
	http    *http.Server
	denied  *atomic.Bool
}

func serveStreams(t *testing.T) *streaming {
	t.Helper()
	log := commitlog.Open(store.NewMemory())
	denied := &atomic.Bool{}
	service := front.New(front.Config{Log: log, Queries: querier.NewEngine(log), Store: log.Store(), Logger: slog.New(slog.DiscardHandler),
		Authenticate: func(*http.Request) (front.Caller, error) {
			if denied.Load() {
				return front.Caller{}, fault.New(fault.Unauthenticated, "the key is no more")
			}
			return front.Anyone, nil
		}})
	srv := httptest.NewUnstartedServer(service.Handler(Door(service)))
	srv.Config.ReadTimeout, srv.Config.WriteTimeout = 300*time.Millisecond, 300*time.Millisecond
	srv.Config.RegisterOnShutdown(service.StopTails)
	srv.Start()
	t.Cleanup(srv.Close)
	return &streaming{&server{t: t, url: srv.URL}, service, srv.Config, denied}
}

// frames are the parts of a stream between blank lines.
type frames struct {
	t     *testing.T
	resp  *http.Response
	lines *bufio.Reader
}

func (s *server) stream(path string, headers ...string) *frames {
	s.t.Helper()
	req, err := http.NewRequestWithContext(s.t.Context(), "GET", s.url+path, nil)
	if err != nil {
		s.t.Fatal(err)
	}
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		req.Header.Set(name, value)
	}
	resp, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { resp.Body.Close() })
	if resp.StatusCode != 200 || resp.Header.Get("Content-Type") != "text/event-stream" || resp.Header.Get("Cache-Control") != "no-store" || resp.Header.Get("X-Accel-Buffering") != "no" {
		s.t.Fatalf("%s: %s %v", path, resp.Status, resp.Header)
	}
	return &frames{s.t, resp, bufio.NewReader(resp.Body)}
}

// next returns the fields of the next frame, nil at the stream's end.
func (f *frames) next() map[string]string {
	f.t.Helper()
	out := map[string]string{}
	for {
		line, err := f.lines.ReadString('\n')
		if err == io.EOF {
			return nil
		}
		if err != nil {
			f.t.Fatal(err)
		}
		if line == "\n" {
			return out
		}
		name, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), ": ")
		if _, twice := out[name]; twice {
			f.t.Errorf("%s is there twice", name)
		}
		out[name] = value
	}
}

// event returns the next event and its id.
func (f *frames) event() (map[string]any, string) {
	f.t.Helper()
	for {
		frame := f.next()
		if frame == nil {
			f.t.Fatal("the stream ended")
		}
		if frame["data"] == "" {
			continue
		}
		var e map[string]any
		if err := json.Unmarshal([]byte(frame["data"]), &e); err != nil || frame["id"] == "" || frame["event"] != "" {
			f.t.Fatalf("%v: %v", frame, err)
		}
		return e, frame["id"]
	}
}

func TestTailStreams(t *testing.T) {
	s := serveStreams(t)
	s.do("POST", "/v1/instances", `{"id":"shop","name":"The shop"}`).want(t, 201)
	s.do("POST", "/v1/instances/shop/events", `{"stream_id":"old"}`).want(t, 201)
	live := s.stream("/v1/instances/The%20shop/tail")
	first := live.next() // where the stream begins, for who loses it before an event comes
	if first["id"] == "" || first["retry"] != "1000" || len(first) != 2 {
		t.Errorf("the stream begins with %v", first)
	}
	time.Sleep(500 * time.Millisecond) // longer than the server's deadlines for requests
	body := "{\"stream_id\":\"a\",\"event_type\":\"t\\u00e4\",\"tags\":[\"x\",\"y\"],\"metadata\":{\"m\":1.0},\"payload\":{\n\"n\":\r\n 1e0 , \"text\":\"a\\nb: <&>\"}}"
	s.do("POST", "/v1/instances/shop/events", body).want(t, 201)
	got, id := live.event()
	want := s.events("shop", "?stream=a")[0]
	if len(want) < 8 || !sameJSON(encode(got), encode(want)) {
		t.Errorf("streamed %v\nread     %v", got, want)
	}
	s.do("POST", "/v1/instances/shop/events", `[{"stream_id":"a","event_type":"u","tags":["x"]},{"stream_id":"b","event_type":"u","tags":["x","y"]},{"stream_id":"a","event_type":"v","tags":["y","x"]}]`).want(t, 201)
	wants := func(f *frames, want string) {
		t.Helper()
		var list []map[string]any
		for range strings.Fields(want) {
			e, _ := f.event()
			list = append(list, e)
		}
		if got := show(list, "stream_id", "sequence_number"); got != want {
			t.Errorf("streamed %s, want %s", got, want)
		}
	}
	wants(live, "a:2 b:1 a:3")
	wants(s.stream("/v1/instances/shop/tail", "Last-Event-ID: "+id), "a:2 b:1 a:3")
	wants(s.stream("/v1/instances/shop/tail?after="+id), "a:2 b:1 a:3")
	wants(s.stream("/v1/instances/shop/tail", "Last-Event-ID: "+first["id"]), "a:1 a:2 b:1 a:3")
	wants(s.stream("/v1/instances/shop/tail?after=start", "Last-Event-ID: "+id), "a:2 b:1 a:3") // the header goes before
	wants(s.stream("/v1/instances/shop/tail?after=start&stream=a"), "a:1 a:2 a:3")
	wants(s.stream("/v1/instances/shop/tail?after=start&type=u&type=v&tag=x&tag=y"), "b:1 a:3")
	if n := s.service.Tails(); n < 2 {
		t.Errorf("%d tails are open", n)
	}
}

func TestTailRefusals(t *testing.T) {
	s := serveStreams(t)
	s.do("POST", "/v1/instances", `{"id":"shop"}`).want(t, 201)
	s.do("GET", "/v1/instances/none/tail", "").want(t, 404, `"type":"eventLog.tail"`, `"code":"not_found"`)
	s.do("GET", "/v1/instances/shop/tail?after=x", "").want(t, 400, "no cursor of a tail")
	s.do("GET", "/v1/instances/shop/tail", "", "Last-Event-ID: x").want(t, 400, "no cursor of a tail")
	s.do("GET", "/v1/instances/shop/tail?after=", "").want(t, 400, "empty")
	s.do("GET", "/v1/instances/shop/tail?limit=1", "").want(t, 400, "no parameter here")
	s.do("GET", "/v1/instances/shop/tail?stream=a&stream=b", "").want(t, 400, "twice")
	s.do("POST", "/v1/instances/shop/tail", "").want(t, 405)
	s.do("HEAD", "/v1/instances/shop/tail", "").want(t, 200)
	s.denied.Store(true)
	s.do("GET", "/v1/instances/shop/tail", "").want(t, 401)
}

func TestTailEndsWithItsInstance(t *testing.T) {
	s := serveStreams(t)
	s.do("POST", "/v1/instances", `{"id":"shop"}`).want(t, 201)
	live := s.stream("/v1/instances/shop/tail")
	live.next()
	s.do("DELETE", "/v1/instances/shop", "").want(t, 200)
	if end := live.next(); end["event"] != "end" || !sameJSON([]byte(end["data"]), []byte(`{"code":"gone","error":"instance \"shop\" was deleted"}`)) {
		t.Errorf("the stream ends with %v", end)
	}
	if more := live.next(); more != nil {
		t.Errorf("behind its end: %v", more)
	}
}

// TestShutdownEndsStreams: a server that stops does not wait for them.
func TestShutdownEndsStreams(t *testing.T) {
	s := serveStreams(t)
	s.do("POST", "/v1/instances", `{"id":"shop"}`).want(t, 201)
	live := s.stream("/v1/instances/shop/tail")
	live.next()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	if err := s.http.Shutdown(ctx); err != nil {
		t.Error(err)
	}
	if end := live.next(); end["event"] != "end" || !strings.Contains(end["data"], `"unavailable"`) {
		t.Errorf("the stream ends with %v", end)
	}
}

// TestGoneClientEndsItsTail: nothing is kept for a client that has left.
func TestGoneClientEndsItsTail(t *testing.T) {
	s := serveStreams(t)
	s.do("POST", "/v1/instances", `{"id":"shop"}`).want(t, 201)
	live := s.stream("/v1/instances/shop/tail")
	live.next()
	live.resp.Body.Close()
	for deadline := time.Now().Add(10 * time.Second); s.service.Tails() > 0; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("the tail is still open")
		}
	}
}

// stuck is a connection whose client does not read: writes last until their
// deadline.
type stuck struct {
	http.ResponseWriter
	deadline chan time.Time
}

func (s stuck) SetWriteDeadline(at time.Time) error { s.deadline <- at; return nil }
func (s stuck) SetReadDeadline(time.Time) error     { return nil }
func (s stuck) FlushError() error                   { return nil }
func (s stuck) Write([]byte) (int, error) {
	return 0, &net.OpError{Op: "write", Err: errors.New("i/o timeout")}
}

// TestDeafClientIsDropped: every write has a deadline, and the first that fails
// ends the stream.
func TestDeafClientIsDropped(t *testing.T) {
	s := serveStreams(t)
	s.do("POST", "/v1/instances", `{"id":"shop"}`).want(t, 201)
	w := stuck{httptest.NewRecorder(), make(chan time.Time, 10)}
	s.service.Handler(Door(s.service)).ServeHTTP(w, httptest.NewRequest("GET", "/v1/instances/shop/tail", nil))
	if at := <-w.deadline; time.Until(at) > writePatience || s.service.Tails() != 0 {
		t.Errorf("deadline %v, %d tails", at, s.service.Tails())
	}
}

// kept is an answer that is kept as it grows.
type kept struct {
	syncBuffer
	header http.Header
}

func (k *kept) Header() http.Header { return k.header }
func (k *kept) WriteHeader(int)     {}
func (k *kept) Flush()              {}

// TestStreamShowsLife: every 15 seconds there is something, the cursor where
// events passed by, and the caller's rights are looked at again.
func TestStreamShowsLife(t *testing.T) {
	bubble.Run(t, func(t *testing.T) {
		log := commitlog.Open(store.NewMemory())
		var denied atomic.Bool
		service := front.New(front.Config{Log: log, Queries: querier.NewEngine(log), Store: log.Store(), Logger: slog.New(slog.DiscardHandler),
			Authenticate: func(*http.Request) (front.Caller, error) {
				if denied.Load() {
					return front.Caller{}, fault.New(fault.Unauthenticated, "the key is no more")
				}
				return front.Anyone, nil
			}})
		h := service.Handler(Door(service))
		h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("POST", "/v1/instances", strings.NewReader(`{"id":"shop"}`)))
		w := &kept{header: http.Header{}}
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			h.ServeHTTP(w, httptest.NewRequest("GET", "/v1/instances/shop/tail?stream=rare", nil))
		}()
		synctest.Wait()
		begun := w.String()
		since := func(d time.Duration) string {
			time.Sleep(d)
			synctest.Wait()
			was := len(begun)
			begun = w.String()
			return begun[was:]
		}
		if got := since(46 * time.Second); got != ":\n\n:\n\n:\n\n" {
			t.Errorf("in three quarters of an idle minute came %q", got)
		}
		h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("POST", "/v1/instances/shop/events", strings.NewReader(`{"stream_id":"other"}`)))
		if got := since(15 * time.Second); !strings.HasPrefix(got, "id: ") || strings.Count(got, "\n") != 2 {
			t.Errorf("after an event that does not match came %q", got)
		}
		denied.Store(true)
		if got := since(15 * time.Second); !strings.Contains(got, `"unauthenticated"`) {
			t.Errorf("after its key was withdrawn the stream said %q", got)
		}
		<-ended
	})
}
