package front_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/firnlog/firn/functions/front"
	"github.com/firnlog/firn/internal/bubble"
	"github.com/firnlog/firn/layout/catalog"
	"github.com/firnlog/firn/layout/store"
)

// trip is what a request takes in the virtual time of these tests.
const trip = 50 * time.Millisecond

type slow struct{ store.Store }

func (s slow) Get(ctx context.Context, key string, r store.Range) (*store.Object, error) {
	time.Sleep(trip)
	return s.Store.Get(ctx, key, r)
}

func (s slow) List(ctx context.Context, o store.ListOptions) (store.Page, error) {
	time.Sleep(trip)
	return s.Store.List(ctx, o)
}

// TestTailLatency: in the process that appends an event it is there at once, in
// another one within a second.
func TestTailLatency(t *testing.T) {
	bubble.Run(t, func(t *testing.T) {
		mem := store.NewMemory()
		writer, other := open(mem), open(slow{mem})
		writer.create(t, catalog.Instance{ID: "i"})
		writer.append(t, batch("a")...)
		near, far := writer.tail(t, front.TailRequest{}), other.tail(t, front.TailRequest{})
		for n := range 100 {
			time.Sleep(time.Duration(n*n*7) * time.Millisecond)
			writer.append(t, batch("a")...)
			stored := time.Now()
			next(t, near, 1)
			if took := time.Since(stored); took > 0 {
				t.Fatalf("in the same process an event took %v", took)
			}
			next(t, far, 1)
			if took := time.Since(stored); took > time.Second {
				t.Fatalf("in another process an event took %v", took)
			}
		}
	})
}

// TestTailCost: following costs the same however many follow, and nothing when
// nobody does.
func TestTailCost(t *testing.T) {
	const shards = 2
	bubble.Run(t, func(t *testing.T) {
		mem := store.NewMemory()
		writer := open(mem)
		writer.create(t, catalog.Instance{ID: "i", Shards: shards})
		writer.append(t, batch("a", "b", "c", "d")...)
		compact(t, mem)
		counted := store.NewCounted(slow{mem})
		p := open(counted)
		var subs []*front.Subscription
		for range 100 {
			subs = append(subs, p.tail(t, front.TailRequest{}))
		}
		during := func(d time.Duration) store.Counts {
			before := counted.Counts()
			time.Sleep(d)
			synctest.Wait()
			return counted.Counts().Sub(before)
		}
		during(10 * time.Second)
		n := during(time.Hour)
		most := int64(shards) * int64(time.Hour/(900*time.Millisecond+trip))
		if n.Get > most+shards || n.Get < most-shards || n.List > shards || n.Requests() != n.Get+n.List {
			t.Errorf("an idle hour of %d tails cost %+v, want %d gets", len(subs), n, most)
		}
		for range 3 {
			writer.append(t, batch("a")...)
			n = during(time.Minute)
			if n.Get > shards*60*100/95+4 || n.List > 0 { // the faster polls for a while
				t.Errorf("a minute with a commit cost %+v", n)
			}
		}
		before := counted.Counts()
		for _, sub := range subs {
			next(t, sub, 3)
		}
		if n := counted.Counts().Sub(before); n.Get > 1 || n.List > 1 {
			t.Errorf("%d readers of the same commits cost %+v", len(subs), n) // the settings, once in ten seconds
		}
		for _, sub := range subs {
			sub.Close()
		}
		during(time.Second)
		if n := during(24 * time.Hour); n.Requests() != 0 {
			t.Errorf("a day without subscribers cost %+v", n)
		}
	})
}
