package commitlog

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/firnlog/firn/internal/bubble"
	"github.com/firnlog/firn/layout/catalog"
	"github.com/firnlog/firn/layout/fault"
	"github.com/firnlog/firn/layout/store"
)

// faulty is a store whose puts of commits go wrong in the ways that object
// stores do.
type faulty struct {
	store.Store
	mu   sync.Mutex
	next []failure // of the next puts of commits, in order
}

// failure is one way in which a put goes wrong.
type failure int

const (
	fine        failure = iota
	lost                // not applied, no answer
	applied             // applied, no answer
	late                // applied after the next put of that key, no answer
	conflict409         // refused: another put is under way
	refused             // refused: the store is away
)

func (f *faulty) Put(ctx context.Context, key string, body store.Body, cond store.Condition) (store.Receipt, error) {
	if !strings.Contains(key, "/log/") {
		return f.Store.Put(ctx, key, body, cond)
	}
	f.mu.Lock()
	how := fine
	if len(f.next) > 0 {
		how, f.next = f.next[0], f.next[1:]
	}
	f.mu.Unlock()
	unknown := fault.New(fault.Unknown, "put %s: no answer", key)
	switch how {
	case lost:
		return store.Receipt{}, unknown
	case applied:
		f.Store.Put(ctx, key, body, cond)
		return store.Receipt{}, unknown
	case late:
		f.mu.Lock()
		f.next = append([]failure{lost}, f.next...)
		f.mu.Unlock()
		defer f.Store.Put(ctx, key, body, cond)
		return store.Receipt{}, unknown
	case conflict409:
		return store.Receipt{}, fault.New(fault.Conflict, "put %s: conflicting operation", key)
	case refused:
		return store.Receipt{}, fault.New(fault.Unavailable, "put %s: connection refused", key)
	}
	return f.Store.Put(ctx, key, body, cond)
}

// Every kind of failed put, in every sequence of up to three, ends in exactly
// one commit, acknowledged.
func TestFailedPutsEndInOneCommit(t *testing.T) {
	bubble.Run(t, func(t *testing.T) {
		kinds := []failure{fine, lost, applied, late, conflict409, refused}
		for n := range len(kinds) * len(kinds) * len(kinds) {
			next := []failure{kinds[n%6], kinds[n/6%6], kinds[n/36]}
			s := &faulty{Store: store.NewMemory()}
			l := newLog(t, s, 1)
			mustAppend(t, l, Batch{Events: events("a")})
			s.next = next
			r := mustAppend(t, l, Batch{Events: events("a", "b")})
			mustAppend(t, l, Batch{Events: events("a")})
			all := tailEvents(t, s)
			checkGapless(t, all)
			if len(all) != 4 || r.Events[0].Sequence != 2 {
				t.Fatalf("%v: %d events, %+v", next, len(all), r.Events)
			}
		}
	})
}

// An append that never gets an answer is Unknown, whether it was applied or not,
// and the same key settles it.
func TestUnknownOutcome(t *testing.T) {
	bubble.Run(t, func(t *testing.T) {
		for _, how := range []failure{lost, applied} {
			mem := store.NewMemory()
			s := &silent{Store: mem, how: how}
			l := newLog(t, s, 1)
			mustAppend(t, l, Batch{Events: events("a")})
			s.on.Store(true)
			b := Batch{Events: events("a"), Key: "k", Hash: "h"}
			if _, err := l.Append(t.Context(), "i", b); !fault.Is(err, fault.Unknown) {
				t.Fatalf("%v: %v", how, err)
			}
			s.on.Store(false)
			r := mustAppend(t, l, b)
			if r.Replayed != (how == applied) || r.Events[0].Sequence != 2 {
				t.Fatalf("%v: replayed %v, %+v", how, r.Replayed, r.Events)
			}
			all := tailEvents(t, mem)
			checkGapless(t, all)
			if len(all) != 2 {
				t.Fatalf("%v: %d events, want 2", how, len(all))
			}
		}
	})
}

// silent is a store that answers nothing about commits while it is on.
type silent struct {
	store.Store
	how failure
	on  atomic.Bool
}

func (s *silent) Put(ctx context.Context, key string, body store.Body, cond store.Condition) (store.Receipt, error) {
	if s.on.Load() && strings.Contains(key, "/log/") {
		if s.how == applied {
			s.Store.Put(ctx, key, body, cond)
		}
		return store.Receipt{}, fault.New(fault.Unknown, "put %s: no answer", key)
	}
	return s.Store.Put(ctx, key, body, cond)
}

