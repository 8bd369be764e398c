//go:build unix

package store_test

import (
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/anishathalye/porcupine"

	"github.com/firnlog/firn/layout/fault"
	"github.com/firnlog/firn/layout/store"
)

var (
	crashSeeds = flag.Int("seeds", 300, "how many worlds the tests of power loss run; those with whole logs are a twentieth of that")
	crashFirst = flag.Uint64("first", 1, "the seed of the first")
)

// The size of a world.
const (
	lives      = 3 // of the disk: each ends with a loss of power
	processes  = 4
	goroutines = 2 // of each process, on one folder
	operations = 9 // of each goroutine
	deadline   = 700
)

// TestPowerLoss has processes use one folder until the power fails, and
// compares what is there then with what they were told.
func TestPowerLoss(t *testing.T) {
	crashes := 0
	for seed := *crashFirst; seed < *crashFirst+uint64(*crashSeeds); seed++ {
		if _, err := runCrashWorld(t, seed); err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		crashes += lives
	}
	t.Logf("%d worlds, %d crashes", *crashSeeds, crashes)
}

// runCrashWorld runs the world of a seed in virtual time and returns the first
// thing that was not as promised. On one processor goroutines that wake at the
// same moment take their turns alike each time.
func runCrashWorld(t *testing.T, seed uint64) (w *crashWorld, err error) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	synctest.Test(t, func(*testing.T) {
		w = &crashWorld{rng: rand.New(rand.NewPCG(seed, 0)), keys: []string{"a", "log/1", "log/2", "deep/er/1"},
			bodies: map[int]string{}, stands: map[string]string{}}
		disk := store.NewDisk(rand.New(rand.NewPCG(seed, 1)))
		for life := range lives {
			disk.Stall = []int{0, 0, 300}[w.rng.IntN(3)]
			w.keys = append(w.keys, fmt.Sprintf("new-%d/x/1", life)) // in directories that nobody made yet
			if disk, err = w.live(disk); err != nil {
				return
			}
		}
		err = w.tidy(disk)
	})
	return w, err
}

// The same seed gives the same operations with the same answers: what one run
// finds, the next can look at. On a busy machine the scheduler now and then takes
// a goroutine off the processor in the middle, which puts others first; two runs
// of a few are the same all the same, and never would be if chance played a part.
func TestPowerLossIsRepeatable(t *testing.T) {
	const tries = 8
	for seed := uint64(1); seed <= 20; seed++ {
		seen := map[string]int{}
		for n := 1; ; n++ {
			w, err := runCrashWorld(t, seed)
			run := fmt.Sprint(w.clock, w.history, err)
			if seen[run]++; seen[run] == 2 {
				break
			}
			if n == tries {
				t.Errorf("seed %d: no two of %d runs are the same", seed, tries)
				break
			}
		}
	}
}

// crashWorld is what is known of a folder.
type crashWorld struct {
	rng  *rand.Rand
	keys []string

	mu      sync.Mutex // guards what is below
	clock   int64
	bodies  map[int]string    // all that were ever put, by their sizes, which differ
	stands  map[string]string // what was found at keys after the last crash
	history map[string][]porcupine.Operation
	broken  error // the first promise that an answer broke by itself
}

// live runs the processes until the power fails and returns the disk as it is
// found then.
func (w *crashWorld) live(disk *store.Disk) (*store.Disk, error) {
	w.history = map[string][]porcupine.Operation{}
	for _, key := range w.keys {
		w.history[key] = []porcupine.Operation{{Input: crashOp{key, found, w.stands[key]}, Output: crashAnswer{}}}
	}
	disk.CutAfter(1 + w.rng.IntN(deadline))
	var work sync.WaitGroup
	for range processes {
		folder, err := disk.Start(lifetime(w.rng)).Folder()
		if err != nil {
			continue // power is off already
		}
		for range goroutines {
			c := &crashClient{w, folder, rand.New(rand.NewPCG(w.rng.Uint64(), 0))}
			work.Go(c.run)
		}
	}
	work.Wait()
	after := disk.Crash(rand.New(rand.NewPCG(w.rng.Uint64(), 1)))
	if w.broken == nil {
		w.broken = w.compare(after)
	}
	return after, w.broken
}

