package sim

import (
	"fmt"
	"time"

	"github.com/firnlog/firn/layout/catalog"
	"github.com/firnlog/firn/layout/event"
)

// rules is what is known of the instance's retention: which settings may have
// been in force at what times.
type rules struct{ known []setting }

// setting is a retention that may have been in force.
type setting struct {
	days         int
	since, until time.Time // until is zero while no other has surely replaced it
	// What the settings before it had hidden stays hidden: something between
	// these, since the moment of the change is not known.
	least, most event.Micros
}

// begin notes the first settings.
func (r *rules) begin(days int) { r.known = []setting{{days: days, since: time.Now()}} }

// hides returns the time before which events are hidden at the time now, at
// least and at most.
func (s *setting) hides(earliest, latest time.Time) (least, most event.Micros) {
	at := catalog.Instance{RetentionDays: s.days, VisibleFrom: s.least}
	least = at.HiddenBefore(event.ToMicros(earliest))
	at.VisibleFrom = s.most
	return least, at.HiddenBefore(event.ToMicros(latest))
}

// changed notes a change of the retention between call and end. An unknown one
// may be in force or not.
func (r *rules) changed(days int, call, end time.Time, res result) {
	if res.kind == failed {
		return
	}
	for i := range r.known {
		old := &r.known[i]
		if !old.until.IsZero() {
			continue
		}
		next := setting{days: days, since: call}
		if least, most := old.hides(call, end); most > event.MinTime {
			next.least, next.most = max(least, 0), most
		}
		if res.kind == done {
			old.until = end
		}
		r.known = append(r.known, next)
	}
}

// settingsAge is how old the settings may be that a reader goes by.
const settingsAge = catalog.MaxAge

// judge checks what a view hides, and returns the time from which on it must
// show everything. The world's lock is held.
func (r *rules) judge(w *world, v view) (from event.Micros, err error) {
	if !w.kind.dated {
		return v.hiddenBefore, nil
	}
	least, most := event.MaxTime, event.MinTime
	for i := range r.known {
		s := &r.known[i]
		if s.since.After(v.end) || !s.until.IsZero() && s.until.Before(v.call.Add(-settingsAge)) {
			continue
		}
		l, m := s.hides(v.call, v.end)
		least, most = min(least, l), max(most, m)
	}
	if v.ownTime && (v.hiddenBefore < least || v.hiddenBefore > most) {
		return 0, fmt.Errorf("what is before %s was hidden from %v to %v; it should have been what is before %s, or up to %s",
			v.hiddenBefore, v.call.Sub(w.began), v.end.Sub(w.began), least, most)
	}
	return max(v.hiddenBefore, most), nil
}
