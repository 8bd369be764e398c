package compactor

import (
	"context"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/firnlog/firn/internal/bubble"
	"github.com/firnlog/firn/layout"
	"github.com/firnlog/firn/layout/commitlog"
	"github.com/firnlog/firn/layout/store"
	"github.com/firnlog/firn/layout/verify"
)

// sleepy is a store whose process sleeps once after it has listed snapshots.
type sleepy struct {
	store.Store
	sleep func() // nil: not now
}

// List implements [store.Store].
func (s *sleepy) List(ctx context.Context, opts store.ListOptions) (store.Page, error) {
	page, err := s.Store.List(ctx, opts)
	if sleep := s.sleep; sleep != nil && strings.HasPrefix(opts.Prefix, layout.Snapshots("i")) {
		s.sleep = nil
		sleep()
	}
	return page, err
}

// A sweeper that slept after its list, until the newest snapshot of then was swept,
// knows older ones from before, and nothing of what is named now: it deletes nothing.
func TestASweeperWhoseNewestSnapshotIsGone(t *testing.T) {
	bubble.Run(t, func(t *testing.T) {
		mem := store.NewMemory()
		l, rng := newLog(t, mem, 1), rand.New(rand.NewPCG(3, 3))
		other := &Compactor{Log: l}
		fold := func() {
			mustAppend(t, l, batch(rng, 30))
			if _, err := other.compact(t.Context(), "i"); err != nil {
				t.Fatal(err)
			}
			time.Sleep(2 * time.Hour)
		}
		s := &sleepy{Store: mem}
		sweeper := &Compactor{Log: commitlog.Open(s)}
		for range 3 {
			fold()
		}
		if _, err := sweeper.Sweep(t.Context(), "i", false); err != nil { // and knows these snapshots from now on
			t.Fatal(err)
		}
		fold()
		s.sleep = func() {
			fold()
			time.Sleep(30 * time.Hour)
			mustRun(t, other)
		}
		swept, err := sweeper.Sweep(t.Context(), "i", false)
		if err != nil || s.sleep != nil || len(swept) > 0 {
			t.Errorf("swept %v, %v", swept, err)
		}
		report, err := verify.Run(t.Context(), mem, verify.Options{})
		if err != nil || !report.OK() {
			t.Errorf("%+v, %v", report, err)
		}
	})
}
