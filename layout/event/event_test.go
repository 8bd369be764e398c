package event

import (
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/firnlog/firn/layout/fault"
)

func TestPlaceText(t *testing.T) {
	for _, p := range []Place{{0, 1, 0}, {0, 123, 7}, {255, math.MaxInt64, math.MaxInt32}} {
		if got, err := ParsePlace(p.String()); err != nil || got != p {
			t.Errorf("%v: %v %v", p, got, err)
		}
	}
	for _, s := range []string{"", "0", "0-1", "0-1-0-0", "0-0-0", "256-1-0", "-1-1-0", "0--1-0", "0-1--1", "00-1-0", "0-+1-0", "0-01-0",
		" 0-1-0", "0-1-0 ", "0-9223372036854775808-0", "0-1-2147483648", "a-b-c", strings.Repeat("9", 1000)} {
		if p, err := ParsePlace(s); !fault.Is(err, fault.Invalid) || p != (Place{}) || len(err.Error()) > 250 {
			t.Errorf("%q: %v %v", s, p, err)
		}
	}
}

func TestPlaceOrder(t *testing.T) {
	inOrder := []Place{{0, 1, 0}, {0, 1, 1}, {0, 2, 0}, {0, 10, 0}, {1, 1, 0}, {1, 1, 10}, {2, 1, 0}}
	for i, p := range inOrder {
		for j, q := range inOrder {
			if got, want := p.Compare(q), min(1, max(-1, i-j)); got != want {
				t.Errorf("%v to %v: %d, want %d", p, q, got, want)
			}
		}
	}
	shuffled := []Place{inOrder[5], inOrder[2], inOrder[0], inOrder[6], inOrder[3], inOrder[1], inOrder[4]}
	slices.SortFunc(shuffled, Place.Compare)
	if !slices.Equal(shuffled, inOrder) {
		t.Errorf("sorted: %v", shuffled)
	}
}

func TestEventID(t *testing.T) {
	e := Event{Place: Place{3, 14, 15}}
	if got := e.EventID(); got != "3-14-15" {
		t.Errorf("derived: %q", got)
	}
	e.ID = "mine"
	if got := e.EventID(); got != "mine" {
		t.Errorf("given: %q", got)
	}
}

func TestSizeCountsEverything(t *testing.T) {
	var e Event
	last := e.Size()
	grows := func(what string, change func()) {
		t.Helper()
		change()
		if n := e.Size(); n < last+100 {
			t.Errorf("%s: %d after %d", what, n, last)
		}
		last = e.Size()
	}
	text := strings.Repeat("x", 100)
	grows("stream", func() { e.Stream = text })
	grows("type", func() { e.Type = text })
	grows("id", func() { e.ID = text })
	grows("payload", func() { e.Payload = []byte(text) })
	grows("metadata", func() { e.Metadata = []byte(text) })
	grows("tags", func() { e.Tags = []string{text} })
	grows("tags", func() { e.Tags = append(e.Tags, "", "", "", "", "", "", "") })
}

func FuzzParsePlace(f *testing.F) {
	f.Add("0-123-7")
	f.Add("255-1-0")
	f.Add("0-01-0")
	f.Fuzz(func(t *testing.T, s string) {
		p, err := ParsePlace(s)
		if err != nil {
			return
		}
		if p.String() != s || p.Shard < 0 || p.Shard > 255 || p.Position < 1 || p.Ordinal < 0 {
			t.Errorf("%q: %v", s, p)
		}
	})
}
