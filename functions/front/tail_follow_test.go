package front_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/firnlog/firn/functions/front"
	"github.com/firnlog/firn/internal/bubble"
	"github.com/firnlog/firn/layout/catalog"
	"github.com/firnlog/firn/layout/event"
	"github.com/firnlog/firn/layout/fault"
	"github.com/firnlog/firn/layout/store"
	"github.com/firnlog/firn/querier"
)

// sleeper is a store whose user falls asleep at the first request of an operation
// for a key that matches.
type sleeper struct {
	store.Store
	mu       sync.Mutex
	op, part string
	sleep    func()
}

func (s *sleeper) once(op, part string, sleep func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.op, s.part, s.sleep = op, part, sleep
}

func (s *sleeper) before(op, key string) {
	s.mu.Lock()
	sleep := s.sleep
	if sleep == nil || op != s.op || !strings.Contains(key, s.part) {
		sleep = func() {}
	} else {
		s.sleep = nil
	}
	s.mu.Unlock()
	sleep()
}

func (s *sleeper) Get(ctx context.Context, key string, r store.Range) (*store.Object, error) {
	s.before("get", key)
	return s.Store.Get(ctx, key, r)
}

func (s *sleeper) List(ctx context.Context, o store.ListOptions) (store.Page, error) {
	s.before("list", o.Prefix)
	return s.Store.List(ctx, o)
}

// TestSleepingTail: a process that sleeps for days, while what it was about to
// read is folded and swept, and another one that slept writes into that past,
// misses nothing and sees nothing of that.
func TestSleepingTail(t *testing.T) {
	for _, point := range []struct{ op, part string }{{"get", "/log/"}, {"list", "/snapshots/"}} {
		bubble.Run(t, func(t *testing.T) {
			mem := store.NewMemory()
			writer := open(mem)
			writer.create(t, catalog.Instance{ID: "i"})
			writer.append(t, batch("a")...)
			s := &sleeper{Store: mem}
			late := open(s)
			sub := late.tail(t, front.TailRequest{After: querier.FromStart})
			got, _ := next(t, sub, 1)
			slept := make(chan struct{})
			s.once(point.op, point.part, func() {
				defer close(slept)
				for range 4 {
					writer.append(t, batch("a", "b")...)
					compact(t, mem)
					time.Sleep(25 * time.Hour)
				}
				compact(t, mem)
				past := "instances/i/log/shard=000/00000000000000000002.parquet"
				if _, err := mem.Get(everything, past, store.Range{}); !fault.Is(err, fault.NotFound) {
					t.Errorf("the test is void: %v", err)
				}
				stray := batch("stray")
				stray[0].Sequence = 1
				other := open(store.NewMemory())
				other.create(t, catalog.Instance{ID: "i"})
				other.append(t, batch("x")...)
				other.append(t, stray...)
				body, _, err := store.ReadAll(everything, other.Store, past)
				if err != nil {
					t.Error(err)
				}
				if _, err := mem.Put(everything, past, bytes.NewReader(body), store.IfAbsent); err != nil {
					t.Error(err)
				}
			})
			if point.op == "list" {
				time.Sleep(2 * time.Hour) // until the snapshot is looked up again
			}
			<-slept
			writer.append(t, batch("c")...)
			rest, _ := next(t, sub, 9)
			wants(t, got+" "+rest, "a/1 a/2 b/1 a/3 b/2 a/4 b/3 a/5 b/4 c/1")
			quiet(t, sub)
		})
	}
}

// TestSlowSubscriber: who does not read holds up nobody, and finds everything
// when it reads again; and so does who comes when all is compacted. Commits and
// pages of a replay are larger than what is read ahead.
func TestSlowSubscriber(t *testing.T) {
	bubble.Run(t, func(t *testing.T) {
		mem := store.NewMemory()
		p := open(mem)
		p.create(t, catalog.Instance{ID: "i"})
		lazy, quick := p.tail(t, front.TailRequest{}), p.tail(t, front.TailRequest{})
		big := batch("a")[0]
		big.Payload = append(append([]byte{'"'}, bytes.Repeat([]byte{'x'}, 3<<20)...), '"')
		const commits = 10
		for n := range commits {
			p.append(t, big, batch("a")[0], big, batch("a")[0])
			next(t, quick, 4)
			if n == 0 {
				next(t, lazy, 1) // and some are read ahead
			}
			time.Sleep(time.Minute)
		}
		all := func(sub *front.Subscription, from int) {
			t.Helper()
			for n := from; n <= 4*commits; n++ {
				item, err := sub.Next(everything)
				if err != nil || item.Event.Sequence != int64(n) || (len(item.Event.Payload) > 100) != (n%2 == 1) {
					t.Fatalf("event %d: %d of %d bytes, %v", n, item.Event.Sequence, len(item.Event.Payload), err)
				}
			}
			quiet(t, sub)
		}
		all(lazy, 2)
		compact(t, mem)
		all(open(mem).tail(t, front.TailRequest{After: querier.FromStart}), 1)
	})
}

