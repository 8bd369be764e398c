package main

import (
	"encoding/json"
	"net"
	"net/http"
	"net/netip"
	"strings"

	"github.com/firnlog/firn/layout/fault"
)

// guard keeps web pages away from a server that asks for no key. A page in the
// user's browser can send requests to loopback addresses: across origins, which
// the browser tells of, or to a name of its own that it lets point here (DNS
// rebinding), which the Host header tells of. Programs are not concerned.
func guard(next http.Handler) http.Handler {
	origins := http.NewCrossOriginProtection()
	origins.SetDenyHandler(refuse("requests of web pages from elsewhere are not served"))
	named := refuse("the server is not served under this name: use localhost or its address")
	next = origins.Handler(next)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !isAddress(r.Host) {
			named.ServeHTTP(w, r)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// isAddress reports whether a Host header bears an address, or localhost, and
// so no name that another could have given out.
func isAddress(hostport string) bool {
	host := hostport
	if h, _, err := net.SplitHostPort(hostport); err == nil {
		host = h
	}
	_, err := netip.ParseAddr(strings.Trim(host, "[]"))
	return err == nil || host == "localhost" || host == ""
}

// refuse answers with status 403 in the envelope of the API.
func refuse(text string) http.Handler {
	body, err := json.Marshal(map[string]any{"type": "error", "success": false, "error": text, "code": fault.Invalid.String()})
	if err != nil {
		panic(err) // strings always encode
	}
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusForbidden)
		_, _ = w.Write(body)
	})
}
