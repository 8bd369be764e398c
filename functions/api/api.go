// Package api is Firn's native HTTP surface: one [http.Handler] over an event
// log, mounted by the functions and by the local server alike.
//
//	POST   /v1/instances                       create an instance
//	GET    /v1/instances                       list instances
//	GET    /v1/instances/{instance}            one instance, by id or unique name
//	PATCH  /v1/instances/{instance}            change name, description, retentionDays
//	DELETE /v1/instances/{instance}            delete it and all its events
//	GET    /v1/instances/{instance}/stats      how many events it has
//	POST   /v1/instances/{instance}/events     append one or many events
//	GET    /v1/instances/{instance}/events     read events by simple conditions
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
// table, [Status].
package api

import (
	"context"
	"log/slog"
	"net/http"
	"path"
	"runtime/debug"
	"strings"
	"sync/atomic"
	"time"

	"github.com/google/uuid"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/firnlog/firn/layout/catalog"
	"github.com/firnlog/firn/layout/commitlog"
	"github.com/firnlog/firn/layout/fault"
	"github.com/firnlog/firn/layout/store"
	"github.com/firnlog/firn/querier"
)

// Log is the event log that a surface writes to; [commitlog.Log] is one. Its
// methods MUST be safe for concurrent use and keep what that type promises
// about durability, order and errors.
type Log interface {
	CreateInstance(ctx context.Context, spec catalog.Instance) (catalog.Instance, error)
	Instance(ctx context.Context, idOrName string) (catalog.Instance, error)
	Instances(ctx context.Context) ([]catalog.Instance, error)
	UpdateInstance(ctx context.Context, id string, u commitlog.Update) (catalog.Instance, error)
	DeleteInstance(ctx context.Context, id string) (catalog.Instance, error)
	Append(ctx context.Context, instance string, b commitlog.Batch) (commitlog.Receipt, error)
}

// Queries answers queries; [querier.Engine] does. Run MUST see every event that
// was acknowledged before it was called.
type Queries interface {
	Run(ctx context.Context, q *querier.Query) (*querier.Result, error)
}

// Config is what a surface is made of. Log, Queries and Store are needed.
type Config struct {
	Log     Log
	Queries Queries
	// Store is asked by /readyz whether it can be reached. A [store.Counted]
	// is counted in the metrics.
	Store store.Store
	// Logger takes failures that are not the client's; nil means slog.Default.
	Logger *slog.Logger
	// Registry takes the surface's metrics and is what /metrics shows; nil
	// means one of its own.
	Registry *prometheus.Registry
	// Memory bounds the bytes of requests that are being taken in at once; 0
	// means DefaultMemory.
	Memory int64
	// Now is the clock; nil means time.Now.
	Now func() time.Time
}

// API is the HTTP surface.
type API struct {
	Config
	mux     *http.ServeMux
	memory  *memory
	metrics *metrics

	refusing atomic.Bool // the store did not take the last append
}

