package compactor

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/firnlog/firn/internal/bubble"
	"github.com/firnlog/firn/layout/event"
	"github.com/firnlog/firn/layout/store"
)

// slow is a store whose every put takes a while, in which others get their turn.
type slow struct {
	store.Store
	mu   sync.Mutex
	data map[string]bool // keys of data files that were put
}

func (s *slow) Put(ctx context.Context, key string, body store.Body, cond store.Condition) (store.Receipt, error) {
	time.Sleep(10 * time.Millisecond)
	if strings.Contains(key, "/data/") {
		s.mu.Lock()
		s.data[key] = true
		s.mu.Unlock()
	}
	return s.Store.Put(ctx, key, body, cond)
}

// A server's two ways to a fold, what is due and the look at all instances, do not
// both make files of the same commits.
func TestServeFoldsOnce(t *testing.T) {
	bubble.Run(t, func(t *testing.T) {
		s := &slow{Store: store.NewMemory(), data: map[string]bool{}}
		l := newLog(t, s, 1)
		rng := rand.New(rand.NewPCG(1, 1))
		for range 2 * dueCommits {
			b := batch(rng, 20)
			for i := range b.Events {
				b.Events[i].Time = event.ToMicros(time.Now()) // of one day, which is not over
			}
			mustAppend(t, l, b)
		}
		ctx, cancel := context.WithCancel(t.Context())
		served := make(chan struct{})
		go func() {
			defer close(served)
			(&Compactor{Log: l}).Serve(ctx, slog.New(slog.DiscardHandler))
		}()
		time.Sleep(30 * time.Second)
		cancel()
		<-served
		v, _, err := l.PinNewest(t.Context(), "i")
		if err != nil || len(v.Tail) > 0 {
			t.Fatalf("%v: %d commits are left", err, len(v.Tail))
		}
		named := 0
		for _, d := range v.Days() {
			files, err := v.DayFiles(t.Context(), d)
			if err != nil {
				t.Fatal(err)
			}
			named += len(files)
		}
		if named == 0 || len(s.data) != named {
			t.Errorf("%d data files were put, and %d are in the table", len(s.data), named)
		}
	})
}
