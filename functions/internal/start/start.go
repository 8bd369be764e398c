package start

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"time"

	"github.com/aws/aws-lambda-go/lambda"

	"github.com/firnlog/firn/functions"
	"github.com/firnlog/firn/functions/access"
	"github.com/firnlog/firn/functions/front"
	"github.com/firnlog/firn/functions/internal/compaction"
	"github.com/firnlog/firn/functions/internal/spread"
	"github.com/firnlog/firn/functions/shares"
	"github.com/firnlog/firn/functions/stackstate"
	"github.com/firnlog/firn/layout/commitlog"
	"github.com/firnlog/firn/layout/fault"
	"github.com/firnlog/firn/layout/store"
	"github.com/firnlog/firn/querier"
)

// patience is how long a start may take: Lambda gives it 10 seconds.
const patience = 9 * time.Second

// Function is what a function of the cloud works with.
type Function struct {
	Settings
	Logger  *slog.Logger
	Log     *commitlog.Log
	Config  front.Config // of Service, for another one over the same log
	Service *front.Service
	Doors   *functions.Doors
}

// Log opens the bucket, for functions that nobody calls but the cloud itself.
func Log(ctx context.Context) (*Function, error) {
	s, err := Environment()
	if err != nil {
		return nil, err
	}
	return open(ctx, s)
}

func open(ctx context.Context, s Settings) (*Function, error) {
	bucket, err := store.Open(ctx, s.Bucket)
	if err != nil {
		return nil, fault.Wrap(err, envBucket)
	}
	f := &Function{Settings: s, Log: commitlog.Open(bucket)}
	f.Logger = slog.New(slog.NewJSONHandler(os.Stderr, &slog.HandlerOptions{Level: s.LogLevel}))
	return f, nil
}

// Serving opens the bucket and makes the doors. It refuses where neither a key
// is in force nor tokens are taken: everyone on the net could call.
func Serving(ctx context.Context) (*Function, error) {
	s, err := Environment()
	if err != nil {
		return nil, err
	}
	f, err := open(ctx, s)
	if err != nil {
		return nil, err
	}
	engine := querier.NewEngine(f.Log)
	ring := access.NewRing(f.Log, engine, nil) // whose queries have no limits
	if err := guarded(ctx, ring, s); err != nil {
		return nil, err
	}
	who := access.New(access.Config{Ring: ring, Tokens: s.Tokens, Logger: f.Logger})
	queries := engine.WithLimits(s.Limits.Query())
	if s.WorkersURL != "" {
		queries = queries.WithFanOut(querier.FanOut{Transport: shares.Transport(f.Log, spread.NewLambda(s.WorkersURL)), Workers: s.Shares, MinBytes: s.SpreadBytes})
	}
	f.Config = front.Config{Log: f.Log, Queries: queries, Store: f.Log.Store(), Authenticate: who.Authenticate, Origins: s.Origins, Logger: f.Logger, Limits: s.Limits}
	if s.CompactURL != "" {
		f.Config.Log = compaction.New(f.Log, s.CompactURL, f.Logger)
	}
	f.Service = front.New(f.Config)
	f.Doors = functions.New(f.Service, functions.Config{Keys: ring, Vamp: s.Vamp, StackState: stackstate.Config{Deduplicate: s.Deduplicate}})
	return f, nil
}

// guarded returns an error unless there are credentials to ask for.
func guarded(ctx context.Context, ring *access.Ring, s Settings) error {
	if s.Tokens != nil {
		return nil
	}
	there, err := ring.InForce(ctx)
	if err == nil && !there {
		err = fault.New(fault.Invalid, "no API key is in force in %s and no tokens are taken: make a first key with `firn keys create admin --grant '*:append,query,admin' --grant '_firn:query,admin' --bucket URL`, or set %s", s.Bucket, envJWKS)
	}
	return err
}

// Main runs a function until the cloud ends its environment. Prepare returns the
// handler, in one of the forms of [lambda.Start].
func Main(prepare func(context.Context) (any, error)) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	handler, err := prepare(ctx)
	cancel()
	if err != nil {
		fmt.Fprintln(os.Stderr, "firn cannot start:", err)
		os.Exit(1)
	}
	lambda.Start(handler)
}
