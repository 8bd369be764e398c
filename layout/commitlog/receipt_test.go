package commitlog

import (
	"errors"
	"testing"

	"github.com/firnlog/firn/layout/fault"
)

// A batch of which one shard says that it had its part before, and another that it
// refused it, was not stored before as a whole.
func TestReceiptOfHalfAReplay(t *testing.T) {
	b := Batch{Events: events("a", "b")}
	parts := []part{{shard: 0, batch: Batch{Events: b.Events[:1]}, index: []int{0}}, {shard: 1, batch: Batch{Events: b.Events[1:]}, index: []int{1}}}
	refused := fault.New(fault.Overload, "no")
	r, err := receipt(b, parts, []outcome{{events: b.Events[:1], position: 3, replayed: true}, {err: refused}})
	if err != nil || r.Replayed || !errors.Is(r.Parts[1].Err, refused) {
		t.Errorf("%+v, %v", r, err)
	}
}
