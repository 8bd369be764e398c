package client

import (
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/firnlog/firn/layout/fault"
)

// answering returns a client of a server that gives one answer to everything.
func answering(t *testing.T, status int, body string) *Client {
	t.Helper()
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(status)
		_, _ = w.Write([]byte(body))
	}))
	t.Cleanup(srv.Close)
	return dial(t, srv.URL)
}

func dial(t *testing.T, url string) *Client {
	t.Helper()
	c, err := New(url)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

var batch = Append{Instance: "log", NDJSON: []byte("{}\n"), Key: "k"}

// wants checks the kinds of the errors that an append and a reading call get.
func wants(t *testing.T, c *Client, write, read fault.Kind, text string) {
	t.Helper()
	_, err := c.Append(t.Context(), batch)
	if !fault.Is(err, write) || !strings.Contains(err.Error(), text) {
		t.Errorf("append: %v (%v), want %v with %q", err, fault.KindOf(err), write, text)
	}
	if _, err = c.Query(t.Context(), []byte("{}")); !fault.Is(err, read) {
		t.Errorf("query: %v (%v), want %v", err, fault.KindOf(err), read)
	}
}

func TestErrorsOfTheServer(t *testing.T) {
	f := func(status int, code string, want fault.Kind) {
		t.Helper()
		c := answering(t, status, `{"success":false,"error":"the reason","code":"`+code+`","requestId":"r-1"}`)
		wants(t, c, want, want, "the reason")
	}
	for k := fault.Internal; k <= fault.Gone; k++ {
		f(http.StatusTeapot, k.String(), k)
	}
	f(500, "a kind of the future", fault.Internal)
	c := answering(t, 500, `{"success":false,"error":"broken","code":"internal","requestId":"r-1"}`)
	wants(t, c, fault.Internal, fault.Internal, "request r-1")
}

// What something in between answers tells by its status whether the server may
// have got the request.
func TestForeignAnswers(t *testing.T) {
	f := func(status int, body string, write, read fault.Kind) {
		t.Helper()
		wants(t, answering(t, status, body), write, read, "not that of a Firn server")
	}
	f(404, "<html>", fault.Internal, fault.Internal)
	f(429, "slow down", fault.Overload, fault.Overload)
	f(503, "", fault.Unavailable, fault.Unavailable)
	f(502, "<html>bad gateway", fault.Unknown, fault.Internal)
	f(504, "", fault.Unknown, fault.Internal)
	f(200, "ok", fault.Unknown, fault.Internal)
	f(200, `{"data":{}}`, fault.Unknown, fault.Internal)
}

// A request whose answer is lost may have been carried out; one that could not
// be sent was not.
func TestLostAnswers(t *testing.T) {
	cut := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }))
	t.Cleanup(cut.Close)
	wants(t, dial(t, cut.URL), fault.Unknown, fault.Unavailable, "answer was lost")

	half := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "1000")
		_, _ = w.Write([]byte(`{"success":true,`))
	}))
	t.Cleanup(half.Close)
	wants(t, dial(t, half.URL), fault.Unknown, fault.Unavailable, "answer was lost")

	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
	wants(t, dial(t, "http://"+l.Addr().String()), fault.Unavailable, fault.Unavailable, "cannot be reached")
	wants(t, Local(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic("bug") })), fault.Unknown, fault.Unavailable, "bug")
}

// A part of a batch may be stored beside an error about the rest.
func TestPartialAppend(t *testing.T) {
	c := answering(t, 207, `{"success":false,"error":"only a part","code":"overload","data":{"count":2}}`)
	r, err := c.Append(t.Context(), batch)
	if r.Count != 2 || !fault.Is(err, fault.Overload) {
		t.Errorf("got %+v, %v", r, err)
	}
}

func TestAppendRequest(t *testing.T) {
	var got *http.Request
	c := Local(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		got = r
		_, _ = w.Write([]byte(`{"success":true,"data":{"count":1,"replayed":true}}`))
	}))
	a := batch
	a.Instance, a.Expect, a.Create = "Page views", "none", true
	r, err := c.Append(context.Background(), a)
	if err != nil || r.Count != 1 || !r.Replayed {
		t.Fatalf("got %+v, %v", r, err)
	}
	want := "/v1/instances/Page%20views/events?autoCreate=true&expectedSequence=none&return=minimal"
	if got.URL.RequestURI() != want || got.Header.Get("Idempotency-Key") != "k" || got.Header.Get("Content-Type") != "application/x-ndjson" {
		t.Errorf("sent %s %v, want %s", got.URL.RequestURI(), got.Header, want)
	}
}

func TestNamesThatAreNone(t *testing.T) {
	c := Local(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { t.Errorf("sent %v", r.URL) }))
	for _, name := range []string{"", ".", "..", "a/b", `a\b`} {
		if _, err := c.Instance(t.Context(), name); !fault.Is(err, fault.Invalid) {
			t.Errorf("%q: %v, want invalid", name, err)
		}
	}
	for _, server := range []string{"", "127.0.0.1:7480", "ftp://x", "http://", "http://x?y=z", "http://x#y", "://"} {
		if _, err := New(server); !fault.Is(err, fault.Invalid) {
			t.Errorf("%q: %v, want invalid", server, err)
		}
	}
}
