package main

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/firnlog/firn/cmd/firn/internal/client"
	"github.com/firnlog/firn/compactor"
	"github.com/firnlog/firn/functions/api"
	"github.com/firnlog/firn/functions/front"
	"github.com/firnlog/firn/layout/commitlog"
	"github.com/firnlog/firn/layout/store"
	"github.com/firnlog/firn/querier"
)

// Bounds of connections to the server.
const (
	headerTimeout = 10 * time.Second // for a request's header
	readTimeout   = 5 * time.Minute  // for a request as a whole: 32 MB at 1 Mbit/s
	writeTimeout  = 15 * time.Minute // from the header to the answer's end
	idleTimeout   = 2 * time.Minute  // between requests
	headerBytes   = 256 << 10        // of a request
	stopTimeout   = 30 * time.Second // for requests in flight when the server is asked to stop
)

type serveCmd struct {
	Listen string `default:"127.0.0.1:7480" placeholder:"ADDRESS" env:"FIRN_LISTEN" help:"Loopback address to listen on (${default}); :0 takes a free port."`
	Sample bool   `env:"FIRN_SAMPLE" help:"On first start make the instance wikipedia out of 1,962 real events, and print commands to try."`
}

// Help implements [kong.HelpProvider].
func (serveCmd) Help() string {
	return `Serves the HTTP API on a bucket and compacts what is appended. Prints one line
on standard output when it is ready; logs go to standard error.

    firn serve --bucket file://./firn-data
    firn serve --bucket 's3://my-bucket/events?region=eu-central-1' --listen :8080

SIGINT or SIGTERM stops it: requests in flight are finished first. Any number
of servers may work on one bucket.`
}

// Run serves until ctx ends.
func (c *serveCmd) Run(ctx context.Context, a *app) error {
	bucket, err := a.bucketURL("serve")
	if err != nil {
		return err
	}
	listener, err := listen(ctx, c.Listen)
	if err != nil {
		return err
	}
	defer listener.Close()
	s, err := openProved(ctx, bucket)
	if err != nil {
		return err
	}
	log, logger := commitlog.Open(s), a.logger()
	handler := api.New(front.Config{Log: log, Queries: querier.NewEngine(log), Store: s, Logger: logger})
	if c.Sample {
		if err := loadSample(ctx, client.Local(handler)); err != nil {
			return err
		}
	}
	url := "http://" + listener.Addr().String()
	ready := fmt.Sprintf("firn is ready on %s (bucket %s)\n", url, bucket)
	if c.Sample {
		ready += sampleCommands(url)
	}
	srv := &service{logger: logger, compactor: &compactor.Compactor{Log: log}, http: &http.Server{
		Handler: guard(handler), ReadHeaderTimeout: headerTimeout, ReadTimeout: readTimeout, WriteTimeout: writeTimeout,
		IdleTimeout: idleTimeout, MaxHeaderBytes: headerBytes, ErrorLog: slog.NewLogLogger(logger.Handler(), slog.LevelDebug),
	}}
	return srv.run(ctx, listener, func() { fmt.Fprint(a.stdout, ready) })
}

// openProved opens a bucket and proves that it can carry a log.
func openProved(ctx context.Context, bucket string) (*store.Counted, error) {
	s, err := store.Open(ctx, bucket)
	if err != nil {
		return nil, err
	}
	counted := store.NewCounted(s)
	return counted, store.Probe(ctx, counted)
}

// listen opens the server's port. Without keys, who can connect can read and
// write everything, so only loopback addresses are opened.
func listen(ctx context.Context, address string) (net.Listener, error) {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, usage("--listen %q: write HOST:PORT, such as 127.0.0.1:7480", address)
	}
	if host == "" {
		host = "127.0.0.1"
	}
	resolved, err := net.ResolveTCPAddr("tcp", net.JoinHostPort(host, port))
	if err != nil {
		return nil, usage("--listen %q: %v", address, err)
	}
	if !resolved.IP.IsLoopback() {
		return nil, usage("--listen %q: keys are not there yet: only loopback addresses are served, such as 127.0.0.1:%s", address, port)
	}
	var config net.ListenConfig
	l, err := config.Listen(ctx, "tcp", resolved.String())
	if err != nil {
		return nil, fmt.Errorf("%w: choose another port with --listen; :0 takes a free one", err)
	}
	return l, nil
}

// service is an HTTP server with the compactor beside it.
type service struct {
	http      *http.Server
	compactor *compactor.Compactor
	logger    *slog.Logger
}

// run serves until ctx ends, and then stops: it takes no more connections,
// answers the requests that it has, and only then stops the compactor, whose
// unfinished step is nothing but garbage for the sweeper.
func (s *service) run(ctx context.Context, l net.Listener, ready func()) error {
	working, stopWork := context.WithCancel(context.WithoutCancel(ctx))
	compacted := make(chan struct{})
	go func() {
		defer close(compacted)
		s.compactor.Serve(working, s.logger)
	}()
	defer func() { stopWork(); <-compacted }()

	failed := make(chan error, 1)
	go func() { failed <- s.http.Serve(l) }()
	ready()
	select {
	case err := <-failed:
		return err
	case <-ctx.Done():
	}
	s.logger.Info("stopping; a second signal ends the server at once")
	grace, cancel := context.WithTimeout(working, stopTimeout)
	defer cancel()
	if err := s.http.Shutdown(grace); err != nil {
		s.logger.Warn("requests were still in flight and were cut off", "after", stopTimeout)
		return s.http.Close()
	}
	return nil
}
