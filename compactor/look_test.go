package compactor

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/firnlog/firn/internal/bubble"
	"github.com/firnlog/firn/layout/commitlog"
	"github.com/firnlog/firn/layout/store"
)

// An instance that nobody writes to costs a look an hour once all is done: lists
// of the catalog, its snapshots and its log.
func TestIdleInstancesCostALookAnHour(t *testing.T) {
	bubble.Run(t, func(t *testing.T) {
		s := store.NewCounted(store.NewMemory())
		l := newLog(t, s, 1)
		c := &Compactor{Log: l}
		look := func(hours int) {
			t.Helper()
			for end := time.Now().Add(time.Duration(hours) * time.Hour); time.Now().Before(end); {
				wait, err := c.Look(t.Context())
				if err != nil || wait > lookSeldom || wait <= 0 {
					t.Fatalf("%v, then wait %v", err, wait)
				}
				time.Sleep(wait)
			}
		}
		rng := rand.New(rand.NewPCG(3, 1))
		for range 40 {
			mustAppend(t, l, batch(rng, 30))
			look(1)
		}
		look(4 * 24)
		left := len(keys(t, s))
		before := s.Counts()
		const hours = 48
		look(hours)
		n := s.Counts().Sub(before)
		if n.Get > 0 || n.Put > 0 || n.Delete > 0 || n.List > hours*4+3 {
			t.Errorf("%d idle hours cost %+v", hours, n)
		}
		if now := len(keys(t, s)); now != left {
			t.Errorf("%d objects became %d", left, now)
		}
		// What others write is found within the hour, and folded when it is due.
		mustAppend(t, commitlog.Open(s), batch(rng, 30))
		look(8)
		v, _, err := l.PinNewest(t.Context(), "i")
		if err != nil || len(v.Tail) > 0 {
			t.Errorf("%v: %d commits are left", err, len(v.Tail))
		}
	})
}
