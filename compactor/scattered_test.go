package compactor

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/firnlog/firn/layout/commitlog"
	"github.com/firnlog/firn/layout/event"
	"github.com/firnlog/firn/layout/store"
)

// Batches whose events are scattered over years cost a file for each of their
// days and little besides; each is folded in a step of its own, the snapshot
// stays small, and days do not gather files.
func TestEventsScatteredOverYears(t *testing.T) {
	const years, events, rounds = 3, 500, 7
	rng := rand.New(rand.NewPCG(8, 8))
	s := &metered{Store: store.NewMemory()}
	l := newLog(t, s, 1)
	steps := 0
	c := &Compactor{Log: l, Progress: func(string, Report) { steps++ }}
	scattered := func() int {
		days := map[int64]bool{}
		var b commitlog.Batch
		for i := range events {
			at := time.Now().Add(-time.Duration(rng.Int64N(int64(years * 365 * 24 * time.Hour))))
			days[dayOf(event.ToMicros(at))] = true
			b.Events = append(b.Events, event.Event{Stream: fmt.Sprint("s", i%9), Type: "t", Time: event.ToMicros(at), Payload: []byte(`{"n":1}`), Metadata: []byte(`{}`)})
		}
		mustAppend(t, l, b)
		return len(days)
	}
	for range rounds {
		days := scattered() + scattered()
		steps = 0
		before := s.puts.Load()
		var r Report
		if err := c.fold(t.Context(), "i", &r); err != nil {
			t.Fatal(err)
		}
		puts := int(s.puts.Load() - before)
		if r.FilesWritten != int64(days) || steps != 2 || puts > days+250 {
			t.Errorf("two batches of %d days were folded in %d steps, into %d files, with %d puts", days, steps, r.FilesWritten, puts)
		}
		if err := c.tidy(t.Context(), "i", &r); err != nil {
			t.Fatal(err)
		}
	}
	v, err := l.Pin(t.Context(), "i")
	if err != nil {
		t.Fatal(err)
	}
	var rows int64
	most := 0
	for _, d := range v.Snapshot().Days {
		files, err := v.DayFiles(t.Context(), d)
		if err != nil {
			t.Fatal(err)
		}
		for _, group := range byDayAndShard(files) {
			most = max(most, len(group))
		}
		rows += d.Rows
	}
	if rows != 2*rounds*events || most > 2*fewFiles {
		t.Errorf("%d events, and a day has %d files", rows, most)
	}
	page, err := s.List(t.Context(), store.ListOptions{Prefix: "instances/i/snapshots/", Max: 1})
	if err != nil {
		t.Fatal(err)
	}
	if size := page.Objects[0].Size; size > 200<<10 {
		t.Errorf("the snapshot has %d bytes", size)
	}
}
