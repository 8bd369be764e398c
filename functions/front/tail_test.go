package front_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/firnlog/firn/compactor"
	"github.com/firnlog/firn/functions/front"
	"github.com/firnlog/firn/internal/bubble"
	"github.com/firnlog/firn/layout/catalog"
	"github.com/firnlog/firn/layout/commitlog"
	"github.com/firnlog/firn/layout/event"
	"github.com/firnlog/firn/layout/fault"
	"github.com/firnlog/firn/layout/store"
	"github.com/firnlog/firn/querier"
)

// process is one process on a bucket.
type process struct {
	*front.Service
	log *commitlog.Log
}

func open(s store.Store) *process {
	log := commitlog.Open(s)
	return &process{front.New(front.Config{Log: log, Queries: querier.NewEngine(log), Store: s}), log}
}

var everything = front.WithCaller(context.Background(), front.Anyone)

func (p *process) create(t testing.TB, spec catalog.Instance) {
	t.Helper()
	if _, err := p.CreateInstance(everything, spec); err != nil {
		t.Fatal(err)
	}
}

// batch returns an event for each stream named, of now.
func batch(streams ...string) []event.Event {
	out := make([]event.Event, len(streams))
	for i, s := range streams {
		out[i] = event.Event{Stream: s, Type: "t", Time: event.ToMicros(time.Now()), Payload: []byte(`{"n":1}`), Metadata: []byte(`{}`)}
	}
	return out
}

func (p *process) append(t testing.TB, events ...event.Event) []event.Event {
	t.Helper()
	r, err := p.Append(everything, "i", commitlog.Batch{Events: events}, nil)
	if err != nil {
		t.Error(err)
	}
	return r.Events
}

func compact(t testing.TB, s store.Store) {
	t.Helper()
	if _, err := (&compactor.Compactor{Log: commitlog.Open(s)}).Run(context.Background(), "i"); err != nil {
		t.Error(err)
	}
}

func (p *process) tail(t testing.TB, req front.TailRequest) *front.Subscription {
	t.Helper()
	req.Instance = "i"
	sub, err := p.Tail(everything, req)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(sub.Close)
	return sub
}

// next returns the next n events as stream/sequence, and the last cursor.
func next(t testing.TB, sub *front.Subscription, n int) (string, string) {
	t.Helper()
	var out []string
	var cursor string
	for range n {
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
		item, err := sub.Next(ctx)
		cancel()
		if err != nil {
			t.Fatalf("after %s: %v", out, err)
		}
		out, cursor = append(out, fmt.Sprint(item.Event.Stream, "/", item.Event.Sequence)), item.Cursor
	}
	return strings.Join(out, " "), cursor
}

// quiet fails if an event comes while nothing else happens.
func quiet(t testing.TB, sub *front.Subscription) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Minute)
	defer cancel()
	if item, err := sub.Next(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("%v %v, want nothing", item, err)
	}
}

