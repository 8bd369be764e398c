package compactor

import (
	"cmp"
	"context"
	"runtime"
	"slices"
	"strings"

	"github.com/firnlog/firn/internal/bug"
	"github.com/firnlog/firn/layout/commitlog"
	"github.com/firnlog/firn/layout/event"
	"github.com/firnlog/firn/layout/snapshot"
)

// gathered is what one step folds.
type gathered struct {
	taken  int             // commits
	events []*event.Event  // as erasures leave them; by day, stream and sequence
	heads  []snapshot.Head // where each stream stands, those whose events are all erased included; by stream
}

// yieldRows is how many events are decoded before others get their turn.
const yieldRows = 512

// gather takes the first commits, as many as one step bears.
func gather(ctx context.Context, v *commitlog.View, commits []*commitlog.Commit) (gathered, error) {
	g := gatherer{streams: map[string]*standing{}}
	days, size, taken, decoded := map[int64]bool{}, 0, 0, 0
	for taken < len(commits) && size < foldMemory && len(days) < foldDays {
		c := commits[taken]
		taken++
		if !c.Holds() {
			continue
		}
		events, err := c.Events()
		if err != nil {
			return gathered{}, err
		}
		if decoded += len(events); decoded >= yieldRows { // see [Compactor.Serve]
			decoded = 0
			runtime.Gosched()
		}
		mask, err := v.TailMask(ctx, c)
		if err != nil {
			return gathered{}, err
		}
		if mask != nil && !bug.In(bug.HeadsErased) {
			for i := range events {
				g.stands(&events[i])
			}
		}
		if !bug.In(bug.FoldUnmasked) {
			events = mask.Apply(events)
		}
		for i := range events {
			size += events[i].Size()
			days[dayOf(events[i].Time)] = true
		}
		g.add(events)
	}
	heads := g.heads() // which ranks the streams
	return gathered{taken, g.sorted(), heads}, nil
}

// gatherer puts events in order. They stay where they are, and of the streams,
// whose names are long and mostly alike, only different ones are compared.
type gatherer struct {
	streams map[string]*standing
	places  []place
}

// standing is where a stream stands.
type standing struct {
	name string
	last int64 // sequence number
	rank int   // of the name among all
}

// place is what an event is sorted by.
type place struct {
	day, sequence int64
	stream        *standing
	event         *event.Event
}

// stands notes where an event's stream stands after it.
func (g *gatherer) stands(e *event.Event) *standing {
	s := g.streams[e.Stream]
	if s == nil {
		s = &standing{name: e.Stream}
		g.streams[e.Stream] = s
	}
	s.last = e.Sequence
	return s
}

func (g *gatherer) add(events []event.Event) {
	g.places = slices.Grow(g.places, len(events))
	for i := range events {
		e := &events[i]
		g.places = append(g.places, place{dayOf(e.Time), e.Sequence, g.stands(e), e})
	}
}

// heads returns where the streams stand, by name, and ranks them.
func (g *gatherer) heads() []snapshot.Head {
	all := make([]*standing, 0, len(g.streams))
	for _, s := range g.streams {
		all = append(all, s)
	}
	slices.SortFunc(all, yielding(func(a, b *standing) int { return strings.Compare(a.name, b.name) }))
	out := make([]snapshot.Head, len(all))
	for i, s := range all {
		s.rank, out[i] = i, snapshot.Head{Stream: s.name, Sequence: s.last}
	}
	return out
}

// sorted returns the events by day, rank of the stream and sequence.
func (g *gatherer) sorted() []*event.Event {
	slices.SortFunc(g.places, yielding(func(a, b place) int {
		if a.day != b.day {
			return cmp.Compare(a.day, b.day)
		}
		return cmp.Or(a.stream.rank-b.stream.rank, cmp.Compare(a.sequence, b.sequence))
	}))
	out := make([]*event.Event, len(g.places))
	for i, p := range g.places {
		out[i] = p.event
	}
	return out
}

// yielding returns a comparison that yields now and then: see [Compactor.Serve].
func yielding[T any](compare func(a, b T) int) func(a, b T) int {
	compared := 0
	return func(a, b T) int {
		if compared++; compared%4_096 == 0 {
			runtime.Gosched()
		}
		return compare(a, b)
	}
}
