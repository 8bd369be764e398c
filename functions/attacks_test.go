package functions_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/firnlog/firn/functions/access"
	"github.com/firnlog/firn/functions/front"
	"github.com/firnlog/firn/layout/commitlog"
	"github.com/firnlog/firn/layout/store"
	"github.com/firnlog/firn/querier"
)

// raw sends bytes on a connection of its own and returns the statuses of all that
// is answered until the server closes it, and all that was said.
func (w *world) raw(t *testing.T, text string) (statuses []string, said string) {
	t.Helper()
	conn, err := net.Dial("tcp", strings.TrimPrefix(w.url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(20 * time.Second))
	if _, err := io.WriteString(conn, text); err != nil {
		t.Fatal(err)
	}
	_ = conn.(*net.TCPConn).CloseWrite()
	answers := bufio.NewReader(conn)
	for {
		resp, err := http.ReadResponse(answers, nil)
		if err != nil {
			return statuses, said
		}
		body, _ := io.ReadAll(resp.Body)
		statuses, said = append(statuses, resp.Status[:3]), said+fmt.Sprint(resp.Header)+string(body)
	}
}

// TestPathTricks: whatever way a path is written, another tenant's key leads to
// nothing of the owner's.
func TestPathTricks(t *testing.T) {
	w := newWorld(t)
	before := w.bucket(t)
	key := w.keys["other tenant"].full
	for _, path := range []string{
		"/v1/instances/acme%2dlog/events", "/v1/instances/acme-log%2fevents", "/v1/instances/acme-log%2Fevents", "/v1/instances%2facme-log/events",
		"/v1/instances/beta/../acme-log/events", "/v1/instances/beta/%2e%2e/acme-log/events", "/v1/instances/beta%2f..%2facme-log/events",
		"/v1/instances/./acme-log/events", "//v1/instances/acme-log/events", "/v1//instances/acme-log/events", "/V1/instances/acme-log/events",
		"/v1/instances/acme-log/events/", "/v1/instances/acme-log/events;x=beta", "/v1/instances/acme-log;beta/events", "/v1/instances/acme-log%00/events",
		"/v1/instances/beta%0a/events", "/v1/instances/ACME-LOG/events", "/v1/instances/acme-log%20/events", "/v1/instances/%61cme-log/events",
		"/v1/instances/acme-log/events?instance=beta", "/acme-log/api/v1/events", "/beta%2f..%2facme-log/api/v1/events",
		"http://other.example/v1/instances/acme-log/events", "/healthz/../v1/instances/acme-log/events", "/openapi.json/%2e%2e/v1/instances/acme-log/events",
		"/v1/instances/acme-log/events%3fx", "/v1/instances/acme-log\\events", "/v1/instances/_firn/events", "/_firn/api/v1/events", "/%5ffirn/api/v1/events",
	} {
		for _, method := range []string{"GET", "HEAD", "POST", "PUT", "DELETE", "TRACE", "BREW"} {
			statuses, said := w.raw(t, method+" "+path+" HTTP/1.1\r\nHost: firn.example\r\nAuthorization: Bearer "+key+"\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
			if planted(said) != "" || strings.Contains(said, "owner") || len(statuses) > 1 || len(statuses) == 1 && statuses[0] < "400" {
				t.Errorf("%s %s: %q %.300s", method, path, statuses, said)
			}
		}
	}
	if after := w.bucket(t); !maps.Equal(before, after) {
		t.Error("something was changed")
	}
}

// TestOtherMethods: no header or parameter makes another method of a request.
func TestOtherMethods(t *testing.T) {
	w := newWorld(t)
	before := w.bucket(t)
	for _, header := range []string{"X-HTTP-Method-Override", "X-HTTP-Method", "X-Method-Override"} {
		for _, method := range []string{"DELETE", "PATCH", "POST"} {
			_, _ = w.raw(t, "GET /v1/instances/acme-log?_method="+method+" HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer "+w.keys["owner"].full+"\r\n"+header+": "+method+"\r\nConnection: close\r\n\r\n")
		}
	}
	if after := w.bucket(t); !maps.Equal(before, after) {
		t.Error("something was changed")
	}
}

// TestSmuggling: a request whose end can be seen in two ways is no request, and
// what follows it is not answered.
func TestSmuggling(t *testing.T) {
	w := newWorld(t)
	inner := "GET /v1/instances/acme-log/events HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer " + w.keys["owner"].full + "\r\nConnection: close\r\n\r\n"
	head := "POST /v1/query HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer " + w.keys["other tenant"].full + "\r\n"
	for name, request := range map[string]string{
		"two lengths":              head + "Content-Length: 0\r\nContent-Length: 5\r\n\r\n" + inner,
		"a list of lengths":        head + "Content-Length: 0, 5\r\n\r\n" + inner,
		"a signed length":          head + "Content-Length: +0\r\n\r\n" + inner,
		"chunked twice":            head + "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + inner,
		"chunked and identity":     head + "Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n" + inner,
		"unknown encoding":         head + "Transfer-Encoding: xchunked\r\n\r\n" + inner,
		"a blank before the colon": head + "Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n" + inner,
		"a folded header":          head + "X-A: b\r\n Transfer-Encoding: chunked\r\n\r\n",
		"two hosts":                strings.Replace(head, "Host: x\r\n", "Host: x\r\nHost: y\r\n", 1) + "\r\n" + inner,
		"no host":                  strings.Replace(head, "Host: x\r\n", "", 1) + "\r\n" + inner,
	} {
		statuses, said := w.raw(t, request)
		if planted(said) != "" || len(statuses) != 1 || statuses[0] < "400" {
			t.Errorf("%s: %q %.300s", name, statuses, said)
		}
	}
}

// TestNamesOfOthers: nobody takes the place of an instance to come by giving its
// id to another as a name.
func TestNamesOfOthers(t *testing.T) {
	w := newWorld(t)
	as := func(who, method, path, body string) (int, string) {
		t.Helper()
		req, err := http.NewRequestWithContext(t.Context(), method, w.url+path, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", "Bearer "+w.keys[who].full)
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		text, _ := io.ReadAll(resp.Body)
		return resp.StatusCode, string(text)
	}
	for _, name := range []string{"acme-log", "acme-new", "_firn", "stackstate"} {
		if status, text := as("other tenant", "POST", "/v1/instances", `{"id":"beta-log","name":"`+name+`"}`); status != http.StatusForbidden {
			t.Errorf("an instance with the name %s: %d %s", name, status, text)
		}
	}
	if status, text := as("other tenant", "POST", "/v1/instances", `{"id":"beta-log","name":"Beta's log"}`); status != http.StatusCreated {
		t.Fatal(status, text)
	}
	if status, text := as("other tenant", "PATCH", "/v1/instances/beta-log", `{"name":"acme-new"}`); status != http.StatusForbidden {
		t.Errorf("renamed: %d %s", status, text)
	}
	if status, text := as("other tenant", "PATCH", "/v1/instances/beta-log", `{"name":"beta-other"}`); status != http.StatusOK {
		t.Errorf("renamed within one's own: %d %s", status, text)
	}
	if status, text := as("owner", "POST", "/v1/instances/acme-new/events?autoCreate=true", `{"payload":"planted-load"}`); status != http.StatusCreated {
		t.Errorf("the owner's: %d %s", status, text)
	}
	if _, text := as("other tenant", "GET", "/v1/instances/beta-log/events", ""); planted(text) != "" {
		t.Errorf("the owner's event is here: %s", text)
	}
}

// TestOrigins: web pages of origins that are not named get no session and cannot
// read answers.
func TestOrigins(t *testing.T) {
	w := newWorld(t, func(cfg *front.Config, _ *access.Config) { cfg.Origins = []string{"https://ops.example"} })
	for origin, may := range map[string]bool{"https://ops.example": true, "https://evil.example": false, "http://ops.example": false, "https://ops.example.evil.example": false, "null": false} {
		header := http.Header{"Authorization": {"Bearer " + w.keys["owner"].full}, "Origin": {origin}}
		for _, path := range []string{"/codebolt", "/websocket"} {
			conn, resp, err := websocket.Dial(t.Context(), w.url+path, &websocket.DialOptions{HTTPHeader: header})
			if err == nil {
				_ = conn.CloseNow()
			}
			if (err == nil) != may || !may && resp.StatusCode != http.StatusForbidden {
				t.Errorf("%s from %s: %v", path, origin, err)
			}
		}
		for _, method := range []string{"GET", "OPTIONS"} {
			for _, path := range []string{"/v1/instances", "/v1/query", "/api/v1/events", "/v1/instances/acme-log/tail"} {
				ctx, cancel := context.WithCancel(t.Context())
				req, err := http.NewRequestWithContext(ctx, method, w.url+path, nil)
				if err != nil {
					t.Fatal(err)
				}
				req.Header = header.Clone()
				req.Header.Set("Access-Control-Request-Method", "POST")
				resp, err := http.DefaultClient.Do(req)
				if err != nil {
					t.Fatal(err)
				}
				allowed := resp.Header.Get("Access-Control-Allow-Origin")
				if allowed == "*" || (allowed != "" || resp.Header.Get("Access-Control-Allow-Credentials") != "") && !may {
					t.Errorf("%s %s from %s: %v", method, path, origin, resp.Header)
				}
				cancel()
				_ = resp.Body.Close()
			}
		}
	}
}

// TestStrangersCostNothing: requests without credentials, and with wrong ones, ask
// the bucket for no more than the keys, once in a while.
func TestStrangersCostNothing(t *testing.T) {
	var counted *store.Counted
	w := newWorld(t, func(cfg *front.Config, guard *access.Config) {
		counted = store.NewCounted(cfg.Store)
		log := commitlog.Open(counted)
		cfg.Log, cfg.Queries, cfg.Store = log, querier.NewEngine(log), counted
		guard.Ring = access.NewRing(log, cfg.Queries, nil)
	})
	routes := w.routes(t)
	var began time.Time
	var before store.Counts
	for round := range 4 {
		if round == 1 { // the first learns what there is
			began, before = time.Now(), counted.Counts()
		}
		for _, who := range []string{"no key", "a wrong key"} {
			w.each(func(r front.Route) {
				if !r.Public || strings.HasPrefix(r.Pattern, "GET /v1") {
					w.ask(t, r, routes[r.Pattern], fmt.Sprint("acme-", round), w.keys[who].full)
				}
			})
		}
	}
	for i := range 100 { // shares of queries are let in by their seal
		req, err := http.NewRequestWithContext(t.Context(), "POST", w.url+"/v1/shares", strings.NewReader("{}"))
		if err != nil {
			t.Fatal(err)
		}
		req.Header = http.Header{"Firn-Instance": {fmt.Sprint("acme-", i)}, "Firn-Digest": {strings.Repeat("0", 64)}, "Firn-Seal": {strings.Repeat("0", 64)}}
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
	}
	// Each look at the keys is a list and what came since.
	most := 4 * int64(2+time.Since(began)/(3*time.Second))
	if c := counted.Counts().Sub(before); c.Requests() > most || c.Put+c.Delete+c.SetTags > 0 {
		t.Errorf("strangers cost %+v within %v", c, time.Since(began))
	}
}
