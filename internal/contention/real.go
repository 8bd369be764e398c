package contention

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/firnlog/firn/internal/bubble"
	"github.com/firnlog/firn/layout/catalog"
	"github.com/firnlog/firn/layout/commitlog"
	"github.com/firnlog/firn/layout/event"
	"github.com/firnlog/firn/layout/store"
)

// slow is a store that is as far away as S3. A request is carried out half way.
type slow struct {
	store.Store
	mu  sync.Mutex
	rng *rand.Rand
}

func (s *slow) half(median time.Duration) {
	s.mu.Lock()
	wait := half(s.rng, median)
	s.mu.Unlock()
	time.Sleep(wait)
}

// Get implements [store.Store].
func (s *slow) Get(ctx context.Context, key string, r store.Range) (*store.Object, error) {
	s.half(getMedian)
	defer s.half(getMedian)
	return s.Store.Get(ctx, key, r)
}

// Put implements [store.Store].
func (s *slow) Put(ctx context.Context, key string, b store.Body, c store.Condition) (store.Receipt, error) {
	s.half(putMedian)
	defer s.half(putMedian)
	return s.Store.Put(ctx, key, b, c)
}

// List implements [store.Store].
func (s *slow) List(ctx context.Context, o store.ListOptions) (store.Page, error) {
	s.half(listMedian)
	defer s.half(listMedian)
	return s.Store.List(ctx, o)
}

// Run runs a load with the real code: some milliseconds of CPU for each PUT.
func Run(t *testing.T, load Load) (res Result) {
	bubble.Run(t, func(t *testing.T) {
		mem := store.NewMemory()
		if _, err := commitlog.Open(mem).CreateInstance(t.Context(), catalog.Instance{ID: "i", Shards: load.Shards}); err != nil {
			t.Fatal(err)
		}
		counted := store.NewCounted(&slow{Store: mem, rng: rand.New(rand.NewPCG(uint64(load.Writers), uint64(load.Shards)))})
		count := func() spent {
			n := counted.Counts()
			return spent{puts: n.Put, gets: n.Get + n.List, commits: commits(t, mem)}
		}
		res = load.measure(count, func(_ int, rng *rand.Rand) func() error {
			log := commitlog.Open(counted)
			return func() error {
				e := event.Event{Stream: fmt.Sprint(rng.Uint64()), Type: "t", Time: event.ToMicros(time.Now()), Payload: []byte(`{}`), Metadata: []byte(`{}`)}
				_, err := log.Append(context.Background(), "i", commitlog.Batch{Events: []event.Event{e}})
				return err
			}
		})
	})
	return res
}

// commits counts the commits of all shards.
func commits(t *testing.T, s store.Store) int {
	n, after := 0, ""
	for {
		page, err := s.List(t.Context(), store.ListOptions{Prefix: "instances/i/log/", StartAfter: after})
		if err != nil {
			t.Fatal(err)
		}
		n += len(page.Objects)
		if !page.More {
			return n
		}
		after = page.Objects[len(page.Objects)-1].Key
	}
}
