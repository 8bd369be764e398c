// Package sim runs Firn's own code (commit log, compactor, sweeper) as many
// processes over a store that fails in all the ways of object stores, in
// virtual time, from one seed, and checks that what clients were told is true.
//
// Requests are lost, applied without an answer, applied minutes late, refused
// and delayed; processes die between any two requests, or stand still for
// hours and weeks and go on with what they knew; clocks are wrong. What clients
// saw is checked against a model of the log (linearizability, by porcupine), and
// at the end every event that was acknowledged must be there once, as
// acknowledged, before and after everything was compacted and swept.
//
// A seed's world is of one of several kinds, which differ in who lives there.
package sim

import (
	"context"
	"fmt"
	"sort"
	"strings"
	"sync"
	"time"

	"github.com/firnlog/firn/layout/catalog"
	"github.com/firnlog/firn/layout/chain"
	"github.com/firnlog/firn/layout/commitlog"
	"github.com/firnlog/firn/layout/fault"
	"github.com/firnlog/firn/layout/snapshot"
	"github.com/firnlog/firn/layout/store"
)

// instance is the id of the one instance of every world.
const instance = "i"

var streams = []string{"a", "b", "c", "d"}

// rates are how often things happen to a request.
type rates struct{ put, read, sleep, death float64 }

// world is one run.
type world struct {
	seed   uint64
	kind   kind
	mem    *store.Memory
	began  time.Time
	rates  rates
	shards int // of the instance's first life

	mu      sync.Mutex // guards what is below
	lines   []string
	quiet   bool // no more faults
	late    sync.WaitGroup
	broken  error // a promise that an answer broke by itself
	history history
	commits map[string]commit // by key: all that were ever stored
	facts   facts
	lives   lives
	orders  []*order // erasures that were asked for
	tails   []*tailed
	rules   rules
}

// Run runs the world of a seed, in the bubble of testing/synctest that it is
// called in, and returns the trace of its requests and the first thing that was
// not as promised.
func Run(seed uint64) (trace string, err error) {
	w := &world{seed: seed, kind: kindOf(seed), mem: store.NewMemory(), began: time.Now(), commits: map[string]commit{}}
	defer func(j func(time.Duration) time.Duration) { chain.Jitter = j }(chain.Jitter)
	chain.Jitter = func(d time.Duration) time.Duration { return w.dice("jitter", time.Now()).between(0, d) }
	defer func(rows int64) { snapshot.PartRows = rows }(snapshot.PartRows)
	snapshot.PartRows = 1 // so that runs of a few streams have parts
	d := w.dice("world")
	w.shards = 1 + d.n(w.kind.shards)
	w.rates = rates{put: float64(d.n(4)) * 0.1, read: float64(d.n(3)) * 0.03, sleep: float64(d.n(4)) * 0.012, death: float64(d.n(3)) * 0.006}
	spec := catalog.Instance{ID: instance, Shards: w.shards}
	if w.kind.dated {
		spec.RetentionDays = 1 + d.n(4)
	}
	w.rules.begin(spec.RetentionDays)
	if _, err := commitlog.Open(w.mem).CreateInstance(context.Background(), spec); err != nil {
		return "", err
	}
	w.live()
	w.late.Wait()
	time.Sleep(45 * 24 * time.Hour) // until the last sleeper has woken and done its worst
	err = w.check()
	w.mu.Lock()
	defer w.mu.Unlock()
	sort.Strings(w.lines)
	return strings.Join(w.lines, "\n"), err
}

// live lets everyone do their work, and ends when the clients have done theirs.
func (w *world) live() {
	stop := make(chan struct{})
	var work, service sync.WaitGroup
	crew := func(wg *sync.WaitGroup, n int, name string, live func(*actor)) {
		for i := range n {
			a := &actor{w: w, name: fmt.Sprint(name, i), stop: stop}
			a.dice, a.p = w.dice(a.name), w.start(a.name)
			wg.Go(func() { live(a) })
		}
	}
	crew(&service, w.kind.compactors, "compactor", compact)
	crew(&service, w.kind.sweepers, "sweeper", sweep)
	crew(&work, w.kind.appenders, "client", appendAndRead)
	crew(&work, w.kind.readers, "reader", readPages)
	crew(&work, w.kind.followers, "follower", follow)
	crew(&work, w.kind.tails, "tail", tail)
	crew(&work, w.kind.admins, "admin", administer)
	work.Wait()
	if w.kind.dated {
		w.newJudge().retain(0) // from now on all stays that is not hidden yet
	}
	close(stop)
	service.Wait()
	w.mu.Lock()
	w.quiet = true
	w.mu.Unlock()
}

func (w *world) calm() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.quiet
}

// broke notes the first promise that was broken.
func (w *world) broke(format string, args ...any) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.broken == nil {
		w.broken = fmt.Errorf("after %v: %w", time.Since(w.began), fmt.Errorf(format, args...))
	}
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