func (s *silent) Get(ctx context.Context, key string, r store.Range) (*store.Object, error) {
	if s.on.Load() && strings.Contains(key, "/log/") {
		return nil, fault.New(fault.Unavailable, "get %s: no answer", key)
	}
	return s.Store.Get(ctx, key, r)
}

// A store that surely refuses is Unavailable, nothing is stored, and the log
// works again as soon as the store does.
func TestRefusingStore(t *testing.T) {
	bubble.Run(t, func(t *testing.T) {
		s := &faulty{Store: store.NewMemory()}
		l := newLog(t, s, 1)
		mustAppend(t, l, Batch{Events: events("a")})
		s.next = []failure{refused, refused, refused, refused}
		if _, err := l.Append(t.Context(), "i", Batch{Events: events("a")}); !fault.Is(err, fault.Unavailable) {
			t.Fatal(err)
		}
		mustAppend(t, l, Batch{Events: events("a")})
		if all := tailEvents(t, s); len(all) != 2 {
			t.Fatalf("%d events, want 2", len(all))
		}
	})
}

// Several processes over a store that fails at random: every acknowledged event
// is there once, and every unknown one at most once.
func TestManyWritersOverAFaultyStore(t *testing.T) {
	bubble.Run(t, func(t *testing.T) {
		seed := rand.Uint64()
		t.Logf("seed %d", seed)
		rng := rand.New(rand.NewPCG(seed, 0))
		s := &faulty{Store: store.NewMemory()}
		for range 400 {
			s.next = append(s.next, failure(max(0, rng.IntN(10)-4)))
		}
		newLog(t, s, 1)
		var wg sync.WaitGroup
		var mu sync.Mutex
		acked, unknown := map[string]bool{}, map[string]bool{}
		for p := range 3 {
			l := Open(s)
			for c := range 3 {
				wg.Go(func() {
					for n := range 15 {
						es := events("a")
						es[0].ID = fmt.Sprint(p, c, n)
						_, err := l.Append(context.Background(), "i", Batch{Events: es})
						mu.Lock()
						switch {
						case err == nil:
							acked[es[0].ID] = true
						case fault.Is(err, fault.Unknown):
							unknown[es[0].ID] = true
						case !fault.Is(err, fault.Unavailable):
							t.Error(err)
						}
						mu.Unlock()
					}
				})
			}
		}
		wg.Wait()
		all := tailEvents(t, s)
		checkGapless(t, all)
		seen := map[string]int{}
		for _, e := range all {
			seen[e.ID]++
			if !acked[e.ID] && !unknown[e.ID] {
				t.Fatalf("event %s was refused and is there", e.ID)
			}
		}
		for id := range acked {
			if seen[id] != 1 {
				t.Fatalf("event %s was acknowledged and is there %d times", id, seen[id])
			}
		}
	})
}

// A deletion that stops half way is finished by whoever comes next.
func TestHalfDoneDeletionIsFinished(t *testing.T) {
	bubble.Run(t, func(t *testing.T) {
		mem := store.NewMemory()
		s := &silent{Store: mem, how: lost}
		l := newLog(t, s, 3)
		mustAppend(t, l, Batch{Events: events("a", "b", "c", "d")})
		s.on.Store(true)
		if _, err := l.DeleteInstance(t.Context(), "i"); err == nil {
			t.Fatal("a deletion without its drop commits succeeded")
		}
		time.Sleep(time.Minute) // the shards that were cancelled give up, too
		s.on.Store(false)
		fresh := Open(mem)
		if _, err := fresh.Pin(t.Context(), "i"); !fault.Is(err, fault.NotFound) {
			t.Fatalf("an instance that is being deleted is still shown: %v", err)
		}
		if _, err := fresh.CreateInstance(t.Context(), catalog.Instance{ID: "i", Shards: 3}); err != nil {
			t.Fatal(err)
		}
		if r := mustAppend(t, fresh, Batch{Events: events("a")}); r.Events[0].Sequence != 1 {
			t.Fatalf("%+v", r.Events)
		}
		if all := tailEvents(t, mem); len(all) != 1 {
			t.Fatalf("%d events of the first life are back", len(all)-1)
		}
	})
}
