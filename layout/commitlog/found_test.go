package commitlog_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/firnlog/firn/internal/bubble"
	"github.com/firnlog/firn/layout"
	"github.com/firnlog/firn/layout/catalog"
	"github.com/firnlog/firn/layout/commitlog"
	"github.com/firnlog/firn/layout/event"
	"github.com/firnlog/firn/layout/fault"
	"github.com/firnlog/firn/layout/snapshot"
	"github.com/firnlog/firn/layout/store"
)

// Mistakes that the simulation found, each as small as it gets.

// kept returns the settings of instance "i" with a retention of so many days.
func kept(t *testing.T, l *commitlog.Log, days int) catalog.Instance {
	t.Helper()
	inst, err := l.UpdateInstance(t.Context(), "i", commitlog.Update{RetentionDays: &days})
	if err != nil {
		t.Fatal(err)
	}
	return inst
}

// What a shorter retention has hidden is told by the store's time, not by the
// clock of who lengthens it.
func TestRetentionGoesByStoreTime(t *testing.T) {
	bubble.Run(t, func(t *testing.T) {
		mem := store.NewMemory()
		kept(t, create(t, mem, 1), 10)
		hidden := event.ToMicros(time.Now().AddDate(0, 0, -10))
		for _, ahead := range []time.Duration{5 * time.Hour, -5 * time.Hour} {
			l := (&clock{ahead}).open(mem)
			if inst := kept(t, l, 10); inst.VisibleFrom != hidden {
				t.Errorf("with a clock %v ahead, what is before %s is hidden, not before %s", ahead, inst.VisibleFrom, hidden)
			}
			v, _, err := l.PinNewest(t.Context(), "i")
			if err != nil || v.HiddenBefore != hidden {
				t.Errorf("a compactor with a clock %v ahead would drop what is before %s, not before %s (%v)", ahead, v.HiddenBefore, hidden, err)
			}
		}
	})
}

// A compactor that sleeps while the instance is deleted and made again does not
// go by the settings of the life that is over.
func TestCompactorsSettingsAreOfTheSnapshotsLife(t *testing.T) {
	mem := store.NewMemory()
	other := create(t, mem, 1)
	s := &sleeper{Store: mem}
	s.once("list", "/snapshots/", func() {
		if _, err := other.DeleteInstance(t.Context(), "i"); err != nil {
			t.Fatal(err)
		}
		create(t, mem, 3)
	})
	v, _, err := commitlog.Open(s).PinNewest(t.Context(), "i")
	if err != nil || v.Instance.Generation != 2 || v.Instance.Shards != 3 {
		t.Fatalf("%v: %+v", err, v.Instance)
	}
}

// A writer whose clock was wrong writes as soon as it is right, and one whose
// clock stood still while it slept does not write when it wakes.
func TestClocksAreComparedAnew(t *testing.T) {
	bubble.Run(t, func(t *testing.T) {
		mem := store.NewMemory()
		other := create(t, mem, 1)
		c := &clock{5 * time.Hour}
		l := c.open(mem)
		if _, err := l.Append(t.Context(), "i", batch("a")); !fault.Is(err, fault.Unavailable) {
			t.Fatalf("a clock that is hours ahead: %v", err)
		}
		c.ahead = 0
		mustAppend(t, l, batch("a"))
		time.Sleep(20 * time.Hour)
		c.ahead = -20 * time.Hour
		mustAppend(t, other, batch("a"))
		if _, err := l.Append(t.Context(), "i", batch("a")); !fault.Is(err, fault.Unavailable) {
			t.Fatalf("a clock that stood still for hours: %v", err)
		}
	})
}

// A deletion that fails half-way is no failure: nobody finds the instance any
// more. To delete it again finishes it.
func TestHalfDoneDeletionIsUnknown(t *testing.T) {
	bubble.Run(t, func(t *testing.T) {
		mem := store.NewMemory()
		l := create(t, refusing{mem}, 1)
		if _, err := l.DeleteInstance(t.Context(), "i"); !fault.Is(err, fault.Unknown) {
			t.Fatalf("it was marked as deleted, and answered with %v", err)
		}
		if _, err := commitlog.Open(mem).DeleteInstance(t.Context(), "i"); !fault.Is(err, fault.NotFound) {
			t.Fatalf("deleted again: %v", err)
		}
		inst, err := catalog.Open(mem).Get(t.Context(), "i", 0)
		if err != nil || inst.State != catalog.Deleted {
			t.Fatalf("%v: the instance is %s", err, inst.State)
		}
	})
}

// refusing is a store that takes no commits.
type refusing struct{ *store.Memory }

func (s refusing) Put(ctx context.Context, key string, b store.Body, c store.Condition) (store.Receipt, error) {
	if strings.Contains(key, "/log/") {
		return store.Receipt{}, fault.New(fault.Unavailable, "not now")
	}
	return s.Memory.Put(ctx, key, b, c)
}

// A cursor on the log as it was before the first snapshot is gone, and nothing
// is said to be missing, once that and the first snapshot were swept.
func TestCursorFromBeforeTheFirstSnapshot(t *testing.T) {
	mem := store.NewMemory()
	l := create(t, mem, 1)
	mustAppend(t, l, batch("a"))
	v, err := l.Pin(t.Context(), "i")
	if err != nil {
		t.Fatal(err)
	}
	table := l.Table("i")
	for range 2 {
		seen, err := table.Look(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if _, err := table.Commit(t.Context(), seen, &snapshot.Snapshot{Shards: []snapshot.Shard{{Folded: 1}}}); err != nil {
			t.Fatal(err)
		}
	}
	for _, key := range []string{layout.Commit("i", 0, 1), layout.Descending(layout.Snapshots("i"), 1)} {
		if err := mem.Delete(t.Context(), key); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := commitlog.Open(mem).At(t.Context(), "i", v.Point); !fault.Is(err, fault.Gone) {
		t.Fatalf("%v", err)
	}
}

// unread lists what it does not have when it is asked for.
type unread struct{ store.Store }

func (u unread) Get(ctx context.Context, key string, r store.Range) (*store.Object, error) {
	if strings.Contains(key, "/snapshots/") {
		return nil, fault.New(fault.NotFound, "no object at %s", key)
	}
	return u.Store.Get(ctx, key, r)
}

// A snapshot that is listed and lost is not asked for without end.
func TestListedAndLostSnapshot(t *testing.T) {
	mem := store.NewMemory()
	if _, err := commitlog.Open(mem).CreateInstance(t.Context(), catalog.Instance{ID: "i"}); err != nil {
		t.Fatal(err)
	}
	if _, err := mem.Put(t.Context(), layout.Descending(layout.Snapshots("i"), 1), strings.NewReader("x"), store.IfAbsent); err != nil {
		t.Fatal(err)
	}
	if _, err := commitlog.Open(unread{mem}).Pin(t.Context(), "i"); !fault.Is(err, fault.Unavailable) {
		t.Error(err)
	}
}
