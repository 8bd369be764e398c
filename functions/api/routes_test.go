package api

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/firnlog/firn/functions/front"
	"github.com/firnlog/firn/layout/commitlog"
	"github.com/firnlog/firn/layout/fault"
	"github.com/firnlog/firn/layout/store"
	"github.com/firnlog/firn/querier"
)

func TestUnknownRoutes(t *testing.T) {
	s := serve(t)
	s.do("POST", "/v1/instances", `{"id":"shop"}`).want(t, 201)
	for _, path := range []string{"/", "/v1", "/v1/", "/v1/instances/", "/v2/instances", "/v1/instances/shop/", "/v1/instances/shop/event",
		"/v1/instances/shop/events/", "/v1/instances/shop/events/1", "/v1/query/"} {
		for _, method := range []string{"GET", "POST", "PUT"} {
			s.do(method, path, "").want(t, 404, `"code":"not_found"`, "there is nothing at this path")
		}
	}
	s.do("GET", "/v1/instances/sho%70/", "").want(t, 404, `\"/v1/instances/shop/\": leave out the last slash`)
	s.do("GET", "/v1/v1/query/", "").want(t, 404, `at this path, \"/v1/v1/query/\"","code"`)
	for _, path := range []string{"//", "/v1//instances", "/v1/instances//events", "/v1/./instances", "/v1/instances/../query", "/v1/instances/shop/../../query",
		"/v1/instances/shop//events", "//v1/query"} {
		for _, method := range []string{"GET", "POST"} {
			s.do(method, path, "").want(t, 404, `"code":"not_found"`, "empty or dot segments")
		}
	}
	for path, allow := range map[string]string{
		"/v1/instances": "GET, HEAD, POST", "/v1/instances/shop": "DELETE, GET, HEAD, PATCH", "/v1/instances/shop/stats": "GET, HEAD",
		"/v1/instances/shop/events": "GET, HEAD, POST", "/v1/query": "POST", "/healthz": "GET, HEAD",
	} {
		r := s.do("PUT", path, "{}").want(t, 405, `"code":"invalid"`, allow)
		if got := r.Header.Get("Allow"); got != allow {
			t.Errorf("%s: Allow %q, want %q", path, got, allow)
		}
	}
	s.do("HEAD", "/v1/instances/shop", "").want(t, 200)
}

func TestBadInstances(t *testing.T) {
	s := serve(t)
	for _, ref := range []string{"..", "%2e%2e", ".", "%2e", "a%2fb", "..%2f..%2fcatalog", "%2Fetc", "a%5Cb", "%00", "a%0Ab", "a%7F", "%C2%85", "%ff",
		strings.Repeat("a", 2000)} {
		if ref == "." || ref == ".." {
			continue // an unclean path, see above
		}
		s.do("GET", "/v1/instances/"+ref, "").want(t, 400, "is no instance id")
		s.do("DELETE", "/v1/instances/"+ref, "").want(t, 400, "is no instance id")
		s.do("PATCH", "/v1/instances/"+ref, `{"name":"x"}`).want(t, 400, "is no instance id")
		s.do("GET", "/v1/instances/"+ref+"/stats", "").want(t, 400, "is no instance id")
		s.do("GET", "/v1/instances/"+ref+"/events", "").want(t, 400, "is no instance id")
		s.do("POST", "/v1/instances/"+ref+"/events?autoCreate=true", "{}").want(t, 400, "is no instance id")
	}
	for _, ref := range []string{"absent", "No%20Such%20Name", "%2525"} {
		s.do("GET", "/v1/instances/"+ref, "").want(t, 404, `"code":"not_found"`)
		s.do("DELETE", "/v1/instances/"+ref, "").want(t, 404, `"code":"not_found"`)
		s.do("PATCH", "/v1/instances/"+ref, `{"name":"x"}`).want(t, 404, `"code":"not_found"`)
		s.do("GET", "/v1/instances/"+ref+"/stats", "").want(t, 404, `"code":"not_found"`)
		s.do("GET", "/v1/instances/"+ref+"/events", "").want(t, 404, `"code":"not_found"`)
		s.do("POST", "/v1/instances/"+ref+"/events", "{}").want(t, 404, `"code":"not_found"`)
	}
}