func TestTailHidesWhatRetentionHides(t *testing.T) {
	bubble.Run(t, func(t *testing.T) {
		mem := store.NewMemory()
		p := open(mem)
		p.create(t, catalog.Instance{ID: "i", RetentionDays: 1})
		sub := p.tail(t, front.TailRequest{})
		old := batch("old")
		old[0].Time -= 2 * 86400_000000
		p.append(t, old[0], batch("a")[0])
		compact(t, mem)
		p.append(t, old[0], batch("a")[0])
		got, _ := next(t, sub, 2)
		wants(t, got, "a/1 a/2")
		got, _ = next(t, p.tail(t, front.TailRequest{After: querier.FromStart}), 2)
		wants(t, got, "a/1 a/2")
		_, cursor := next(t, p.tail(t, front.TailRequest{After: querier.FromStart}), 1)
		time.Sleep(25 * time.Hour)
		p.append(t, batch("b")...)
		got, _ = next(t, open(mem).tail(t, front.TailRequest{After: cursor}), 1)
		wants(t, got, "b/1")
	})
}

func TestTailOfADeletedInstanceEnds(t *testing.T) {
	bubble.Run(t, func(t *testing.T) {
		mem := store.NewMemory()
		p, other := open(mem), open(mem)
		p.create(t, catalog.Instance{ID: "i", Shards: 2})
		p.append(t, batch("a", "b", "c")...)
		subs := []*front.Subscription{p.tail(t, front.TailRequest{}), other.tail(t, front.TailRequest{}),
			p.tail(t, front.TailRequest{After: querier.FromStart}), p.tail(t, front.TailRequest{Stream: "none"})}
		next(t, subs[2], 3)
		cursor := subs[0].Cursor()
		if _, err := p.DeleteInstance(everything, "i"); err != nil {
			t.Fatal(err)
		}
		ends := func(sub *front.Subscription) {
			t.Helper()
			ctx, cancel := context.WithTimeout(everything, 2*time.Second)
			defer cancel()
			if _, err := sub.Next(ctx); !fault.Is(err, fault.Gone) {
				t.Errorf("%v, want gone", err)
			}
		}
		for _, sub := range subs {
			ends(sub)
		}
		if _, err := p.Tail(everything, front.TailRequest{Instance: "i", After: cursor}); !fault.Is(err, fault.NotFound) {
			t.Error(err)
		}
		for _, folded := range []bool{false, true} {
			p.create(t, catalog.Instance{ID: "i", Shards: 3})
			p.append(t, batch("new")...)
			if folded {
				compact(t, mem)
			}
			if _, err := other.Tail(everything, front.TailRequest{Instance: "i", After: cursor}); !fault.Is(err, fault.Gone) {
				t.Error(err)
			}
			sub := open(mem).tail(t, front.TailRequest{After: querier.FromStart})
			got, _ := next(t, sub, 1)
			wants(t, got, "new/1")
			quiet(t, sub) // and none of the earlier life
			late := other.tail(t, front.TailRequest{})
			if _, err := p.DeleteInstance(everything, "i"); err != nil {
				t.Fatal(err)
			}
			if folded {
				compact(t, mem)
			}
			ends(late)
		}
	})
}

// TestTailLeavesOutWhatWasErased: an event that was erased before it is read is
// not shown, wherever it lies.
func TestTailLeavesOutWhatWasErased(t *testing.T) {
	bubble.Run(t, func(t *testing.T) {
		mem := store.NewMemory()
		p := open(mem)
		p.create(t, catalog.Instance{ID: "i"})
		behind := p.tail(t, front.TailRequest{})
		p.append(t, batch("a", "b")...)
		compact(t, mem)
		redacted := p.append(t, batch("a", "b")...)[1]
		if _, err := p.log.EraseStream(everything, "i", "a"); err != nil {
			t.Fatal(err)
		}
		if _, err := p.log.Redact(everything, "i", []event.Event{redacted}, nil); err != nil {
			t.Fatal(err)
		}
		p.append(t, batch("a")...)
		for _, sub := range []*front.Subscription{behind, p.tail(t, front.TailRequest{After: querier.FromStart}), open(mem).tail(t, front.TailRequest{After: querier.FromStart})} {
			var got []string
			for range 3 {
				item, err := sub.Next(everything)
				if err != nil {
					t.Fatal(err)
				}
				got = append(got, fmt.Sprintf("%s/%d=%s", item.Event.Stream, item.Event.Sequence, item.Event.Payload))
			}
			wants(t, strings.Join(got, " "), `b/1={"n":1} b/2={"redacted":true} a/3={"n":1}`)
		}
	})
}

