package sim

import (
	"context"
	"errors"
	"fmt"
	"sort"
	"time"

	"github.com/anishathalye/porcupine"

	"github.com/firnlog/firn/layout/chain"
	"github.com/firnlog/firn/layout/commitlog"
	"github.com/firnlog/firn/layout/event"
	"github.com/firnlog/firn/layout/fault"
	"github.com/firnlog/firn/layout/segment"
)

// client carries out its operations, one after the other, in a new process
// when one dies.
func (w *world) client(name string) {
	p, life := w.start(name), 0
	log := commitlog.Open(p)
	d := w.dice(name)
	var keyed []keyedOp
	for n := range operations {
		time.Sleep(think(d))
		if d.chance(0.3) {
			w.read(log, p, w.patience(name, n))
		} else {
			o := w.next(d, name, n, keyed)
			call := time.Now()
			if o.key != "" {
				keyed = append(keyed, keyedOp{o, call})
			}
			w.append(log, p, o, keyed, w.patience(name, n))
		}
		if !p.alive() || d.chance(0.2) {
			life++
			p = w.start(fmt.Sprint(name, ".", life))
			log = commitlog.Open(p)
		}
	}
}

// patience returns how long a client waits for an answer.
func (w *world) patience(parts ...any) time.Duration {
	if w.dice(append(parts, "patience")...).chance(0.5) {
		return 40 * time.Second
	}
	return 60 * 24 * time.Hour
}

// think returns how long a client waits before its next operation: mostly
// moments, sometimes days.
func think(d *dice) time.Duration {
	switch {
	case d.chance(0.6):
		return d.between(time.Microsecond, time.Second)
	case d.chance(0.6):
		return d.between(time.Second, 20*time.Minute)
	}
	return d.between(time.Hour, 40*time.Hour)
}

// keyedOp is an append under a key, and when it was first tried.
type keyedOp struct {
	op
	call time.Time
}

// next draws an append: a new one, or a repetition under its key.
func (w *world) next(d *dice, name string, n int, keyed []keyedOp) op {
	if len(keyed) > 0 && d.chance(0.35) {
		o := keyed[d.n(len(keyed))].op
		return o
	}
	o := op{stream: streams[d.n(len(streams))], id: fmt.Sprint(name, "-", n), n: 1 + d.n(3), expect: commitlog.Any}
	switch {
	case d.chance(0.3):
		o.key = "key-" + o.id
	case d.chance(0.4):
		o.expect = commitlog.Expectation(d.n(12))
	}
	return o
}

// append carries out an append and notes what the client was told.
func (w *world) append(log *commitlog.Log, p *process, o op, keyed []keyedOp, patience time.Duration) {
	b := commitlog.Batch{Key: o.key, Hash: o.id}
	for i := range o.n {
		b.Events = append(b.Events, event.Event{Stream: o.stream, Type: "t", ID: fmt.Sprint(o.id, "/", i), Time: event.ToMicros(time.Now()), Payload: []byte(`{}`), Metadata: []byte(`{}`)})
	}
	if o.expect != commitlog.Any {
		b.Expect = map[string]commitlog.Expectation{o.stream: o.expect}
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	call := time.Now()
	receipt, err := log.Append(ctx, instance, b)
	res := told(receipt, err)
	if !p.alive() && res.kind != done {
		res = result{kind: unknown} // nobody was told anything
	}
	for _, k := range keyed {
		if k.key == o.key && o.key != "" {
			o.stale = o.stale || time.Since(k.call) > 23*time.Hour
		}
	}
	w.within(call, err)
	w.note(o, call, res)
}

// within notes an answer that says that something is gone, to a request that
// was carried out well within the grace.
func (w *world) within(call time.Time, err error) {
	if fault.Is(err, fault.Gone) && time.Since(call) < chain.Grace-2*chain.Fresh {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.broken = fmt.Errorf("after %v: %w", time.Since(call), err)
	}
}

// told returns what an answer says.
func told(r commitlog.Receipt, err error) result {
	var c *commitlog.ConflictError
	switch {
	case err == nil:
		return result{kind: done, first: r.Events[0].Sequence}
	case errors.As(err, &c):
		return result{kind: conflict, actual: c.Actual}
	case fault.Is(err, fault.Unknown):
		return result{kind: unknown}
	}
	return result{kind: failed}
}

// note adds an append to the history.
func (w *world) note(o op, call time.Time, res result) {
	w.mu.Lock()
	defer w.mu.Unlock()
	end := int64(time.Since(w.began))
	if res.kind == unknown {
		end = never
	}
	w.history = append(w.history, porcupine.Operation{Input: o, Call: int64(call.Sub(w.began)), Output: res, Return: end})
	w.attempts[o.id] = o
	switch _, before := w.refused[o.id]; {
	case res.kind == done:
		w.acked[o.id] = res
		w.refused[o.id] = false
	case res.kind == unknown:
		w.refused[o.id] = false
	case !before:
		w.refused[o.id] = true
	}
}

// read reads all streams at one point and adds what it sees to the history.
func (w *world) read(log *commitlog.Log, p *process, patience time.Duration) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	call := time.Now()
	seen, err := readAll(ctx, log)
	w.within(call, err)
	if err != nil || !p.alive() {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, s := range streams {
		w.history = append(w.history, porcupine.Operation{Input: op{stream: s, read: true}, Call: int64(call.Sub(w.began)),
			Output: result{actual: int64(len(seen[s]))}, Return: int64(time.Since(w.began))})
	}
}

// readAll returns the events of each stream by sequence number.
func readAll(ctx context.Context, log *commitlog.Log) (map[string][]event.Event, error) {
	v, err := log.Pin(ctx, instance)
	if err != nil {
		return nil, err
	}
	files, err := v.Files(ctx, event.MinTime, event.MaxTime)
	if err != nil {
		return nil, err
	}
	out := map[string][]event.Event{}
	collect := func(f *segment.File, shard int) error {
		for _, g := range f.Groups() {
			b, err := g.Read(segment.AllColumns)
			if err != nil {
				return err
			}
			for i := range b.Rows() {
				e := b.Event(i, shard)
				out[e.Stream] = append(out[e.Stream], e)
			}
		}
		return nil
	}
	for _, f := range files {
		file, err := v.Open(ctx, f)
		if err == nil {
			err = collect(file, f.Shard)
		}
		if err != nil {
			return nil, err
		}
	}
	for _, c := range v.Tail {
		if err := collect(c.File, c.Shard); err != nil {
			return nil, err
		}
	}
	for _, es := range out {
		sort.Slice(es, func(i, j int) bool { return es[i].Sequence < es[j].Sequence })
	}
	return out, nil
}
