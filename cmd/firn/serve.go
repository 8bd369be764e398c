package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/firnlog/firn/compactor"
	"github.com/firnlog/firn/functions"
	"github.com/firnlog/firn/functions/access"
	"github.com/firnlog/firn/functions/api"
	"github.com/firnlog/firn/functions/client"
	"github.com/firnlog/firn/functions/clustercockpit"
	"github.com/firnlog/firn/functions/front"
	"github.com/firnlog/firn/functions/stackstate"
	"github.com/firnlog/firn/layout/commitlog"
	"github.com/firnlog/firn/layout/store"
	"github.com/firnlog/firn/querier"
)

type serveCmd struct {
	listenFlags
	accessFlags
	dialectFlags
	spreadFlags
	Limit  []string `sep:"," placeholder:"NAME=VALUE" env:"FIRN_LIMITS" help:"Set a limit of docs/limits.md, such as batch=1000 or memory=1GB; several with commas between."`
	Sample bool     `env:"FIRN_SAMPLE" help:"On first start make the instance wikipedia out of 1,962 real events, and print commands to try."`
}

// dialectFlags are the settings of the doors for clients of other services.
type dialectFlags struct {
	ClusterCockpit string `name:"clustercockpit" placeholder:"FILE" env:"FIRN_CLUSTERCOCKPIT" help:"Configuration file of cc-event-store, whose receivers run beside the server."`
	Deduplicate    bool   `env:"FIRN_DEDUPLICATE" help:"Recognise StackState's events that were stored within a day by their source_identifier."`
	Vamp           string `placeholder:"INSTANCE" env:"FIRN_VAMP" help:"Instance for Vamp's requests without a namespace (vamp)."`
}

// Help implements [kong.HelpProvider].
func (serveCmd) Help() string {
	return `Serves the HTTP API on a bucket, beside it the APIs of Codebolt, StackState, Vamp
and ClusterCockpit, and compacts what is appended. Prints one line on standard
output when it is ready; logs go to standard error.

    firn serve --bucket file://./firn-data
    firn serve --bucket 's3://my-bucket/events?region=eu-central-1' --listen :8080

As long as there is no API key, only loopback addresses are served and everyone
who can connect may do everything. Once a key was made (firn keys create), every
request needs one:

    firn keys create admin --grant '*:append,query,admin' --grant '_firn:query,admin' --bucket file://./firn-data
    firn serve --bucket file://./firn-data --listen 0.0.0.0:7480 --tls-cert cert.pem --tls-key key.pem

SIGINT or SIGTERM stops it: requests in flight are finished first. Any number
of servers may work on one bucket.`
}

// Run serves until ctx ends.
func (c *serveCmd) Run(ctx context.Context, a *app) error {
	bucket, err := a.bucketURL("serve")
	if err != nil {
		return err
	}
	address, err := c.resolve()
	if err != nil {
		return err
	}
	s, err := openProved(ctx, bucket, store.Open)
	if err != nil {
		return err
	}
	limits, err := front.ParseLimits(c.Limit)
	if err != nil {
		return usage("--limit: %v", err)
	}
	log, logger := commitlog.Open(s), a.logger()
	engine := querier.NewEngine(log) // without limits where keys are read
	registry := prometheus.NewRegistry()
	spread, err := c.spread(engine, log, registry)
	if err != nil {
		return err
	}
	cfg := front.Config{Log: log, Queries: spread.WithLimits(limits.Query()), Store: s, Logger: logger, Registry: registry, Origins: c.Origin, Limits: limits}
	ring := access.NewRing(log, engine, nil)
	letIn, err := c.access(ctx, ring, cfg, address)
	if err != nil {
		return err
	}
	listener, err := c.listen(ctx, address, logger)
	if err != nil {
		return err
	}
	defer listener.Close()
	cfg.Authenticate = letIn.Authenticate
	srv, err := c.service(front.New(cfg), ring, letIn)
	if err != nil {
		return err
	}
	srv.compactor = &compactor.Compactor{Log: log, Metrics: compactor.NewMetrics(log, cfg.Registry)}
	ready := fmt.Sprintf("firn is ready on %s (bucket %s)\n", listener.url, bucket)
	if c.Sample {
		local := client.Local(api.New(front.Config{Log: log, Queries: cfg.Queries, Store: s, Logger: logger}))
		if err := loadSample(ctx, local); err != nil {
			return err
		}
		ready += sampleCommands(listener.url)
	}
	return srv.run(ctx, listener, func() { _, _ = io.WriteString(a.stdout, ready) })
}

// service returns what serves all doors.
func (c *serveCmd) service(events *front.Service, ring *access.Ring, letIn *access.Access) (*service, error) {
	doors, err := c.doors(events, ring)
	if err != nil {
		return nil, err
	}
	handler, err := guard(events.Handler(doors.List()...), letIn, c.Origin)
	if err != nil {
		return nil, err
	}
	srv := &service{logger: events.Logger, doors: doors, http: &http.Server{
		Handler: handler, ReadHeaderTimeout: headerTimeout, ReadTimeout: readTimeout, WriteTimeout: writeTimeout,
		IdleTimeout: idleTimeout, MaxHeaderBytes: headerBytes, ErrorLog: slog.NewLogLogger(events.Logger.Handler(), slog.LevelDebug),
	}}
	srv.http.RegisterOnShutdown(events.StopTails)
	return srv, nil
}

// doors returns all doors as the flags want them.
func (c *serveCmd) doors(events *front.Service, ring *access.Ring) (*functions.Doors, error) {
	cfg := functions.Config{Keys: ring, StackState: stackstate.Config{Deduplicate: c.Deduplicate}, Vamp: c.Vamp}
	if c.ClusterCockpit != "" {
		var err error
		if cfg.Cluster, err = clustercockpit.Load(c.ClusterCockpit); err != nil {
			return nil, usage("--clustercockpit %s: %v", c.ClusterCockpit, err)
		}
	}
	return functions.New(events, cfg), nil
}

// openProved opens a bucket and proves that it can carry a log.
func openProved(ctx context.Context, bucket string, open func(context.Context, string) (store.Store, error)) (*store.Counted, error) {
	s, err := open(ctx, bucket)
	if err != nil {
		return nil, err
	}
	counted := store.NewCounted(s)
	return counted, store.Probe(ctx, counted)
}

// stopTimeout is for requests in flight when the server is asked to stop.
const stopTimeout = 30 * time.Second
