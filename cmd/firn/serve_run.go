package main

import (
	"context"
	"errors"
	"log/slog"
	"net/http"

	"golang.org/x/sync/errgroup"

	"github.com/firnlog/firn/compactor"
	"github.com/firnlog/firn/functions"
)

// service is an HTTP server with the doors behind it, and the compactor and
// ClusterCockpit's receivers beside it.
type service struct {
	http      *http.Server
	doors     *functions.Doors
	compactor *compactor.Compactor
	logger    *slog.Logger
}

// run serves until ctx ends or something fails, and calls ready once all listeners
// are open. Then it stops: it takes no more
// connections, answers the requests that it has, and only then stops the
// compactor, whose unfinished step is nothing but garbage for the sweeper.
func (s *service) run(ctx context.Context, l *listener, ready func()) error {
	working, stopWork := context.WithCancel(context.WithoutCancel(ctx))
	compacted := make(chan struct{})
	go func() {
		defer close(compacted)
		s.compactor.Serve(working, s.logger)
	}()
	defer func() { stopWork(); <-compacted }()
	go boundHeap(working)

	serving, ctx := errgroup.WithContext(ctx)
	serving.Go(func() error { return s.doors.Cluster.Run(ctx, ready) })
	serving.Go(func() error {
		if err := l.serve(s.http); !errors.Is(err, http.ErrServerClosed) {
			return err
		}
		return nil
	})
	serving.Go(func() error {
		<-ctx.Done()
		s.stop(working)
		return nil
	})
	return serving.Wait()
}

// stop ends connections once their requests are answered, WebSockets too, which
// the HTTP server does not know any more.
func (s *service) stop(ctx context.Context) {
	s.logger.Info("stopping; a second signal ends the server at once")
	grace, cancel := context.WithTimeout(ctx, stopTimeout)
	defer cancel()
	var stopping errgroup.Group
	stopping.Go(func() error { return s.doors.Codebolt.Shutdown(grace) })
	stopping.Go(func() error { return s.http.Shutdown(grace) })
	if stopping.Wait() != nil {
		s.logger.Warn("requests were still in flight and were cut off", "after", stopTimeout)
		_ = s.http.Close()
	}
}