// TestOwnInstance: the record of what was done to instances is read like any
// other, and written by nobody.
func TestOwnInstance(t *testing.T) {
	s := serve(t)
	s.do("POST", "/v1/instances", `{"id":"shop"}`).want(t, 201)
	s.do("PATCH", "/v1/instances/shop", `{"retentionDays":3}`).want(t, 200)
	s.do("POST", "/v1/instances/auto/events?autoCreate=true", `{}`).want(t, 201)
	s.do("DELETE", "/v1/instances/shop", "").want(t, 200)
	kept := s.events("_firn", "?tag=archive&tag=instances:shop")
	if got := show(kept, "event_type", "stream_id", "metadata"); got != strings.Repeat("archive:instances:shop:map[by:anyone] ", 2)+"archive:instances:shop:map[by:anyone]" {
		t.Errorf("recorded: %s", got)
	}
	if got := fmt.Sprint(kept[1]["payload"]); !strings.Contains(got, "retentionDays:3") || !strings.Contains(got, "action:update") {
		t.Errorf("the update is recorded as %s", got)
	}
	for tag, n := range map[string]int{"archive:create": 2, "archiving:update": 1, "archive:delete": 1, "instances:auto": 1} {
		if got := s.events("_firn", "?tag="+tag); len(got) != n {
			t.Errorf("%s: %d events, want %d", tag, len(got), n)
		}
	}
	s.do("POST", "/v1/instances/_firn/events", "{}").want(t, 403, `"code":"denied"`)
	s.do("POST", "/v1/instances/_other/events?autoCreate=true", "{}").want(t, 403)
	s.do("POST", "/v1/instances", `{"id":"_other"}`).want(t, 403)
	s.do("PATCH", "/v1/instances/_firn", `{"retentionDays":1}`).want(t, 403)
	s.do("DELETE", "/v1/instances/_firn", "").want(t, 403)
	if list := s.do("GET", "/v1/instances", "").want(t, 200); strings.Contains(string(list.raw), "_firn") {
		t.Errorf("listed: %s", list.raw)
	}
}

func TestRequestIDs(t *testing.T) {
	s := serve(t)
	for _, id := range []string{"a", "req-1/2:3", strings.Repeat("x", 128)} {
		if r := s.do("GET", "/healthz", "", "X-Request-Id: "+id); r.envelope.RequestID != id {
			t.Errorf("%q became %q", id, r.envelope.RequestID)
		}
	}
	seen := map[string]bool{}
	for _, id := range []string{"", "a b", "ä", strings.Repeat("x", 129)} {
		r := s.do("GET", "/healthz", "", "X-Request-Id: "+id)
		if got := r.envelope.RequestID; got == id || len(got) != 36 || seen[got] {
			t.Errorf("%q became %q", id, got)
		}
		seen[r.envelope.RequestID] = true
	}
}

func TestStatusTable(t *testing.T) {
	for kind, status := range map[fault.Kind]int{
		fault.Internal: 500, fault.Invalid: 400, fault.NotFound: 404, fault.Exists: 409, fault.Conflict: 409, fault.Unknown: 504,
		fault.Limit: 413, fault.Overload: 429, fault.Unavailable: 503, fault.Corrupt: 500, fault.Gone: 410, fault.Unauthenticated: 401, fault.Denied: 403,
	} {
		const secret = "what went wrong"
		s := serve(t, script(func(commitlog.Batch) (commitlog.Receipt, error) { return commitlog.Receipt{}, fault.New(kind, secret) }))
		r := s.do("POST", "/v1/instances/x/events", "{}").want(t, status, `"code":"`+kind.String()+`"`)
		inside := kind == fault.Internal || kind == fault.Corrupt
		if strings.Contains(string(r.raw), secret) == inside {
			t.Errorf("%v: answered %s", kind, r.raw)
		}
		if inside && !(strings.Contains(s.logs.String(), secret) && strings.Contains(s.logs.String(), r.envelope.RequestID)) {
			t.Errorf("%v: logged %q", kind, s.logs)
		}
		if retry := r.Header.Get("Retry-After"); (retry == "1") != (status == 429 || status == 503) {
			t.Errorf("%v: Retry-After %q", kind, retry)
		}
	}
	if front.Status(nil) != 200 || front.Status(errors.New("plain")) != 500 {
		t.Error("nil or a plain error")
	}
}

