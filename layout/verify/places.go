package verify

import (
	"maps"
	"math/bits"
	"slices"

	"github.com/firnlog/firn/layout/event"
)

// places notes which places of a shard's log the table's events come from: one
// bit for each event.
type places struct {
	pages map[int64]*[pagePositions]position
}

// pagePositions is how many neighbouring positions are kept together.
const pagePositions = 256

// position is what the table holds of one commit.
type position struct {
	time     event.Micros // of the commit: its events' ingested_at
	ordinals []uint64     // a bit for each; nil when no event is there
}

// add notes an event. It reports whether its place was free, and whether the
// others of its commit have the same time.
func (p *places) add(e *event.Event) (free, sameTime bool) {
	if p.pages == nil {
		p.pages = map[int64]*[pagePositions]position{}
	}
	page := p.pages[e.Place.Position/pagePositions]
	if page == nil {
		page = new([pagePositions]position)
		p.pages[e.Place.Position/pagePositions] = page
	}
	at := &page[e.Place.Position%pagePositions]
	if at.ordinals == nil {
		at.time = e.Ingested
	}
	word, bit := int(e.Place.Ordinal)/64, uint64(1)<<(e.Place.Ordinal%64)
	for len(at.ordinals) <= word {
		at.ordinals = append(at.ordinals, 0)
	}
	free = at.ordinals[word]&bit == 0
	at.ordinals[word] |= bit
	return free, at.time == e.Ingested
}

// each calls f for the commits in order, with how many of its events are there
// and the highest ordinal among them.
func (p *places) each(f func(position int64, time event.Micros, events, highest int)) {
	for _, n := range slices.Sorted(maps.Keys(p.pages)) {
		for i := range p.pages[n] {
			at := &p.pages[n][i]
			if at.ordinals == nil {
				continue
			}
			events := 0
			for _, w := range at.ordinals {
				events += bits.OnesCount64(w)
			}
			last := len(at.ordinals) - 1
			f(n*pagePositions+int64(i), at.time, events, last*64+bits.Len64(at.ordinals[last])-1)
		}
	}
}
