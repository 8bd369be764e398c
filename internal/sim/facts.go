package sim

import (
	"fmt"

	"github.com/firnlog/firn/layout/event"
)

// facts is what was seen of single events, which must never change.
type facts struct {
	places  map[string]string // by place in the log: the event there
	numbers map[string]string // by life, stream and sequence number: the place
}

// placed notes an event's place. The lock is held.
func (f *facts) placed(w *world, e *event.Event) {
	if f.places == nil {
		f.places, f.numbers = map[string]string{}, map[string]string{}
	}
	is := fmt.Sprintf("%s=%s:%d", e.ID, e.Stream, e.Sequence)
	if was, ok := f.places[e.Place.String()]; ok && was != is && w.broken == nil {
		w.broken = fmt.Errorf("at %s there is %s, and was %s", e.Place, is, was)
	}
	f.places[e.Place.String()] = is
}

// numbered notes an event of a life of the instance. The lock is held.
func (f *facts) numbered(w *world, generation int64, e *event.Event) {
	f.placed(w, e)
	number := fmt.Sprintf("life %d %s:%d", generation, e.Stream, e.Sequence)
	if was, ok := f.numbers[number]; ok && was != e.Place.String() && w.broken == nil {
		w.broken = fmt.Errorf("%s is at %s, and was at %s", number, e.Place, was)
	}
	f.numbers[number] = e.Place.String()
}
