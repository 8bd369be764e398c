package compactor

import (
	"testing"
	"time"

	"github.com/firnlog/firn/internal/gen"
	"github.com/firnlog/firn/layout/commitlog"
	"github.com/firnlog/firn/layout/store"
)

// Folding and merging a day of events in the shape of Bluesky's, per second of
// CPU: folds of 60,000 events in 60 commits, and one merge of all these.
func BenchmarkCompact(b *testing.B) {
	const folds, commits, events = 12, 60, 1_000
	var fold, merge, peakMB float64
	for b.Loop() {
		s := store.NewMemory()
		l := newLog(b, s, 1)
		c := &Compactor{Log: l}
		g := gen.New(1, time.Now().Add(-72*time.Hour).Truncate(24*time.Hour), 24*time.Hour/(folds*commits*events))
		g.Late = 0
		for range folds {
			for range commits {
				var batch commitlog.Batch
				for range events {
					batch.Events = append(batch.Events, g.Next())
				}
				mustAppend(b, l, batch)
			}
			began, _ := used()
			if err := c.fold(b.Context(), "i", &Report{}); err != nil {
				b.Fatal(err)
			}
			ended, _ := used()
			fold += ended - began
		}
		began, _ := used()
		var r Report
		if err := c.tidy(b.Context(), "i", &r); err != nil {
			b.Fatal(err)
		}
		ended, peak := used()
		if r.FilesMerged != folds {
			b.Fatalf("%d files were merged, not %d", r.FilesMerged, folds)
		}
		merge += ended - began
		peakMB = float64(peak >> 20)
	}
	n := float64(folds * commits * events * b.N)
	b.ReportMetric(n/fold, "folded/s")
	b.ReportMetric(n/merge, "merged/s")
	b.ReportMetric(n/(fold+merge), "events/s")
	b.ReportMetric(peakMB, "peak-MB")
}
