//go:build unix

package store_test

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/firnlog/firn/compactor"
	"github.com/firnlog/firn/internal/bubble"
	"github.com/firnlog/firn/layout/catalog"
	"github.com/firnlog/firn/layout/chain"
	"github.com/firnlog/firn/layout/commitlog"
	"github.com/firnlog/firn/layout/store"
	"github.com/firnlog/firn/layout/verify"
)

// The size of a world with a whole log.
const (
	logLives    = 4
	logOps      = 6 // of each of two appenders
	logDeadline = 1500
	logInstance = "i"
)

// TestPowerLossUnderTheLog has processes append to, read and compact one log in
// a folder until the power fails, again and again. What was acknowledged or
// read must be there each time, without a hole, and firn verify finds no fault.
func TestPowerLossUnderTheLog(t *testing.T) {
	worlds := max(1, *crashSeeds/20)
	acked, crashes := 0, 0
	for seed := *crashFirst; seed < *crashFirst+uint64(worlds); seed++ {
		w, err := runCrashLog(t, seed)
		if err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		acked += len(w.acked)
		crashes += logLives
	}
	t.Logf("%d worlds, %d crashes, %d events acknowledged", worlds, crashes, acked)
}

func runCrashLog(t *testing.T, seed uint64) (w *crashLog, err error) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	defer func(j func(time.Duration) time.Duration) { chain.Jitter = j }(chain.Jitter)
	chain.Jitter = func(d time.Duration) time.Duration { return d / 2 }
	bubble.Run(t, func(*testing.T) {
		w = &crashLog{rng: rand.New(rand.NewPCG(seed, 2)), acked: map[string]place{}, refused: map[string]bool{}, seen: map[place]string{}}
		disk := store.NewDisk(rand.New(rand.NewPCG(seed, 3)))
		for life := range logLives {
			disk.Stall = []int{0, 0, 1500}[w.rng.IntN(3)]
			if disk, err = w.live(disk, life); err != nil {
				return
			}
			if w.rng.IntN(2) == 0 {
				time.Sleep(26 * time.Hour) // what was dropped may be swept
			}
		}
	})
	return w, err
}

// crashLog is what is known of a log.
type crashLog struct {
	rng *rand.Rand

	mu      sync.Mutex // guards what is below
	acked   map[string]place
	refused map[string]bool
	seen    map[place]string // by reads: the ids there
	broken  error
}

// place is that of an event.
type place struct {
	stream   string
	sequence int64
}

// live runs the processes until the power fails and returns the disk as it is
// found then.
func (w *crashLog) live(disk *store.Disk, life int) (*store.Disk, error) {
	disk.CutAfter(1 + w.rng.IntN(logDeadline))
	if folder, err := disk.Start(-1).Folder(); err == nil {
		log := commitlog.Open(folder)
		_, _ = log.CreateInstance(background, catalog.Instance{ID: logInstance, Shards: 2}) // which is there already, or unknown
	}
	stop := make(chan struct{})
	var work, service sync.WaitGroup
	for i := range 2 {
		folder, err := disk.Start(lifetime(w.rng)).Folder()
		if err != nil {
			break
		}
		c := &crashAppender{w, commitlog.Open(folder), rand.New(rand.NewPCG(w.rng.Uint64(), 0)), fmt.Sprintf("%d-%d", life, i)}
		work.Go(c.run)
		compacting := disk.Start(lifetime(w.rng))
		service.Go(func() { compactUntil(stop, compacting) })
	}
	work.Wait()
	close(stop)
	service.Wait()
	if disk.Stall > 0 {
		time.Sleep(3 * time.Hour) // who stands still wakes, and writes what nobody waits for
	}
	after := disk.Crash(rand.New(rand.NewPCG(w.rng.Uint64(), 1)))
	if w.broken == nil {
		w.broken = w.compare(after)
	}
	return after, w.broken
}

// compactUntil runs a compactor of its own process again and again.
func compactUntil(stop chan struct{}, p *store.Process) {
	folder, err := p.Folder()
	if err != nil {
		return
	}
	c := &compactor.Compactor{Log: commitlog.Open(folder)}
	for {
		select {
		case <-stop:
			return
		case <-time.After(150 * time.Millisecond):
		}
		_, _ = c.Run(background, logInstance) // what fails is done the next time
	}
}

// compare reads the log after a crash and compares it with what was told.
func (w *crashLog) compare(disk *store.Disk) error {
	folder, err := disk.Start(-1).Folder()
	if err != nil {
		return err
	}
	log := commitlog.Open(folder)
	if _, err := log.Instance(background, logInstance); err != nil && len(w.seen) == 0 {
		return nil // it was never acknowledged
	}
	events, err := readEvents(log)
	if err != nil {
		return fmt.Errorf("the log cannot be read after the crash: %w", err)
	}
	if err := w.holds(events); err != nil {
		return err
	}
	report, err := verify.Run(background, folder, verify.Options{})
	if err != nil || !report.OK() {
		var text strings.Builder
		if err == nil {
			_ = report.WriteText(&text)
		}
		return fmt.Errorf("firn verify: %w\n%s", err, &text)
	}
	return nil
}

// holds checks that the events, those of each stream in order, are those that
// were acknowledged or read, and that there is no hole.
func (w *crashLog) holds(events map[string][]string) error {
	found := map[string]place{}
	for stream, ids := range events {
		for i, id := range ids {
			at := place{stream, int64(i + 1)}
			if id == "" {
				return fmt.Errorf("there is nothing at %v of %d", at, len(ids))
			}
			if before, twice := found[id]; twice {
				return fmt.Errorf("%s is at %v and at %v", id, before, at)
			}
			found[id] = at
			if w.refused[id] {
				return fmt.Errorf("%s was refused and is at %v", id, at)
			}
		}
	}
	for id, at := range w.acked {
		if found[id] != at {
			return fmt.Errorf("%s was acknowledged at %v and is at %v", id, at, found[id])
		}
	}
	for at, id := range w.seen {
		if found[id] != at {
			return fmt.Errorf("%s was read at %v and is at %v", id, at, found[id])
		}
	}
	return nil
}