// lifetime draws after how many operations a process dies by itself; mostly it
// does not.
func lifetime(rng *rand.Rand) int {
	if rng.IntN(4) > 0 {
		return -1
	}
	return rng.IntN(deadline / processes)
}

// compare reads everything after a crash and compares it with what was told.
func (w *crashWorld) compare(disk *store.Disk) error {
	folder, err := disk.Start(-1).Folder()
	if err != nil {
		return err
	}
	c := &crashClient{w: w, store: folder}
	listed := c.list("")
	for _, key := range w.keys {
		w.stands[key] = c.get(key)
		if listed[key] != w.stands[key] {
			return fmt.Errorf("%s is listed as %q and reads %q", key, listed[key], w.stands[key])
		}
		tags := c.tags(key)
		if want, sure := w.mustHaveTag(key); sure && tags != want {
			return fmt.Errorf("%s has tag %q after the crash, want %q", key, tags, want)
		}
		w.history[key] = append(w.history[key], porcupine.Operation{Input: crashOp{key: key, kind: read},
			Output: crashAnswer{body: w.stands[key]}, Call: afterCrash, Return: afterCrash})
		if err := explained(key, w.history[key]); err != nil {
			return err
		}
	}
	return w.broken
}

// mustHaveTag returns the tag of a key, where one was set and answered, and
// nothing was done to the key since that began.
func (w *crashWorld) mustHaveTag(key string) (value string, sure bool) {
	for i, h := range w.history[key] {
		o, a := h.Input.(crashOp), h.Output.(crashAnswer)
		if o.kind != tag || a.outcome != done {
			continue
		}
		rest := slices.Delete(slices.Clone(w.history[key]), i, i+1)
		if !slices.ContainsFunc(rest, func(other porcupine.Operation) bool {
			return other.Return > h.Call && other.Input.(crashOp).kind != read
		}) {
			return o.body, true
		}
	}
	return "", false
}

// tidy lists the folder hours later, which removes what crashes left.
func (w *crashWorld) tidy(disk *store.Disk) error {
	folder, err := disk.Start(-1).Folder()
	if err != nil {
		return err
	}
	time.Sleep(5 * time.Hour)
	before := (&crashClient{w: w, store: folder}).list("")
	for _, name := range disk.Names() {
		if before[name] == "" && name != ".clock" && !strings.HasPrefix(name, ".tags/") {
			return fmt.Errorf("%s is left for ever", name)
		}
	}
	for key, body := range w.stands {
		if before[key] != body {
			return fmt.Errorf("%s is %q after the leftovers were removed, want %q", key, before[key], body)
		}
	}
	return w.broken
}

// tick returns the next time in the count of the history.
func (w *crashWorld) tick() int64 {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.clock++
	return w.clock
}

// note adds an operation to the history.
func (w *crashWorld) note(o crashOp, call int64, a crashAnswer) {
	end := w.tick()
	w.mu.Lock()
	defer w.mu.Unlock()
	if a.outcome == unknown {
		end = afterCrash - 1
	}
	w.history[o.key] = append(w.history[o.key], porcupine.Operation{Input: o, Output: a, Call: call, Return: end})
}

// fail notes that a promise is broken.
func (w *crashWorld) fail(format string, args ...any) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.broken == nil {
		w.broken = fmt.Errorf(format, args...)
	}
}

// body returns a new body for a key, with a size of its own.
func (w *crashWorld) body(key string) string {
	w.mu.Lock()
	defer w.mu.Unlock()
	size := 20 + len(w.bodies)
	w.bodies[size] = strings.Repeat(fmt.Sprintf("%s in %d bytes. ", key, size), size)[:size]
	return w.bodies[size]
}

// whole returns the body of that size, which must have been put at key.
func (w *crashWorld) whole(key string, size int) string {
	w.mu.Lock()
	body := w.bodies[size]
	w.mu.Unlock()
	if !strings.HasPrefix(body, key) {
		w.fail("%s: nothing of %d bytes was ever put there", key, size)
	}
	return body
}

// mustBeFair fails for errors that no loss of power explains.
func (w *crashWorld) mustBeFair(what string, err error) {
	switch fault.KindOf(err) {
	case fault.Internal, fault.Corrupt, fault.Invalid, fault.Limit:
		if err != nil {
			w.fail("%s: %w", what, err)
		}
	}
}

var background = context.Background()