// New returns the surface over cfg.
func New(cfg Config) *API {
	if cfg.Logger == nil {
		cfg.Logger = slog.Default()
	}
	if cfg.Registry == nil {
		cfg.Registry = prometheus.NewRegistry()
	}
	if cfg.Memory == 0 {
		cfg.Memory = DefaultMemory
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	a := &API{Config: cfg, mux: http.NewServeMux(), memory: newMemory(cfg.Memory)}
	a.metrics = newMetrics(cfg.Registry, a.memory, cfg.Store)
	a.routes()
	return a
}

func (a *API) routes() {
	for pattern, route := range map[string]struct {
		operation string
		serve     operation
	}{
		"POST /v1/instances":                   {"eventLog.createInstance", a.createInstance},
		"GET /v1/instances":                    {"eventLog.listInstances", a.listInstances},
		"GET /v1/instances/{instance}":         {"eventLog.getInstance", a.getInstance},
		"PATCH /v1/instances/{instance}":       {"eventLog.updateInstance", a.updateInstance},
		"DELETE /v1/instances/{instance}":      {"eventLog.deleteInstance", a.deleteInstance},
		"GET /v1/instances/{instance}/stats":   {"eventLog.getInstanceStats", a.instanceStats},
		"POST /v1/instances/{instance}/events": {"eventLog.appendEvents", a.appendEvents},
		"GET /v1/instances/{instance}/events":  {"eventLog.queryEvents", a.readEvents},
		"POST /v1/query":                       {"eventLog.queryEvents", a.query},
		"GET /healthz":                         {"health", a.healthy},
		"GET /readyz":                          {"ready", a.ready},
	} {
		a.mux.Handle(pattern, a.handle(route.operation, route.serve))
	}
	a.mux.Handle("GET /metrics", metricsHandler(a.Registry))
}

// operation serves one route. An error beside an answer sets its status, unless
// the answer has one; data and details of the answer are shown in either case.
type operation func(w http.ResponseWriter, r *http.Request) (answer, error)

func (a *API) handle(name string, serve operation) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ans, err := serve(w, r)
		a.respond(w, r, name, ans, err)
	})
}

// ServeHTTP implements [http.Handler]. A panic is logged and answered with 500.
func (a *API) ServeHTTP(rw http.ResponseWriter, r *http.Request) {
	start := time.Now()
	w := &recorder{ResponseWriter: rw}
	w.Header().Set(requestIDHeader, requestID(r))
	defer func() {
		p := recover()
		if p != nil && p != http.ErrAbortHandler {
			a.Logger.Error("panic", "route", r.Pattern, "requestId", w.Header().Get(requestIDHeader), "panic", p, "stack", string(debug.Stack()))
			if w.status == 0 {
				a.respond(w, r, "error", answer{}, fault.New(fault.Internal, "panic"))
			}
		}
		a.metrics.observe(r.Pattern, w.status, time.Since(start))
		if p == http.ErrAbortHandler {
			panic(p)
		}
	}()
	a.route(w, r)
}

// route finds the handler. The mux would answer an unclean path with a
// redirect, on which clients turn a POST into a GET, and others with plain
// text: both get the envelope here.
func (a *API) route(w http.ResponseWriter, r *http.Request) {
	if !clean(r.URL.EscapedPath()) {
		a.respond(w, r, "error", answer{}, fault.New(fault.NotFound, "there is nothing at this path: it holds empty or dot segments"))
		return
	}
	h, pattern := a.mux.Handler(r)
	if pattern != "" {
		a.mux.ServeHTTP(w, r)
		return
	}
	probe := &recorder{ResponseWriter: blank{http.Header{}}}
	h.ServeHTTP(probe, r)
	if probe.status == http.StatusMethodNotAllowed {
		allow := probe.Header().Get("Allow")
		w.Header().Set("Allow", allow)
		a.respond(w, r, "error", answer{status: probe.status}, fault.New(fault.Invalid, "the method %q is not allowed here: %s", shorten(r.Method), allow))
		return
	}
	a.respond(w, r, "error", answer{}, fault.New(fault.NotFound, "there is nothing at this path"))
}

// clean reports whether a path is one that the mux takes as it is.
func clean(escaped string) bool {
	if escaped == "" || escaped[0] != '/' {
		return false
	}
	want := path.Clean(escaped)
	if want != "/" && strings.HasSuffix(escaped, "/") {
		want += "/"
	}
	return escaped == want
}

const requestIDHeader = "X-Request-Id"

// requestID returns the id that the client gave, where it is sane, or a new one.
func requestID(r *http.Request) string {
	if id := r.Header.Get(requestIDHeader); visible(id, 128) {
		return id
	}
	return uuid.NewString()
}

// visible reports whether s is 1 to limit visible ASCII characters.
func visible(s string, limit int) bool {
	for i := range len(s) {
		if s[i] <= ' ' || s[i] > '~' {
			return false
		}
	}
	return len(s) > 0 && len(s) <= limit
}
