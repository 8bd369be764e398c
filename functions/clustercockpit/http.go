package clustercockpit

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/firnlog/firn/functions/front"
	"github.com/firnlog/firn/layout/fault"
)

// Bounds of connections to HTTP receivers, as on Firn's own listener.
const (
	headerTimeout = 10 * time.Second
	readTimeout   = 5 * time.Minute
	headerBytes   = 256 << 10
	stopTimeout   = 15 * time.Second // for what is under way when the receivers are asked to stop
)

// Run listens and subscribes with all receivers of the configuration until ctx
// ends, and returns nil then, once what was taken in is stored. A NATS server
// that cannot be reached is tried for ever; an HTTP address that cannot be
// opened is an error. listening is called once all addresses are open.
func (c *EventStore) Run(ctx context.Context, listening func()) error {
	work, ctx := errgroup.WithContext(ctx)
	for address, receivers := range c.byAddress() {
		l, err := net.Listen("tcp", address)
		if err != nil {
			work.Go(func() error { return fault.New(fault.Invalid, "receiver %q: %w", receivers[0].Name, err) })
			return work.Wait()
		}
		work.Go(func() error { return c.listen(ctx, l, receivers) })
	}
	listening()
	for _, r := range c.nats {
		work.Go(func() error { return r.run(ctx) })
	}
	return work.Wait()
}

// byAddress returns the HTTP receivers by address. Those of one address share a
// listener, and only those: a path is served at the addresses that name it.
func (c *EventStore) byAddress() map[string][]HTTPReceiver {
	out := map[string][]HTTPReceiver{}
	for _, h := range c.config.HTTP {
		out[h.Address] = append(out[h.Address], h)
	}
	return out
}

// listen serves receivers until ctx ends and their requests are answered.
func (c *EventStore) listen(ctx context.Context, l net.Listener, receivers []HTTPReceiver) error {
	srv := &http.Server{
		Handler: c.receiverHandler(receivers), ReadHeaderTimeout: headerTimeout, ReadTimeout: readTimeout,
		IdleTimeout: receivers[0].IdleTimeout, MaxHeaderBytes: headerBytes, ErrorLog: slog.NewLogLogger(c.Logger.Handler(), slog.LevelDebug),
	}
	srv.SetKeepAlivesEnabled(receivers[0].KeepAlives)
	stopped := make(chan error, 1)
	go func() {
		<-ctx.Done()
		grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopTimeout)
		defer cancel()
		stopped <- srv.Shutdown(grace)
	}()
	c.Logger.Info("ClusterCockpit receivers listen", "address", l.Addr().String())
	if err := srv.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	if err := <-stopped; err != nil {
		c.Logger.Warn("requests to a receiver were still in flight and were cut off", "after", stopTimeout)
		return srv.Close()
	}
	return nil
}

// receiverHandler serves receivers of one address.
func (c *EventStore) receiverHandler(receivers []HTTPReceiver) http.Handler {
	d := front.Door{Name: "clustercockpit receivers", Fail: c.fail}
	for _, h := range receivers {
		if h.Username == "" {
			c.Logger.Warn("a ClusterCockpit receiver takes lines from everyone who can connect: give it username and password", "receiver", h.Name, "address", h.Address)
		}
		pattern := "POST " + h.Path
		if h.Path != "/" && h.Path[len(h.Path)-1] == '/' {
			pattern += "{$}"
		}
		// Public: who calls is checked here, by the receiver's own password.
		d.Routes = append(d.Routes, front.Route{Pattern: pattern, Public: true, Serve: c.receive(h)})
	}
	return c.Handler(d)
}

// receive takes the lines that are sent to a receiver. The parameters cluster
// and precision of /api/write/ are taken here, too.
func (c *EventStore) receive(h HTTPReceiver) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if !h.lets(r) {
			w.Header().Set("WWW-Authenticate", `Basic realm="firn", charset="UTF-8"`)
			c.fail(w, r, fault.New(fault.Unauthenticated, "the receiver needs its user name and password"))
			return
		}
		from := source{cluster: r.URL.Query().Get("cluster"), tags: h.tags}
		if from.cluster == "" {
			from.cluster = h.Cluster
		}
		c.write(w, r.WithContext(asReceiver(r.Context(), h.Name)), from)
	}
}

// lets reports whether a request bears the receiver's user name and password.
// Hashes are compared, so that the time tells nothing.
func (h *HTTPReceiver) lets(r *http.Request) bool {
	if h.Username == "" {
		return true
	}
	user, password, _ := r.BasicAuth()
	given, want := sha256.Sum256([]byte(user+":"+password)), sha256.Sum256([]byte(h.Username+":"+h.Password))
	return subtle.ConstantTimeCompare(given[:], want[:]) == 1
}

// asReceiver returns a context whose requests are a receiver's, which may append
// to every cluster, and look for what it stored before.
func asReceiver(ctx context.Context, name string) context.Context {
	return front.WithCaller(ctx, front.Caller{Name: "receiver " + name,
		Grants: []front.Grant{{Instances: "*", Rights: front.CanAppend | front.CanQuery}}})
}