func TestPanic(t *testing.T) {
	s := serve(t, script(func(commitlog.Batch) (commitlog.Receipt, error) { panic("the sky fell") }))
	r := s.do("POST", "/v1/instances/x/events", "{}").want(t, 500, `"code":"internal"`)
	if strings.Contains(string(r.raw), "sky") || !strings.Contains(s.logs.String(), "the sky fell") || !strings.Contains(s.logs.String(), "TestPanic") {
		t.Errorf("answered %s, logged %s", r.raw, s.logs)
	}
	s.do("GET", "/healthz", "").want(t, 200)
	if text := s.metrics(); !strings.Contains(text, "\nfirn_request_memory_bytes 0\n") {
		t.Errorf("memory was not given back:\n%s", text)
	}
}

// deaf is a client that has gone: every write fails.
type deaf struct{ http.ResponseWriter }

func (deaf) Write([]byte) (int, error) { return 0, errors.New("broken pipe") }

func TestClientGone(t *testing.T) {
	log := commitlog.Open(store.NewMemory())
	h := New(front.Config{Log: log, Queries: querier.NewEngine(log), Store: log.Store()})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for _, r := range []*http.Request{
		httptest.NewRequest("GET", "/v1/instances", nil),
		httptest.NewRequest("POST", "/v1/instances/x/events?autoCreate=true", strings.NewReader("{}")),
		httptest.NewRequest("GET", "/nothing", nil),
		httptest.NewRequest("GET", "/metrics", nil),
	} {
		h.ServeHTTP(deaf{httptest.NewRecorder()}, r)
		h.ServeHTTP(deaf{httptest.NewRecorder()}, r.WithContext(ctx))
	}
}

// metrics returns what /metrics shows.
func (s *server) metrics() string {
	s.t.Helper()
	resp, err := http.Get(s.url + "/metrics")
	if err != nil {
		s.t.Fatal(err)
	}
	defer resp.Body.Close()
	var b strings.Builder
	if err := resp.Write(&b); err != nil {
		s.t.Fatal(err)
	}
	return b.String()
}

func TestMetrics(t *testing.T) {
	s := serve(t)
	for range 3 {
		s.do("POST", "/v1/instances/a/events?autoCreate=true", "[{},{}]").want(t, 201)
	}
	s.do("POST", "/v1/instances/b/events", "{}", "Idempotency-Key: k").want(t, 404)
	s.do("POST", "/v1/instances/a/events", "{}", "Idempotency-Key: k").want(t, 201)
	s.do("POST", "/v1/instances/a/events", "{}", "Idempotency-Key: k").want(t, 201)
	s.do("GET", "/no/such/path", "").want(t, 404)
	s.do("PUT", "/v1/query", "").want(t, 405)
	text := s.metrics()
	for _, line := range []string{
		`firn_http_requests_total{route="POST /v1/instances/{instance}/events",status="201"} 5`,
		`firn_http_requests_total{route="POST /v1/instances/{instance}/events",status="404"} 1`,
		`firn_http_requests_total{route="none",status="404"} 1`,
		`firn_http_requests_total{route="none",status="405"} 1`,
		`firn_http_request_duration_seconds_count{route="none"} 2`,
		`firn_events_appended_total 7`,
		`firn_request_memory_bytes 0`,
		`firn_store_requests_total{operation="put"} 7`, // the catalog and four appends, and both for the audit event
		`firn_store_requests_total{operation="delete"} 0`,
		`firn_store_bytes_total{direction="in"}`,
	} {
		if !strings.Contains(text, "\n"+line) {
			t.Errorf("no line %s", line)
		}
	}
	if t.Failed() {
		t.Log(text)
	}
}

// unlisted is a store that cannot be listed.
type unlisted struct{ store.Store }

func (unlisted) List(ctx context.Context, _ store.ListOptions) (store.Page, error) {
	return store.Page{}, fault.New(fault.Unavailable, "no route to the bucket")
}

func TestHealth(t *testing.T) {
	s := serve(t)
	s.do("GET", "/healthz", "").want(t, 200)
	s.do("GET", "/readyz", "").want(t, 200)
	s = serve(t, func(cfg *front.Config) { cfg.Store = unlisted{cfg.Store} })
	s.do("GET", "/healthz", "").want(t, 200)
	s.do("GET", "/readyz", "").want(t, 503, "the store cannot be listed: no route to the bucket", `"code":"unavailable"`)
}
