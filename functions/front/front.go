// Package front is what all front doors share: the native API and the dialects
// of other event services.
//
// A door translates. What it wants done it asks a [Service] for, which is the
// event log with the caller's rights: every method checks them, so that no door
// can forget to. How a door is reached it says with a list of routes ([Door]);
// [Service.Handler] serves the doors on one listener, and gives each request
// its id, its caller, its place in the metrics and an answer if it panics.
package front

import (
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/semaphore"

	"github.com/firnlog/firn/layout/catalog"
	"github.com/firnlog/firn/layout/commitlog"
	"github.com/firnlog/firn/layout/event"
	"github.com/firnlog/firn/layout/store"
	"github.com/firnlog/firn/querier"
)

// Log is the event log behind the doors; [commitlog.Log] is one. Its methods
// MUST be safe for concurrent use and keep what that type promises about
// durability, order and errors.
type Log interface {
	CreateInstance(ctx context.Context, spec catalog.Instance) (catalog.Instance, error)
	Instance(ctx context.Context, idOrName string) (catalog.Instance, error)
	Instances(ctx context.Context) ([]catalog.Instance, error)
	UpdateInstance(ctx context.Context, id string, u commitlog.Update) (catalog.Instance, error)
	DeleteInstance(ctx context.Context, id string) (catalog.Instance, error)
	Append(ctx context.Context, instance string, b commitlog.Batch) (commitlog.Receipt, error)
	EraseStream(ctx context.Context, instance, stream string) (string, error)
	Redact(ctx context.Context, instance string, events []event.Event, payload json.RawMessage) (string, error)
	Erasures(ctx context.Context, instance string) ([]commitlog.ErasureState, error)
}

// Queries answers queries and follows instances; [querier.Engine] does. Run MUST
// see every event that was acknowledged before it was called.
type Queries interface {
	Run(ctx context.Context, q *querier.Query) (*querier.Result, error)
	Stream(ctx context.Context, q *querier.Query, most int64, emit func(*querier.Batch) error) (querier.Stats, error)
	Tail(ctx context.Context, q querier.TailQuery) (*querier.Tail, error)
	Find(ctx context.Context, q *querier.Query, most int) ([]event.Event, error)
	// Work believes the share: whoever calls it MUST know where it is from.
	Work(ctx context.Context, share []byte, room int) []byte
}

// Config is what a service is made of. Log, Queries and Store are needed.
type Config struct {
	Log     Log
	Queries Queries
	// Store is asked whether it can be reached. A [store.Counted] is counted in
	// the metrics.
	Store store.Store
	// Authenticate returns who sends a request, or an error of kind
	// Unauthenticated or Denied. nil lets everyone do everything, which is for
	// listeners on loopback.
	Authenticate func(*http.Request) (Caller, error)
	// Origins are the origins whose web pages may open WebSockets and read Vamp's answers, such as
	// https://ops.example.org; "*" allows all. With none, no page may.
	Origins []string
	// Logger takes failures that are not the client's; nil means slog.Default.
	Logger *slog.Logger
	// Registry takes the metrics and is what /metrics shows; nil means one of
	// its own.
	Registry *prometheus.Registry
	// Limits are the bounds that can be set; those of queries are the engine's.
	Limits Limits
	// Now is the clock; nil means time.Now.
	Now func() time.Time
}

// Service is the event log as doors see it. It is safe for concurrent use.
type Service struct {
	Config
	memory  *memory // of requests that are being taken in
	answers *memory // of answers until they are written
	queries slots
	metrics *metrics
	tails   tails

	refusing atomic.Bool // the store did not take the last append

	mu     sync.Mutex
	checks map[string]func() error // of readiness, by name
}

// New returns a service over cfg.
func New(cfg Config) *Service {
	if cfg.Logger == nil {
		cfg.Logger = slog.Default()
	}
	if cfg.Registry == nil {
		cfg.Registry = prometheus.NewRegistry()
	}
	cfg.Limits = cfg.Limits.orDefaults()
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	s := &Service{Config: cfg, memory: newMemory(cfg.Limits.Memory), answers: newMemory(cfg.Limits.Answers), queries: slots{semaphore.NewWeighted(cfg.Limits.Queries)}, checks: map[string]func() error{}}
	s.metrics = newMetrics(cfg.Registry, s.memory, cfg.Store)
	return s
}
