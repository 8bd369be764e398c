package verify_test

import (
	"context"
	"encoding/json"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/firnlog/firn/compactor"
	"github.com/firnlog/firn/internal/bubble"
	"github.com/firnlog/firn/layout"
	"github.com/firnlog/firn/layout/fault"
	"github.com/firnlog/firn/layout/store"
	"github.com/firnlog/firn/layout/verify"
)

func TestAFilledBucketIsClean(t *testing.T) {
	b := filled(t)
	r := b.mustBeClean()
	if len(r.Warnings) > 0 {
		t.Errorf("warnings:\n%s", text(r))
	}
	if len(r.Instances) != 5 {
		t.Fatalf("%d instances", len(r.Instances))
	}
	one := b.verify(verify.Options{Instance: "plain"})
	if len(one.Instances) != 1 || one.Instances[0] != r.Instances[2] {
		t.Errorf("alone: %+v, among others %+v", one.Instances, r.Instances)
	}
}

func TestAnEmptyBucketIsClean(t *testing.T) {
	b := bucket{t, store.NewMemory()}
	if r := b.mustBeClean(); r.Catalog != 0 || len(r.Instances) != 0 {
		t.Errorf("%+v", r)
	}
}

func TestTheReportCounts(t *testing.T) {
	b := bucket{t, store.NewMemory()}
	b.create("i", 1, 0)
	rng := rand.New(rand.NewPCG(1, 1))
	b.append(b.log(), "i", batch(rng, 30, 1))
	b.compact("i")
	b.append(b.log(), "i", batch(rng, 12, 1))
	b.put(layout.NewManifest("i"), []byte("orphan"))
	b.put("instances/i/strange", []byte("foreign"))
	b.put("instances/j/x", []byte("foreign"))
	r := b.mustBeClean()
	got := r.Instances[0]
	if got.Events != 42 || got.Commits != 1 || got.Folded != 1 || got.Orphans != 1 || got.Snapshot != 1 || got.Streams < 5 || got.State != "active" {
		t.Errorf("%+v", got)
	}
	if len(r.Warnings) != 2 || r.Warnings[0].Key != "instances/i/strange" || r.Warnings[1].Key != "instances/j/" {
		t.Errorf("%+v", r.Warnings)
	}
	body, err := json.Marshal(r)
	b.must(err)
	var back verify.Report
	b.must(json.Unmarshal(body, &back))
	if back.Instances[0] != got || !back.OK() || !strings.Contains(text(r), "no fault found") {
		t.Errorf("%s\n%s", body, text(r))
	}
}

func TestAnInstanceThatIsNotThere(t *testing.T) {
	b := bucket{t, store.NewMemory()}
	if _, err := verify.Run(t.Context(), b.s, verify.Options{Instance: "none"}); !fault.Is(err, fault.NotFound) {
		t.Error(err)
	}
}

// broken is a store in which every n-th request fails.
type broken struct {
	store.Store
	left int
}

func (s *broken) fails() error {
	if s.left--; s.left < 0 {
		return fault.New(fault.Unavailable, "the store is gone")
	}
	return nil
}

func (s *broken) Get(ctx context.Context, key string, r store.Range) (*store.Object, error) {
	if err := s.fails(); err != nil {
		return nil, err
	}
	return s.Store.Get(ctx, key, r)
}

func (s *broken) List(ctx context.Context, o store.ListOptions) (store.Page, error) {
	if err := s.fails(); err != nil {
		return store.Page{}, err
	}
	return s.Store.List(ctx, o)
}

func TestAStoreThatFailsIsAnErrorAndNoFault(t *testing.T) {
	b := filled(t)
	for n := 0; ; n += 7 {
		r, err := verify.Run(t.Context(), &broken{b.s, n}, verify.Options{Instance: "plain"})
		if err == nil {
			if !r.OK() || n < 50 {
				t.Fatalf("after %d requests: %s", n, text(r))
			}
			return
		}
		if !fault.Is(err, fault.Unavailable) {
			t.Fatalf("after %d requests: %v", n, err)
		}
	}
}

func TestNoFalseAlarmsWhileOthersWrite(t *testing.T) {
	b := bucket{t, store.NewMemory()}
	b.create("i", 2, 0)
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	for i := range 3 {
		wg.Go(func() {
			rng, l := rand.New(rand.NewPCG(9, uint64(i))), b.log()
			for ctx.Err() == nil {
				l.Append(ctx, "i", batch(rng, 1+rng.IntN(20), 3))
			}
		})
	}
	for range 2 {
		wg.Go(func() {
			l := b.log()
			for ctx.Err() == nil {
				(&compactor.Compactor{Log: l}).Run(ctx, "i")
			}
		})
	}
	for runs, snapshots := 0, int64(0); runs < 10 || snapshots < 12; runs++ {
		r, err := verify.Run(t.Context(), b.s, verify.Options{})
		if err != nil {
			t.Error(err)
			break
		}
		if !r.OK() {
			t.Errorf("run %d:\n%s", runs, text(r))
			break
		}
		snapshots = r.Instances[0].Snapshot
	}
	cancel()
	wg.Wait()
	b.mustBeClean()
}

// slow is a store that takes its time over some gets.
type slow struct {
	store.Store
	gets, every int
	nap         time.Duration
}

func (s *slow) Get(ctx context.Context, key string, r store.Range) (*store.Object, error) {
	if s.gets++; s.gets%s.every == 0 {
		time.Sleep(s.nap)
	}
	return s.Store.Get(ctx, key, r)
}

// A run that sleeps for days, while all that it saw is compacted, swept, deleted
// and made again, begins anew and reports nothing.
func TestNoFalseAlarmsAfterSleeping(t *testing.T) {
	for _, every := range []int{9, 31, 70} {
		bubble.Run(t, func(t *testing.T) {
			b := bucket{t, store.NewMemory()}
			rng := rand.New(rand.NewPCG(uint64(every), 1))
			b.create("i", 1, 2)
			done := make(chan bool)
			var stop sync.WaitGroup
			stop.Go(func() {
				l := b.log()
				for n := 0; ; n++ {
					select {
					case <-done:
						return
					default:
					}
					b.append(l, "i", batch(rng, 8, 3))
					b.compact("i")
					b.append(l, "i", batch(rng, 3, 3))
					if n%7 == 6 {
						_, err := l.DeleteInstance(t.Context(), "i")
						b.must(err)
						b.create("i", 1, 2)
					}
					time.Sleep(6 * time.Hour)
				}
			})
			time.Sleep(30 * time.Hour)
			r, err := verify.Run(t.Context(), &slow{Store: b.s, every: every, nap: 26 * time.Hour}, verify.Options{})
			if err == nil && !r.OK() || err != nil && !fault.Is(err, fault.Unavailable) {
				t.Errorf("every %d: %v\n%s", every, err, text(r))
			}
			close(done)
			stop.Wait()
			if r := b.mustBeClean(); len(r.Instances) != 1 {
				t.Errorf("%s", text(r))
			}
		})
	}
}
