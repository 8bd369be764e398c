package querier

import "github.com/firnlog/firn/layout/event"

// state is the reduction of a group's values so far. States of one kind merge,
// so that parts of the events can be reduced apart. The values added are
// neither missing nor, but for count, null; they need not outlive the call. Only
// collect looks at places.
type state interface {
	// add takes in the value of the event at a place and returns by how many
	// bytes the state grew.
	add(v *Value, at event.Place) int
	// merge takes in a state of the same kind, whose events come behind, and
	// returns by how many bytes it and that state together grew.
	merge(s state) int
	// appendJSON appends the result.
	appendJSON(b []byte) []byte
}

func newState(r Reduction) state {
	switch r {
	case Sum:
		return &sum{}
	case Avg:
		return &avg{}
	case Min:
		return &extreme{}
	case Max:
		return &extreme{max: true}
	case Collect:
		return &collect{}
	}
	return new(count)
}
