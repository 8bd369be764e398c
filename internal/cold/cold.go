// Package cold makes the bucket, and the question, by which round trips of a
// process are counted that knows nothing yet.
package cold

import (
	"context"
	"fmt"
	"time"

	"github.com/firnlog/firn/compactor"
	"github.com/firnlog/firn/layout/catalog"
	"github.com/firnlog/firn/layout/commitlog"
	"github.com/firnlog/firn/layout/event"
	"github.com/firnlog/firn/layout/store"
)

// Instance is that of the bucket, which has Days days of FilesADay small data files.
const (
	Instance  = "log"
	Days      = 100
	FilesADay = 10
)

// Fill fills an empty bucket with data files and as many commits behind them as
// tail says. Each holds one event of the hour that [Question] is about, and more.
func Fill(ctx context.Context, s store.Store, tail int) error {
	log := commitlog.Open(s)
	if _, err := log.CreateInstance(ctx, catalog.Instance{ID: Instance, Shards: 1}); err != nil {
		return err
	}
	for i := range FilesADay + tail {
		if _, err := log.Append(ctx, Instance, round()); err != nil {
			return err
		}
		if i >= FilesADay {
			continue
		}
		// Files of a byte are large enough: none are merged.
		if _, err := (&compactor.Compactor{Log: log, TargetBytes: 1}).Run(ctx, Instance); err != nil {
			return err
		}
	}
	return nil
}

// round returns two events of each day, an hour apart.
func round() commitlog.Batch {
	var b commitlog.Batch
	for day := range Days {
		for hour := range 2 {
			at := first().AddDate(0, 0, day).Add(time.Duration(hour)*time.Hour + time.Minute)
			b.Events = append(b.Events, event.Event{Stream: fmt.Sprint("s", hour), Type: "t", Time: event.ToMicros(at),
				Metadata: []byte("{}"), Payload: fmt.Appendf(nil, `{"n":%d}`, day)})
		}
	}
	return b
}

// first returns the bucket's first day: it ends a few days ago, and is over.
func first() time.Time { return time.Now().UTC().Truncate(24*time.Hour).AddDate(0, 0, -Days-3) }

// Question asks about one hour of a day in the middle, as the given stages say.
func Question(stages string) string {
	hour := first().AddDate(0, 0, Days/2).Add(time.Hour)
	return fmt.Sprintf("from %s since %s until %s %s", Instance, hour.Format(time.RFC3339), hour.Add(time.Hour).Format(time.RFC3339), stages)
}
