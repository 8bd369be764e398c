package sim

import (
	"context"
	"fmt"
	"time"

	"github.com/firnlog/firn/compactor"
	"github.com/firnlog/firn/layout/catalog"
	"github.com/firnlog/firn/layout/commitlog"
	"github.com/firnlog/firn/layout/fault"
	"github.com/firnlog/firn/layout/verify"
)

// verifyEvery is of how many seeds' buckets one is read by layout/verify in the
// end.
const verifyEvery = 5

// check is the judgement at the end, when all is quiet: a last look at the log
// fits what the clients were told, and so does one after all is folded, merged
// and swept.
func (w *world) check() error {
	a := w.newJudge()
	if err := w.revive(a.p.log); err != nil {
		return err
	}
	all := a.read()
	if all == nil {
		return fmt.Errorf("the log cannot be read in the end: %w", w.broken)
	}
	if err := w.tailsEnd(all); err != nil {
		return err
	}
	for range 4 { // until all is folded, merged and swept
		c := &compactor.Compactor{Log: commitlog.Open(w.mem)}
		if err := c.RunAll(context.Background()); err != nil {
			return fmt.Errorf("the compactor fails in the end: %w", err)
		}
		time.Sleep(26 * time.Hour)
	}
	if w.newJudge().read() == nil {
		return fmt.Errorf("the log cannot be read after compaction: %w", w.broken)
	}
	if err := w.forgotten(); err != nil {
		return err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.broken != nil {
		return w.broken
	}
	if err := w.judge(); err != nil {
		return err
	}
	if w.seed%verifyEvery == 0 {
		return w.verify()
	}
	return nil
}

// newJudge returns an actor to whom nothing happens.
func (w *world) newJudge() *actor {
	p := &process{w: w, name: "judge", mem: w.mem, clock: &clock{}, log: commitlog.Open(w.mem)}
	return &actor{w: w, name: p.name, dice: w.dice(p.name), p: p}
}

// revive sees to it that there is an instance that can be read. One whose
// deletion stopped half-way is finished by that.
func (w *world) revive(log *commitlog.Log) error {
	call := time.Now()
	inst, err := log.CreateInstance(context.Background(), catalog.Instance{ID: instance})
	if fault.Is(err, fault.Exists) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("the instance cannot be made again: %w", err)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.born(inst, call, result{kind: done})
	return nil
}

// verify derives everything in the bucket anew: nothing is wrong, and no
// garbage is left.
func (w *world) verify() error {
	report, err := verify.Run(context.Background(), w.mem, verify.Options{})
	if err != nil {
		return fmt.Errorf("the bucket cannot be verified: %w", err)
	}
	if !report.OK() {
		return fmt.Errorf("verify: %+v", report.Faults[0])
	}
	for _, i := range report.Instances {
		if i.Orphans+i.Dropped+i.Commits > 0 {
			return fmt.Errorf("garbage is left: %+v", i)
		}
	}
	return nil
}
