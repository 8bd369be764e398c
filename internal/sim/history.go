package sim

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/anishathalye/porcupine"

	"github.com/firnlog/firn/layout/commitlog"
	"github.com/firnlog/firn/layout/event"
)

// history is what the clients did and were told, for each part of the log by
// itself: parts have nothing to do with each other. A part is a shard, or a
// stream where a new life of the instance may spread streams anew.
type history struct {
	model model
	parts map[string][]porcupine.Operation
	views []view
}

// view is what one read saw, noted when it was made and judged in the end.
type view struct {
	call, end    time.Time
	generation   int64
	hiddenBefore event.Micros
	ownTime      bool                     // the reader's clock was right
	parts        map[string][]event.Event // in the order of the log
}

// part returns the part of the log that a stream is in.
func (w *world) part(stream string) string {
	if w.kind.lives {
		return "stream " + stream
	}
	return fmt.Sprint("shard ", commitlog.ShardFor(stream, w.shards))
}

// parts returns the names of all parts.
func (w *world) parts() []string {
	var all []string
	for _, s := range streams {
		if p := w.part(s); !slices.Contains(all, p) {
			all = append(all, p)
		}
	}
	return all
}

// add adds an operation to a part's history. The lock is held.
func (h *history) add(w *world, part string, o *op, call, end time.Time, r result) {
	if h.parts == nil {
		h.parts = map[string][]porcupine.Operation{}
	}
	back := int64(end.Sub(w.began))
	if r.kind == unknown {
		back = never
	}
	h.parts[part] = append(h.parts[part], porcupine.Operation{Input: o, Call: int64(call.Sub(w.began)), Output: r, Return: back})
}

// everywhere adds an operation to the history of every part. The lock is held.
func (w *world) everywhere(o *op, call, end time.Time, r result) {
	for _, part := range w.parts() {
		w.history.add(w, part, o, call, end, r)
	}
}

// appended notes an append and its answer.
func (w *world) appended(r *request, call time.Time, receipt commitlog.Receipt, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	byPart := map[string][]int{}
	for i, e := range r.batch.Events {
		byPart[w.part(e.Stream)] = append(byPart[w.part(e.Stream)], i)
	}
	for _, part := range w.parts() {
		at := byPart[part]
		if at == nil {
			continue
		}
		o := &op{action: appends, id: r.id, expect: map[string]expect{}, key: r.batch.Key,
			stale: r.batch.Key != "" && time.Since(r.began) > 23*time.Hour}
		for stream, want := range r.batch.Expect {
			if w.part(stream) == part {
				o.expect[stream] = want
			}
		}
		for _, i := range at {
			o.events = append(o.events, r.batch.Events[i])
		}
		w.history.model.add(o)
		w.history.add(w, part, o, call, time.Now(), w.outcome(at, len(byPart), receipt, err))
	}
}

// outcome returns what an answer says of the events of one part, given by their
// indexes. The lock is held.
func (w *world) outcome(at []int, parts int, receipt commitlog.Receipt, err error) result {
	switch res := told(err); {
	case err == nil && receipt.Events[at[0]].Sequence == 0:
		return partly(receipt)
	case err != nil && parts > 1 && res.kind == reused:
		return result{kind: failed} // of which of them is not said
	case err != nil:
		return res
	}
	var b strings.Builder
	for _, i := range at {
		e := &receipt.Events[i]
		fmt.Fprintf(&b, "%d ", e.Sequence)
		w.facts.placed(w, e)
	}
	return result{kind: done, numbers: b.String()}
}

// partly returns what a receipt says of a part that was not stored.
func partly(receipt commitlog.Receipt) result {
	for _, p := range receipt.Parts {
		if p.Err != nil && told(p.Err).kind == unknown {
			return result{kind: unknown}
		}
	}
	return result{kind: failed}
}

// viewed notes a read.
func (w *world) viewed(v view) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, events := range v.parts {
		for i := range events {
			w.facts.numbered(w, v.generation, &events[i])
		}
	}
	w.history.views = append(w.history.views, v)
}

// judge checks the history against the model. The lock is held.
func (w *world) judge() error {
	for _, v := range w.history.views {
		from, err := w.rules.judge(w, v)
		if err != nil {
			return err
		}
		for _, part := range w.parts() {
			w.history.add(w, part, &op{action: reads, from: from}, v.call, v.end, result{generation: v.generation, seen: render(v.parts[part], from)})
		}
	}
	effects, err := w.effects()
	if err != nil {
		return fmt.Errorf("what was committed cannot be read: %w", err)
	}
	for _, part := range w.parts() {
		if err := w.explain(part, effects[part]); err != nil {
			return fmt.Errorf("%s: %w:\n%s", part, err, w.describe(part))
		}
	}
	return nil
}

// describe lists a part's history.
func (w *world) describe(part string) string {
	ops := slices.Clone(w.history.parts[part])
	slices.SortFunc(ops, func(a, b porcupine.Operation) int { return int(a.Call - b.Call) })
	text := ""
	for _, h := range ops {
		text += fmt.Sprintf("%v … %v  %v -> %+v\n", time.Duration(h.Call), time.Duration(h.Return), h.Input, h.Output)
	}
	return text
}

// String describes an operation.
func (o *op) String() string {
	switch o.action {
	case reads:
		return "read from " + o.from.String()
	case drops:
		return fmt.Sprint("delete up to life ", o.upTo)
	case creates:
		return "create"
	case counts:
		return "count"
	case erases:
		return "erase " + o.stream + render(o.events, event.MinTime)
	}
	text := "append " + render(o.events, event.MinTime)
	if o.key != "" {
		text += fmt.Sprint("key ", o.key, " stale ", o.stale)
	}
	return text + fmt.Sprint(o.expect)
}
