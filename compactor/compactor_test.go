package compactor

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/firnlog/firn/internal/bubble"
	"github.com/firnlog/firn/layout/catalog"
	"github.com/firnlog/firn/layout/commitlog"
	"github.com/firnlog/firn/layout/event"
	"github.com/firnlog/firn/layout/segment"
	"github.com/firnlog/firn/layout/store"
)

func newLog(t testing.TB, s store.Store, shards int) *commitlog.Log {
	t.Helper()
	l := commitlog.Open(s)
	if _, err := l.CreateInstance(context.Background(), catalog.Instance{ID: "i", Shards: shards}); err != nil {
		t.Fatal(err)
	}
	return l
}

// batch returns n random events over some streams and the last few days.
func batch(rng *rand.Rand, n int) commitlog.Batch {
	var b commitlog.Batch
	for range n {
		b.Events = append(b.Events, event.Event{
			Stream: fmt.Sprint("s", rng.IntN(9)), Type: fmt.Sprint("t", rng.IntN(3)), Metadata: []byte(`{}`),
			Time:    event.ToMicros(time.Now().Add(-time.Duration(rng.Int64N(int64(72 * time.Hour))))),
			Payload: fmt.Appendf(nil, `{"n":%d}`, rng.Int()),
		})
	}
	return b
}

func mustAppend(t testing.TB, l *commitlog.Log, b commitlog.Batch) commitlog.Receipt {
	t.Helper()
	r, err := l.Append(context.Background(), "i", b)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// all returns every event that a process which knows nothing yet can see, in
// append order.
func all(t testing.TB, s store.Store) []event.Event {
	t.Helper()
	ctx := context.Background()
	v, err := commitlog.Open(s).Pin(ctx, "i")
	if err != nil {
		t.Fatal(err)
	}
	var out []event.Event
	read := func(f *segment.File, shard int) {
		for _, g := range f.Groups() {
			b, err := g.Read(segment.AllColumns)
			if err != nil {
				t.Fatal(err)
			}
			for i := range b.Rows() {
				out = append(out, b.Event(i, shard))
			}
		}
	}
	files, err := v.Files(ctx, event.MinTime, event.MaxTime)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		file, err := v.Open(ctx, f)
		if err != nil {
			t.Fatal(err)
		}
		read(file, f.Shard)
	}
	for _, c := range v.Tail {
		read(c.File, c.Shard)
	}
	slices.SortFunc(out, func(a, b event.Event) int { return a.Place.Compare(b.Place) })
	return out
}

func mustEqual(t testing.TB, got, want []event.Event) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%d events, want %d", len(got), len(want))
	}
	for i := range want {
		if fmt.Sprintf("%+v", got[i]) != fmt.Sprintf("%+v", want[i]) {
			t.Fatalf("event %d:\n got %+v\nwant %+v", i, got[i], want[i])
		}
	}
}

