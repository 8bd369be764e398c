package commitlog

import (
	"context"
	"fmt"
	"testing"

	"github.com/firnlog/firn/layout/store"
)

// The cost of a commit beside that of storing it, by the events in it.
func BenchmarkAppend(b *testing.B) {
	for _, n := range []int{1, 1000} {
		b.Run(fmt.Sprint("events=", n), func(b *testing.B) {
			l := newLog(b, store.NewMemory(), 1)
			l.BoundTail(1<<40, 1<<40) // nobody compacts here
			streams := make([]string, n)
			for i := range streams {
				streams[i] = fmt.Sprint("stream-", i%100)
			}
			batch := Batch{Events: events(streams...)}
			b.ReportAllocs()
			for b.Loop() {
				if _, err := l.Append(context.Background(), "i", batch); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(n*b.N)/b.Elapsed().Seconds(), "events/s")
		})
	}
}
