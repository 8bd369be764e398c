package sim

import (
	"context"
	"fmt"
	"time"

	"github.com/anishathalye/porcupine"

	"github.com/firnlog/firn/compactor"
	"github.com/firnlog/firn/layout/commitlog"
	"github.com/firnlog/firn/layout/event"
)

// check is the judgement at the end, when all is quiet.
func (w *world) check() error {
	if w.broken != nil {
		return w.broken
	}
	ctx := context.Background()
	before, err := readAll(ctx, commitlog.Open(w.mem))
	if err != nil {
		return fmt.Errorf("the log cannot be read in the end: %w", err)
	}
	if err := w.checkEvents(before); err != nil {
		return err
	}
	if res := porcupine.CheckOperationsTimeout(model, w.withEnd(before), 20*time.Second); res == porcupine.Illegal {
		return fmt.Errorf("no order of the operations explains what the clients were told:\n%s", w.describe())
	}
	for range 4 { // until all is folded, merged and swept
		if _, err := (&compactor.Compactor{Log: commitlog.Open(w.mem)}).Run(ctx, instance); err != nil {
			return fmt.Errorf("the compactor fails in the end: %w", err)
		}
		time.Sleep(26 * time.Hour)
	}
	after, err := readAll(ctx, commitlog.Open(w.mem))
	if err != nil {
		return fmt.Errorf("the log cannot be read after compaction: %w", err)
	}
	for _, s := range streams {
		if len(before[s]) != len(after[s]) {
			return fmt.Errorf("stream %s has %d events, and %d after compaction", s, len(before[s]), len(after[s]))
		}
		for i := range before[s] {
			if before[s][i].ID != after[s][i].ID || before[s][i].Place != after[s][i].Place {
				return fmt.Errorf("stream %s: event %d changed by compaction", s, i)
			}
		}
	}
	return nil
}

// checkEvents compares the events that are there with what was answered.
func (w *world) checkEvents(all map[string][]event.Event) error {
	found := map[string]int{}
	for _, s := range streams {
		for i, e := range all[s] {
			if e.Sequence != int64(i+1) {
				return fmt.Errorf("stream %s: event %d has sequence number %d", s, i, e.Sequence)
			}
			found[e.ID]++
			if found[e.ID] > 1 && !w.mayRepeat(e.ID) {
				return fmt.Errorf("event %s is there twice", e.ID)
			}
		}
	}
	for id, o := range w.attempts {
		res, acked := w.acked[id]
		for i := range o.n {
			name := fmt.Sprint(id, "/", i)
			switch {
			case acked && found[name] == 0:
				return fmt.Errorf("event %s was acknowledged and is not there", name)
			case acked && all[o.stream][res.first-1+int64(i)].ID != name:
				return fmt.Errorf("event %s was acknowledged at %d, where %s is", name, res.first+int64(i), all[o.stream][res.first-1+int64(i)].ID)
			case !acked && w.refused[id] && found[name] > 0:
				return fmt.Errorf("event %s was refused and is there", name)
			}
		}
	}
	return nil
}

// mayRepeat reports whether an event was appended again under a key so late
// that the key may have been forgotten.
func (w *world) mayRepeat(eventID string) bool {
	for _, h := range w.history {
		o := h.Input.(op)
		if o.stale && len(eventID) > len(o.id) && eventID[:len(o.id)+1] == o.id+"/" {
			return true
		}
	}
	return false
}

// withEnd adds a last read, which sees everything, to the history.
func (w *world) withEnd(all map[string][]event.Event) []porcupine.Operation {
	h := append([]porcupine.Operation(nil), w.history...)
	end := int64(time.Since(w.began))
	for _, s := range streams {
		h = append(h, porcupine.Operation{Input: op{stream: s, read: true}, Call: end, Output: result{actual: int64(len(all[s]))}, Return: end + 1})
	}
	return h
}

// describe lists the history.
func (w *world) describe() string {
	text := ""
	for _, h := range w.history {
		text += fmt.Sprintf("%v … %v  %+v -> %+v\n", time.Duration(h.Call), time.Duration(h.Return), h.Input, h.Output)
	}
	return text
}