func mustRun(t testing.TB, c *Compactor) Report {
	t.Helper()
	r, err := c.Run(context.Background(), "i")
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestCompactionChangesNothingThatIsSeen(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 1))
	s := store.NewMemory()
	l := newLog(t, s, 2)
	c := &Compactor{Log: l}
	var want []event.Event
	for round := range 20 {
		for range 1 + rng.IntN(4) {
			want = append(want, mustAppend(t, l, batch(rng, 1+rng.IntN(50))).Events...)
		}
		slices.SortFunc(want, func(a, b event.Event) int { return a.Place.Compare(b.Place) })
		mustEqual(t, all(t, s), want)
		if r := mustRun(t, c); r.Events == 0 || r.FilesWritten == 0 {
			t.Fatalf("round %d folded nothing: %+v", round, r)
		}
		mustEqual(t, all(t, s), want)
	}
	v, _, err := l.PinNewest(t.Context(), "i")
	if err != nil {
		t.Fatal(err)
	}
	if len(v.Tail) != 0 {
		t.Fatalf("%d commits are left in the tail", len(v.Tail))
	}
	files, _ := v.Files(t.Context(), event.MinTime, event.MaxTime)
	if len(files) > 4*2*2*fewFiles+4*2*fanIn {
		t.Fatalf("%d files: merges do not keep up", len(files))
	}
	var rows int64
	for _, f := range files {
		if f.MinTime.Day() != f.MaxTime.Day() || !strings.Contains(f.Key, "day="+f.MinTime.Day()) {
			t.Fatalf("%s holds %v to %v", f.Key, f.MinTime, f.MaxTime)
		}
		rows += f.Rows
	}
	if rows != int64(len(want)) {
		t.Fatalf("manifests count %d events, not %d", rows, len(want))
	}
	// A process that knows nothing goes on where the streams stand.
	next := mustAppend(t, commitlog.Open(s), commitlog.Batch{Events: []event.Event{{Stream: "s1", Type: "t", Payload: []byte(`1`), Metadata: []byte(`{}`)}}})
	last := slices.MaxFunc(want, func(a, b event.Event) int {
		return cmp.Compare(seqOf(a, "s1"), seqOf(b, "s1"))
	})
	if next.Events[0].Sequence != last.Sequence+1 {
		t.Fatalf("%d follows %d", next.Events[0].Sequence, last.Sequence)
	}
}

func seqOf(e event.Event, stream string) int64 {
	if e.Stream != stream {
		return 0
	}
	return e.Sequence
}

func TestAppendersAndCompactorsAtOnce(t *testing.T) {
	s := store.NewMemory()
	l := newLog(t, s, 2)
	var wg sync.WaitGroup
	stop := make(chan struct{})
	for range 2 {
		c := &Compactor{Log: commitlog.Open(s)}
		wg.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
					mustRun(t, c)
				}
			}
		})
	}
	var mu sync.Mutex
	var want []event.Event
	var writers sync.WaitGroup
	for p := range 3 {
		writers.Go(func() {
			rng := rand.New(rand.NewPCG(2, uint64(p)))
			own := commitlog.Open(s)
			for range 15 {
				r := mustAppend(t, own, batch(rng, 1+rng.IntN(20)))
				mu.Lock()
				want = append(want, r.Events...)
				mu.Unlock()
			}
		})
	}
	writers.Wait()
	close(stop)
	wg.Wait()
	mustRun(t, &Compactor{Log: l})
	slices.SortFunc(want, func(a, b event.Event) int { return a.Place.Compare(b.Place) })
	mustEqual(t, all(t, s), want)
}

// Every view that is pinned after an acknowledgement holds the event, in the
// process that wrote it and in any other, whatever compactors do meanwhile.
func TestAcknowledgedEventsAreVisible(t *testing.T) {
	s := store.NewMemory()
	l := newLog(t, s, 2)
	readers := []*commitlog.Log{l, commitlog.Open(s), commitlog.Open(s)}
	stop := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		c := &Compactor{Log: commitlog.Open(s)}
		for {
			select {
			case <-stop:
				return
			default:
				mustRun(t, c)
			}
		}
	})
	defer func() { close(stop); wg.Wait() }()
	rng := rand.New(rand.NewPCG(8, 8))
	written := 0
	for range 40 {
		written += len(mustAppend(t, l, batch(rng, 1+rng.IntN(5))).Events)
		for i, r := range readers {
			v, err := r.Pin(t.Context(), "i")
			if err != nil {
				t.Fatal(err)
			}
			files, err := v.Files(t.Context(), event.MinTime, event.MaxTime)
			if err != nil {
				t.Fatal(err)
			}
			var rows int64
			for _, f := range files {
				rows += f.Rows
			}
			for _, c := range v.Tail {
				rows += c.File.Rows()
			}
			if rows != int64(written) {
				t.Fatalf("reader %d sees %d of %d events", i, rows, written)
			}
		}
	}
}

