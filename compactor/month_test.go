package compactor

import (
	"context"
	"flag"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/firnlog/firn/internal/bubble"
	"github.com/firnlog/firn/internal/gen"
	"github.com/firnlog/firn/layout/commitlog"
	"github.com/firnlog/firn/layout/event"
	"github.com/firnlog/firn/layout/snapshot"
	"github.com/firnlog/firn/layout/store"
)

var (
	monthEvents = flag.Int("events", 0, "events of the month, in a folder and with data files of the default size; without it fewer, in memory")
	monthBucket = flag.String("bucket", "", "folder for the month's bucket, which is kept")
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

// ratio returns how many times the bytes of the commits were put altogether.
func (m *metered) ratio() float64 {
	return float64(m.log.Load()+m.rest.Load()) / float64(m.log.Load())
}

// ofBubble is a store on a real disk whose times are those of the bubble that it
// is used in.
type ofBubble struct {
	store.Store
	stored sync.Map // of time.Time by key
}

func (s *ofBubble) Put(ctx context.Context, key string, body store.Body, c store.Condition) (store.Receipt, error) {
	r, err := s.Store.Put(ctx, key, body, c)
	if err == nil {
		s.stored.Store(key, time.Now())
	}
	r.StoreTime = time.Now()
	return r, err
}

func (s *ofBubble) Get(ctx context.Context, key string, r store.Range) (*store.Object, error) {
	o, err := s.Store.Get(ctx, key, r)
	if err == nil {
		o.StoreTime = time.Now()
	}
	return o, err
}

func (s *ofBubble) List(ctx context.Context, opts store.ListOptions) (store.Page, error) {
	p, err := s.Store.List(ctx, opts)
	for i := range p.Objects {
		if at, ok := s.stored.Load(p.Objects[i].Key); ok {
			p.Objects[i].Modified = at.(time.Time)
		}
	}
	p.StoreTime = time.Now()
	return p, err
}

// used returns the CPU time and the peak of the memory that the process took so
// far, in seconds and bytes.
func used() (cpu float64, peak int64) {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0, 0
	}
	return float64(u.Utime.Nano()+u.Stime.Nano()) / 1e9, u.Maxrss << 10
}

// aMonth is an instance that gets events for thirty days, one in a hundred of
// them up to thirty days late.
type aMonth struct {
	t         *testing.T
	s         *metered
	l         *commitlog.Log
	c         *Compactor
	events    int
	batch     int     // events of each commit
	json      int64   // bytes of the events as NDJSON
	busy      float64 // CPU seconds of the compactor
	batchTime float64 // CPU seconds of all else
}

const monthDays = 30

// live lets the month pass. The instance is compacted as a server does it.
func (m *aMonth) live(streams int) {
	commits := m.events / m.batch
	pause := monthDays * 24 * time.Hour / time.Duration(commits)
	g := gen.New(7, time.Now(), pause/time.Duration(m.batch))
	g.Streams = streams
	for i := range commits {
		time.Sleep(pause)
		began, _ := used()
		var b commitlog.Batch
		for range m.batch {
			e := g.Next()
			m.json += int64(len(e.Payload) + len(e.Metadata) + len(e.Stream) + len(e.Type) + len(`{"stream_id":"","event_type":"","timestamp":"2026-11-29T00:00:00.000000Z","payload":,"metadata":}`) + 1)
			b.Events = append(b.Events, e)
		}
		mustAppend(m.t, m.l, b)
		appended, _ := used()
		for id, b := range m.l.Backlogs() {
			if due(b, time.Now()) {
				m.compact(id)
			}
		}
		folded, peak := used()
		m.batchTime, m.busy = m.batchTime+appended-began, m.busy+folded-appended
		if every := commits / monthDays; *monthEvents > 0 && i%every == every-1 {
			fmt.Fprintf(os.Stderr, "day %d: %d events; CPU seconds: appends %.0f, compaction %.0f; peak memory %d MB; %.2f times the commits\n",
				(i+1)/every, (i+1)*m.batch, m.batchTime, m.busy, peak>>20, m.s.ratio())
		}
	}
}

func (m *aMonth) compact(id string) {
	if _, err := m.c.compact(m.t.Context(), id); err != nil {
		m.t.Fatal(err)
	}
}

