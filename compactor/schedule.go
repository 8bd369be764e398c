package compactor

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/firnlog/firn/layout/commitlog"
)

// When a backlog is worth a run: any of these is enough.
const (
	dueCommits = 64
	dueBytes   = 8 << 20
	dueAge     = 15 * time.Minute
)

// sweepEvery is how often every instance of the bucket is looked at, whoever
// wrote to it.
const sweepEvery = 15 * time.Minute

// due reports whether a backlog is worth a run at the time now.
func due(b commitlog.Backlog, now time.Time) bool {
	return b.Commits >= dueCommits || b.Bytes >= dueBytes || now.Sub(b.Since) >= dueAge
}

// Serve runs the compactor beside a server until ctx ends: instances that this
// process writes to as soon as their backlog is due, and all of the bucket's
// now and then. Errors are logged, and the work is tried again the next time.
func (c *Compactor) Serve(ctx context.Context, log *slog.Logger) {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	var last time.Time // of the look at all instances
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		if time.Since(last) >= sweepEvery {
			last = time.Now()
			report(ctx, log, "", c.RunAll(ctx))
			continue
		}
		for id, b := range c.Log.Backlogs() {
			if due(b, time.Now()) {
				_, err := c.compact(ctx, id) // sweeping can wait for the look at all
				report(ctx, log, id, err)
			}
		}
	}
}

func report(ctx context.Context, log *slog.Logger, id string, err error) {
	if err != nil && ctx.Err() == nil {
		log.Warn("compaction failed; it will be tried again", "instance", id, "error", err)
	}
}

// RunAll runs every instance of the bucket, deleted ones included, and sweeps
// the catalog. One instance's error does not keep the others from their turn.
func (c *Compactor) RunAll(ctx context.Context) error {
	ids, err := c.Log.IDs(ctx)
	if err != nil {
		return err
	}
	var errs []error
	for _, id := range ids {
		if _, err := c.Run(ctx, id); err != nil {
			errs = append(errs, err)
		}
	}
	return errors.Join(append(errs, c.SweepCatalog(ctx))...)
}
