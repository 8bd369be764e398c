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
	"github.com/firnlog/firn/layout/fault"
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
