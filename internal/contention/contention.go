// Package contention models what many ingest functions at once do to the log of
// a few shards on S3: Firn's own append over a store that takes as long as S3
// does, in virtual time.
//
// A writer is one execution environment of a function: one process with one
// append under way at a time, which starts the next as soon as it is answered.
// Writers of one shard contend for its next position, and only one of them
// gets it by each round trip.
package contention

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/firnlog/firn/internal/bubble"
	"github.com/firnlog/firn/layout/catalog"
	"github.com/firnlog/firn/layout/commitlog"
	"github.com/firnlog/firn/layout/event"
	"github.com/firnlog/firn/layout/store"
)

// Load is what is modelled.
type Load struct {
	Writers, Shards int
	Warmup, Time    time.Duration // virtual; what begins in the warm-up is not counted
}

// Result is what became of it.
type Result struct {
	Load
	Acked    int           // appends that were acknowledged in Time
	Failed   int           // appends that were refused or whose outcome is unknown
	Commits  int           // objects that the log grew by
	Median   time.Duration // from an append's beginning to its acknowledgement
	P99      time.Duration
	Requests store.Counts // of all writers
}

// The latencies of a request, lognormal: medians, and a spread by which 99 of
// 100 take no more than 2.5 times as long. They are those of S3 Standard from
// within its region.
const (
	getMedian  = 15 * time.Millisecond
	putMedian  = 30 * time.Millisecond
	listMedian = 20 * time.Millisecond
	spread     = 0.4
)

// slow is a store that is as far away as S3. A request is carried out half way.
type slow struct {
	store.Store
	mu  sync.Mutex
	rng *rand.Rand
}

func (s *slow) half(median time.Duration) {
	s.mu.Lock()
	x := s.rng.NormFloat64()
	s.mu.Unlock()
	time.Sleep(time.Duration(float64(median) / 2 * math.Exp(spread*x)))
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

// Run models a load.
func Run(t *testing.T, load Load) Result {
	res := Result{Load: load}
	bubble.Run(t, func(t *testing.T) {
		mem := store.NewMemory()
		if _, err := commitlog.Open(mem).CreateInstance(t.Context(), catalog.Instance{ID: "i", Shards: load.Shards}); err != nil {
			t.Fatal(err)
		}
		counted := store.NewCounted(&slow{Store: mem, rng: rand.New(rand.NewPCG(uint64(load.Writers), uint64(load.Shards)))})
		var mu sync.Mutex
		var took []time.Duration
		var before store.Counts
		var first int
		start := time.Now().Add(load.Warmup)
		var wg sync.WaitGroup
		for w := range load.Writers {
			wg.Go(func() {
				log, rng := commitlog.Open(counted), rand.New(rand.NewPCG(uint64(w), 7))
				time.Sleep(time.Duration(rng.Int64N(int64(time.Second))))
				for time.Since(start) < load.Time {
					began := time.Now()
					e := event.Event{Stream: fmt.Sprint(rng.Uint64()), Type: "t", Time: event.ToMicros(began), Payload: []byte(`{}`), Metadata: []byte(`{}`)}
					_, err := log.Append(context.Background(), "i", commitlog.Batch{Events: []event.Event{e}})
					mu.Lock()
					switch {
					case began.Before(start) || time.Since(start) > load.Time:
					case err != nil:
						res.Failed++
					default:
						took = append(took, time.Since(began))
					}
					mu.Unlock()
				}
			})
		}
		time.Sleep(load.Warmup)
		before, first = counted.Counts(), commits(t, mem)
		time.Sleep(load.Time)
		res.Requests, res.Commits = counted.Counts().Sub(before), commits(t, mem)-first
		wg.Wait()
		slices.Sort(took)
		if res.Acked = len(took); res.Acked > 0 {
			res.Median, res.P99 = took[len(took)/2], took[len(took)*99/100]
		}
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

// Header is the first two lines of a table of results.
const Header = "| writers | shards | appends/s | ack p50 | ack p99 | PUTs per append | GETs and LISTs per append | failed |\n" +
	"| ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |"

// String returns the result as a line of a table.
func (r Result) String() string {
	acked := float64(max(r.Acked, 1))
	return fmt.Sprintf("| %d | %d | %.0f | %v | %v | %.1f | %.1f | %.1f %% |", r.Writers, r.Shards, float64(r.Acked)/r.Time.Seconds(),
		r.Median.Round(time.Millisecond), r.P99.Round(time.Millisecond), float64(r.Requests.Put)/acked,
		float64(r.Requests.Get+r.Requests.List)/acked, 100*float64(r.Failed)/float64(max(r.Acked+r.Failed, 1)))
}
