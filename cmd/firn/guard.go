package main

import (
	"context"
	"encoding/json"
	"net"
	"net/http"
	"net/netip"
	"strings"

	"github.com/firnlog/firn/layout/fault"
)

// asker says whether requests need credentials; [access.Access] does.
type asker interface {
	Asks(ctx context.Context) (bool, error)
}

// guard keeps web pages away from a server as long as it asks for no
// credentials. A page in the user's browser can send requests to loopback
// addresses: across origins, which the browser tells of, or to a name of its own
// that it lets point here (DNS rebinding), which the Host header tells of. Pages
// of the origins given may. Programs are not concerned.
func guard(next http.Handler, ask asker, origins []string) (http.Handler, error) {
	across := http.NewCrossOriginProtection()
	for _, origin := range origins {
		if origin == "*" {
			continue
		}
		if err := across.AddTrustedOrigin(origin); err != nil {
			return nil, usage("--origin %q: write SCHEME://HOST[:PORT], such as https://ops.example.org", origin)
		}
	}
	across.SetDenyHandler(refuse("requests of web pages from other origins are not served as long as there is no API key: name the origin by --origin"))
	named := refuse("the server is not served under this name as long as there is no API key: use localhost or its address, or make a key (firn keys create)")
	guarded := across.Handler(next)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch asked, err := ask.Asks(r.Context()); {
		case asked || err != nil: // where nobody can tell, nobody is let in without credentials
			next.ServeHTTP(w, r)
		case !isAddress(r.Host):
			named.ServeHTTP(w, r)
		default:
			guarded.ServeHTTP(w, r)
		}
	}), nil
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
	body, err := json.Marshal(map[string]any{"type": "error", "success": false, "error": text, "code": fault.Denied.String()})
	if err != nil {
		panic(err) // strings always encode
	}
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusForbidden)
		_, _ = w.Write(body)
	})
}
