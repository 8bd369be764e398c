package commitlog

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/firnlog/firn/internal/bubble"
	"github.com/firnlog/firn/layout/store"
)

// together appends batches so that they become one commit, in their order, and
// returns their answers.
func together(t *testing.T, s *gated, l *Log, batches ...Batch) ([]Receipt, []error) {
	t.Helper()
	receipts, errs := make([]Receipt, len(batches)), make([]error, len(batches))
	var wg sync.WaitGroup
	wg.Go(func() { mustAppend(t, l, Batch{Events: events("a")}) })
	synctest.Wait() // at the gate
	for i, b := range batches {
		wg.Go(func() { receipts[i], errs[i] = l.Append(context.Background(), "i", b) })
		synctest.Wait()
	}
	close(s.gate)
	wg.Wait()
	return receipts, errs
}

// A repetition under a key is answered with the events that came under it, of all
// that are in the commit.
func TestAReplayOutOfASharedCommit(t *testing.T) {
	bubble.Run(t, func(t *testing.T) {
		s := &gated{Store: store.NewMemory(), gate: make(chan struct{})}
		l := newLog(t, s, 1)
		keyed := Batch{Events: events("b", "c"), Key: "k", Hash: "h"}
		first, errs := together(t, s, l, Batch{Events: events("a", "a", "a")}, keyed)
		if errs[0] != nil || errs[1] != nil || first[1].Events[0].Place.Ordinal != 3 {
			t.Fatalf("%+v %v", first, errs)
		}
		for name, l := range map[string]*Log{"the same process": l, "another process": Open(s)} {
			again := mustAppend(t, l, keyed)
			for i, e := range again.Events {
				if was := first[1].Events[i]; e.Stream != was.Stream || e.Place != was.Place || e.ID != was.ID {
					t.Errorf("%s: %+v, and it was %+v", name, e, was)
				}
			}
		}
	})
}

// A conflict with an append of the same group is told once that is stored, with the
// number that it gave.
func TestAConflictWithinAGroup(t *testing.T) {
	bubble.Run(t, func(t *testing.T) {
		s := &gated{Store: store.NewMemory(), gate: make(chan struct{})}
		l := newLog(t, s, 1)
		b := Batch{Events: events("a"), Expect: map[string]Expectation{"a": 1}}
		receipts, errs := together(t, s, l, b, b)
		var conflict *ConflictError
		if errs[0] != nil || receipts[0].Events[0].Sequence != 2 || !errors.As(errs[1], &conflict) || conflict.Actual != 2 {
			t.Errorf("%+v, %v", receipts, errs)
		}
	})
}
