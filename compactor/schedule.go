package compactor

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/firnlog/firn/layout/commitlog"
)

// When a backlog is worth a fold: any of these is enough. A fold also writes a
// snapshot, a manifest and runs, which must be little beside what it folds, so
// that a trickle of small commits waits for longer. What comes late costs a fold a
// file for each of its days, however few events these have.
const (
	dueCommits = 64
	dueBytes   = 8 << 20
	dueAge     = 15 * time.Minute // of dueLittle or more
	dueLittle  = 1 << 20
	dueAnyway  = 6 * time.Hour
)

// due reports whether a backlog is worth a fold at the time now.
func due(b commitlog.Backlog, now time.Time) bool {
	age := now.Sub(b.Since)
	return b.Commits >= dueCommits || b.Bytes >= dueBytes || age >= dueAge && b.Bytes >= dueLittle || age >= dueAnyway
}

// Serve runs the compactor beside a server until ctx ends: instances that this
// process writes to as soon as their backlog is due, and all of the bucket's
// now and then, ever more seldom where nothing happens. Folds do not wait for
// merges, which may take minutes, nor these for folds: whichever commits second
// applies its step to the other's snapshot. Errors are logged, and the work is
// tried again the next time.
//
// What computes for long yields about every millisecond, and not much sooner, so that requests, which
// compute for a short time, seldom wait for a processor until the scheduler takes
// one away, which it does after ten milliseconds.
func (c *Compactor) Serve(ctx context.Context, log *slog.Logger) {
	c.folding = make(chan struct{}, 1)
	folder := &Compactor{Log: c.Log, Metrics: c.Metrics, folding: c.folding}
	folded := make(chan string, 1_024) // instances; of those that find no room, the next look finds the files
	done := make(chan struct{})
	go func() {
		defer close(done)
		folder.serveFolds(ctx, log, folded)
	}()
	c.serveRest(ctx, log, folded)
	<-done
}

// serveFolds folds what is due, and tells which instances it folded.
func (c *Compactor) serveFolds(ctx context.Context, log *slog.Logger, folded chan<- string) {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		for id, b := range c.Log.Backlogs() {
			if !due(b, time.Now()) {
				continue
			}
			var total Report
			c.report(ctx, log, id, c.fold(ctx, id, &total))
			select {
			case folded <- id:
			default:
			}
		}
	}
}

// serveRest merges what was folded, and looks at all instances as their time
// comes.
func (c *Compactor) serveRest(ctx context.Context, log *slog.Logger, folded <-chan string) {
	next := time.NewTimer(time.Second)
	defer next.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case id := <-folded:
			var total Report
			c.report(ctx, log, id, c.tidy(ctx, id, &total))
		case <-next.C:
			wait, err := c.Look(ctx)
			c.report(ctx, log, "", err)
			next.Reset(wait)
		}
	}
}

func (c *Compactor) report(ctx context.Context, log *slog.Logger, id string, err error) {
	if err != nil && ctx.Err() == nil {
		c.Metrics.failed()
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
