// Package sim runs Firn's own code (commit log, compactor, sweeper) as many
// processes over a store that fails in all the ways of object stores, in
// virtual time, from one seed, and checks that what clients were told is true.
//
// Requests are lost, applied without an answer, applied minutes late, refused
// and delayed; processes die between any two requests, or stand still for
// hours and weeks and go on with what they knew. What clients saw is checked
// against a model of a stream (linearizability, by porcupine), and at the end
// every event that was acknowledged must be there once, as acknowledged, before
// and after everything was compacted and swept.
package sim

import (
	"context"
	"errors"
	"fmt"
	"sort"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"

	"github.com/firnlog/firn/compactor"
	"github.com/firnlog/firn/layout/catalog"
	"github.com/firnlog/firn/layout/chain"
	"github.com/firnlog/firn/layout/commitlog"
	"github.com/firnlog/firn/layout/event"
	"github.com/firnlog/firn/layout/fault"
	"github.com/firnlog/firn/layout/segment"
	"github.com/firnlog/firn/layout/store"
)

// The size of a world: histories are short, so that each is checked in
// milliseconds, and seeds are many.
const (
	clients    = 3
	operations = 9 // of each client
	compactors = 2
	instance   = "i"
)

var streams = []string{"a", "b"}

// rates are how often things happen to a request.
type rates struct{ put, read, sleep, death float64 }

// world is one run.
type world struct {
	seed   uint64
	mem    *store.Memory
	began  time.Time
	rates  rates
	shards int

	mu       sync.Mutex // guards what is below
	lines    []string
	quiet    bool // no more faults
	late     sync.WaitGroup
	history  []porcupine.Operation
	acked    map[string]result // by the append's id
	refused  map[string]bool
	attempts map[string]op
	broken   error // a promise that an answer broke by itself
}

// Run runs the world of a seed in a bubble of testing/synctest and returns the
// trace of its requests and the first thing that was not as promised.
func Run(t *testing.T, seed uint64) (trace string, err error) {
	_, trace, err = runWorld(t, seed)
	return trace, err
}

func runWorld(t *testing.T, seed uint64) (w *world, trace string, err error) {
	w = &world{seed: seed, mem: store.NewMemory(), began: time.Now(), acked: map[string]result{}, refused: map[string]bool{}, attempts: map[string]op{}}
	defer func(j func(time.Duration) time.Duration) { chain.Jitter = j }(chain.Jitter)
	chain.Jitter = func(d time.Duration) time.Duration { return w.dice("jitter", time.Now()).between(0, d) }
	d := w.dice("world")
	w.shards = 1 + d.n(2)
	w.rates = rates{put: float64(d.n(4)) * 0.1, read: float64(d.n(3)) * 0.03, sleep: float64(d.n(4)) * 0.012, death: float64(d.n(3)) * 0.006}
	if _, err := commitlog.Open(w.mem).CreateInstance(context.Background(), catalog.Instance{ID: instance, Shards: w.shards}); err != nil {
		return w, "", err
	}
	stop := make(chan struct{})
	var work, service sync.WaitGroup
	for i := range compactors {
		service.Go(func() { w.compact(fmt.Sprint("compactor", i), stop) })
	}
	for i := range clients {
		work.Go(func() { w.client(fmt.Sprint("client", i)) })
	}
	work.Wait()
	close(stop)
	service.Wait()
	w.mu.Lock()
	w.quiet = true
	w.mu.Unlock()
	w.late.Wait()
	time.Sleep(45 * 24 * time.Hour) // until the last sleeper has woken and done its worst
	w.mu.Lock()
	defer w.mu.Unlock()
	err = w.check()
	sort.Strings(w.lines)
	return w, strings.Join(w.lines, "\n"), err
}

// start makes a new process.
func (w *world) start(name string) *process {
	return &process{w: w, name: name, mem: w.mem, counts: map[string]int{}}
}

func (w *world) calm() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.quiet
}

// trace notes a request.
func (w *world) trace(process, op, key string, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	outcome := "ok"
	if err != nil {
		outcome = fault.KindOf(err).String()
	}
	w.lines = append(w.lines, fmt.Sprintf("%020d %s %s %s %s", time.Since(w.began), process, op, unique.ReplaceAllString(key, "*"), outcome))
}

// later does f after a while.
func (w *world) later(wait time.Duration, f func()) {
	w.late.Go(func() {
		time.Sleep(wait)
		f()
	})
}

// compact runs a compactor again and again, in a new process when one dies.
func (w *world) compact(name string, stop chan struct{}) {
	p, life := w.start(name), 0
	c := &compactor.Compactor{Log: commitlog.Open(p)}
	d := w.dice(name)
	for {
		select {
		case <-stop:
			return
		case <-time.After(w.untilRun() + d.between(0, 300*time.Millisecond)):
		}
		_, _ = c.Run(context.Background(), instance) // what fails is done the next time
		if !p.alive() {
			life++
			p = w.start(fmt.Sprint(name, ".", life))
			c = &compactor.Compactor{Log: commitlog.Open(p)}
		}
	}
}

// untilRun returns how long it is until the compactors run again: on a schedule
// of all, so that they meet.
func (w *world) untilRun() time.Duration {
	every := w.dice("schedule").between(30*time.Minute, 9*time.Hour)
	return every - time.Since(w.began)%every
}

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
