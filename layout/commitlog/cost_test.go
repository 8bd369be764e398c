package commitlog_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/firnlog/firn/compactor"
	"github.com/firnlog/firn/internal/bubble"
	"github.com/firnlog/firn/internal/cost"
	"github.com/firnlog/firn/layout"
	"github.com/firnlog/firn/layout/catalog"
	"github.com/firnlog/firn/layout/commitlog"
	"github.com/firnlog/firn/layout/event"
	"github.com/firnlog/firn/layout/fault"
	"github.com/firnlog/firn/layout/store"
)

// roundTrip is what every request takes in the virtual time of these tests, so
// that the time of an operation counts its sequential round trips.
const roundTrip = time.Second

// slow is a store with a round trip before each request.
type slow struct{ store.Store }

func (s slow) Get(ctx context.Context, key string, r store.Range) (*store.Object, error) {
	time.Sleep(roundTrip)
	return s.Store.Get(ctx, key, r)
}

func (s slow) Put(ctx context.Context, key string, b store.Body, c store.Condition) (store.Receipt, error) {
	time.Sleep(roundTrip)
	return s.Store.Put(ctx, key, b, c)
}

func (s slow) List(ctx context.Context, o store.ListOptions) (store.Page, error) {
	time.Sleep(roundTrip)
	return s.Store.List(ctx, o)
}

// measured runs f and returns its requests and sequential round trips.
func measured(c *store.Counted, f func()) (store.Counts, int) {
	before, began := c.Counts(), time.Now()
	f()
	return c.Counts().Sub(before), int(time.Since(began) / roundTrip)
}

