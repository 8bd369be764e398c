package sim

import (
	"context"
	"fmt"
	"time"

	"github.com/firnlog/firn/compactor"
)

// actor does one thing again and again, each time in the process that it has:
// a new one when the old one dies.
type actor struct {
	w    *world
	name string
	stop chan struct{} // closed when the clients are done
	dice *dice

	p     *process
	lives int
}

// restart goes on in a new process.
func (a *actor) restart() {
	a.lives++
	a.p = a.w.start(fmt.Sprint(a.name, ".", a.lives))
}

// rest ends an operation of a client: its process may be another the next time.
func (a *actor) rest() {
	if !a.p.alive() || a.dice.chance(0.2) {
		a.restart()
	}
}

// wait returns a context that ends when the client's patience does.
func (a *actor) wait() (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.Background(), a.dice.patience())
}

// compact runs a compactor again and again.
func compact(a *actor) {
	a.serve(func(c *compactor.Compactor) {
		_, err := c.Run(context.Background(), instance) // what fails is done the next time
		a.intact(err)
		if a.dice.chance(0.3) {
			_ = c.SweepCatalog(context.Background())
		}
	})
}

// sweep runs a sweeper again and again.
func sweep(a *actor) {
	a.serve(func(c *compactor.Compactor) {
		_, err := c.Sweep(context.Background(), instance, false)
		a.intact(err)
		_ = c.SweepCatalog(context.Background())
	})
}

// serve calls f on the schedule of all compactors, so that they meet.
func (a *actor) serve(f func(*compactor.Compactor)) {
	c := &compactor.Compactor{Log: a.p.log}
	every := a.w.dice("schedule").between(30*time.Minute, 9*time.Hour)
	for {
		select {
		case <-a.stop:
			return
		case <-time.After(every - time.Since(a.w.began)%every + a.dice.between(0, 300*time.Millisecond)):
		}
		f(c)
		if !a.p.alive() {
			a.restart()
			c = &compactor.Compactor{Log: a.p.log}
		}
	}
}
