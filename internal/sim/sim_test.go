package sim

import (
	"errors"
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
	if testing.Short() {
		t.Skip("many worlds, twice: without -short")
	}
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

// mistakes says within how many worlds of a kind, the first ones by their seeds,
// each mistake must be found, and which rule of chains or promise it breaks:
// ARCHITECTURE.md and GUARANTEES.md list these. Most of rule 4 break promise 6,
// too; those of rule 6 are found by the tests of the folder.
var mistakes = []struct {
	bug    bug.Bug
	breaks string
	kind   string
	within int
}{
	{bug.IDNotCompared, "rule 1", "clocks", 400},
	{bug.IDOnlyOn412, "rule 1", "clocks", 400},
	{bug.BlindRetry, "rule 1", "clocks", 400},
	{bug.UnknownIsSuccess, "rule 2", "settings", 400},
	{bug.UnknownIsFailure, "rule 2", "appends", 1000},
	{bug.ConflictIsSuccess, "rule 2", "clocks", 400},
	{bug.ConflictIsTaken, "rule 2", "readers", 400},
	{bug.TrustSlowWriter, "rule 3", "clocks", 1000},
	{bug.TrustSlowReader, "rule 3", "readers", 400},
	{bug.HoleInTail, "rule 3", "appends", 400},
	{bug.SleptRequest, "rule 3", "appends", 400},
	{bug.LoserCleansUp, "rule 4", "readers", 400},
	{bug.DeleteFirst, "rule 4", "appends", 400},
	{bug.OrphansByAge, "rule 4", "shards", 400},
	{bug.GraceOfObjects, "rule 4", "erasures", 400},
	{bug.PredecessorFirst, "rule 4", "settings", 400},
	{bug.CatalogSwept, "rule 4", "appends", 400},
	{bug.EditUnchecked, "rule 4", "appends", 400},
	{bug.OwnTime, "rule 5", "clocks", 400},
	{bug.WrongClock, "rule 5", "clocks", 400},
	{bug.ExpireByOwn, "rule 5", "clocks", 400},
	{bug.EarlyAck, "promise 1", "appends", 400},
	{bug.ViewFromMemory, "promise 1", "appends", 400},
	{bug.StaleHeads, "promise 2", "appends", 400},
	{bug.HeadsForgotten, "promise 2", "appends", 400},
	{bug.RefuseFromMemory, "promise 2", "appends", 400},
	{bug.KeysForgotten, "promise 3", "appends", 400},
	{bug.OtherBody, "promise 3", "appends", 400},
	{bug.SplitBatch, "promise 4", "appends", 400},
	{bug.CountedTwice, "promise 5", "appends", 400},
	{bug.CursorMoves, "promise 5", "readers", 400},
	{bug.EarlyExpired, "promise 7", "settings", 400},
	{bug.HiddenComesBack, "promise 7", "settings", 400},
	{bug.WrongDay, "promise 8", "settings", 400},
	{bug.PlainPut, "promise 9", "appends", 400},
	{bug.FoldUnmasked, "erasure", "erasures", 400},
	{bug.TailUnmasked, "erasure", "erasures", 400},
	{bug.CursorUnmasked, "erasure", "erasures", 400},
	{bug.TotalsOfErased, "erasure", "erasures", 400},
	{bug.OrderForgotten, "erasure", "erasures", 400},
	{bug.OrderSwept, "erasure", "erasures", 1000},
	{bug.RewrittenEarly, "erasure", "erasures", 400},
	{bug.GoneEarly, "erasure", "erasures", 400},
	{bug.HeadsErased, "erasure", "erasures", 1000},
	{bug.ErasedLater, "erasure", "erasures", 400},
	{bug.EarlierSettings, "deletion", "lives", 400},
	{bug.DropMisses, "deletion", "lives", 400},
	{bug.EarlierLife, "deletion", "lives", 400},
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
		seed, worlds, what := find(t, m.kind, m.within)
		if what == nil {
			t.Errorf("%s: not found within %d worlds of %s", m.bug, m.within, m.kind)
			continue
		}
		text, _, _ := strings.Cut(what.Error(), "\n")
		t.Logf("%-22s %-10s seed %4d, world %3d of %-9s %.90s", m.bug, m.breaks, seed, worlds, m.kind+":", text)
	}
	for _, b := range bug.All() {
		if !listed[b] {
			t.Errorf("%s: nothing says when it must be found", b)
		}
	}
}

// find runs worlds of a kind until one is not as promised, and returns its seed and
// how many it took; no error when there is none among so many. A world that nobody
// can judge within the bound of the search counts as one in which nothing was found.
func find(t *testing.T, kind string, within int) (seed uint64, worlds int, what error) {
	for seed = 1; worlds < within; seed++ {
		if kindOf(seed).name != kind {
			continue
		}
		worlds++
		_, what = run(t, seed)
		if errors.Is(what, errUndecided) {
			t.Logf("seed %d (%s): %.90v", seed, kind, what)
			what = nil
		}
		if what != nil {
			break
		}
	}
	return seed, worlds, what
}
