package commitlog

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/firnlog/firn/internal/gen"
	"github.com/firnlog/firn/layout/event"
	"github.com/firnlog/firn/layout/store"
)

// The cost of a commit beside that of storing it, by the events in it, which are
// of many streams.
func BenchmarkAppend(b *testing.B) {
	g := gen.New(1, time.Unix(0, 0), time.Second)
	all := make([]event.Event, 100_000)
	for i := range all {
		all[i] = g.Next()
	}
	for _, n := range []int{1, 100, 1000} {
		b.Run(fmt.Sprint("events=", n), func(b *testing.B) {
			l := newLog(b, nothing{store.NewMemory()}, 1)
			l.BoundTail(1<<40, 1<<40) // nobody compacts here
			l.BoundTailBytes(1 << 60)
			b.ReportAllocs()
			for i := 0; b.Loop(); i = (i + n) % (len(all) - n) {
				if _, err := l.Append(context.Background(), "i", Batch{Events: all[i : i+n]}); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(n*b.N), "ns/event")
		})
	}
}

// nothing is a store that keeps only what is not a commit, so that what is
// measured does not fill the memory.
type nothing struct{ store.Store }

func (s nothing) Put(ctx context.Context, key string, body store.Body, cond store.Condition) (store.Receipt, error) {
	if body.Size() > 0 && len(key) > 20 && key[len(key)-8:] == ".parquet" {
		return store.Receipt{StoreTime: time.Now()}, nil
	}
	return s.Store.Put(ctx, key, body, cond)
}
