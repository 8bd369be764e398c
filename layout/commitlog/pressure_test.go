package commitlog_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/firnlog/firn/compactor"
	"github.com/firnlog/firn/internal/bubble"
	"github.com/firnlog/firn/layout/chain"
	"github.com/firnlog/firn/layout/commitlog"
	"github.com/firnlog/firn/layout/fault"
	"github.com/firnlog/firn/layout/store"
)

// A tail that nobody compacts makes appends slower and in the end impossible;
// what was stored stays, replays are still answered, the instance can be
// deleted, and after a compactor's run all goes on.
func TestLongTail(t *testing.T) {
	const slow, most = 4, 8
	bubble.Run(t, func(t *testing.T) {
		s := store.NewCounted(store.NewMemory())
		l := create(t, s, 1)
		l.BoundTail(slow, most)
		var waits []time.Duration
		keyed := batch("a")
		keyed.Key = "first"
		mustAppend(t, l, keyed)
		for range most - 1 {
			began := time.Now()
			mustAppend(t, l, batch("a"))
			waits = append(waits, time.Since(began))
		}
		for i, wait := range waits {
			if long := i+1 > slow; long != (wait > 0) || i > 0 && wait < waits[i-1] || wait > 2*time.Second {
				t.Errorf("waits: %v", waits)
				break
			}
		}
		_, err := l.Append(t.Context(), "i", batch("a"))
		if !fault.Is(err, fault.Overload) || !strings.Contains(err.Error(), "firn compact i") {
			t.Fatalf("with %d commits: %v", most, err)
		}
		if r := mustAppend(t, l, keyed); !r.Replayed {
			t.Errorf("a replay: %+v", r)
		}
		if n, err := l.Unfolded(t.Context(), "i", chain.Fresh); n != most || err != nil {
			t.Errorf("%d unfolded, %v", n, err)
		}
		compact(t, s)
		time.Sleep(time.Second)
		if r := mustAppend(t, l, batch("a")); r.Events[0].Sequence != most+1 {
			t.Errorf("after compaction: %+v", r)
		}
		began := time.Now()
		n, _ := measured(s, func() { mustAppend(t, l, batch("a")) })
		if n.Requests() != 1 || time.Since(began) > 0 {
			t.Errorf("after compaction an append costs %+v and %v", n, time.Since(began))
		}
	})
}

// A tail of many bytes makes appends slower, too, and never impossible. When a
// compactor of the same process has folded it, that is known at once.
func TestLargeTail(t *testing.T) {
	bubble.Run(t, func(t *testing.T) {
		s := store.NewCounted(store.NewMemory())
		l := create(t, s, 1)
		wait := func() time.Duration {
			began := time.Now()
			mustAppend(t, l, batch("a"))
			return time.Since(began)
		}
		l.BoundTailBytes(1 << 40)
		for range 3 {
			if d := wait(); d > 0 {
				t.Errorf("a small tail takes %v", d)
			}
		}
		l.BoundTailBytes(1)
		first := wait()
		for range 5 {
			if next := wait(); next <= first || next > 2*time.Second {
				t.Errorf("a larger tail takes %v after %v", next, first)
			} else {
				first = next
			}
		}
		if _, err := (&compactor.Compactor{Log: l}).Run(t.Context(), "i"); err != nil {
			t.Fatal(err)
		}
		l.BoundTailBytes(10_000) // more than a commit has, and less than was folded
		before := s.Counts()
		if d := wait(); d > 0 {
			t.Errorf("a folded tail takes %v", d)
		}
		if n := s.Counts().Sub(before); n.Requests() != 1 {
			t.Errorf("after a fold an append costs %+v", n)
		}
	})
}

// Whoever gives up while a group waits has surely not written.
func TestGivingUpBeforeALongTail(t *testing.T) {
	bubble.Run(t, func(t *testing.T) {
		l := create(t, store.NewMemory(), 1)
		l.BoundTail(0, 2)
		mustAppend(t, l, batch("a"))
		ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		defer cancel()
		if _, err := l.Append(ctx, "i", batch("a")); !fault.Is(err, fault.Unavailable) {
			t.Errorf("given up: %v", err)
		}
		time.Sleep(2 * time.Second) // so long the goroutine waits
	})
}

// An instance whose tail is full can be deleted, and its streams erased.
func TestDeletionOfALongTail(t *testing.T) {
	l := create(t, store.NewMemory(), 1)
	l.BoundTail(1, 2)
	for range 2 {
		mustAppend(t, l, batch("a"))
	}
	if _, err := l.EraseStream(t.Context(), "i", "a"); err != nil {
		t.Error(err)
	}
	if _, err := l.DeleteInstance(t.Context(), "i"); err != nil {
		t.Error(err)
	}
}

// Asking how long a tail is costs nothing while what is known is fresh enough.
func TestUnfolded(t *testing.T) {
	mem := store.NewMemory()
	l := create(t, mem, 3)
	s := store.NewCounted(mem)
	l = commitlog.Open(s)
	for range 5 {
		mustAppend(t, l, batch("a", "b", "c", "d"))
	}
	f := func(want int64, maxAge time.Duration, requests int64) {
		t.Helper()
		n, _ := measured(s, func() {
			if got, err := l.Unfolded(t.Context(), "i", maxAge); got != want || err != nil {
				t.Errorf("%d unfolded, %v", got, err)
			}
		})
		if n.Requests() != requests {
			t.Errorf("%+v", n)
		}
	}
	f(5, time.Hour, 0)
	compact(t, mem)
	f(5, time.Hour, 0)
	f(0, 0, 2)
	f(0, 0, 1)
}
