package verify

import (
	"math/rand/v2"
	"testing"

	"github.com/firnlog/firn/layout/event"
)

func at(n int64) event.Place { return event.Place{Position: n} }

func one(lo, hi int64) span { return span{lo: lo, hi: hi, loPlace: at(lo), hiEnd: at(hi)} }

func TestSpansInAnyOrderBecomeOne(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for range 200 {
		var spans []span
		for n := int64(1); n < 100; {
			m := n + rng.Int64N(4)
			spans = append(spans, one(n, m))
			n = m + 1
		}
		last := spans[len(spans)-1].hi
		var s stream
		for _, i := range rng.Perm(len(spans)) {
			if kind, n := s.add(spans[i]); kind != "" {
				t.Fatalf("%s at %d", kind, n)
			}
		}
		if len(s.spans) != 1 || s.spans[0].lo != 1 || s.last() != last || s.spans[0].hiEnd != at(last) {
			t.Fatalf("%+v", s.spans)
		}
	}
}

func TestSpansThatCannotBe(t *testing.T) {
	var s stream
	for _, sp := range []span{one(10, 20), one(30, 40)} {
		s.add(sp)
	}
	wrong := one(25, 26)
	wrong.hiEnd = at(31)
	for _, tc := range []struct {
		sp   span
		kind Kind
	}{
		{one(20, 21), Duplicate}, {one(5, 10), Duplicate}, {one(12, 13), Duplicate}, {one(5, 50), Duplicate},
		{one(40, 40), Duplicate}, {wrong, Disorder}, {one(41, 41), ""}, {one(1, 1), ""},
	} {
		if kind, _ := s.add(tc.sp); kind != tc.kind {
			t.Errorf("%d to %d: %q, not %q", tc.sp.lo, tc.sp.hi, kind, tc.kind)
		}
	}
}
