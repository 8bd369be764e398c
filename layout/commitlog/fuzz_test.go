package commitlog

import (
	"fmt"
	"testing"

	"github.com/firnlog/firn/internal/forge"
	"github.com/firnlog/firn/layout/event"
	"github.com/firnlog/firn/layout/fault"
)

// FuzzCommit overwrites bytes of commits of every kind, from their ends, and seals
// them again: they are read, or refused as Corrupt or newer, and no more is taken
// than there can be.
func FuzzCommit(f *testing.F) {
	var events []event.Event
	for i := range 20 {
		events = append(events, event.Event{Stream: fmt.Sprint("s", i%3), Type: "t", Sequence: int64(i/3 + 1), ID: fmt.Sprint("id", i), Tags: []string{"a", "b"},
			Payload: []byte(`{"n":1}`), Metadata: []byte(`{}`), Place: event.Place{Position: 7, Ordinal: int32(i)}})
	}
	var bodies [][]byte
	for _, c := range []Commit{
		{Keys: []KeyRange{{Key: "k", Hash: "h", Count: 20}}},
		{Drop: true},
		{Erase: &Erasure{ID: "e", Stream: "s"}},
	} {
		rows := events
		if !c.Holds() {
			rows = nil
		}
		c.Key, c.ID, c.Time, c.Generation = "the key", "the writer", 5, 1
		body, err := c.encode(rows, 0)
		if err != nil {
			f.Fatal(err)
		}
		bodies = append(bodies, body)
	}
	f.Add(uint8(0), uint16(3), []byte{0xff})
	f.Add(uint8(1), uint16(400), []byte{0x16, 0x80, 0x80, 0x80, 0x80, 0x80, 0x0f})
	f.Add(uint8(2), uint16(700), []byte(`"stream":7`))
	f.Fuzz(func(t *testing.T, which uint8, fromEnd uint16, damage []byte) {
		body := forge.Overwrite(bodies[int(which)%len(bodies)], fromEnd, damage)
		if !forge.Seal(body) {
			return
		}
		forge.Within(t, 64<<20, func() {
			if err := readWhole(body); err != nil && !fault.Is(err, fault.Corrupt) && !fault.Is(err, fault.Unavailable) {
				t.Errorf("the error's kind is %v: %v", fault.KindOf(err), err)
			}
		})
	})
}

// readWhole reads all that anyone reads of a commit.
func readWhole(body []byte) error {
	c, err := decode(body, 0, 7)
	if err != nil {
		return err
	}
	if _, err := c.Events(); err != nil {
		return err
	}
	return c.heads(func(string, int64) {})
}
