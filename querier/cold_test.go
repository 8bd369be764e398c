package querier_test

import (
	"context"
	"testing"
	"time"

	"github.com/firnlog/firn/internal/bubble"
	"github.com/firnlog/firn/internal/cold"
	"github.com/firnlog/firn/layout/commitlog"
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

// A process that knows nothing answers about an hour of one of 1,000 files' days
// in four round trips: the newest keys of catalog and snapshots; these two
// objects; the tail and the manifest of the day; its files, which are small.
func TestColdQueryTakesFourRoundTrips(t *testing.T) {
	for _, tail := range []int{0, 16} {
		bubble.Run(t, func(t *testing.T) {
			mem := store.NewMemory()
			if err := cold.Fill(t.Context(), mem, tail); err != nil {
				t.Fatal(err)
			}
			s := store.NewCounted(slow{mem})
			for _, ask := range []string{"| count, sum n by stream", "stream=s1 | sort n | limit 5"} {
				q, err := querier.ParseText(cold.Question(ask))
				if err != nil {
					t.Fatal(err)
				}
				before, began := s.Counts(), time.Now()
				res, err := querier.NewEngine(commitlog.Open(s)).Run(t.Context(), q)
				if err != nil {
					t.Fatal(err)
				}
				n, trips := s.Counts().Sub(before), int(time.Since(began)/roundTrip)
				if trips > 4 || n.Requests() > 3+2+16+1+cold.FilesADay || n.Put > 0 {
					t.Errorf("tail of %d, %s: %+v in %d round trips", tail, ask, n, trips)
				}
				if res.Stats.FilesConsidered != cold.FilesADay || res.Stats.TailCommits != int64(tail) || res.Total != int64(cold.FilesADay+tail) {
					t.Errorf("tail of %d, %s: %d events, %+v", tail, ask, res.Total, res.Stats)
				}
			}
		})
	}
}
