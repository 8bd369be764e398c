package start

import (
	"net/http"
	"slices"
	"strings"

	"github.com/firnlog/firn/functions/front"
	"github.com/firnlog/firn/functions/shares"
	"github.com/firnlog/firn/layout/fault"
)

// Part is one of the functions, by what it serves.
type Part string

// The functions that requests go to.
const (
	Ingest Part = "ingest" // all that writes; reads, too, where the way there is not known to the gateway
	Query  Part = "query"  // all that reads and ends
	Tail   Part = "tail"   // streams
	Socket Part = "socket" // WebSockets, which no HTTP function can hold
)

// reads are the paths that are only read from by POST.
var reads = []string{"/v1/query", "/api/query", "/api/stats", "/api/v1/events/get", "/{namespace}/api/v1/events/get"}

// Of returns the part that a route belongs to, "" for one that none serves: the
// metrics of a process mean nothing where processes come and go.
func Of(pattern string) Part {
	method, path, _ := strings.Cut(pattern, " ")
	path = strings.TrimSuffix(strings.TrimSuffix(path, "{$}"), "/")
	switch {
	case path == "/codebolt" || path == "/plugin" || path == "/websocket":
		return Socket
	case path == "/metrics" || path == shares.Path: // functions are invoked with shares
		return ""
	case strings.HasSuffix(path, "/tail") || strings.HasSuffix(path, "/events/stream"):
		return Tail
	case method == http.MethodGet || slices.Contains(reads, path) && method == http.MethodPost:
		return Query
	}
	return Ingest
}

// Handler serves what belongs to parts. The routes of others say so.
func (f *Function) Handler(parts ...Part) http.Handler {
	var doors []front.Door
	for _, d := range f.Doors.List() {
		routes := make([]front.Route, len(d.Routes))
		for i, r := range d.Routes {
			if part := Of(r.Pattern); !slices.Contains(parts, part) {
				r.Public, r.Serve = true, elsewhere(d, part)
			}
			routes[i] = r
		}
		d.Routes = routes
		doors = append(doors, d)
	}
	return f.Service.Handler(doors...)
}

// elsewhere answers for a route that another function serves.
func elsewhere(d front.Door, part Part) http.HandlerFunc {
	text := "this is not served in the cloud"
	if part != "" {
		text = "this is served by the function " + string(part) + ", which has another address"
	}
	return func(w http.ResponseWriter, r *http.Request) { d.Fail(w, r, fault.New(fault.NotFound, "%s", text)) }
}
