package sim

import (
	"context"
	"fmt"
	"time"

	"github.com/firnlog/firn/layout/event"
	"github.com/firnlog/firn/layout/fault"
	"github.com/firnlog/firn/querier"
)

// tailed is what one reader of live tails has seen: one tail after the other, each
// from the cursor of the one before.
type tailed struct {
	cursor string
	heads  map[string]int64 // by stream: the number seen last
}

// tail reads the live tail, some seconds each time, in one process after the other.
func tail(a *actor) {
	t := &tailed{cursor: querier.FromStart, heads: map[string]int64{}}
	a.w.mu.Lock()
	a.w.tails = append(a.w.tails, t)
	a.w.mu.Unlock()
	for range a.w.kind.operations {
		time.Sleep(a.dice.think())
		a.tail(t, a.dice.between(time.Second, 20*time.Second))
		a.rest()
	}
}

// tail reads the tail for a while. Each stream's numbers come without a hole and
// none twice, and where the log has them.
func (a *actor) tail(t *tailed, wait time.Duration) {
	ctx, cancel := context.WithTimeout(context.Background(), wait)
	defer cancel()
	call := time.Now()
	tail, err := querier.NewEngine(a.p.log).Tail(ctx, querier.TailQuery{Instance: instance, After: t.cursor})
	if err != nil {
		a.answered(call, err)
		return
	}
	defer tail.Close()
	for {
		began := time.Now()
		e, err := tail.Next(ctx)
		if !a.p.alive() { // nobody has seen that
			return
		}
		if ctx.Err() != nil && err != nil {
			return
		}
		if err != nil && !(fault.Is(err, fault.Gone) && time.Since(began) > time.Hour) {
			a.answered(began, err)
		}
		if err != nil {
			return
		}
		a.w.tailed(t, &e)
		t.cursor = tail.Cursor()
	}
}

// tailed notes an event that a tail gave.
func (w *world) tailed(t *tailed, e *event.Event) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.facts.numbered(w, 1, e)
	if want := t.heads[e.Stream] + 1; e.Sequence != want && w.broken == nil {
		w.broken = fmt.Errorf("a tail gave %s:%d after %d", e.Stream, e.Sequence, want-1)
	}
	t.heads[e.Stream] = e.Sequence
}

// tailsEnd checks, when all is quiet, that tails which go on where they stopped
// come to all that is there.
func (w *world) tailsEnd(all *page) error {
	for _, t := range w.tails {
		w.newJudge().tail(t, time.Minute)
		for _, part := range w.parts() {
			for _, e := range all.parts[part] {
				if e.Sequence > t.heads[e.Stream] {
					return fmt.Errorf("a tail ends with %s:%d, and there is number %d", e.Stream, t.heads[e.Stream], e.Sequence)
				}
			}
		}
	}
	return nil
}
