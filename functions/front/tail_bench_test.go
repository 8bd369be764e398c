package front_test

import (
	"fmt"
	"sync"
	"testing"

	"github.com/firnlog/firn/functions/front"
	"github.com/firnlog/firn/layout/catalog"
	"github.com/firnlog/firn/layout/store"
	"github.com/firnlog/firn/querier"
)

// BenchmarkTail takes the time from an append's begin until all subscribers of
// the same process have the event.
func BenchmarkTail(b *testing.B) {
	for _, readers := range []int{0, 1, 100, 1000} {
		b.Run(fmt.Sprint(readers, " subscribers"), func(b *testing.B) {
			p := open(store.NewMemory())
			p.create(b, catalog.Instance{ID: "i"})
			got := make(chan bool, readers)
			var all sync.WaitGroup
			for range readers {
				sub := p.tail(b, front.TailRequest{})
				all.Go(func() {
					for {
						if _, err := sub.Next(everything); err != nil {
							return
						}
						got <- true
					}
				})
			}
			for b.Loop() {
				p.append(b, batch("a")...)
				for range readers {
					<-got
				}
			}
			p.StopTails()
			all.Wait()
		})
	}
}

// BenchmarkReplay reads events that are compacted.
func BenchmarkReplay(b *testing.B) {
	s := store.NewMemory()
	p := open(s)
	p.create(b, catalog.Instance{ID: "i"})
	const events = 200_000
	for range events / 20_000 {
		var streams []string
		for n := range 20_000 {
			streams = append(streams, fmt.Sprint("s", n%1000))
		}
		p.append(b, batch(streams...)...)
	}
	compact(b, s)
	for b.Loop() {
		sub := p.tail(b, front.TailRequest{After: querier.FromStart})
		for range events {
			if _, err := sub.Next(everything); err != nil {
				b.Fatal(err)
			}
		}
		sub.Close()
	}
	b.ReportMetric(float64(events)*float64(b.N)/b.Elapsed().Seconds(), "events/s")
}