// failing is a store that cannot be read.
type failing struct {
	store.Store
	mu  sync.Mutex
	off bool
}

func (f *failing) set(off bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.off = off
}

func (f *failing) Get(ctx context.Context, key string, r store.Range) (*store.Object, error) {
	f.mu.Lock()
	off := f.off
	f.mu.Unlock()
	if off {
		return nil, fault.New(fault.Unavailable, "no route")
	}
	return f.Store.Get(ctx, key, r)
}

// TestTailOfAStoreThatIsAway: a short outage is waited for, a longer one is told.
func TestTailOfAStoreThatIsAway(t *testing.T) {
	bubble.Run(t, func(t *testing.T) {
		f := &failing{Store: store.NewMemory()}
		writer, p := open(f.Store), open(f)
		writer.create(t, catalog.Instance{ID: "i"})
		sub := p.tail(t, front.TailRequest{})
		f.set(true)
		writer.append(t, batch("a")...)
		time.Sleep(20 * time.Second)
		f.set(false)
		got, cursor := next(t, sub, 1)
		wants(t, got, "a/1")
		f.set(true)
		writer.append(t, batch("a")...)
		if _, err := sub.Next(everything); !fault.Is(err, fault.Unavailable) {
			t.Error(err)
		}
		f.set(false)
		got, _ = next(t, p.tail(t, front.TailRequest{After: cursor}), 1)
		wants(t, got, "a/2")
	})
}

func TestStoppedServiceEndsItsTails(t *testing.T) {
	bubble.Run(t, func(t *testing.T) {
		p := open(store.NewMemory())
		p.create(t, catalog.Instance{ID: "i"})
		sub := p.tail(t, front.TailRequest{})
		time.AfterFunc(time.Minute, p.StopTails)
		if _, err := sub.Next(everything); !fault.Is(err, fault.Unavailable) || errors.Is(err, context.Canceled) {
			t.Error(err)
		}
		late := p.tail(t, front.TailRequest{})
		if _, err := late.Next(everything); !fault.Is(err, fault.Unavailable) {
			t.Error(err)
		}
		sub.Close()
		late.Close()
		if n := p.Tails(); n != 0 {
			t.Errorf("%d tails are left", n)
		}
	})
}

func TestBadCursors(t *testing.T) {
	p := open(store.NewMemory())
	p.create(t, catalog.Instance{ID: "i"})
	p.create(t, catalog.Instance{ID: "j", Shards: 2})
	p.append(t, batch("a")...)
	foreign, err := p.Tail(everything, front.TailRequest{Instance: "j"})
	if err != nil {
		t.Fatal(err)
	}
	defer foreign.Close()
	q := querier.New("i")
	q.Limit = 1
	p.append(t, batch("a")...)
	page, err := p.Query(everything, q)
	if err != nil || page.Cursor == "" {
		t.Fatal(err)
	}
	for _, after := range []string{"Start", "0", "x", foreign.Cursor(), page.Cursor, strings.Repeat("A", 1<<20),
		"eyJpIjoiaSIsImciOjEsIm0iOls5LDBdfQ", // position 9
		"eyJpIjoiaSIsImciOjEsIm0iOlswLDBdfQ", // position 0
		"eyJpIjoiaSIsImciOjEsIm0iOlsxLC0xXX0", "eyJpIjoiaSIsImciOjEsIm0iOlsxXX0", "eyJpIjoiaSIsImciOjEsIm0iOltdfQ"} {
		if _, err := p.Tail(everything, front.TailRequest{Instance: "i", After: after}); !fault.Is(err, fault.Invalid) || !strings.Contains(err.Error(), "after") {
			t.Errorf("%.40q: %v", after, err)
		}
	}
	if _, err := p.Tail(context.Background(), front.TailRequest{Instance: "i"}); !fault.Is(err, fault.Denied) {
		t.Error(err)
	}
	if _, err := p.Tail(everything, front.TailRequest{Instance: "none"}); !fault.Is(err, fault.NotFound) {
		t.Error(err)
	}
}