func batch(streams ...string) commitlog.Batch {
	var b commitlog.Batch
	for i, s := range streams {
		b.Events = append(b.Events, event.Event{Stream: s, Type: "t", Time: event.ToMicros(time.Now()), Payload: fmt.Append(nil, i), Metadata: []byte(`{}`)})
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

func create(t testing.TB, s store.Store, shards int) *commitlog.Log {
	t.Helper()
	l := commitlog.Open(s)
	if _, err := l.CreateInstance(context.Background(), catalog.Instance{ID: "i", Shards: shards}); err != nil {
		t.Fatal(err)
	}
	return l
}

func compact(t testing.TB, s store.Store) {
	t.Helper()
	if _, err := (&compactor.Compactor{Log: commitlog.Open(s)}).Run(context.Background(), "i"); err != nil {
		t.Fatal(err)
	}
}

func TestWarmAppendCostsOnePut(t *testing.T) {
	bubble.Run(t, func(t *testing.T) {
		mem := store.NewMemory()
		create(t, mem, 1)
		mustAppend(t, commitlog.Open(mem), batch("old"))
		compact(t, mem)
		s := store.NewCounted(slow{mem})
		l := commitlog.Open(s)
		mustAppend(t, l, batch("a"))
		for _, b := range []commitlog.Batch{batch("a"), batch("a", "b", "new", "old"), {Events: batch("a").Events, Expect: map[string]commitlog.Expectation{"a": 3}}} {
			n, trips := measured(s, func() { mustAppend(t, l, b) })
			if n.Put != cost.WarmAppend.Put || n.Requests() != cost.WarmAppend.Put || trips != 1 {
				t.Errorf("a warm append cost %+v in %d round trips", n, trips)
			}
		}
		time.Sleep(61 * time.Minute)
		n, _ := measured(s, func() { mustAppend(t, l, batch("a")) })
		if n.Put != 1 || n.List > cost.HourlyLook.List || n.Get > cost.HourlyLook.Get { // the catalog's and the snapshots' newest, and a probe behind the log's end
			t.Errorf("an append after an hour cost %+v", n)
		}
	})
}

// TestWhoSharesAShardLooksFirst: two processes that take turns lose one PUT each,
// and none from then on. One that is alone again goes back to one PUT.
func TestWhoSharesAShardLooksFirst(t *testing.T) {
	bubble.Run(t, func(t *testing.T) {
		mem := store.NewMemory()
		create(t, mem, 1)
		s := store.NewCounted(mem)
		one, two := commitlog.Open(s), commitlog.Open(s)
		turn := func(l *commitlog.Log) store.Counts {
			time.Sleep(time.Second)
			n, _ := measured(s, func() { mustAppend(t, l, batch("a")) })
			return n
		}
		for _, l := range []*commitlog.Log{one, two, one} { // cold; cold; its put is lost
			turn(l)
		}
		turn(two)
		for n := range 6 {
			l := []*commitlog.Log{one, two}[n%2]
			if n := turn(l); n.Put != 1 || n.Get != 3 || n.Requests() != 4 { // the other's commit, and two positions behind it
				t.Errorf("in turns, an append cost %+v", n)
			}
		}
		turn(two) // learns what the other wrote, finds nothing after that:
		turn(two)
		if n := turn(two); n.Put != 1 || n.Requests() != 1 {
			t.Errorf("alone again, an append cost %+v", n)
		}
	})
}

func TestColdAppendCostsThreeRoundTripsBefore(t *testing.T) {
	for _, tail := range []int{0, 1, 15, 16} {
		for _, withKey := range []bool{false, true} {
			bubble.Run(t, func(t *testing.T) {
				mem := store.NewMemory()
				w := create(t, mem, 1)
				for i := range 5 { // several runs of heads and keys
					b := batch("old", fmt.Sprint("s", i))
					b.Key = fmt.Sprint("key", i)
					mustAppend(t, w, b)
					compact(t, mem)
				}
				for range tail {
					mustAppend(t, w, batch("a"))
				}
				s := store.NewCounted(slow{mem})
				b := batch("a", "old", "new")
				if withKey {
					b.Key = "mine"
				}
				n, trips := measured(s, func() { mustAppend(t, commitlog.Open(s), b) })
				if n.Put != 1 || trips > 3+1 {
					t.Errorf("tail %d: a cold append cost %+v in %d round trips, its own put included", tail, n, trips)
				}
			})
		}
	}
}

// headsMeter counts what is read of heads.
type headsMeter struct {
	store.Store
	mu    sync.Mutex
	gets  int
	bytes int64
}

func (m *headsMeter) Get(ctx context.Context, key string, r store.Range) (*store.Object, error) {
	o, err := m.Store.Get(ctx, key, r)
	if err == nil && strings.Contains(key, "/heads/") {
		m.mu.Lock()
		defer m.mu.Unlock()
		m.gets++
		m.bytes += o.Size
	}
	return o, err
}

// Of the heads of many streams a cold append reads those parts that its own
// streams may be in, in no more round trips than of few; and goes on with the
// right numbers.
func TestColdAppendReadsOnlyPartsOfManyHeads(t *testing.T) {
	bubble.Run(t, func(t *testing.T) {
		mem := store.NewMemory()
		w := create(t, mem, 1)
		const streams = 20_000
		names := make([]string, streams)
		for i := range names {
			names[i] = fmt.Sprint("stream-", i)
		}
		mustAppend(t, w, batch(names...))
		compact(t, mem)
		mustAppend(t, w, batch("stream-3", "stream-4"))
		compact(t, mem) // a small run before the large one
		var size int64
		page, err := mem.List(t.Context(), store.ListOptions{Prefix: layout.Heads("i")})
		if err != nil {
			t.Fatal(err)
		}
		for _, o := range page.Objects {
			size += o.Size
		}
		m := &headsMeter{Store: mem}
		s := store.NewCounted(slow{m})
		l := commitlog.Open(s)
		var r commitlog.Receipt
		n, trips := measured(s, func() { r = mustAppend(t, l, batch("stream-3", "stream-19999", "new")) })
		if n.Put != 1 || trips > 3+1 {
			t.Errorf("a cold append cost %+v in %d round trips, its own put included", n, trips)
		}
		if m.gets > 1+3 || m.bytes > size/4*3+4096 {
			t.Errorf("a cold append to three streams read %d of %d bytes of heads in %d requests", m.bytes, size, m.gets)
		}
		for i, want := range []int64{3, 2, 1} {
			if got := r.Events[i].Sequence; got != want {
				t.Errorf("%s has number %d, not %d", r.Events[i].Stream, got, want)
			}
		}
		// A stream that the process does not know costs one round trip more, at most.
		n, trips = measured(s, func() { r = mustAppend(t, l, batch("stream-3", "stream-77", "stream-1234", "stream-15")) })
		if n.Put != 1 || n.Get > 4 || n.List > 0 || trips > 1+1 || r.Events[3].Sequence != 2 {
			t.Errorf("an append to other streams cost %+v in %d round trips, and gave number %d", n, trips, r.Events[3].Sequence)
		}
	})
}

func TestQueryCostsOneListPerShard(t *testing.T) {
	const shards = 3
	bubble.Run(t, func(t *testing.T) {
		mem := store.NewMemory()
		w := create(t, mem, shards)
		mustAppend(t, w, batch("a", "b", "c", "d", "e"))
		compact(t, mem)
		mustAppend(t, w, batch("a", "b", "c", "d", "e"))
		s := store.NewCounted(slow{mem})
		l := commitlog.Open(s)
		pin := func() *commitlog.View {
			v, err := l.Pin(t.Context(), "i")
			if err != nil {
				t.Fatal(err)
			}
			return v
		}
		pin()
		n, trips := measured(s, func() { pin() })
		if n.List != shards*cost.WarmView.List || n.Requests() != shards || trips != 1 {
			t.Errorf("a warm view cost %+v in %d round trips", n, trips)
		}
		mustAppend(t, w, batch("a"))
		n, _ = measured(s, func() {
			if v := pin(); len(v.Tail) != shards+1 {
				t.Errorf("%d commits in the tail, want %d", len(v.Tail), shards+1)
			}
		})
		if n.List != shards || n.Get != 1 || n.Requests() != shards+1 {
			t.Errorf("a view after one commit elsewhere cost %+v", n)
		}
	})
}

// sleeper is a store whose user falls asleep in the middle of an operation: hook
// is called before each request.
type sleeper struct {
	store.Store
	mu   sync.Mutex
	hook func(op, key string)
}

func (s *sleeper) before(op, key string) {
	s.mu.Lock()
	hook := s.hook
	s.mu.Unlock()
	if hook != nil {
		hook(op, key)
	}
}

// once makes the hook do f at the first request that matches, and never again.
func (s *sleeper) once(op, part string, f func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.hook = func(o, key string) {
		if o == op && strings.Contains(key, part) {
			s.mu.Lock()
			s.hook = nil
			s.mu.Unlock()
			f()
		}
	}
}

func (s *sleeper) Get(ctx context.Context, key string, r store.Range) (*store.Object, error) {
	s.before("get", key)
	return s.Store.Get(ctx, key, r)
}

func (s *sleeper) Put(ctx context.Context, key string, b store.Body, c store.Condition) (store.Receipt, error) {
	s.before("put", key)
	// A request that is on its way does not know that its sender's time is over.
	return s.Store.Put(context.WithoutCancel(ctx), key, b, c)
}

func (s *sleeper) List(ctx context.Context, o store.ListOptions) (store.Page, error) {
	s.before("list", o.Prefix)
	return s.Store.List(ctx, o)
}

// weeksPass lets others write, compact and sweep until nothing of the log as it
// was is left.
func weeksPass(t *testing.T, mem store.Store) {
	for range 4 {
		mustAppend(t, commitlog.Open(mem), batch("a"))
		compact(t, mem)
		time.Sleep(25 * time.Hour)
	}
	compact(t, mem)
}

// A writer that sleeps for days right before its put wakes and writes where the
// log was swept. It must not take that for a success.
func TestSleepingWriterIsNotTrusted(t *testing.T) {
	bubble.Run(t, func(t *testing.T) {
		mem := store.NewMemory()
		s := &sleeper{Store: mem}
		create(t, mem, 1)
		l := commitlog.Open(s)
		mustAppend(t, l, batch("a"))
		s.once("put", "/log/", func() { weeksPass(t, mem) })
		slept := batch("a")
		if _, err := l.Append(context.Background(), "i", slept); !fault.Is(err, fault.Unknown) {
			t.Fatalf("a put into the swept past was answered with %v", err)
		}
		if _, err := mem.Get(t.Context(), "instances/i/log/shard=000/00000000000000000002.parquet", store.Range{}); err != nil {
			t.Fatalf("the test is void: the put did not go to a swept slot: %v", err)
		}
		r := mustAppend(t, l, batch("a"))
		if r.Events[0].Sequence != 6 {
			t.Fatalf("after waking the stream goes on at %d, not 6", r.Events[0].Sequence)
		}
		// And what it left in the past is not read by anyone.
		v, err := commitlog.Open(mem).Pin(t.Context(), "i")
		if err != nil || len(v.Tail) != 1 {
			t.Fatalf("%v, %d commits in the tail", err, len(v.Tail))
		}
	})
}

// A reader that sleeps between any two requests sees the log as it is when it
// wakes.
func TestSleepingReaderSeesTheLogOfNow(t *testing.T) {
	for _, point := range []struct{ op, part string }{{"list", "/log/"}, {"get", "/log/"}, {"get", "/snapshots/"}, {"list", "/snapshots/"}} {
		for _, warm := range []bool{false, true} {
			bubble.Run(t, func(t *testing.T) {
				mem := store.NewMemory()
				s := &sleeper{Store: mem}
				w := create(t, mem, 1)
				mustAppend(t, w, batch("a"))
				l := commitlog.Open(s)
				if warm {
					if _, err := l.Pin(t.Context(), "i"); err != nil {
						t.Fatal(err)
					}
					mustAppend(t, w, batch("a"))
				}
				slept := false
				s.once(point.op, point.part, func() { slept = true; weeksPass(t, mem) })
				v, err := l.Pin(t.Context(), "i")
				if err != nil {
					t.Fatal(err)
				}
				if !slept {
					return // a warm reader does not ask for this
				}
				var rows int64
				files, err := v.Files(t.Context(), event.MinTime, event.MaxTime)
				if err != nil {
					t.Fatal(err)
				}
				for _, f := range files {
					rows += f.Rows
				}
				for _, c := range v.Tail {
					rows += c.File.Rows()
				}
				want := int64(5)
				if warm {
					want = 6
				}
				if rows != want {
					t.Errorf("%s %s, warm %v: the view holds %d events, want %d", point.op, point.part, warm, rows, want)
				}
			})
		}
	}
}

func TestClockFarOffRefusesToWrite(t *testing.T) {
	bubble.Run(t, func(t *testing.T) {
		mem := store.NewMemory()
		create(t, mem, 1)
		l := commitlog.Open(skewed{mem, 16 * time.Minute})
		_, err := l.Append(t.Context(), "i", batch("a"))
		if !fault.Is(err, fault.Unavailable) || !strings.Contains(err.Error(), "clock") {
			t.Fatalf("%v", err)
		}
		if v, err := commitlog.Open(mem).Pin(t.Context(), "i"); err != nil || len(v.Tail) != 0 {
			t.Fatalf("%v: something was written", err)
		}
		mustAppend(t, commitlog.Open(skewed{mem, -14 * time.Minute}), batch("a"))
	})
}

// skewed is a store whose clock is ahead of ours.
type skewed struct {
	store.Store
	ahead time.Duration
}

func (s skewed) Put(ctx context.Context, key string, b store.Body, c store.Condition) (store.Receipt, error) {
	r, err := s.Store.Put(ctx, key, b, c)
	r.StoreTime = r.StoreTime.Add(s.ahead)
	return r, err
}

func (s skewed) List(ctx context.Context, o store.ListOptions) (store.Page, error) {
	p, err := s.Store.List(ctx, o)
	p.StoreTime = p.StoreTime.Add(s.ahead)
	return p, err
}
