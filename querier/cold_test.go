package querier_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/firnlog/firn/compactor"
	"github.com/firnlog/firn/internal/bubble"
	"github.com/firnlog/firn/layout/catalog"
	"github.com/firnlog/firn/layout/commitlog"
	"github.com/firnlog/firn/layout/event"
	"github.com/firnlog/firn/layout/store"
	"github.com/firnlog/firn/querier"
)

// roundTrip is what every request takes in virtual time, so that the time of a
// query counts its sequential round trips.
const roundTrip = time.Second

// slow is a store with a round trip before each request.
type slow struct{ store.Store }

func (s slow) Get(ctx context.Context, key string, r store.Range) (*store.Object, error) {
	time.Sleep(roundTrip)
	return s.Store.Get(ctx, key, r)
}

func (s slow) List(ctx context.Context, o store.ListOptions) (store.Page, error) {
	time.Sleep(roundTrip)
	return s.Store.List(ctx, o)
}

// many is a bucket of 1,000 data files, ten for each of 100 days, and commits
// behind them. It returns the first day.
func many(t *testing.T, s store.Store, tail int) time.Time {
	t.Helper()
	const days, rounds = 100, 10
	log := commitlog.Open(s)
	if _, err := log.CreateInstance(t.Context(), catalog.Instance{ID: "log", Shards: 1}); err != nil {
		t.Fatal(err)
	}
	first := time.Now().Add(-days * 24 * time.Hour).UTC().Truncate(24 * time.Hour)
	add := func(days int) {
		var b commitlog.Batch
		for day := range days {
			for hour := range 2 {
				at := first.AddDate(0, 0, day).Add(time.Duration(hour)*time.Hour + time.Minute)
				b.Events = append(b.Events, event.Event{Stream: fmt.Sprint("s", hour), Type: "t", Time: event.ToMicros(at), Metadata: []byte("{}"), Payload: fmt.Appendf(nil, `{"n":%d}`, day)})
			}
		}
		if _, err := log.Append(t.Context(), "log", b); err != nil {
			t.Fatal(err)
		}
	}
	for range rounds {
		add(days)
		if _, err := (&compactor.Compactor{Log: log, TargetBytes: 1}).Run(t.Context(), "log"); err != nil {
			t.Fatal(err)
		}
	}
	for range tail {
		add(51)
	}
	return first
}

// A process that knows nothing answers about an hour of one of 1,000 files' days
// in four round trips: the newest keys of catalog and snapshots; these two
// objects; the tail and the manifest of the day; its files, which are small.
func TestColdQueryTakesFourRoundTrips(t *testing.T) {
	for _, tail := range []int{0, 16} {
		bubble.Run(t, func(t *testing.T) {
			mem := store.NewMemory()
			day := many(t, mem, tail).AddDate(0, 0, 50)
			s := store.NewCounted(slow{mem})
			for _, ask := range []string{"| count, sum n by stream", "stream=s1 | sort n | limit 5"} {
				q, err := querier.ParseText(fmt.Sprintf("from log since %s until %s %s", day.Add(time.Hour).Format(time.RFC3339), day.Add(2*time.Hour).Format(time.RFC3339), ask))
				if err != nil {
					t.Fatal(err)
				}
				before, began := s.Counts(), time.Now()
				res, err := querier.NewEngine(commitlog.Open(s)).Run(t.Context(), q)
				if err != nil {
					t.Fatal(err)
				}
				n, trips := s.Counts().Sub(before), int(time.Since(began)/roundTrip)
				if trips > 4 || n.Requests() > 3+2+16+1+10 || n.Put > 0 {
					t.Errorf("tail of %d, %s: %+v in %d round trips", tail, ask, n, trips)
				}
				if res.Stats.FilesConsidered != 10 || res.Stats.TailCommits != int64(tail) || res.Total != int64(10+tail) {
					t.Errorf("tail of %d, %s: %d events, %+v", tail, ask, res.Total, res.Stats)
				}
			}
		})
	}
}
