package front

import (
	"net/http"
	"net/url"
	"path"
	"runtime/debug"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/firnlog/firn/layout/fault"
)

// Route is one method and path of a door.
type Route struct {
	// Pattern is one of [http.ServeMux], such as "POST /v1/query".
	Pattern string
	// Public routes are served without asking who calls. They MUST show
	// nothing of any instance.
	Public bool
	// Sealed routes ask for no caller either: requests prove by what they bear that
	// another process of the same bucket sent them. They MUST answer others
	// Unauthenticated, whatever these ask for.
	Sealed bool
	Serve  http.HandlerFunc
}

// Door is one API over the service.
type Door struct {
	Name   string // such as "vamp"
	Routes []Route
	// Fail answers a request with an error in the door's own form: one that is
	// not let in, or whose route panicked before it answered.
	Fail func(w http.ResponseWriter, r *http.Request, err error)
}

// handler serves doors on one mux.
type handler struct {
	*Service
	mux   *http.ServeMux
	first Door
}

// Handler serves the doors on one listener. Where two have a pattern for a path
// the more specific one wins, and two of the same pattern are a bug that
// panics. What no door has a route for is answered by the first.
func (s *Service) Handler(doors ...Door) http.Handler {
	h := &handler{Service: s, mux: http.NewServeMux(), first: doors[0]}
	for _, d := range doors {
		for _, r := range d.Routes {
			h.mux.Handle(r.Pattern, h.enter(d, r))
		}
	}
	return h
}

// enter lets those in who may, and answers for a route that panics.
func (h *handler) enter(d Door, route Route) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer func() {
			p := recover()
			if p == nil {
				return
			}
			if p == http.ErrAbortHandler {
				panic(p)
			}
			h.Logger.Error("panic", "route", r.Pattern, "requestId", RequestID(w), "panic", p, "stack", string(debug.Stack()))
			if rec, ok := w.(*recorder); ok && rec.status == 0 {
				d.Fail(w, r, fault.New(fault.Internal, "panic"))
			}
		}()
		ctx := r.Context()
		if !route.Public && !route.Sealed {
			caller, err := Anyone, error(nil)
			if h.Authenticate != nil {
				caller, err = h.Authenticate(r)
			}
			if err != nil {
				d.Fail(w, r, err)
				return
			}
			ctx = WithCaller(withRequest(ctx, r), caller)
		}
		ctx, end := h.WithAnswer(ctx)
		defer end()
		route.Serve(w, r.WithContext(ctx))
	})
}

// ServeHTTP implements [http.Handler].
func (h *handler) ServeHTTP(rw http.ResponseWriter, r *http.Request) {
	start := time.Now()
	w := &recorder{ResponseWriter: rw}
	w.Header().Set(requestIDHeader, requestID(r))
	defer func() { h.metrics.observe(r.Pattern, w.status, time.Since(start)) }()
	h.route(w, r)
}

// route finds the handler. The mux would answer an unclean path with a
// redirect, on which clients turn a POST into a GET, and others with plain
// text: both get an answer of a door here.
func (h *handler) route(w http.ResponseWriter, r *http.Request) {
	if !clean(r.URL.EscapedPath()) {
		h.first.Fail(w, r, fault.New(fault.NotFound, "there is nothing at this path: it holds empty or dot segments"))
		return
	}
	found, pattern := h.mux.Handler(r)
	if pattern != "" {
		h.mux.ServeHTTP(w, r)
		return
	}
	probe := &recorder{ResponseWriter: blank{http.Header{}}}
	found.ServeHTTP(probe, r)
	if probe.status == http.StatusMethodNotAllowed {
		allowed := probe.Header().Get("Allow")
		w.Header().Set("Allow", allowed)
		h.first.Fail(w, r, fault.New(fault.Invalid, "%w: the method %q is not allowed here: %s", errMethod, shorten(r.Method), allowed))
		return
	}
	h.first.Fail(w, r, h.nothing(r))
}

// nothing says that a path is none, and of one that would be one without its last
// slash just that.
func (h *handler) nothing(r *http.Request) error {
	bare, err := url.Parse(strings.TrimSuffix(r.URL.EscapedPath(), "/"))
	if err == nil && bare.Path != "" && bare.Path != r.URL.Path {
		without := *r
		without.URL = bare
		if _, pattern := h.mux.Handler(&without); pattern != "" {
			return fault.New(fault.NotFound, "there is nothing at this path, %q: leave out the last slash", shorten(r.URL.Path))
		}
	}
	return fault.New(fault.NotFound, "there is nothing at this path, %q", shorten(r.URL.Path))
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

// RequestID returns the id of the request that w answers, as logs show it.
func RequestID(w http.ResponseWriter) string { return w.Header().Get(requestIDHeader) }

// requestID returns the id that the client gave, where it is sane, or a new one.
func requestID(r *http.Request) string {
	if id := r.Header.Get(requestIDHeader); Visible(id, 128) {
		return id
	}
	return uuid.NewString()
}

// Visible reports whether s is 1 to limit visible ASCII characters.
func Visible(s string, limit int) bool {
	for i := range len(s) {
		if s[i] <= ' ' || s[i] > '~' {
			return false
		}
	}
	return len(s) > 0 && len(s) <= limit
}

// recorder remembers the status of an answer, 0 while there is none.
type recorder struct {
	http.ResponseWriter
	status int
}

func (w *recorder) WriteHeader(status int) {
	if w.status == 0 {
		w.status = status
	}
	w.ResponseWriter.WriteHeader(status)
}

func (w *recorder) Write(b []byte) (int, error) {
	if w.status == 0 {
		w.status = http.StatusOK
	}
	return w.ResponseWriter.Write(b)
}

// Unwrap is for [http.ResponseController] and for WebSockets.
func (w *recorder) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// blank is a ResponseWriter that keeps nothing but headers.
type blank struct{ header http.Header }

func (b blank) Header() http.Header       { return b.header }
func (blank) Write(b []byte) (int, error) { return len(b), nil }
func (blank) WriteHeader(int)             {}
