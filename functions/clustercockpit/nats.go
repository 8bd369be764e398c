package clustercockpit

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/firnlog/firn/layout/event"
	"github.com/firnlog/firn/layout/fault"
)

// limits bound what a NATS receiver holds.
type limits struct {
	batch      int           // messages appended together
	batchBytes int           // of their bodies, about
	messages   int           // waiting in a core subscription
	bytes      int           // of their bodies
	ackWait    time.Duration // after which JetStream delivers again what was not acknowledged
	patience   time.Duration // between two tries, at most
	ending     time.Duration // for storing what was taken in before the end
}

// usual are the limits but in tests. A core subscription holds what comes in
// while an append is under way, up to a burst of a million messages.
var usual = limits{batch: 2000, batchBytes: 8 << 20, messages: 1 << 20, bytes: 128 << 20, ackWait: time.Minute, patience: 10 * time.Second, ending: stopTimeout}

// natsReceiver appends what comes over NATS. It works on one batch at a time:
// the next is taken when the one before is stored, so that a burst waits in the
// stream, or in the subscription up to its limits.
type natsReceiver struct {
	*EventStore
	config NATSReceiver
	limits limits

	messages, refused, redelivered, disconnects, retries, dropped atomic.Int64

	// unsure is set where messages may be stored though they are delivered as if
	// for the first time: a NATS server that was killed may have forgotten its
	// last deliveries. Since batches are stored in the stream's order, the first
	// batch of which nothing is stored ends the doubt.
	unsure atomic.Bool
	last   *stream // that was opened; of the goroutine that runs

	connection atomic.Pointer[nats.Conn]    // nil when it does not run
	trouble    atomic.Pointer[string]       // why it does not get on
	waiting    atomic.Pointer[func() int64] // how many messages a core subscription holds
}

func newNATSReceiver(c *EventStore, config NATSReceiver) *natsReceiver {
	return &natsReceiver{EventStore: c, config: config, limits: usual}
}

// message is what comes in one NATS message.
type message struct {
	body    []byte
	subject string
	arrived event.Micros
	id      string // the same for each delivery; "" where there is but one
	again   bool   // delivered before
	done    func() // acknowledges it; nil where nobody waits for that
	refuse  func() // says that it is never to be delivered again
}

// run receives until ctx ends, and then stores what was taken in.
func (r *natsReceiver) run(ctx context.Context) error {
	conn, err := nats.Connect(r.config.URL, r.options()...)
	if err != nil {
		return fault.New(fault.Invalid, "receiver %q: %w", r.config.Name, err)
	}
	defer conn.Close()
	r.connection.Store(conn)
	defer r.connection.Store(nil)
	if r.config.Stream != "" {
		err = r.follow(asReceiver(ctx, r.config.Name), conn)
	} else {
		err = r.subscribe(asReceiver(ctx, r.config.Name), conn)
	}
	_ = conn.FlushTimeout(time.Second) // acknowledgements; a lost one costs a delivery
	return err
}

// options connect for ever: a server that is down, that refuses us or that ends
// the connection is tried again.
func (r *natsReceiver) options() []nats.Option {
	opts := []nats.Option{
		nats.Name("firn receiver " + r.config.Name),
		nats.RetryOnFailedConnect(true), nats.MaxReconnects(-1), nats.ReconnectWait(min(2*time.Second, r.limits.patience)), nats.IgnoreAuthErrorAbort(),
		nats.SyncQueueLen(r.limits.messages),
		nats.DisconnectErrHandler(func(_ *nats.Conn, err error) {
			if err == nil || r.connection.Load() == nil {
				return
			}
			r.disconnects.Add(1)
			r.Logger.Warn("the connection to NATS is lost; it is tried for ever. Without a stream, what is published meanwhile is lost",
				"receiver", r.config.Name, "error", err.Error())
		}),
		nats.ReconnectHandler(func(c *nats.Conn) {
			r.unsure.Store(true)
			r.Logger.Info("connected to NATS again", "receiver", r.config.Name, "server", c.ConnectedUrlRedacted())
		}),
		nats.ErrorHandler(func(_ *nats.Conn, sub *nats.Subscription, err error) {
			if errors.Is(err, nats.ErrSlowConsumer) {
				r.countDropped(sub)
			} else {
				text := err.Error()
				r.trouble.Store(&text)
			}
			r.Logger.Error("NATS", "receiver", r.config.Name, "error", err.Error(), "dropped", r.dropped.Load())
		}),
	}
	if r.config.User != "" {
		opts = append(opts, nats.UserInfo(r.config.User, r.config.Password))
	}
	if r.config.CredentialsFile != "" {
		opts = append(opts, nats.UserCredentials(r.config.CredentialsFile))
	}
	return opts
}

