package sim

import (
	"flag"
	"runtime"
	"strings"
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
	bubble.Run(t, func(t *testing.T) { trace, err = Run(seed) })
	return trace, err
}

func TestSeeds(t *testing.T) {
	bug.Plant(bug.None)
	for seed := *first; seed < *first+uint64(*seeds); seed++ {
		if _, err := run(t, seed); err != nil {
			t.Errorf("seed %d (%s): %v", seed, kindOf(seed).name, err)
		}
	}
}

// The same seed gives the same requests at the same times with the same
// outcomes, in worlds of every kind: what one run finds, the next can look at.
func TestTheSameSeedGivesTheSameTrace(t *testing.T) {
	for seed := uint64(1); seed <= uint64(4*len(kinds)); seed++ {
		a, err1 := run(t, seed)
		b, err2 := run(t, seed)
		if a != b || (err1 == nil) != (err2 == nil) {
			t.Errorf("seed %d (%s): the two traces differ", seed, kindOf(seed).name)
		}
		if len(a) < 1000 {
			t.Errorf("seed %d (%s): a trace of %d bytes", seed, kindOf(seed).name, len(a))
		}
	}
}

// mistakes says within how many worlds, from the first seed on, each mistake
// must be found, and which rule of chains or promise it breaks: ARCHITECTURE.md
// and GUARANTEES.md list these. Most of rule 4 break promise 6, too; those of
// rule 6 are found by the tests of the folder.
var mistakes = []struct {
	bug    bug.Bug
	breaks string
	within uint64
}{
	{bug.IDNotCompared, "rule 1", 200},
	{bug.BlindRetry, "rule 1", 200},
	{bug.UnknownIsSuccess, "rule 2", 200},
	{bug.UnknownIsFailure, "rule 2", 500},
	{bug.ConflictIsSuccess, "rule 2", 200},
	{bug.ConflictIsTaken, "rule 2", 200},
	{bug.TrustSlowWriter, "rule 3", 1000},
	{bug.TrustSlowReader, "rule 3", 1000},
	{bug.HoleInTail, "rule 3", 500},
	{bug.SleptRequest, "rule 3", 200},
	{bug.LoserCleansUp, "rule 4", 1000},
	{bug.DeleteFirst, "rule 4", 200},
	{bug.OrphansByAge, "rule 4", 1000},
	{bug.GraceOfObjects, "rule 4", 200},
	{bug.PredecessorFirst, "rule 4", 200},
	{bug.CatalogSwept, "rule 4", 200},
	{bug.EditUnchecked, "rule 4", 200},
	{bug.OwnTime, "rule 5", 500},
	{bug.WrongClock, "rule 5", 200},
	{bug.ExpireByOwn, "rule 5", 1000},
	{bug.EarlyAck, "promise 1", 200},
	{bug.ViewFromMemory, "promise 1", 200},
	{bug.StaleHeads, "promise 2", 200},
	{bug.HeadsForgotten, "promise 2", 200},
	{bug.RefuseFromMemory, "promise 2", 200},
	{bug.KeysForgotten, "promise 3", 200},
	{bug.OtherBody, "promise 3", 200},
	{bug.SplitBatch, "promise 4", 200},
	{bug.CountedTwice, "promise 5", 200},
	{bug.CursorMoves, "promise 5", 200},
	{bug.EarlyExpired, "promise 7", 200},
	{bug.HiddenComesBack, "promise 7", 200},
	{bug.WrongDay, "promise 8", 500},
	{bug.PlainPut, "promise 9", 200},
	{bug.EarlierSettings, "deletion", 200},
	{bug.DropMisses, "deletion", 200},
	{bug.EarlierLife, "deletion", 200},
}

// Each classic mistake is found, built with: go test -tags planted
func TestPlantedMistakesAreFound(t *testing.T) {
	if !bug.Planted {
		t.Skip("built without the tag planted")
	}
	defer bug.Plant(bug.None)
	listed := map[bug.Bug]bool{}
	for _, m := range mistakes {
		listed[m.bug] = true
		bug.Plant(m.bug)
		found := uint64(0)
		var what error
		for seed := uint64(1); seed <= m.within && found == 0; seed++ {
			if _, err := run(t, seed); err != nil {
				found, what = seed, err
			}
		}
		if found == 0 {
			t.Errorf("%s: not found within %d seeds", m.bug, m.within)
			continue
		}
		text, _, _ := strings.Cut(what.Error(), "\n")
		t.Logf("%-22s %-10s seed %3d of %-9s %.90s", m.bug, m.breaks, found, kindOf(found).name+":", text)
	}
	for _, b := range bug.All() {
		if !listed[b] {
			t.Errorf("%s: nothing says when it must be found", b)
		}
	}
}
