// Package vamp is the event API of Vamp, as its versions 0.8 to 1.2 had it, as a
// door of package front. Vamp's clients can be pointed at it unchanged.
//
//	POST /api/v1/events                publish an event, in JSON or YAML
//	GET  /api/v1/events                query, by a body or by parameters
//	POST /api/v1/events/get            the same, as versions to 0.8.5 had it
//	GET  /api/v1/events/stream         server-sent events; also POST
//	GET  /api/v1/metrics/…, /health/…  the newest value of some tags
//	GET  /api/v1/stats                 counts of what Vamp itself publishes
//	GET  /websocket                    a stream, and the calls above, as messages
//
// A namespace of Vamp is an instance of Firn: /{namespace}/api/v1/… is the same
// for that instance, and what has no namespace is for the default one. The
// instance _firn, in which Firn records all changes, is read as /_firn/api/v1/…
// in the same way. An instance is made when the first event for it arrives; one
// that is not there yet reads as one without events.
//
// An event's tags become the event's tags, each "a:b" with its prefix "a" before
// it; its type the event_type; its value the payload {"value": …}. It lies in
// the stream of its first tag with a colon, else in "default". The metadata hold
// version and digest, and the timestamp's text where that says more than the
// time: another offset than UTC, or nanoseconds. [newView] is the way back.
//
// Where Vamp's versions differ, or its behaviour is a fault, docs/moving-from-vamp.md
// says what is done here.
package vamp

import (
	"cmp"
	"net/http"
	"slices"

	"github.com/firnlog/firn/functions/front"
	"github.com/firnlog/firn/layout/catalog"
)

// DefaultInstance is the instance that requests without a namespace are for.
const DefaultInstance = "vamp"

// operation answers a request about an instance, or returns why it does not.
type operation func(w http.ResponseWriter, r *http.Request, instance string) error

// door is the API over a service.
type door struct {
	*front.Service
	instance string
	tunnel   http.ServeMux // the routes again, for calls within a WebSocket
}

// Door returns the API's routes. Instance is the one for requests without a
// namespace, "" means [DefaultInstance].
func Door(s *front.Service, instance string) front.Door {
	d := &door{Service: s, instance: cmp.Or(instance, DefaultInstance)}
	var routes []front.Route
	for path, methods := range d.operations() {
		for _, prefix := range []string{"/api/v1", "/{namespace}/api/v1"} {
			for _, end := range []string{"", "/{$}"} {
				for method, op := range methods {
					routes = append(routes, front.Route{Pattern: method + " " + prefix + path + end, Serve: d.serve(op)})
				}
				routes = append(routes, front.Route{Pattern: "OPTIONS " + prefix + path + end, Public: true, Serve: d.preflight})
			}
		}
	}
	for _, r := range routes {
		d.tunnel.HandleFunc(r.Pattern, r.Serve)
	}
	for _, path := range []string{"/websocket", "/websocket/{$}"} {
		routes = append(routes, front.Route{Pattern: "GET " + path, Serve: d.serve(d.socket)})
	}
	return front.Door{Name: "vamp", Routes: routes, Fail: d.fail}
}

// operations are the calls by path and method.
func (d *door) operations() map[string]map[string]operation {
	query, stream, stats := d.accepting(d.query), d.stream, d.accepting(d.stats)
	all := map[string]map[string]operation{
		"/events":        {"POST": d.accepting(d.publish), "GET": query},
		"/events/get":    {"POST": query, "GET": query},
		"/events/stream": {"POST": stream, "GET": stream},
		"/stats":         {"GET": stats},
		"/statistics":    {"GET": stats},
	}
	for path, tags := range readings {
		all[path] = map[string]operation{"GET": d.accepting(d.newest(tags))}
	}
	return all
}

// serve is a route for an operation.
func (d *door) serve(op operation) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		instance := cmp.Or(r.PathValue("namespace"), d.instance)
		err := catalog.CheckID(instance)
		if err == nil {
			err = op(w, r, instance)
		}
		if err != nil {
			d.fail(w, r, err)
			return
		}
	}
}

// accepting refuses what asks for an answer of another form. Streams are not
// among it, as with Vamp.
func (d *door) accepting(op operation) operation {
	return func(w http.ResponseWriter, r *http.Request, instance string) error {
		if _, err := wantsYAML(r); err != nil {
			return err
		}
		return op(w, r, instance)
	}
}

// allow tells web pages of the allowed origins that they may read the answer.
func (d *door) allow(w http.ResponseWriter, r *http.Request) {
	origin := r.Header.Get("Origin")
	if len(d.Origins) == 0 {
		return
	}
	w.Header().Set("Vary", "Origin")
	if origin == "" || !slices.Contains(d.Origins, "*") && !slices.Contains(d.Origins, origin) {
		return
	}
	w.Header().Set("Access-Control-Allow-Origin", origin)
	w.Header().Set("Access-Control-Allow-Credentials", "true")
	w.Header().Set("Access-Control-Expose-Headers", "Link, X-Total-Count")
}

// preflight answers a browser that asks what it may send (the Fetch standard).
func (d *door) preflight(w http.ResponseWriter, r *http.Request) {
	d.allow(w, r)
	if w.Header().Get("Access-Control-Allow-Origin") != "" {
		w.Header().Set("Access-Control-Allow-Methods", "GET, POST, HEAD, OPTIONS, DELETE, PUT")
		w.Header().Set("Access-Control-Max-Age", "1800")
		if wanted := r.Header.Get("Access-Control-Request-Headers"); wanted != "" {
			w.Header().Set("Access-Control-Allow-Headers", wanted)
		}
	}
	w.WriteHeader(http.StatusNoContent)
}
