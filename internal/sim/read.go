package sim

import (
	"context"
	"slices"
	"time"

	"github.com/firnlog/firn/layout/chain"
	"github.com/firnlog/firn/layout/commitlog"
	"github.com/firnlog/firn/layout/event"
	"github.com/firnlog/firn/layout/fault"
	"github.com/firnlog/firn/layout/segment"
)

// readAll returns all events of a view, hidden ones too as long as they are
// there, by part and in the order of the log. Those at or before the positions
// in behind are left out; nil leaves out none.
func (w *world) readAll(ctx context.Context, v *commitlog.View, behind []int64) (map[string][]event.Event, error) {
	files, err := v.Files(ctx, event.MinTime, event.MaxTime)
	if err != nil {
		return nil, err
	}
	var all []event.Event
	collect := func(f *segment.File, shard int, mask *commitlog.Mask) error {
		events, err := eventsOf(f, shard)
		for _, e := range mask.Apply(events) {
			if behind == nil || e.Place.Position > behind[shard] {
				all = append(all, e)
			}
		}
		return err
	}
	for _, f := range files {
		if behind != nil && f.MaxPosition <= behind[f.Shard] {
			continue
		}
		mask, err := v.FileMask(ctx, f)
		if err != nil {
			return nil, err
		}
		file, err := v.Open(ctx, f)
		if err == nil {
			err = collect(file, f.Shard, mask)
		}
		if fault.Is(err, fault.NotFound) { // its pages are read when they are needed
			err = fault.New(fault.Gone, "%w", err)
		}
		if err != nil {
			return nil, err
		}
	}
	for _, c := range v.Tail {
		mask, err := v.TailMask(ctx, c)
		if err == nil {
			err = collect(c.File, c.Shard, mask)
		}
		if err != nil {
			return nil, err
		}
	}
	return w.sorted(all), nil
}

// eventsOf returns all rows of a data file or a commit.
func eventsOf(f *segment.File, shard int) (events []event.Event, err error) {
	for _, g := range f.Groups() {
		b, err := g.Read(segment.AllColumns)
		if err != nil {
			return nil, err
		}
		for i := range b.Rows() {
			events = append(events, b.Event(i, shard))
		}
	}
	return events, nil
}

// sorted returns events by part and in the order of the log, in which the times
// of commits never go back.
func (w *world) sorted(all []event.Event) map[string][]event.Event {
	slices.SortStableFunc(all, func(a, b event.Event) int { return a.Place.Compare(b.Place) })
	out := map[string][]event.Event{}
	for i, e := range all {
		if i > 0 && all[i-1].Place.Shard == e.Place.Shard && all[i-1].Ingested > e.Ingested {
			w.broke("the commit at %s is of %s, before that at %s, of %s", e.Place, e.Ingested, all[i-1].Place, all[i-1].Ingested)
		}
		part := w.part(e.Stream)
		out[part] = append(out[part], e)
	}
	return out
}

// page is a view that was pinned, to be read again.
type page struct {
	view
	point commitlog.Point
}

// read pins a view, reads all of it and notes what is there. It returns nil
// when it failed.
func (a *actor) read() *page {
	ctx, cancel := a.wait()
	defer cancel()
	p := &page{view: view{call: time.Now(), ownTime: a.p.clock.right()}}
	v, err := a.p.log.Pin(ctx, instance)
	if err == nil {
		p.generation, p.hiddenBefore, p.point = v.Point.Generation, v.HiddenBefore, v.Point
		p.parts, err = a.w.readAll(ctx, v, nil)
	}
	a.answered(p.call, err)
	if err != nil || !a.p.alive() {
		return nil
	}
	p.ownTime, p.end = p.ownTime && a.p.clock.right(), time.Now()
	a.w.viewed(p.view)
	return p
}

// readPages pins views, and reads at their points again while they are good.
func readPages(a *actor) {
	var pages []*page
	for range a.w.kind.operations {
		time.Sleep(a.dice.think())
		if a.w.kind.erases && a.dice.chance(0.4) {
			a.count()
		}
		if len(pages) == 0 || a.dice.chance(0.4) {
			if p := a.read(); p != nil {
				pages = append(pages, p)
			}
		} else {
			a.readAgain(pages[a.dice.n(len(pages))])
		}
		a.rest()
	}
}

// readAgain reads at the point of an earlier view, which shows the same, or is
// gone when its time is over.
func (a *actor) readAgain(p *page) {
	ctx, cancel := a.wait()
	defer cancel()
	call := time.Now()
	v, err := a.p.log.At(ctx, instance, p.point)
	var parts map[string][]event.Event
	if err == nil {
		parts, err = a.w.readAll(ctx, v, nil)
	}
	switch {
	case fault.Is(err, fault.Gone):
		if a.p.alive() && time.Since(p.call) < chain.Grace-2*chain.Fresh && time.Since(call) < chain.Fresh && !a.w.mayBeGone(p.generation) {
			a.w.broke("the cursor of %v ago is gone: %w", time.Since(p.call), err)
		}
		return
	case err != nil || !a.p.alive():
		a.answered(call, err)
		return
	}
	from := max(v.HiddenBefore, p.hiddenBefore)
	for _, part := range a.w.parts() {
		events := a.w.erasedSince(p.parts[part], parts[part], p.end, call)
		if was, is := render(events, from), render(parts[part], from); was != is {
			a.w.broke("%s at the point of %v ago: there was %s, and now is %s", part, time.Since(p.call), was, is)
		}
	}
}

// follow reads the log from where it stopped the last time, and notes all that
// it has seen of a life as one read.
func follow(a *actor) {
	var seen map[string][]event.Event
	var ends []int64
	var generation int64
	for range a.w.kind.operations {
		time.Sleep(a.dice.think())
		call, ownTime := time.Now(), a.p.clock.right()
		ctx, cancel := a.wait()
		v, err := a.p.log.Pin(ctx, instance)
		var more map[string][]event.Event
		if err == nil {
			if v.Point.Generation != generation {
				seen, ends, generation = map[string][]event.Event{}, make([]int64, len(v.Point.Ends)), v.Point.Generation
			}
			more, err = a.w.readAll(ctx, v, ends)
		}
		cancel()
		a.answered(call, err)
		if err == nil && a.p.alive() {
			next := map[string][]event.Event{}
			for _, part := range a.w.parts() {
				next[part] = append(slices.Clone(seen[part]), more[part]...)
			}
			seen, ends = next, v.Point.Ends
			a.w.viewed(view{call: call, generation: generation, hiddenBefore: v.HiddenBefore, ownTime: ownTime && a.p.clock.right(), parts: seen, end: time.Now()})
		}
		a.rest()
	}
}
