package sim

import (
	"context"
	"fmt"
	"regexp"
	"strings"
	"sync"
	"time"

	"github.com/firnlog/firn/layout/commitlog"
	"github.com/firnlog/firn/layout/fault"
	"github.com/firnlog/firn/layout/store"
)

// process is one process of the simulation: all its requests go through here,
// where they take time, fail, and where the process stops, for a while or for ever.
//
// What befalls a request follows from the seed, the process, the operation, the
// key and the time, and from nothing else, so that it does not matter in which
// order goroutines take their turns that run at the same moment.
type process struct {
	w     *world
	name  string
	mem   store.Store
	clock *clock
	log   *commitlog.Log

	mu    sync.Mutex
	wakes time.Time // the process stands still until then
	dead  bool
}

// start makes a new process.
func (w *world) start(name string) *process {
	p := &process{w: w, name: name, mem: w.mem, clock: w.newClock(name)}
	p.log = commitlog.OpenWithClock(p, p.clock.now)
	return p
}

// errDead is what the code of a dead process gets; nobody sees what it does
// with it.
var errDead = fault.New(fault.Unavailable, "the process is dead")

// fate is what befalls one request.
type fate struct {
	before, after time.Duration // on the way there and back
	sleeps        time.Duration // how long the process stands still
	waking        time.Duration // how long the request takes to go on then
	sleepsAfter   bool          // after the request was carried out, else before
	dies          bool          // likewise by sleepsAfter
	put           putFate
	fails         bool // a request that changes nothing fails
}

// putFate is what befalls a put.
type putFate int

const (
	putWorks       putFate = iota
	putLost                // never carried out, no answer
	putUnanswered          // carried out, no answer
	putLate                // carried out minutes later, no answer
	putConflicts           // refused with 409
	putRefused             // surely not sent
	putUnavailable         // carried out, but answered 503
	numPutFates
)

// unique is what differs in the keys of two runs of a world, with the number of a
// part behind it: lists give parts of several runs in no order that would last.
var unique = regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f-]{27}(-[0-9]{4})?`)

// draw returns the fate of the next request of its kind.
func (p *process) draw(op, key string) fate {
	kind := op + " " + unique.ReplaceAllString(key, "*")
	d := p.w.dice(p.name, kind, time.Since(p.w.began))
	f := fate{before: d.between(time.Millisecond, 40*time.Millisecond), after: d.between(time.Millisecond, 40*time.Millisecond),
		waking: d.between(time.Microsecond, 40*time.Millisecond)}
	if p.w.calm() {
		return f
	}
	rates := p.w.rates
	sleep := rates.sleep
	if op == "put" || strings.Contains(kind, "/log/") {
		sleep *= 4 // where sleepers do the most harm
	}
	if d.chance(sleep) {
		f.sleeps = []time.Duration{5 * time.Minute, 2 * time.Hour, 27 * time.Hour, 21 * 24 * time.Hour}[d.n(4)] + d.between(0, time.Hour)
	}
	f.dies = d.chance(rates.death)
	f.sleepsAfter = d.chance(0.5)
	if d.chance(rates.put) {
		f.put = putFate(1 + d.n(int(numPutFates)-1))
	}
	f.fails = d.chance(rates.read)
	return f
}

// request carries out one request, by do, as fate has it.
func (p *process) request(op, key string, do func(fate) error) error {
	f := p.draw(op, key)
	time.Sleep(f.before)
	if !f.sleepsAfter {
		p.fall(f)
	}
	if err := p.stand(f); err != nil {
		return err
	}
	err := do(f)
	p.w.trace(p.name, op, key, err)
	if f.sleepsAfter {
		p.fall(f)
	}
	if err := p.stand(f); err != nil {
		return err
	}
	time.Sleep(f.after)
	return err
}

// fall makes the process die or sleep, unless all is quiet by now.
func (p *process) fall(f fate) {
	if p.w.calm() {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if f.dies {
		p.dead = true
	}
	if f.sleeps > 0 {
		p.wakes = time.Now().Add(f.sleeps)
		p.clock.slept(f.sleeps)
	}
}

// stand waits while the process sleeps.
func (p *process) stand(f fate) error {
	for {
		p.mu.Lock()
		wakes, dead := p.wakes, p.dead
		p.mu.Unlock()
		if dead {
			return errDead
		}
		if !time.Now().Before(wakes) {
			return nil
		}
		time.Sleep(time.Until(wakes) + f.waking)
	}
}

func (p *process) alive() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return !p.dead
}

// Get implements [store.Store].
func (p *process) Get(ctx context.Context, key string, r store.Range) (o *store.Object, err error) {
	err = p.request("get", key, func(f fate) error {
		if f.fails {
			return fault.New(fault.Unavailable, "get %s: time-out", key)
		}
		o, err = p.mem.Get(context.WithoutCancel(ctx), key, r)
		return err
	})
	return o, err
}

// Put implements [store.Store].
func (p *process) Put(ctx context.Context, key string, body store.Body, cond store.Condition) (rec store.Receipt, err error) {
	err = p.request("put", key, func(f fate) error {
		apply := func() (rec store.Receipt, err error) {
			// A request that is on its way does not know that its sender gave up.
			if rec, err = p.mem.Put(context.WithoutCancel(ctx), key, body, cond); err == nil {
				p.w.stored(key, body)
			}
			return rec, err
		}
		unknown := fault.New(fault.Unknown, "put %s: no answer", key)
		p.clock.judge(p.w, key)
		switch f.put {
		case putLost:
			return unknown
		case putUnanswered, putUnavailable:
			_, _ = apply()
			return unknown
		case putLate:
			p.w.later(f.before*2000, func() { _, _ = apply() })
			return unknown
		case putConflicts:
			return fault.New(fault.Conflict, "put %s: 409", key)
		case putRefused:
			return fault.New(fault.Unavailable, "put %s: connection refused", key)
		}
		rec, err = apply()
		return err
	})
	return rec, err
}

// List implements [store.Store].
func (p *process) List(ctx context.Context, opts store.ListOptions) (page store.Page, err error) {
	err = p.request("list", opts.Prefix, func(f fate) error {
		if f.fails {
			return fault.New(fault.Unavailable, "list %s: time-out", opts.Prefix)
		}
		page, err = p.mem.List(context.WithoutCancel(ctx), opts)
		return err
	})
	return page, err
}

// Delete implements [store.Store].
func (p *process) Delete(ctx context.Context, key string) error {
	return p.request("delete", key, func(f fate) error {
		err := p.mem.Delete(context.WithoutCancel(ctx), key)
		if f.fails && err == nil {
			return fault.New(fault.Unknown, "delete %s: no answer", key)
		}
		return err
	})
}

// SetTags implements [store.Store].
func (p *process) SetTags(context.Context, string, map[string]string) error {
	return fmt.Errorf("nobody tags here")
}

// Tags implements [store.Store].
func (p *process) Tags(context.Context, string) (map[string]string, error) {
	return nil, fmt.Errorf("nobody tags here")
}
