// Package access says who sends a request: it checks API keys and JSON Web
// Tokens and turns them into callers with grants.
//
// API keys live as events in Firn's own instance, hashed, so that every function
// on every machine knows them; they are read again when they are more than
// [MaxAge] old, and a key that was revoked is refused from then on. Tokens are
// checked against fixed keys or a JWKS, with a fixed list of algorithms.
package access

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/firnlog/firn/functions/front"
	"github.com/firnlog/firn/layout/fault"
)

// MaxAge is how long keys are trusted without a look at the bucket: how long it
// takes at most until a key that was revoked is refused everywhere. Where the
// bucket cannot be read meanwhile, nobody is let in.
const MaxAge = 5 * time.Second

// Config is what credentials are checked against.
type Config struct {
	Ring   *Ring   // API keys
	Tokens *Tokens // nil takes no tokens
	// Open lets everyone in, whatever they bring, as long as no key was ever
	// made. It is for listeners on loopback.
	Open bool
	// Rate is how many requests a second each caller may send, on average over
	// the last Burst of them; 0 sets no bound.
	Rate  float64
	Burst int
	// Logger takes a sample of refusals; nil means slog.Default.
	Logger *slog.Logger
	// Registry takes the count of refusals, by reason; nil counts nowhere.
	Registry *prometheus.Registry
}

// Access checks credentials. It is safe for concurrent use.
type Access struct {
	cfg     Config
	rates   rates
	refused *prometheus.CounterVec
	logged  atomic.Int64 // second of the last refusal that was logged
}

// New returns an Access over cfg.
func New(cfg Config) *Access {
	if cfg.Logger == nil {
		cfg.Logger = slog.Default()
	}
	a := &Access{cfg: cfg, rates: newRates(cfg.Rate, cfg.Burst)}
	a.refused = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "firn_refused_total", Help: "Requests that were not let in, by reason.",
	}, []string{"reason"})
	if cfg.Registry != nil {
		cfg.Registry.MustRegister(a.refused)
	}
	return a
}

// Authenticate returns who sends a request; it is for [front.Config]. Errors
// are of kind Unauthenticated, Overload when the caller sends too many, and
// Unavailable when keys cannot be read.
func (a *Access) Authenticate(r *http.Request) (front.Caller, error) {
	caller, err := a.identify(r.Context(), credential(r))
	if fault.Is(err, fault.Unauthenticated) { // where nothing is asked for, whatever is brought is as good
		switch asked, unread := a.Asks(r.Context()); {
		case unread != nil:
			err = unread
		case !asked:
			return front.Anyone, nil
		}
	}
	if err == nil {
		err = a.rates.take(caller.Name)
	}
	if err != nil {
		a.refuse(r, err)
	}
	if fault.Is(err, fault.Unavailable) { // why is for the operator, and not for whoever asks
		err = fault.New(fault.Unavailable, "credentials cannot be checked now: try again in a moment")
	}
	return caller, err
}

// Asks reports whether requests need credentials: always, but where the Config is
// Open and no key was ever made.
func (a *Access) Asks(ctx context.Context) (bool, error) {
	if !a.cfg.Open || a.cfg.Tokens != nil {
		return true, nil
	}
	empty, err := a.cfg.Ring.empty(ctx)
	return !empty, err
}

var errNone = errors.New("credentials are needed: send an API key or a token as Authorization: Bearer")

// identify checks a credential, whose form says what it is.
func (a *Access) identify(ctx context.Context, secret string) (front.Caller, error) {
	switch {
	case secret == "":
		return front.Caller{}, fault.New(fault.Unauthenticated, "%w", errNone)
	case strings.HasPrefix(secret, keyPrefix):
		return a.cfg.Ring.caller(ctx, secret)
	case a.cfg.Tokens != nil && strings.Count(secret, ".") == 2:
		return a.cfg.Tokens.caller(ctx, secret)
	}
	return front.Caller{}, fault.New(fault.Unauthenticated, "the credentials are not known here")
}

// refuse counts a refusal, and logs at most one a second: whoever sends many
// must not fill the log.
func (a *Access) refuse(r *http.Request, err error) {
	a.refused.WithLabelValues(fault.KindOf(err).String()).Inc()
	now := time.Now().Unix()
	if last := a.logged.Load(); last != now && a.logged.CompareAndSwap(last, now) {
		a.cfg.Logger.Info("request refused (a sample)", "route", r.Pattern, "from", r.RemoteAddr, "error", err.Error())
	}
}
