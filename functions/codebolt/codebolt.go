// Package codebolt speaks the protocol of the Codebolt Event Log API: JSON
// messages over a WebSocket at /codebolt, and at /plugin for plugins.
//
// A request is {"type": "eventLog.<operation>", "requestId": …, "params": {…}},
// and every one is answered, whatever is wrong with it, since the client waits
// for ever:
//
//	{"type": "eventLog.<operation>", "success": true, "data": …, "message": …, "timestamp": …, "requestId": …}
//	{"type": "eventLog.<operation>", "success": false, "error": …, "code": …, "timestamp": …, "requestId": …}
//
// code is the kind of the error in package fault; message says which members of
// the request nobody knows. Requests of one connection are carried out at the
// same time and answered as they end, in any order.
//
// [Server.Handle] is the protocol without the socket.
package codebolt

import (
	"context"
	"net/http"
	"runtime/debug"
	"slices"
	"sync"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/firnlog/firn/functions/front"
	"github.com/firnlog/firn/layout/fault"
)

// Server answers requests of Codebolt's clients and holds their connections.
type Server struct {
	*front.Service
	requests *prometheus.CounterVec

	ctx   context.Context // of all connections
	abort context.CancelFunc

	mu       sync.Mutex // guards the two below, and that no socket is added once stopping is closed
	stopping chan struct{}
	stopped  bool
	sockets  sync.WaitGroup
}

// New returns a server over a service, in whose registry it counts requests by
// operation and success. There can be one for each service.
func New(s *front.Service) *Server {
	d := &Server{Service: s, stopping: make(chan struct{})}
	d.ctx, d.abort = context.WithCancel(context.Background())
	d.requests = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "firn_codebolt_requests_total", Help: "Requests over WebSockets by operation and success.",
	}, []string{"operation", "success"})
	s.Registry.MustRegister(d.requests)
	return d
}

// Door returns the server's routes. Connections outlive what an [http.Server]
// waits for when it is shut down: see [Server.Shutdown].
func (d *Server) Door() front.Door {
	return front.Door{Name: "codebolt", Fail: d.fail, Routes: []front.Route{
		{Pattern: "GET /codebolt", Serve: d.connect},
		{Pattern: "GET /plugin", Serve: d.connect},
	}}
}

// Handle answers one message, in the name of the context's caller. It returns
// once what the message asks for is done, and never nil.
func (d *Server) Handle(ctx context.Context, message []byte) []byte {
	loan := d.Borrow()
	defer loan.End()
	return d.handle(ctx, loan, message)
}

// handle is Handle with what it takes in memory, the reply included, on a loan.
func (d *Server) handle(ctx context.Context, loan *front.Loan, message []byte) []byte {
	r, err := parseRequest(message)
	if err != nil {
		return d.reply(ctx, r, answer{}, err)
	}
	do, known := operations[r.operation]
	if !known {
		return d.reply(ctx, r, answer{}, fault.New(fault.Invalid, "%q is no operation here: known are %s", shorten(r.operation), names))
	}
	ans, err := d.guarded(ctx, r, func() (answer, error) { return do(d, ctx, loan, r.params) })
	return d.reply(ctx, r, ans, err)
}

// guarded answers for an operation that panics: on a socket nothing above would
// catch it, and the process would end.
func (d *Server) guarded(ctx context.Context, r request, do func() (answer, error)) (ans answer, err error) {
	defer func() {
		if p := recover(); p != nil {
			d.Logger.ErrorContext(ctx, "panic", "route", r.operation, "requestId", r.logID(), "panic", p, "stack", string(debug.Stack()))
			ans, err = answer{}, fault.New(fault.Internal, "panic")
		}
	}()
	return do()
}

// Shutdown takes no more requests, answers those in flight, closes every
// connection with status 1001, and returns when that is done. When ctx ends
// first, requests in flight are given up and what is left is closed at once.
func (d *Server) Shutdown(ctx context.Context) error {
	d.mu.Lock()
	if !d.stopped {
		d.stopped = true
		close(d.stopping)
	}
	d.mu.Unlock()
	stop := context.AfterFunc(ctx, d.abort)
	defer stop()
	d.sockets.Wait()
	d.abort()
	return ctx.Err()
}

// enter counts a connection in, unless the server stops.
func (d *Server) enter() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.stopped {
		return false
	}
	d.sockets.Add(1)
	return true
}

// pageMay reports whether a web page may connect. Programs send no Origin; a
// page of any origin could connect to a server on loopback if none were refused.
func (d *Server) pageMay(origin string) bool {
	return origin == "" || slices.Contains(d.Origins, origin) || slices.Contains(d.Origins, "*")
}

// fail answers a handshake that leads to no connection.
func (d *Server) fail(w http.ResponseWriter, r *http.Request, err error) {
	text := d.ErrorText(w, r, err)
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(front.Status(err))
	_, _ = w.Write(append(d.envelope(request{operation: "error"}, answer{}, fault.KindOf(err), text), '\n'))
}
