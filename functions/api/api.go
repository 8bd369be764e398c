// Package api is Firn's native HTTP API: one door of package front.
//
//	POST   /v1/instances                       create an instance
//	GET    /v1/instances                       list instances
//	GET    /v1/instances/{instance}            one instance, by id or unique name
//	PATCH  /v1/instances/{instance}            change name, description, retentionDays
//	DELETE /v1/instances/{instance}            delete it and all its events
//	GET    /v1/instances/{instance}/stats      how many events it has
//	POST   /v1/instances/{instance}/events     append one or many events
//	GET    /v1/instances/{instance}/events     read events by simple conditions
//	GET    /v1/instances/{instance}/tail       events as they come, as server-sent events
//	DELETE /v1/instances/{instance}/streams/{stream}  erase a stream's events; also …/streams?stream=
//	POST   /v1/instances/{instance}/redactions        replace payloads of events
//	GET    /v1/instances/{instance}/erasures[/{id}]   how far erasures have come
//	POST   /v1/query                           the query language
//	GET    /healthz  /readyz  /metrics         for operators
//
// Every JSON answer has one envelope:
//
//	{"type": …, "success": true, "data": …, "timestamp": …, "requestId": …}
//	{"type": …, "success": false, "error": …, "code": …, "details": …, …}
//
// where type is the operation, such as eventLog.appendEvents, and code the kind
// of the error in package fault. What each kind means in HTTP stands in one
// table, [front.Status].
package api

import (
	"net/http"

	"github.com/firnlog/firn/functions/front"
)

// API is the native API over a service.
type API struct{ *front.Service }

// Door returns the API's routes.
func Door(s *front.Service) front.Door {
	a := API{s}
	return front.Door{Name: "native", Fail: a.fail, Routes: []front.Route{
		a.route("POST /v1/instances", "eventLog.createInstance", a.createInstance),
		a.route("GET /v1/instances", "eventLog.listInstances", a.listInstances),
		a.route("GET /v1/instances/{instance}", "eventLog.getInstance", a.getInstance),
		a.route("PATCH /v1/instances/{instance}", "eventLog.updateInstance", a.updateInstance),
		a.route("DELETE /v1/instances/{instance}", "eventLog.deleteInstance", a.deleteInstance),
		a.route("GET /v1/instances/{instance}/stats", "eventLog.getInstanceStats", a.instanceStats),
		a.route("POST /v1/instances/{instance}/events", "eventLog.appendEvents", a.appendEvents),
		a.route("GET /v1/instances/{instance}/events", "eventLog.queryEvents", a.readEvents),
		{Pattern: "GET /v1/instances/{instance}/tail", Serve: a.tail},
		a.route("DELETE /v1/instances/{instance}/streams/{stream}", "eventLog.eraseStream", a.eraseStream),
		a.route("DELETE /v1/instances/{instance}/streams", "eventLog.eraseStream", a.eraseStreamByName),
		a.route("POST /v1/instances/{instance}/redactions", "eventLog.redactEvents", a.redact),
		a.route("GET /v1/instances/{instance}/erasures", "eventLog.listErasures", a.listErasures),
		a.route("GET /v1/instances/{instance}/erasures/{id}", "eventLog.getErasure", a.getErasure),
		{Pattern: "POST /v1/query", Serve: a.queryOrStream},
		a.open("GET /healthz", "health", a.healthy),
		a.open("GET /readyz", "ready", a.ready),
		{Pattern: "GET /metrics", Serve: a.metrics},
	}}
}

// New returns the native API alone as a handler.
func New(cfg front.Config) http.Handler {
	s := front.New(cfg)
	return s.Handler(Door(s))
}

// operation serves one route. An error beside an answer sets its status, unless
// the answer has one; data and details of the answer are shown in either case.
type operation func(w http.ResponseWriter, r *http.Request) (answer, error)

func (a API) route(pattern, name string, serve operation) front.Route {
	return front.Route{Pattern: pattern, Serve: func(w http.ResponseWriter, r *http.Request) {
		ans, err := serve(w, r)
		a.respond(w, r, name, ans, err)
	}}
}

// open is a route that asks for no credentials.
func (a API) open(pattern, name string, serve operation) front.Route {
	route := a.route(pattern, name, serve)
	route.Public = true
	return route
}

func (a API) fail(w http.ResponseWriter, r *http.Request, err error) {
	a.respond(w, r, "error", answer{}, err)
}

// metrics shows how busy everyone is, and so only to those who may read Firn's own
// events.
func (a API) metrics(w http.ResponseWriter, r *http.Request) {
	if err := front.Allow(r.Context(), front.CanQuery, front.Own); err != nil {
		a.fail(w, r, err)
		return
	}
	a.ServeMetrics(w, r)
}

// healthy says that the process is up.
func (a API) healthy(http.ResponseWriter, *http.Request) (answer, error) { return answer{}, nil }

// ready says whether what it needs can be reached.
func (a API) ready(_ http.ResponseWriter, r *http.Request) (answer, error) {
	return answer{}, a.Ready(r.Context())
}
