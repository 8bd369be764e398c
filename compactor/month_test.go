package compactor

import (
	"context"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/firnlog/firn/internal/bubble"
	"github.com/firnlog/firn/internal/gen"
	"github.com/firnlog/firn/layout/commitlog"
	"github.com/firnlog/firn/layout/event"
	"github.com/firnlog/firn/layout/snapshot"
	"github.com/firnlog/firn/layout/store"
)

// metered counts the bytes that are put: those of the log, and all others.
type metered struct {
	store.Store
	puts      atomic.Int64
	log, rest atomic.Int64    // bytes
	kinds     [4]atomic.Int64 // of the rest: data, snapshots, manifests, heads
}

func (m *metered) Put(ctx context.Context, key string, body store.Body, c store.Condition) (store.Receipt, error) {
	size := body.Size()
	m.puts.Add(1)
	if strings.Contains(key, "/log/") {
		m.log.Add(size)
		return m.Store.Put(ctx, key, body, c)
	}
	m.rest.Add(size)
	for i, name := range []string{"/data/", "/snapshots/", "/manifests/", "/heads/"} {
		if strings.Contains(key, name) {
			m.kinds[i].Add(size)
		}
	}
	return m.Store.Put(ctx, key, body, c)
}

// A month of an instance that is compacted as a server does it: all that is
// written is less than four times the commits, and days that are over have few
// files.
func TestAMonthIsWrittenLessThanFourTimes(t *testing.T) {
	if testing.Short() {
		t.Skip("takes some seconds")
	}
	bubble.Run(t, func(t *testing.T) {
		const days, commits, events = 30, 24, 240 // commits a day, events in each
		s := &metered{Store: store.NewMemory()}
		l := newLog(t, s, 1)
		c := &Compactor{Log: l, TargetBytes: 4 << 20} // in proportion to the day
		pause := 24 * time.Hour / commits
		g := gen.New(7, time.Now(), pause/events)
		g.Streams = 3_000
		most := 0
		for range days * commits {
			time.Sleep(pause)
			var b commitlog.Batch
			for range events {
				b.Events = append(b.Events, g.Next())
			}
			mustAppend(t, l, b)
			for id, b := range l.Backlogs() {
				if due(b, time.Now()) {
					if _, err := c.compact(t.Context(), id); err != nil {
						t.Fatal(err)
					}
				}
			}
		}
		v, err := l.Pin(t.Context(), "i")
		if err != nil {
			t.Fatal(err)
		}
		files, err := v.Files(t.Context(), event.MinTime, event.MaxTime)
		if err != nil {
			t.Fatal(err)
		}
		perDay := map[string][]snapshot.File{}
		for _, f := range files {
			perDay[f.MinTime.Day()] = append(perDay[f.MinTime.Day()], f)
		}
		for day, fs := range perDay {
			most = max(most, len(fs))
			if over(fs[0].MinTime, v.Point.Now) && mergeable(fs, true, c.target()) != nil {
				t.Errorf("%s: %d files, and some could be merged", day, len(fs))
			}
		}
		ratio := float64(s.log.Load()+s.rest.Load()) / float64(s.log.Load())
		t.Logf("commits %d bytes, all %.2f times that; data %d, snapshots %d, manifests %d, heads %d; %d files in %d days, at most %d a day",
			s.log.Load(), ratio, s.kinds[0].Load(), s.kinds[1].Load(), s.kinds[2].Load(), s.kinds[3].Load(), len(files), len(perDay), most)
		if ratio >= 4 {
			t.Errorf("%.2f times the commits were written", ratio)
		}
		if most > fanIn+fewFiles {
			t.Errorf("a day has %d files", most)
		}
	})
}