func (r *natsReceiver) countDropped(sub *nats.Subscription) {
	if n, err := sub.Dropped(); err == nil {
		r.dropped.Store(int64(n))
	}
}

// check is part of the server's readiness.
func (r *natsReceiver) check() error {
	conn := r.connection.Load()
	if conn == nil {
		return nil // not started, or stopped with the server
	}
	if !conn.IsConnected() {
		return fmt.Errorf("no connection to %s: %w", conn.Opts.Url, cmp.Or(conn.LastError(), errors.New("not yet")))
	}
	if trouble := r.trouble.Load(); trouble != nil {
		return errors.New(*trouble)
	}
	return nil
}

// receiverStats is what the statistics show of a NATS receiver.
type receiverStats struct {
	Type        string `json:"type"` // "nats" or "jetstream"
	Connected   bool   `json:"connected"`
	Messages    int64  `json:"messages"`             // taken in
	Refused     int64  `json:"refused"`              // that could not be read, each with a line in the log
	Dropped     int64  `json:"dropped"`              // by the client, since too much was waiting
	Redelivered int64  `json:"redelivered"`          // delivered more than once
	Disconnects int64  `json:"disconnects"`          // connections lost, also those that the server ended as too slow
	Retries     int64  `json:"retries"`              // of appends and of opening the stream
	Waiting     int64  `json:"waiting"`              // held in a core subscription
	Error       string `json:"last_error,omitempty"` // why it does not get on now
}

func (r *natsReceiver) stats() receiverStats {
	s := receiverStats{Type: "nats", Messages: r.messages.Load(), Refused: r.refused.Load(), Dropped: r.dropped.Load(),
		Redelivered: r.redelivered.Load(), Disconnects: r.disconnects.Load(), Retries: r.retries.Load()}
	if r.config.Stream != "" {
		s.Type = "jetstream"
	}
	if conn := r.connection.Load(); conn != nil {
		s.Connected = conn.IsConnected()
	}
	if waiting := r.waiting.Load(); waiting != nil {
		s.Waiting = (*waiting)()
	}
	if err := r.check(); err != nil {
		s.Error = err.Error()
	}
	return s
}

// failed notes why the receiver does not get on, and waits before the next try.
// It returns false when ctx ends.
func (r *natsReceiver) failed(ctx context.Context, what string, try int, err error) bool {
	if ctx.Err() != nil {
		return false
	}
	text := what + ": " + err.Error()
	r.trouble.Store(&text)
	r.retries.Add(1)
	r.Logger.Warn("a NATS receiver does not get on and tries again", "receiver", r.config.Name, "what", what, "error", err.Error())
	pause := min(100*time.Millisecond<<min(try, 10), r.limits.patience)
	select {
	case <-time.After(pause):
		return true
	case <-ctx.Done():
		return false
	}
}

// lasting returns a context that goes on for a while after ctx has ended, for
// what was taken in by then, and ends with stop.
func (r *natsReceiver) lasting(ctx context.Context) (grace context.Context, stop func()) {
	grace, stop = context.WithCancel(context.WithoutCancel(ctx))
	context.AfterFunc(ctx, func() { time.AfterFunc(r.limits.ending, stop) })
	return grace, stop
}

// source is what the lines of a message lack.
func (r *natsReceiver) source(m *message) source {
	cluster := r.config.Cluster
	if cluster == "" {
		cluster, _, _ = strings.Cut(m.subject, ".")
	}
	return source{cluster: cluster, tags: r.config.tags, arrived: m.arrived}
}