// files returns the data files by day.
func (m *aMonth) files() (map[string][]snapshot.File, *commitlog.View) {
	v, err := m.l.Pin(m.t.Context(), "i")
	if err != nil {
		m.t.Fatal(err)
	}
	files, err := v.Files(m.t.Context(), event.MinTime, event.MaxTime)
	if err != nil {
		m.t.Fatal(err)
	}
	perDay := map[string][]snapshot.File{}
	for _, f := range files {
		perDay[f.MinTime.Day()] = append(perDay[f.MinTime.Day()], f)
	}
	return perDay, v
}

// report logs what there is, by day.
func (m *aMonth) report(perDay map[string][]snapshot.File) {
	var count, rows, bytes int64
	for _, day := range slices.Sorted(maps.Keys(perDay)) {
		var dayRows, dayBytes, largest int64
		for _, f := range perDay[day] {
			dayRows, dayBytes, largest = dayRows+f.Rows, dayBytes+f.Bytes, max(largest, f.Bytes)
		}
		count, rows, bytes = count+int64(len(perDay[day])), rows+dayRows, bytes+dayBytes
		m.t.Logf("%s: %d files, %d events, %.1f MB, the largest file %.1f MB", day, len(perDay[day]), dayRows, mb(dayBytes), mb(largest))
	}
	_, peak := used()
	m.t.Logf("%d events in %d files of %d days: %.1f MB of %.1f MB NDJSON, %.1f bytes an event", rows, count, len(perDay), mb(bytes), mb(m.json), float64(bytes)/float64(rows))
	m.t.Logf("commits %.1f MB, all %.2f times that in %d puts; data %.1f MB, snapshots %.1f MB, manifests %.1f MB, heads %.1f MB",
		mb(m.s.log.Load()), m.s.ratio(), m.s.puts.Load(), mb(m.s.kinds[0].Load()), mb(m.s.kinds[1].Load()), mb(m.s.kinds[2].Load()), mb(m.s.kinds[3].Load()))
	m.t.Logf("CPU seconds: making and appending events %.1f, compaction %.1f (%.0f events/s); peak memory %d MB", m.batchTime, m.busy, float64(m.events)/m.busy, peak>>20)
}

func mb(n int64) float64 { return float64(n) / (1 << 20) }

// A month of an instance that is compacted as a server does it: all that is
// written is less than four times the commits, and days that are over have few
// files. With -events it is a month as large as one likes, and memory is bounded.
func TestAMonthIsWrittenLessThanFourTimes(t *testing.T) {
	if testing.Short() {
		t.Skip("takes some seconds")
	}
	dir := *monthBucket
	if dir == "" {
		dir = t.TempDir()
	}
	bubble.Run(t, func(t *testing.T) {
		m := &aMonth{t: t, s: &metered{Store: store.NewMemory()}, events: 30 * 24 * 240, batch: 240}
		streams, target := 3_000, int64(4<<20) // in proportion to the day
		if *monthEvents > 0 {
			folder, err := store.OpenFolder(dir)
			if err != nil {
				t.Fatal(err)
			}
			m.s.Store, m.events, m.batch = &ofBubble{Store: folder}, *monthEvents, 1_000
			streams, target = 100_000, 0
		}
		m.l = newLog(t, m.s, 1)
		m.c = &Compactor{Log: m.l, TargetBytes: target}
		m.live(streams)
		time.Sleep(2 * 24 * time.Hour) // until the last day is over
		m.compact("i")
		perDay, v := m.files()
		m.report(perDay)
		most := 0
		for day, fs := range perDay {
			most = max(most, len(fs))
			if over(fs[0].MinTime, v.Point.Now) && mergeable(fs, true, m.c.target()) != nil {
				t.Errorf("%s: %d files, and some could be merged", day, len(fs))
			}
		}
		if m.s.ratio() >= 4 {
			t.Errorf("%.2f times the commits were written", m.s.ratio())
		}
		if most > fanIn+fewFiles {
			t.Errorf("a day has %d files", most)
		}
		if _, err := m.c.Sweep(t.Context(), "i", false); err != nil {
			t.Error(err)
		}
	})
}