func wants(t testing.TB, got, want string) {
	t.Helper()
	if got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestTailBeginsWhereItIsAskedTo(t *testing.T) {
	bubble.Run(t, func(t *testing.T) {
		s := store.NewMemory()
		p := open(s)
		p.create(t, catalog.Instance{ID: "i"})
		p.append(t, batch("a", "b")...)
		compact(t, s)
		p.append(t, batch("b", "a")...)
		now := p.tail(t, front.TailRequest{})
		start := p.tail(t, front.TailRequest{After: querier.FromStart})
		p.append(t, batch("a")...)
		got, _ := next(t, now, 1)
		wants(t, got, "a/3")
		got, cursor := next(t, start, 2)
		wants(t, got, "a/1 b/1")
		got, _ = next(t, start, 3)
		wants(t, got, "b/2 a/2 a/3")
		quiet(t, start)
		// From a cursor in the middle of a folded commit, in this process and another.
		first := p.tail(t, front.TailRequest{After: querier.FromStart})
		_, inside := next(t, first, 1)
		for _, q := range []*process{p, open(s)} {
			got, _ = next(t, q.tail(t, front.TailRequest{After: inside}), 4)
			wants(t, got, "b/1 b/2 a/2 a/3")
			got, _ = next(t, q.tail(t, front.TailRequest{After: cursor}), 3)
			wants(t, got, "b/2 a/2 a/3")
		}
	})
}

func TestTailShowsWhatMatches(t *testing.T) {
	bubble.Run(t, func(t *testing.T) {
		s := store.NewMemory()
		p := open(s)
		p.create(t, catalog.Instance{ID: "i"})
		where := []querier.Predicate{{Field: querier.Tags, Operator: querier.Contains, Values: []querier.Value{querier.Text("x")}}}
		deep, err := querier.ParseField("payload.n")
		if err != nil {
			t.Fatal(err)
		}
		where = append(where, querier.Predicate{Field: deep, Operator: querier.Gt, Values: []querier.Value{querier.Number(1)}})
		sub := p.tail(t, front.TailRequest{Stream: "a", Where: where})
		idle := sub.Cursor()
		some := func() {
			es := batch("a", "a", "b", "a", "a")
			for i := range es {
				es[i].Tags, es[i].Payload = []string{"x", "y"}, []byte(`{"n":2}`)
			}
			es[1].Tags = []string{"y"}
			es[3].Payload = []byte(`{"n":1}`)
			p.append(t, es...)
		}
		some()
		compact(t, s)
		some()
		got, _ := next(t, sub, 4)
		wants(t, got, "a/1 a/4 a/5 a/8")
		p.append(t, batch("b")...)
		before := sub.Cursor()
		quiet(t, sub)
		if sub.Cursor() == before || before == idle {
			t.Error("the cursor stands still while events that do not match pass by")
		}
		got, _ = next(t, open(s).tail(t, front.TailRequest{Stream: "a", Where: where, After: querier.FromStart}), 4)
		wants(t, got, "a/1 a/4 a/5 a/8")
		if _, err := p.Tail(everything, front.TailRequest{Instance: "i", Where: []querier.Predicate{{}}}); !fault.Is(err, fault.Invalid) {
			t.Error(err)
		}
	})
}

// TestTailGivesEachEventOnce: appenders, a compactor and subscribers who leave
// and come back at random, in two processes on one bucket.
func TestTailGivesEachEventOnce(t *testing.T) {
	for _, shards := range []int{1, 3} {
		bubble.Run(t, func(t *testing.T) { eachEventOnce(t, shards) })
	}
}

func eachEventOnce(t *testing.T, shards int) {
	s := store.NewMemory()
	processes := []*process{open(s), open(s)}
	processes[0].create(t, catalog.Instance{ID: "i", Shards: shards})
	const appends, streams = 40, 7
	pause := func(r *rand.Rand, most time.Duration) { time.Sleep(time.Duration(r.Int64N(int64(most)))) }

	var appending, reading sync.WaitGroup
	var mu sync.Mutex
	var stored []event.Place
	for n, p := range processes {
		appending.Go(func() {
			r := rand.New(rand.NewPCG(uint64(n), 1))
			for range appends {
				var names []string
				for range 1 + r.IntN(5) {
					names = append(names, fmt.Sprint("s", r.IntN(streams)))
				}
				events := p.append(t, batch(names...)...)
				mu.Lock()
				for _, e := range events {
					stored = append(stored, e.Place)
				}
				mu.Unlock()
				pause(r, 3*time.Second)
			}
		})
	}
	done := make(chan struct{})
	reading.Go(func() {
		r := rand.New(rand.NewPCG(9, 9))
		for ctx := everything; ; {
			select {
			case <-done:
				return
			default:
			}
			pause(r, 15*time.Second)
			if _, err := (&compactor.Compactor{Log: processes[r.IntN(2)].log}).Run(ctx, "i"); err != nil {
				t.Error(err)
			}
		}
	})
	received := make([][]event.Place, 8)
	for n := range received {
		reading.Go(func() {
			r := rand.New(rand.NewPCG(uint64(n), 2))
			received[n] = subscribe(t, processes, r, done)
		})
	}
	appending.Wait()
	time.Sleep(time.Minute)
	close(done)
	reading.Wait()
	slices.SortFunc(stored, event.Place.Compare)
	for n, got := range received {
		last := map[int]event.Place{}
		for _, p := range got {
			if before, ok := last[p.Shard]; ok && p.Compare(before) <= 0 {
				t.Fatalf("subscriber %d: %v comes behind %v", n, p, before)
			}
			last[p.Shard] = p
		}
		slices.SortFunc(got, event.Place.Compare)
		if !slices.Equal(got, stored) {
			t.Errorf("subscriber %d got %d events, %d are stored", n, len(got), len(stored))
		}
	}
}

// subscribe reads all events until a while after done, leaving and coming back
// elsewhere now and then.
func subscribe(t *testing.T, processes []*process, r *rand.Rand, done chan struct{}) []event.Place {
	var got []event.Place
	cursor := querier.FromStart
	for over := false; !over; {
		sub, err := processes[r.IntN(2)].Tail(everything, front.TailRequest{Instance: "i", After: cursor})
		if err != nil {
			t.Error(err)
			return nil
		}
		stay, cancel := context.WithTimeout(context.Background(), time.Duration(r.Int64N(int64(20*time.Second))))
		select {
		case <-done:
			over = true // what is there must come in this last turn
			cancel()
			stay, cancel = context.WithTimeout(context.Background(), 30*time.Second)
		default:
		}
		for {
			item, err := sub.Next(stay)
			if err != nil {
				if stay.Err() == nil {
					t.Error(err)
				}
				break
			}
			got, cursor = append(got, item.Event.Place), item.Cursor
			if r.IntN(20) == 0 && !over {
				time.Sleep(time.Duration(r.Int64N(int64(90 * time.Second)))) // slow: what was read ahead is let go
			}
		}
		if r.IntN(2) == 0 {
			cursor = sub.Cursor()
		}
		cancel()
		sub.Close()
		time.Sleep(time.Duration(r.Int64N(int64(10 * time.Second))))
	}
	return got
}

// TestReplayOfManyEvents: more than one scan of the data files returns.
func TestReplayOfManyEvents(t *testing.T) {
	s := store.NewMemory()
	p := open(s)
	p.create(t, catalog.Instance{ID: "i"})
	const rounds, each = 2, 26_000
	streams := make([]string, each)
	for n := range streams {
		streams[n] = fmt.Sprint("s", n*7919%500)
	}
	for range rounds {
		p.append(t, batch(streams...)...)
	}
	compact(t, s)
	ctx, cancel := context.WithTimeout(everything, time.Minute)
	defer cancel()
	sub := open(s).tail(t, front.TailRequest{After: querier.FromStart})
	for n := range rounds * each {
		item, err := sub.Next(ctx)
		want := event.Place{Position: int64(n/each) + 1, Ordinal: int32(n % each)}
		if err != nil || item.Event.Place != want {
			t.Fatalf("%v, %v, want %v", item.Event.Place, err, want)
		}
	}
	p.append(t, batch("last")...)
	if item, err := sub.Next(ctx); err != nil || item.Event.Stream != "last" {
		t.Errorf("%v, %v", item.Event, err)
	}
}
