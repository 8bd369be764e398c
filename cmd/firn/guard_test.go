package main

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"testing"
)

type asks bool

func (a asks) Asks(context.Context) (bool, error) { return bool(a), nil }

func TestGuard(t *testing.T) {
	passed := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTeapot) })
	f := func(want int, method, host string, headers ...string) {
		t.Helper()
		r := httptest.NewRequest(method, "http://"+host+"/v1/query", nil)
		for i := 0; i < len(headers); i += 2 {
			r.Header.Set(headers[i], headers[i+1])
		}
		w := httptest.NewRecorder()
		guarded, err := guard(passed, asks(false), []string{"https://ops.example"})
		if err != nil {
			t.Fatal(err)
		}
		guarded.ServeHTTP(w, r)
		if w.Code != want {
			t.Errorf("%s to %s with %q: status %d, want %d", method, host, headers, w.Code, want)
		}
		var envelope struct{ Error, Code string }
		if want == http.StatusForbidden && (json.Unmarshal(w.Body.Bytes(), &envelope) != nil || envelope.Error == "" || envelope.Code != "denied") {
			t.Errorf("%s to %s: %q is no envelope", method, host, w.Body)
		}
	}
	f(http.StatusTeapot, "POST", "127.0.0.1:7480")
	f(http.StatusTeapot, "POST", "localhost:7480")
	f(http.StatusTeapot, "GET", "[::1]:7480")
	f(http.StatusTeapot, "GET", "127.0.0.1")
	f(http.StatusTeapot, "POST", "127.0.0.1:7480", "Origin", "http://127.0.0.1:7480", "Sec-Fetch-Site", "same-origin")

	f(http.StatusForbidden, "GET", "firn.example:7480")
	f(http.StatusForbidden, "POST", "localhost.example")
	f(http.StatusForbidden, "POST", "127.0.0.1:7480", "Sec-Fetch-Site", "cross-site")
	f(http.StatusForbidden, "POST", "127.0.0.1:7480", "Origin", "https://elsewhere.example")
	f(http.StatusTeapot, "POST", "127.0.0.1:7480", "Origin", "https://ops.example", "Sec-Fetch-Site", "cross-site")

	if _, err := guard(passed, asks(false), []string{"ops.example"}); err == nil {
		t.Error("an origin without a scheme is taken")
	}
	// Where credentials are asked for, pages do not have them.
	w, r := httptest.NewRecorder(), httptest.NewRequest("POST", "http://firn.example/v1/query", nil)
	r.Header.Set("Sec-Fetch-Site", "cross-site")
	guarded, err := guard(passed, asks(true), nil)
	if err != nil {
		t.Fatal(err)
	}
	if guarded.ServeHTTP(w, r); w.Code != http.StatusTeapot {
		t.Errorf("with keys: status %d", w.Code)
	}
}
