package querier

import "github.com/firnlog/firn/layout/event"

// state is the reduction of a group's values so far. States of one kind merge,
// so that parts of the events can be reduced apart. The values added are
// neither missing nor, but for count, null; they need not outlive the call.
type state interface {
	// add takes in the value of an event and returns by how many bytes the
	// state grew.
	add(v *Value, at origin) int
	// merge takes in a state of the same kind and returns by how many bytes it
	// and that state together grew. Where the order of events matters, the
	// values bear their origin.
	merge(s state) int
	// result returns the result as a value.
	result() Value
	wired
}

// origin tells which event a value is of, as far as the reductions of a query
// look at it.
type origin struct {
	time  event.Micros
	place event.Place
}

// compare orders by timestamp, and by place where these are the same.
func (o origin) compare(p origin) int {
	if o.time != p.time {
		if o.time < p.time {
			return -1
		}
		return 1
	}
	return o.place.Compare(p.place)
}

// needsPlace and needsTime report what of an event's origin a reduction looks at.
func (r Reduction) needsPlace() bool { return r == Collect || r.needsTime() }
func (r Reduction) needsTime() bool  { return r == First || r == Last }
