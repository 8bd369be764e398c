package main

import (
	"testing"

	"github.com/firnlog/firn/internal/cost"
	"github.com/firnlog/firn/layout/commitlog"
	"github.com/firnlog/firn/layout/store"
)

// idleCold is the most requests of a run over an instance with nothing to do in
// a new environment.
const idleCold = 30

// world is a bucket, and a function that has run over it.
type world struct {
	*function
	t       *testing.T
	counted *store.Counted
	log     *commitlog.Log // of who appends
}

func newWorld(t *testing.T) *world {
	t.Helper()
	s := bucket(t, 1, 3)
	counted := store.NewCounted(s)
	w := &world{over(counted), t, counted, commitlog.Open(s)}
	w.measured()
	return w
}

// measured returns the requests of a run, and what it did.
func (w *world) measured() (store.Counts, report) {
	w.t.Helper()
	before := w.counted.Counts()
	out, err := w.run(w.t.Context(), request{})
	if err != nil {
		w.t.Fatal(err)
	}
	return w.counted.Counts().Sub(before), out
}

// check compares what a run cost with what the bill reckons with.
func (w *world) check(n store.Counts, put, list, get int64) {
	w.t.Helper()
	if n.Put > put || n.List > list || n.Get > get || n.Requests() > put+list+get {
		w.t.Errorf("%+v, want at most %d PUT, %d LIST, %d GET", n, put, list, get)
	}
}

// What a run over an instance with nothing to do costs is paid for day and night.
func TestIdleRunCosts(t *testing.T) {
	w := newWorld(t)
	n, _ := w.measured()
	w.check(n, 0, cost.IdleRun.List, cost.IdleRun.Get)
	w.function = over(w.counted)
	if n, _ = w.measured(); n.Requests() > idleCold || n.Put > 0 {
		t.Errorf("cold: %+v", n)
	}
}

// A run that folds costs the same in a busy day's last hour as in its first: what
// sweeps have read once is not read again.
func TestFoldAndMergeCost(t *testing.T) {
	const commits = 2
	w := newWorld(t)
	merged := int64(0)
	for range cost.MergeFiles + 8 {
		appendTo(t, w.log, "i0", commits)
		n, out := w.measured()
		put, list, get := cost.IdleRun.Put+cost.FoldStep.Put, cost.IdleRun.List+cost.FoldStep.List, cost.IdleRun.Get+cost.FoldStep.Get+commits
		if files := out.Done[0].FilesMerged; files > 0 {
			merged += files
			put, list, get = put+cost.MergeStep.Put, list+cost.MergeStep.List, get+cost.MergeStep.Get
		}
		w.check(n, put, list, get)
	}
	if merged != cost.MergeFiles {
		t.Errorf("%d files were merged", merged)
	}
}
