package main

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"testing"
)

func TestGuard(t *testing.T) {
	passed := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTeapot) })
	f := func(want int, method, host string, headers ...string) {
		t.Helper()
		r := httptest.NewRequest(method, "http://"+host+"/v1/query", nil)
		for i := 0; i < len(headers); i += 2 {
			r.Header.Set(headers[i], headers[i+1])
		}
		w := httptest.NewRecorder()
		guard(passed).ServeHTTP(w, r)
		if w.Code != want {
			t.Errorf("%s to %s with %q: status %d, want %d", method, host, headers, w.Code, want)
		}
		var envelope struct{ Error, Code string }
		if want == http.StatusForbidden && (json.Unmarshal(w.Body.Bytes(), &envelope) != nil || envelope.Error == "" || envelope.Code != "invalid") {
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
}
