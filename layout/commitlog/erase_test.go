package commitlog

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/firnlog/firn/internal/bubble"
	"github.com/firnlog/firn/layout/chain"
	"github.com/firnlog/firn/layout/event"
	"github.com/firnlog/firn/layout/fault"
	"github.com/firnlog/firn/layout/store"
)

// seen returns the events of a view's tail as its masks leave them, as
// stream/sequence=payload.
func seen(t *testing.T, v *View) string {
	t.Helper()
	var out []string
	for _, c := range v.Tail {
		m, err := v.TailMask(t.Context(), c)
		if err != nil {
			t.Fatal(err)
		}
		es, err := c.Events()
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range m.Apply(es) {
			out = append(out, e.Stream+"/"+string(rune('0'+e.Sequence))+"="+string(e.Payload))
		}
	}
	return strings.Join(out, " ")
}

func TestErasures(t *testing.T) {
	mem := store.NewMemory()
	l := newLog(t, mem, 2)
	mustAppend(t, l, Batch{Events: events("a", "b", "a")})
	before, err := l.Pin(t.Context(), "i")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := l.EraseStream(t.Context(), "i", "a"); err != nil {
		t.Fatal(err)
	}
	mustAppend(t, l, Batch{Events: events("a", "b")})
	second := event.Event{}
	for _, c := range before.Tail {
		es, err := c.Events()
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range es {
			if e.Stream == "b" {
				second = e
			}
		}
	}
	if _, err := l.Redact(t.Context(), "i", []event.Event{second}, nil); err != nil {
		t.Fatal(err)
	}
	for name, log := range map[string]*Log{"the same process": l, "another": Open(mem)} {
		v, err := log.Pin(t.Context(), "i")
		if err != nil {
			t.Fatal(err)
		}
		got := seen(t, v)
		for _, want := range []string{`a/3={"n":0}`, `b/1={"redacted":true}`, `b/2={"n":1}`} { // numbers go on
			if !strings.Contains(got, want) {
				t.Errorf("%s: %s is not in %s", name, want, got)
			}
		}
		if strings.Contains(got, "a/1") || strings.Contains(got, "a/2") || len(strings.Fields(got)) != 3 {
			t.Errorf("%s: %s", name, got)
		}
		// A cursor from before the erasures shows nothing of what was erased.
		old, err := log.At(t.Context(), "i", before.Point)
		if err != nil {
			t.Fatal(err)
		}
		if got := seen(t, old); got != `b/1={"redacted":true}` {
			t.Errorf("%s, at the point before: %s", name, got)
		}
	}
}

// An erasure ends with the life of the instance that it was ordered in.
func TestErasuresEndWithTheInstance(t *testing.T) {
	l := newLog(t, store.NewMemory(), 1)
	mustAppend(t, l, Batch{Events: events("a")})
	if _, err := l.EraseStream(t.Context(), "i", "a"); err != nil {
		t.Fatal(err)
	}
	if _, err := l.DeleteInstance(t.Context(), "i"); err != nil {
		t.Fatal(err)
	}
	l = newLog(t, l.Store(), 1)
	mustAppend(t, l, Batch{Events: events("a")})
	v, err := l.Pin(t.Context(), "i")
	if err != nil {
		t.Fatal(err)
	}
	if got := seen(t, v); got != `a/1={"n":0}` || len(v.Erasures(0)) > 0 {
		t.Errorf("%s, %v", got, v.Erasures(0))
	}
}

// A cursor of an earlier life is not read with the erasures of the next: a process
// may go by settings of some seconds ago.
func TestCursorsEndWithTheInstance(t *testing.T) {
	mem := store.NewMemory()
	l := newLog(t, mem, 2)
	mustAppend(t, l, Batch{Events: events("a", "b")})
	before, err := l.Pin(t.Context(), "i")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := l.EraseStream(t.Context(), "i", "a"); err != nil {
		t.Fatal(err)
	}
	other := Open(mem)
	if _, err := other.DeleteInstance(t.Context(), "i"); err != nil {
		t.Fatal(err)
	}
	newLog(t, mem, 1)
	v, err := l.At(t.Context(), "i", before.Point)
	if !fault.Is(err, fault.Gone) {
		t.Errorf("%v, a view of %s", err, seen(t, v))
	}
}

// slowList is a store whose next list of commits takes as long as it is told.
type slowList struct {
	store.Store
	takes time.Duration
}

func (s *slowList) List(ctx context.Context, o store.ListOptions) (store.Page, error) {
	if strings.Contains(o.Prefix, "/log/") {
		takes := s.takes
		s.takes = 0
		time.Sleep(takes)
	}
	return s.Store.List(ctx, o)
}

// Whoever sleeps while a cursor's view is put together has commits in memory of
// which the erasures of now may say nothing any more: what these erased is gone.
func TestSleptCursor(t *testing.T) {
	bubble.Run(t, func(t *testing.T) {
		slow := &slowList{Store: store.NewMemory()}
		l := newLog(t, slow, 1)
		mustAppend(t, l, Batch{Events: events("a", "b")})
		before, err := l.Pin(t.Context(), "i")
		if err != nil {
			t.Fatal(err)
		}
		for takes, gone := range map[time.Duration]bool{chain.Fresh / 4: false, 2 * chain.Fresh: true} {
			slow.takes = takes
			if _, err := l.At(t.Context(), "i", before.Point); fault.Is(err, fault.Gone) != gone || err != nil && !gone {
				t.Errorf("after %v: %v", takes, err)
			}
		}
	})
}