func TestKeysSurviveFolding(t *testing.T) {
	s := store.NewMemory()
	l := newLog(t, s, 1)
	rng := rand.New(rand.NewPCG(3, 3))
	b := batch(rng, 5)
	b.Key, b.Hash = "k", "h"
	first := mustAppend(t, l, b)
	for i := range 5 {
		other := batch(rng, 3)
		other.Key, other.Hash = fmt.Sprint("other-", i), "h"
		mustAppend(t, l, other)
		mustRun(t, &Compactor{Log: l})
	}
	again := mustAppend(t, commitlog.Open(s), b)
	if !again.Replayed || again.Events[4].Place != first.Events[4].Place {
		t.Fatalf("replayed %v: %+v is not %+v", again.Replayed, again.Events[4], first.Events[4])
	}
}

func TestDroppedInstanceLosesItsFiles(t *testing.T) {
	for shards := range 4 { // of its second life; the first has two
		testDropped(t, shards+1)
	}
}

func testDropped(t *testing.T, shards int) {
	s := store.NewMemory()
	l := newLog(t, s, 2)
	rng := rand.New(rand.NewPCG(4, 4))
	mustAppend(t, l, batch(rng, 50))
	before := batch(rng, 3)
	for i := range before.Events {
		before.Events[i].Stream = "of the first life"
	}
	mustAppend(t, l, before)
	c := &Compactor{Log: l}
	mustRun(t, c)
	if _, err := l.DeleteInstance(t.Context(), "i"); err != nil {
		t.Fatal(err)
	}
	if _, err := l.CreateInstance(t.Context(), catalog.Instance{ID: "i", Shards: shards}); err != nil {
		t.Fatal(err)
	}
	want := mustAppend(t, l, batch(rng, 50)).Events
	slices.SortFunc(want, func(a, b event.Event) int { return a.Place.Compare(b.Place) })
	mustEqual(t, all(t, s), want) // the drop is in the tail
	mustRun(t, c)
	mustEqual(t, all(t, s), want) // and now it is folded
	v, _, err := l.PinNewest(t.Context(), "i")
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range v.Days() {
		files, err := l.Table("i").Files(t.Context(), d)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range files {
			if f.Shard >= shards {
				t.Errorf("%s is of a shard that the instance does not have", f.Key)
			}
		}
	}
	if e := mustAppend(t, commitlog.Open(s), before).Events[0]; e.Sequence != 1 {
		t.Errorf("a stream of the first life goes on with number %d", e.Sequence)
	}
}

// The sweeper in virtual time: nothing goes before its grace is over, and then
// everything that is not read any more.
func TestSweepKeepsTheGrace(t *testing.T) {
	bubble.Run(t, func(t *testing.T) {
		s := store.NewMemory()
		l := newLog(t, s, 1)
		c := &Compactor{Log: l}
		rng := rand.New(rand.NewPCG(5, 5))
		var want []event.Event
		orphan := "instances/i/data/day=2000-01-01/shard=000/orphan.parquet"
		if _, err := s.Put(t.Context(), orphan, bytes.NewReader([]byte("x")), store.Always); err != nil {
			t.Fatal(err)
		}
		for range 32 {
			want = append(want, mustAppend(t, l, batch(rng, 30)).Events...)
			if r := mustRun(t, c); r.Swept != 0 {
				t.Fatalf("%d objects swept within the hour", r.Swept)
			}
			time.Sleep(time.Minute)
		}
		old, err := l.Pin(t.Context(), "i")
		if err != nil {
			t.Fatal(err)
		}
		before := keys(t, s)
		time.Sleep(2 * time.Hour)
		mustRun(t, c) // commits an empty snapshot to tell the orphan by
		mustRun(t, c)
		after := keys(t, s)
		if slices.Contains(after, orphan) || len(after) != len(before) { // the orphan for the empty snapshot
			t.Fatalf("the orphan is there, or more than it went: %d objects, then %d", len(before), len(after))
		}
		time.Sleep(20 * time.Hour) // 22 in all
		mustRun(t, c)
		if v, err := commitlog.Open(s).At(t.Context(), "i", old.Point); err != nil || len(v.Tail) != len(old.Tail) {
			t.Fatalf("a point of 22 hours ago is gone: %v", err)
		}
		mustEqual(t, all(t, s), want)
		time.Sleep(4 * time.Hour)
		want = append(want, mustAppend(t, l, batch(rng, 3)).Events...)
		mustRun(t, c)
		time.Sleep(25 * time.Hour)
		dry, err := c.Sweep(t.Context(), "i", true)
		if err != nil || len(dry) == 0 {
			t.Fatalf("%v %v", dry, err)
		}
		for range 3 {
			mustRun(t, c)
			time.Sleep(25 * time.Hour)
		}
		mustEqual(t, all(t, s), want)
		left := keys(t, s)
		for _, key := range left {
			if strings.Contains(key, "/log/") {
				t.Errorf("%s was folded days ago and is still there", key)
			}
		}
		v, _, err := l.PinNewest(t.Context(), "i")
		if err != nil {
			t.Fatal(err)
		}
		files, _ := v.Files(t.Context(), event.MinTime, event.MaxTime)
		st := v.Snapshot().ShardState(0)
		if n := len(files) + len(st.Heads) + len(st.Keys); len(left) > n+3 { // snapshots and the catalog
			t.Errorf("%d objects are left for %d that are named: %v", len(left), n, left)
		}
		next := mustAppend(t, commitlog.Open(s), batch(rng, 1)).Events[0]
		for _, e := range want {
			if e.Stream == next.Stream && e.Sequence >= next.Sequence {
				t.Fatalf("stream %s went back from %d to %d", e.Stream, e.Sequence, next.Sequence)
			}
		}
	})
}

