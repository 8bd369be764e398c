package compactor

import (
	"slices"

	"github.com/firnlog/firn/layout/event"
	"github.com/firnlog/firn/layout/segment"
)

// hourRows is how many events an hour must have for row groups of its own. Rows
// lie by stream and sequence within each row group, so that both time and stream
// prune where there is enough of them.
const hourRows = 50_000

const (
	microsDay  = 86_400_000_000
	microsHour = microsDay / 24
)

// hours counts the events of a day by their hour.
type hours [24]int64

// parts says of each hour of a day to which part of its file the hour's events
// belong. Row groups end with a part.
type parts [24]int

// group counts the rows of a row group. Only where they are of several hours are
// their times read.
func (h *hours) group(g *segment.Group) error {
	if lo, hi, ok := g.Ints(segment.Time); ok && dayOf(event.Micros(lo)) == dayOf(event.Micros(hi)) && hourOf(event.Micros(lo)) == hourOf(event.Micros(hi)) {
		h[hourOf(event.Micros(lo))] += int64(g.Rows())
		return nil
	}
	b, err := g.Read(segment.Set(segment.Time))
	if err != nil {
		return err
	}
	for _, t := range b.Ints(segment.Time) {
		h[hourOf(event.Micros(t))]++
	}
	return nil
}

// mayHold reports whether a row group may have rows of part n.
func (p *parts) mayHold(g *segment.Group, n int) bool {
	lo, hi, ok := g.Ints(segment.Time)
	return !ok || p.of(event.Micros(lo)) <= n && n <= p.of(event.Micros(hi))
}

// parts gives each busy hour a part of its own, and those between two of them one.
func (h *hours) parts() parts {
	var p parts
	for i := 1; i < len(h); i++ {
		p[i] = p[i-1]
		if h[i] >= hourRows || h[i-1] >= hourRows {
			p[i]++
		}
	}
	return p
}

// sorted returns events by their parts, else in the order that they have.
func (p *parts) sorted(events []*event.Event) []*event.Event {
	if p.last() == 0 {
		return events
	}
	apart := make([][]*event.Event, p.last()+1)
	for _, e := range events {
		n := p.of(e.Time)
		apart[n] = append(apart[n], e)
	}
	return slices.Concat(apart...)
}

// last returns the number of the last part.
func (p *parts) last() int { return p[len(p)-1] }

// of returns the part of an event's time.
func (p *parts) of(t event.Micros) int { return p[hourOf(t)] }

// dayOf numbers the UTC days.
func dayOf(t event.Micros) int64 {
	d := int64(t) / microsDay
	if int64(t)%microsDay < 0 {
		d--
	}
	return d
}

// hourOf returns the hour of a time in its UTC day.
func hourOf(t event.Micros) int { return int((int64(t) - dayOf(t)*microsDay) / microsHour) }
