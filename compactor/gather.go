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
)

// gather returns the events of the first commits as erasures leave them, sorted by
// day, stream and sequence, where each stream stands, those whose events are all
// erased included, and how many commits it took: as many as one step bears.
func gather(ctx context.Context, v *commitlog.View, commits []*commitlog.Commit) (all []*event.Event, heads map[string]int64, taken int, err error) {
	heads = map[string]int64{}
	var batches [][]event.Event
	days, size := map[int64]bool{}, 0
	for taken < len(commits) && size < foldMemory && len(days) < foldDays {
		c := commits[taken]
		taken++
		runtime.Gosched() // see [Compactor.Serve]
		if !c.Holds() {
			continue
		}
		events, err := c.Events()
		if err != nil {
			return nil, nil, 0, err
		}
		mask, err := v.TailMask(ctx, c)
		if err != nil {
			return nil, nil, 0, err
		}
		for i := range events {
			if e := &events[i]; !bug.In(bug.HeadsErased) || !mask.Gone(e.Stream, e.Place.Position) {
				heads[e.Stream] = e.Sequence
			}
		}
		if !bug.In(bug.FoldUnmasked) {
			events = mask.Apply(events)
		}
		for i := range events {
			size += events[i].Size()
			days[dayOf(events[i].Time)] = true
		}
		batches = append(batches, events)
	}
	return sorted(batches), heads, taken, nil
}

// sorted returns events by day, stream and sequence. They stay where they are, and
// of streams, whose names are long and mostly alike, only different ones are
// compared.
func sorted(batches [][]event.Event) []*event.Event {
	type place struct {
		day, sequence int64
		rank          int // of the stream
		event         *event.Event
	}
	ranks, rows := rankStreams(batches)
	places := make([]place, 0, rows)
	for _, events := range batches {
		for i := range events {
			e := &events[i]
			places = append(places, place{dayOf(e.Time), e.Sequence, ranks[e.Stream], e})
		}
	}
	slices.SortFunc(places, yielding(func(a, b place) int {
		return cmp.Or(cmp.Compare(a.day, b.day), cmp.Compare(a.rank, b.rank), cmp.Compare(a.sequence, b.sequence))
	}))
	out := make([]*event.Event, len(places))
	for i, p := range places {
		out[i] = p.event
	}
	return out
}

// rankStreams numbers the streams of the events in their order, and counts the
// events.
func rankStreams(batches [][]event.Event) (ranks map[string]int, rows int) {
	ranks = map[string]int{}
	var names []string
	for _, events := range batches {
		rows += len(events)
		for i := range events {
			if _, ok := ranks[events[i].Stream]; !ok {
				ranks[events[i].Stream] = 0
				names = append(names, events[i].Stream)
			}
		}
	}
	slices.SortFunc(names, yielding(strings.Compare))
	for i, name := range names {
		ranks[name] = i
	}
	return ranks, rows
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
