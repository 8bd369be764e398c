package commitlog_test

import (
	"bytes"
	"reflect"
	"testing"
	"time"

	"github.com/firnlog/firn/internal/bubble"
	"github.com/firnlog/firn/layout"
	"github.com/firnlog/firn/layout/commitlog"
	"github.com/firnlog/firn/layout/event"
	"github.com/firnlog/firn/layout/fault"
	"github.com/firnlog/firn/layout/segment"
	"github.com/firnlog/firn/layout/store"
)

// A view that has no room for its tail shows the same events, and reads what is
// asked for when it is. (Sixteen commits are read before it is known how many there
// are, and kept.)
func TestUnheldTail(t *testing.T) {
	const commits, guessed = 24, 16
	s := store.NewCounted(store.NewMemory())
	l := create(t, s, 1)
	for range commits {
		mustAppend(t, l, batch("a", "b", "a"))
	}
	if _, err := l.EraseStream(t.Context(), "i", "b"); err != nil {
		t.Fatal(err)
	}
	pinned := func(l *commitlog.Log) *commitlog.View {
		v, err := l.Pin(t.Context(), "i")
		if err != nil || len(v.Tail) != commits {
			t.Fatalf("%d commits, %v", len(v.Tail), err)
		}
		return v
	}
	held, other := pinned(commitlog.Open(s)), commitlog.Open(s)
	other.HoldTail(0)
	for range 2 {
		v := pinned(other)
		for i, c := range v.Tail {
			mask, err := v.TailMask(t.Context(), c)
			if err != nil {
				t.Fatal(err)
			}
			var got []event.Event
			n, _ := measured(s, func() { got, err = c.Events() })
			if err != nil || n.Get > 0 != (i >= guessed) || c.File.InMemory() != (i < guessed) {
				t.Fatalf("commit %d: %v, read with %+v", i, err, n)
			}
			want, err := held.Tail[i].Events()
			if err != nil {
				t.Fatal(err)
			}
			if got = mask.Apply(got); len(got) != 2 || len(want) != 3 || !reflect.DeepEqual(got[0], want[0]) || !reflect.DeepEqual(got[1], want[2]) {
				t.Errorf("commit %d: %+v", i, got)
			}
		}
	}
}

// What is read of a tail that was looked up long ago is not what somebody who slept
// has written over it since.
func TestUnheldTailThatWasSwept(t *testing.T) {
	bubble.Run(t, func(t *testing.T) {
		s := store.NewMemory()
		l := create(t, s, 1)
		mustAppend(t, l, batch("a"))
		mustAppend(t, l, batch("b"))
		other := commitlog.Open(s)
		other.HoldTail(0)
		// More than are guessed and kept at the first look, so that none is held.
		for range 20 {
			mustAppend(t, l, batch("a"))
		}
		v, err := other.Pin(t.Context(), "i")
		if err != nil {
			t.Fatal(err)
		}
		last := v.Tail[len(v.Tail)-1]
		if last.File.InMemory() {
			t.Fatal("the commit is held")
		}
		read := func() (string, error) {
			b, err := last.File.In(t.Context()).Groups()[0].Read(segment.Set(segment.Stream))
			if err != nil {
				return "", err
			}
			return b.Text(segment.Stream, 0), nil
		}
		if stream, err := read(); stream != "a" || err != nil {
			t.Fatalf("%q, %v", stream, err)
		}
		time.Sleep(25 * time.Hour)
		body, _, err := store.ReadAll(t.Context(), s, layout.Commit("i", 0, 2))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := s.Put(t.Context(), last.Key, bytes.NewReader(body), store.Always); err != nil {
			t.Fatal(err)
		}
		if stream, err := read(); !fault.Is(err, fault.Gone) {
			t.Errorf("%q, %v", stream, err)
		}
		if err := s.Delete(t.Context(), last.Key); err != nil {
			t.Fatal(err)
		}
		if stream, err := read(); !fault.Is(err, fault.Gone) {
			t.Errorf("%q, %v", stream, err)
		}
	})
}
