package sim

import (
	"fmt"
	"math"
	"time"

	"github.com/firnlog/firn/layout/catalog"
	"github.com/firnlog/firn/layout/chain"
	"github.com/firnlog/firn/layout/commitlog"
	"github.com/firnlog/firn/layout/fault"
)

// administer changes settings, or ends the instance's life and begins another,
// and looks in another process, which knows the settings of before, what that did.
func administer(a *actor) {
	witness := &actor{w: a.w, name: a.name + " witness", dice: a.w.dice(a.name, "witness")}
	witness.restart()
	for n := range a.w.kind.operations {
		switch {
		case a.w.kind.erases:
			time.Sleep(a.dice.think())
			a.erase()
			witness.read()
			witness.count()
		case !a.w.kind.lives && a.dice.chance(0.3):
			time.Sleep(a.dice.think())
			a.rename(n)
		case !a.w.kind.lives:
			time.Sleep(a.dice.think())
			a.retain((1 + a.dice.n(4)) * a.dice.n(5) / 2)
		case n%2 == 0:
			time.Sleep(a.dice.think())
			witness.read()
			a.remove()
			witness.read()
		default:
			time.Sleep(a.dice.between(time.Millisecond, 10*time.Second))
			if a.dice.chance(0.2) {
				time.Sleep(a.dice.between(0, 3*time.Hour))
			}
			a.create()
			witness.read()
		}
		a.rest()
		witness.rest()
	}
}

// retain changes the retention.
func (a *actor) retain(days int) {
	ctx, cancel := a.wait()
	defer cancel()
	call := time.Now()
	_, err := a.p.log.UpdateInstance(ctx, instance, commitlog.Update{RetentionDays: &days})
	a.answered(call, err)
	res := a.heard(err)
	a.w.mu.Lock()
	defer a.w.mu.Unlock()
	a.w.rules.changed(days, call, time.Now(), res)
}

// rename gives the instance another name, and looks it up by that.
func (a *actor) rename(n int) {
	ctx, cancel := a.wait()
	defer cancel()
	name := fmt.Sprint("name ", n)
	call := time.Now()
	_, err := a.p.log.UpdateInstance(ctx, instance, commitlog.Update{Name: &name})
	if err == nil {
		_, err = a.p.log.Pin(ctx, name)
	}
	a.answered(call, err)
}

// heard returns what an admin was told.
func (a *actor) heard(err error) result {
	switch {
	case err == nil:
		return result{kind: done}
	case !a.p.alive():
		return result{kind: unknown}
	}
	return told(err)
}

// lives is what is known of the instance's lives.
type lives struct {
	drops []*drop
	tries int            // of creating the instance again, begun
	made  []catalogEntry // lives that surely began
}

// drop is a deletion that was tried.
type drop struct {
	call time.Time
	upTo int64 // the highest generation that it can have ended
}

// catalogEntry says when a life had surely begun.
type catalogEntry struct {
	generation int64
	by         time.Time
}

// remove deletes the instance.
func (a *actor) remove() {
	w := a.w
	d := &drop{call: time.Now(), upTo: math.MaxInt64}
	w.mu.Lock()
	w.lives.drops = append(w.lives.drops, d)
	w.mu.Unlock()
	ctx, cancel := a.wait()
	defer cancel()
	inst, err := a.p.log.DeleteInstance(ctx, instance)
	res := a.heard(err)
	a.answered(d.call, err)
	w.mu.Lock()
	defer w.mu.Unlock()
	d.upTo = int64(1 + w.lives.tries)
	if err == nil {
		d.upTo = inst.Generation
	}
	w.everywhere(&op{action: drops, upTo: d.upTo}, d.call, time.Now(), res)
}

// create makes the instance again.
func (a *actor) create() {
	w := a.w
	call := time.Now()
	w.mu.Lock()
	w.lives.tries++
	w.mu.Unlock()
	ctx, cancel := a.wait()
	defer cancel()
	inst, err := a.p.log.CreateInstance(ctx, catalog.Instance{ID: instance, Shards: 1 + a.dice.n(w.kind.shards)})
	w.mu.Lock()
	defer w.mu.Unlock()
	w.born(inst, call, a.heard(err))
}

// born notes a creation. The lock is held.
func (w *world) born(inst catalog.Instance, call time.Time, res result) {
	if res.kind == done {
		res.generation = inst.Generation
		w.lives.made = append(w.lives.made, catalogEntry{inst.Generation, time.Now()})
	}
	w.everywhere(&op{action: creates}, call, time.Now(), res)
}

// mayBeGone reports whether a life may be over. The lock is not held.
func (w *world) mayBeGone(generation int64) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, d := range w.lives.drops {
		if d.upTo >= generation {
			return true
		}
	}
	return false
}

// answered checks an error by itself: what exists is found, and what is kept is
// there.
func (a *actor) answered(call time.Time, err error) {
	w := a.w
	switch {
	case fault.Is(err, fault.Gone) && time.Since(call) < chain.Grace-2*chain.Fresh:
		w.broke("gone after %v: %w", time.Since(call), err)
	case fault.Is(err, fault.NotFound):
		generation := int64(1)
		w.mu.Lock()
		for _, m := range w.lives.made {
			if m.by.Before(call) {
				generation = max(generation, m.generation)
			}
		}
		w.mu.Unlock()
		if !w.mayBeGone(generation) {
			w.broke("life %d has not ended: %w", generation, err)
		}
	}
	a.intact(err)
}

// intact checks that an error does not say that something is damaged. A process
// whose clock stood still while it slept cannot tell what was swept meanwhile
// from what is lost.
func (a *actor) intact(err error) {
	if fault.Is(err, fault.Corrupt) && !a.p.clock.stopped() || fault.Is(err, fault.Internal) && a.p.alive() {
		a.w.broke("%s: %w", a.name, err)
	}
}
