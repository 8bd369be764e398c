package querier

import (
	"math"
	"math/rand/v2"
	"testing"
)

// TestRanges compares the ranges that numbers are found to lie in with those of the
// sketch.
func TestRanges(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	var r ranges
	for i := range 200_000 {
		n := rng.Int64() >> rng.IntN(63)
		switch i % 4 {
		case 1: // next to each other
			n = 1_790_000_000_000_000 + int64(i)*1_000_000_000
		case 2: // next to the ends of ranges
			n = int64(math.Exp(float64(rng.IntN(2180))/50)) + int64(rng.IntN(3)) - 1
		}
		n = max(n, 1)
		for range 3 {
			if got, want := r.of(n), sketchMapping.Index(float64(n)); got != want {
				t.Fatalf("%d is in range %d, want %d", n, got, want)
			}
		}
	}
}
