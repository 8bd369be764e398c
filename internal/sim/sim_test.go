package sim

import (
	"flag"
	"runtime"
	"testing"

	"github.com/firnlog/firn/internal/bubble"
	"github.com/firnlog/firn/internal/bug"
)

var (
	seeds = flag.Int("seeds", 60, "how many worlds TestSeeds runs")
	first = flag.Uint64("first", 1, "the seed of the first")
)

// run runs the world of a seed in its bubble, on one processor: goroutines that
// wake at the same moment then take their turns alike each time.
func run(t *testing.T, seed uint64) (trace string, err error) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	bubble.Run(t, func(t *testing.T) { trace, err = Run(t, seed) })
	return trace, err
}

func TestSeeds(t *testing.T) {
	bug.Plant(bug.None)
	for seed := *first; seed < *first+uint64(*seeds); seed++ {
		if _, err := run(t, seed); err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
	}
}

// The same seed gives the same requests at the same times with the same
// outcomes: what one run finds, the next can look at.
func TestTheSameSeedGivesTheSameTrace(t *testing.T) {
	for seed := uint64(1); seed <= 20; seed++ {
		a, err1 := run(t, seed)
		b, err2 := run(t, seed)
		if a != b || (err1 == nil) != (err2 == nil) {
			t.Errorf("seed %d: the two traces differ", seed)
		}
		if len(a) < 1000 {
			t.Errorf("seed %d: a trace of %d bytes", seed, len(a))
		}
	}
}

// withinSeeds is how many worlds a planted mistake may take to be found.
const withinSeeds = 1000

// Each classic mistake is found, built with: go test -tags planted
func TestPlantedMistakesAreFound(t *testing.T) {
	if !bug.Planted {
		t.Skip("built without the tag planted")
	}
	defer bug.Plant(bug.None)
	for _, b := range bug.All() {
		bug.Plant(b)
		found := uint64(0)
		var what error
		for seed := uint64(1); seed <= withinSeeds && found == 0; seed++ {
			if _, err := run(t, seed); err != nil {
				found, what = seed, err
			}
		}
		if found == 0 {
			t.Errorf("%s: not found within %d seeds", b, withinSeeds)
			continue
		}
		text := what.Error()
		t.Logf("%-28s seed %3d: %.90s", b, found, text)
	}
}