func keys(t testing.TB, s store.Store) []string {
	t.Helper()
	var out []string
	for after, more := "", true; more; {
		page, err := s.List(context.Background(), store.ListOptions{StartAfter: after})
		if err != nil {
			t.Fatal(err)
		}
		for _, o := range page.Objects {
			out = append(out, o.Key)
			after = o.Key
		}
		more = page.More
	}
	return out
}

func TestRetentionDropsWhatIsHidden(t *testing.T) {
	bubble.Run(t, func(t *testing.T) {
		s := store.NewMemory()
		l := newLog(t, s, 1)
		days := 2
		if _, err := l.UpdateInstance(t.Context(), "i", commitlog.Update{RetentionDays: &days}); err != nil {
			t.Fatal(err)
		}
		rng := rand.New(rand.NewPCG(6, 6))
		mustAppend(t, l, batch(rng, 200)) // three days back
		c := &Compactor{Log: l}
		if r := mustRun(t, c); r.Events != 200 {
			t.Fatalf("%+v", r)
		}
		time.Sleep(72 * time.Hour)
		r := mustRun(t, c)
		v, err := l.Pin(t.Context(), "i")
		if err != nil {
			t.Fatal(err)
		}
		files, _ := v.Files(t.Context(), event.MinTime, event.MaxTime)
		if r.FilesExpired == 0 || len(files) > 0 || len(v.Days()) > 0 {
			t.Fatalf("%+v, %d files, %d days", r, len(files), len(v.Days()))
		}
	})
}

// A compactor that lives long does not read the snapshots of a whole day again
// for each sweep.
func TestSweepReadsSnapshotsOnce(t *testing.T) {
	s := store.NewCounted(store.NewMemory())
	l := newLog(t, s, 1)
	c := &Compactor{Log: l}
	rng := rand.New(rand.NewPCG(9, 9))
	for range 30 {
		mustAppend(t, l, batch(rng, 1))
		if _, err := c.compact(t.Context(), "i"); err != nil {
			t.Fatal(err)
		}
	}
	gets := func() int64 {
		before := s.Counts()
		if _, err := c.Sweep(t.Context(), "i", false); err != nil {
			t.Fatal(err)
		}
		return s.Counts().Sub(before).Get
	}
	if first, second := gets(), gets(); first < 30 || second > 1 {
		t.Errorf("the first sweep read %d objects, the second %d", first, second)
	}
}
