package compactor

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/firnlog/firn/layout/chain"
	"github.com/firnlog/firn/layout/commitlog"
	"github.com/firnlog/firn/layout/event"
)

// How often an instance is looked at, whoever writes to it: each time that
// nothing is found there it takes twice as long until the next, up to the latter.
const (
	lookSoon   = 15 * time.Minute
	lookSeldom = time.Hour
)

// sweepMargin is how much later than the grace allows a sweep comes, so that what
// was dropped at about the same time goes at once.
const sweepMargin = 10 * time.Minute

// watch is what is known of an instance that is looked at now and then.
type watch struct {
	next     time.Time // when to look again
	wait     time.Duration
	snapshot int64     // number of the newest snapshot, when all was done
	logged   []int64   // by shard: the log's end then
	ran      time.Time // when that was
	sweep    time.Time // when a sweep finds what the snapshot dropped; zero when that is done
}

// Look runs those instances of the bucket whose time has come and where something
// is to be done, deleted ones included, and returns how long to wait until the
// next look. Where nothing happens it costs a list of the catalog, and for each
// instance one of the catalog, one of its snapshots and one of each shard's log,
// once an hour. One instance's error does not keep the others from their turn.
func (c *Compactor) Look(ctx context.Context) (time.Duration, error) {
	ids, err := c.Log.IDs(ctx)
	if err != nil {
		return lookSoon, err
	}
	watched := make(map[string]*watch, len(ids))
	var errs []error
	wait := lookSeldom
	for _, id := range ids {
		w := c.watched[id]
		if w == nil {
			w = &watch{}
		}
		watched[id] = w
		if now := time.Now(); !now.Before(w.next) {
			worked, err := c.lookAt(ctx, id, w)
			errs = append(errs, err)
			w.wait = min(2*w.wait, lookSeldom)
			if worked || err != nil || w.wait == 0 {
				w.wait = lookSoon
			}
			w.next = now.Add(w.wait)
		}
		wait = min(wait, max(time.Until(w.next), time.Second))
	}
	c.watched = watched
	if now := time.Now(); now.Sub(c.catalogSwept) >= chain.Grace {
		c.catalogSwept = now
		errs = append(errs, c.SweepCatalog(ctx))
	}
	return wait, errors.Join(errs...)
}

// lookAt runs an instance if there is something to do, and reports whether there
// was or soon will be.
func (c *Compactor) lookAt(ctx context.Context, id string, w *watch) (bool, error) {
	v, _, err := c.Log.PinFold(ctx, id, foldBytes)
	if err != nil {
		return false, err
	}
	now := time.Now()
	known := !w.ran.IsZero() && v.Snapshot().Number == w.snapshot
	sweeps := !w.sweep.IsZero() && !now.Before(w.sweep)
	if known && !sweeps && !expires(v, now.Sub(w.ran)) {
		if slices.Equal(ends(v), w.logged) {
			return false, nil
		}
		if !due(waiting(v), now) {
			return true, nil
		}
	}
	if _, err := c.Run(ctx, id); err != nil {
		return false, err
	}
	if v, _, err = c.Log.PinFold(ctx, id, 0); err != nil {
		return false, err
	}
	if n := v.Snapshot().Number; n != w.snapshot && n > 0 {
		w.sweep = now.Add(chain.Grace + sweepMargin)
	} else {
		w.sweep = time.Time{}
	}
	w.snapshot, w.logged, w.ran = v.Snapshot().Number, ends(v), now
	return true, nil
}

// ends returns the last positions of a view's shards.
func ends(v *commitlog.View) []int64 {
	out := make([]int64, len(v.Point.Ends))
	for shard := range out {
		out[shard] = v.Logged(shard)
	}
	return out
}

// waiting returns the backlog of a view's tails, as far as it has read them.
func waiting(v *commitlog.View) commitlog.Backlog {
	b := commitlog.Backlog{Since: time.Now()}
	for shard := range v.Point.Ends {
		for _, c := range v.Unfolded(shard) {
			b.Commits++
			b.Bytes += c.Bytes
			if at := c.Time.Time(); at.Before(b.Since) {
				b.Since = at
			}
		}
	}
	return b
}

// expires reports whether retention has passed whole entries of a snapshot, or
// for a day has had time to pass files of one.
func expires(v *commitlog.View, sinceRun time.Duration) bool {
	cutoff := v.HiddenBefore - event.Micros(expireMargin.Microseconds())
	for _, d := range v.Snapshot().Days {
		if d.MaxTime < cutoff || d.MinTime < cutoff && sinceRun >= 24*time.Hour {
			return true
		}
	}
	return false
}
