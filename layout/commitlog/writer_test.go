package commitlog

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/firnlog/firn/internal/bubble"
	"github.com/firnlog/firn/layout/event"
	"github.com/firnlog/firn/layout/fault"
	"github.com/firnlog/firn/layout/store"
)

// gated is a store whose puts of commits wait until the gate is open.
type gated struct {
	store.Store
	gate chan struct{}
	puts int // of commits, that went through
	mu   sync.Mutex
}

func (g *gated) Put(ctx context.Context, key string, body store.Body, cond store.Condition) (store.Receipt, error) {
	if strings.Contains(key, "/log/") {
		<-g.gate
		g.mu.Lock()
		g.puts++
		g.mu.Unlock()
	}
	return g.Store.Put(ctx, key, body, cond)
}

// While one group is being stored everything else gathers into the next: any
// number of requests cost two puts.
func TestRequestsGatherIntoGroups(t *testing.T) {
	bubble.Run(t, func(t *testing.T) {
		s := &gated{Store: store.NewMemory(), gate: make(chan struct{})}
		l := newLog(t, s, 1)
		var wg sync.WaitGroup
		wg.Go(func() { mustAppend(t, l, Batch{Events: events("a")}) })
		synctest.Wait() // the first group is at the gate
		for range 100 {
			wg.Go(func() { mustAppend(t, l, Batch{Events: events("a", "b")}) })
		}
		synctest.Wait()
		close(s.gate)
		wg.Wait()
		if s.puts != 2 {
			t.Errorf("101 requests cost %d puts", s.puts)
		}
		all := tailEvents(t, s)
		checkGapless(t, all)
		if len(all) != 201 {
			t.Errorf("%d events", len(all))
		}
	})
}

func TestQueueIsBounded(t *testing.T) {
	bubble.Run(t, func(t *testing.T) {
		s := &gated{Store: store.NewMemory(), gate: make(chan struct{})}
		l := newLog(t, s, 1)
		l.queue = 30_000
		large := func(id string) Batch {
			return Batch{Events: []event.Event{{Stream: "a", Type: "t", ID: id, Payload: fmt.Appendf(nil, `"%s"`, strings.Repeat("x", l.queue/3)), Metadata: []byte(`{}`)}}}
		}
		var wg sync.WaitGroup
		append := func(ctx context.Context, id string) error {
			_, err := l.Append(ctx, "i", large(id))
			return err
		}
		errs := make([]error, 4)
		for i := range 2 { // one in its group, one in the queue; a third has no room
			wg.Go(func() { errs[i] = append(context.Background(), fmt.Sprint(i)) })
			synctest.Wait()
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := append(ctx, "refused"); !fault.Is(err, fault.Overload) {
			t.Errorf("an append beyond the bound: %v", err)
		}
		wg.Go(func() { errs[2] = append(context.Background(), "2") }) // and this one waits
		synctest.Wait()
		close(s.gate)
		wg.Wait()
		for i, err := range errs {
			if err != nil {
				t.Errorf("append %d: %v", i, err)
			}
		}
		all := tailEvents(t, s)
		if len(all) != 3 {
			t.Errorf("%d events, want 3", len(all))
		}
	})
}

// Who gives up in the queue has surely written nothing; who gives up while the
// group is being stored cannot know, and the group goes on.
func TestGivingUp(t *testing.T) {
	bubble.Run(t, func(t *testing.T) {
		s := &gated{Store: store.NewMemory(), gate: make(chan struct{})}
		l := newLog(t, s, 1)
		var wg sync.WaitGroup
		var inGroup, inQueue error
		wg.Go(func() {
			ctx, cancel := context.WithTimeout(context.Background(), time.Second)
			defer cancel()
			_, inGroup = l.Append(ctx, "i", Batch{Events: events("a")})
		})
		synctest.Wait()
		wg.Go(func() {
			ctx, cancel := context.WithTimeout(context.Background(), time.Second)
			defer cancel()
			_, inQueue = l.Append(ctx, "i", Batch{Events: events("b")})
		})
		wg.Wait()
		if !fault.Is(inGroup, fault.Unknown) || !fault.Is(inQueue, fault.Unavailable) {
			t.Errorf("in the group: %v; in the queue: %v", inGroup, inQueue)
		}
		close(s.gate)
		synctest.Wait()
		all := tailEvents(t, s)
		if len(all) != 1 || all[0].Stream != "a" {
			t.Errorf("%+v", all)
		}
	})
}
