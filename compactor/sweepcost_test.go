package compactor

import (
	"fmt"
	"testing"
	"time"

	"github.com/firnlog/firn/internal/bubble"
	"github.com/firnlog/firn/layout/commitlog"
	"github.com/firnlog/firn/layout/event"
	"github.com/firnlog/firn/layout/store"
)

// A sweep looks at a shard's log once for each snapshot that folded some of it, and
// not for all the others.
func TestSweepLooksWhereSomethingWasFolded(t *testing.T) {
	bubble.Run(t, func(t *testing.T) {
		const shards, rounds = 8, 5
		s := store.NewCounted(store.NewMemory())
		l := newLog(t, s, shards)
		c := &Compactor{Log: l}
		for range rounds {
			var b commitlog.Batch
			for i := range 40 {
				b.Events = append(b.Events, event.Event{Stream: fmt.Sprint("s", i), Type: "t", Time: event.ToMicros(time.Now()), Payload: []byte(`1`), Metadata: []byte(`{}`)})
			}
			mustAppend(t, l, b)
			mustRun(t, c)
		}
		time.Sleep(25 * time.Hour)
		before := s.Counts()
		if r := mustRun(t, c); r.Swept < rounds*shards {
			t.Fatalf("%d objects were swept", r.Swept)
		}
		if n := s.Counts().Sub(before).List; n > rounds*shards+100 {
			t.Errorf("%d lists for %d snapshots", n, rounds*shards)
		}
	})
}
