package sim

import (
	"strings"
	"sync"
	"time"

	"github.com/firnlog/firn/layout/commitlog"
)

// clock is the clock of one process. The store's is right; this one may go
// minutes or hours off, be set while the process runs, or stand still while it
// sleeps.
type clock struct {
	mu     sync.Mutex
	off    time.Duration // how far it is ahead
	setAt  time.Time     // when it is set, or zero
	setTo  time.Duration // how far it is ahead from then on
	stops  bool          // it stands still while its process sleeps:
	wakes  time.Time     // until then
	rested bool          // its process has slept
	moved  bool          // it was set, or stood still
}

// closeBy is how far a clock may be off without anyone's minding.
const closeBy = commitlog.MaxSkew - time.Minute

// newClock draws the clock of a process.
func (w *world) newClock(process string) *clock {
	c := &clock{}
	if !w.kind.clocks {
		return c
	}
	d := w.dice("clock", process)
	wrong := 0.15
	if strings.HasPrefix(process, "compactor") {
		wrong = 0.6 // these write, and delete, whatever their clock says
	}
	switch {
	case d.chance(wrong):
		c.off = d.either(d.between(20*time.Minute, 60*time.Hour))
	case d.chance(0.4):
		c.off = d.either(d.between(0, closeBy))
	case d.chance(0.3):
		c.setAt = time.Now().Add(d.between(time.Minute, 3*time.Hour))
		c.setTo = -d.between(0, 3*time.Hour)
	}
	c.stops = d.chance(0.3)
	return c
}

// now returns the time by this clock.
func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.settle()
	if time.Now().Before(c.wakes) {
		return c.wakes.Add(c.off)
	}
	return time.Now().Add(c.off)
}

// settle sets the clock when it is time to. The lock is held.
func (c *clock) settle() {
	if !c.setAt.IsZero() && !time.Now().Before(c.setAt) {
		c.off, c.setAt, c.moved = c.setTo, time.Time{}, true
	}
}

// slept tells the clock that its process sleeps from now on.
func (c *clock) slept(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.settle()
	c.rested = true
	if c.stops && !time.Now().Before(c.wakes) {
		c.off, c.wakes, c.moved = c.off-d, time.Now().Add(d), true
	}
}

// right reports whether the clock was right all the time.
func (c *clock) right() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.settle()
	return c.off == 0 && !c.moved
}

// stopped reports whether the clock stood still at a time.
func (c *clock) stopped() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return !c.wakes.IsZero()
}

// judge notes a commit that is written by a clock that was wrong from the
// beginning: its process could know. (One that has slept may have taken the time
// of a request for an error of its clock that undoes the real one.)
func (c *clock) judge(w *world, key string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.settle()
	if c.off.Abs() > commitlog.MaxSkew+time.Minute && !c.moved && !c.rested && strings.Contains(key, "/log/") {
		w.broke("%s is written by a process whose clock is %v off", key, c.off)
	}
}
