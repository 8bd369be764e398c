package commitlog_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/firnlog/firn/internal/bubble"
	"github.com/firnlog/firn/layout/catalog"
	"github.com/firnlog/firn/layout/commitlog"
	"github.com/firnlog/firn/layout/event"
	"github.com/firnlog/firn/layout/fault"
	"github.com/firnlog/firn/layout/segment"
	"github.com/firnlog/firn/layout/store"
)

// sent returns a section as it comes out in another process.
func sent(t *testing.T, s commitlog.Section) (out commitlog.Section) {
	t.Helper()
	body, err := json.Marshal(s)
	if err == nil {
		err = json.Unmarshal(body, &out)
	}
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// whole returns the section of all that a view has.
func whole(t *testing.T, v *commitlog.View) commitlog.Section {
	t.Helper()
	files, err := v.Files(t.Context(), event.MinTime, event.MaxTime)
	if err != nil {
		t.Fatal(err)
	}
	return sent(t, v.Section(files, v.Tail))
}

// shown returns the events of a section's files and commits as its masks leave
// them, as stream=payload.
func shown(t *testing.T, v *commitlog.View, s commitlog.Section) string {
	t.Helper()
	var out []string
	show := func(m *commitlog.Mask, es []event.Event, err error) {
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range m.Apply(es) {
			out = append(out, e.Stream+"="+string(e.Payload))
		}
	}
	for _, f := range s.Files {
		m, err := v.FileMask(t.Context(), f)
		if err != nil {
			t.Fatal(err)
		}
		open, err := v.Open(t.Context(), f)
		if err != nil {
			t.Fatal(err)
		}
		for _, g := range open.Groups() {
			b, err := g.Read(segment.AllColumns)
			if err != nil {
				t.Fatal(err)
			}
			var es []event.Event
			for i := range b.Rows() {
				es = append(es, b.Event(i, f.Shard))
			}
			show(m, es, nil)
		}
	}
	for _, c := range v.Tail {
		m, err := v.TailMask(t.Context(), c)
		if err != nil {
			t.Fatal(err)
		}
		es, err := c.Events()
		show(m, es, err)
	}
	return strings.Join(out, " ")
}

// TestSectionsAreAtThePoint: another process reads the same events by a section,
// whatever is appended, erased and compacted meanwhile, and what was erased before
// stays hidden, with a cursor's point too. It costs no look-up of the snapshot.
func TestSectionsAreAtThePoint(t *testing.T) {
	bubble.Run(t, func(t *testing.T) {
		s := store.NewMemory()
		l := create(t, s, 1)
		mustAppend(t, l, batch("a", "b", "c"))
		compact(t, s)
		old, err := l.Pin(t.Context(), "i")
		if err != nil {
			t.Fatal(err)
		}
		mustAppend(t, l, batch("b", "c"))
		if _, err := l.EraseStream(t.Context(), "i", "b"); err != nil {
			t.Fatal(err)
		}
		if _, err := l.Redact(t.Context(), "i", []event.Event{{Stream: "c", Sequence: 2, Place: event.Place{Position: 2, Ordinal: 1}}}, nil); err != nil {
			t.Fatal(err)
		}
		now, err := l.Pin(t.Context(), "i")
		if err != nil {
			t.Fatal(err)
		}
		cursor, err := l.At(t.Context(), "i", old.Point)
		if err != nil {
			t.Fatal(err)
		}
		of, ofCursor := whole(t, now), whole(t, cursor)
		mustAppend(t, l, batch("a", "c"))
		compact(t, s)
		for range 2 {
			counted := store.NewCounted(s)
			other := commitlog.Open(counted)
			v, err := other.Section(t.Context(), of)
			if err != nil {
				t.Fatal(err)
			}
			if got := counted.Counts(); got.List != 1 || got.Get != 3 { // the catalog, two commits
				t.Errorf("%+v", got)
			}
			if got, want := shown(t, v, of), `a=0 c=2 c={"redacted":true}`; got != want {
				t.Errorf("%s, want %s", got, want)
			}
			if v, err = other.Section(t.Context(), ofCursor); err != nil {
				t.Fatal(err)
			}
			if got, want := shown(t, v, ofCursor), `a=0 c=2`; got != want {
				t.Errorf("at the cursor's point: %s, want %s", got, want)
			}
			time.Sleep(50 * time.Minute) // not yet too late
		}
		time.Sleep(11 * time.Minute)
		if _, err := commitlog.Open(s).Section(t.Context(), of); !fault.Is(err, fault.Gone) {
			t.Errorf("over an hour late: %v", err)
		}
	})
}

// TestSectionsOfWhatIsNot: a section of an instance that was deleted, or of places
// that no view can have named, is refused.
func TestSectionsOfWhatIsNot(t *testing.T) {
	s := store.NewMemory()
	l := create(t, s, 1)
	mustAppend(t, l, batch("a"))
	v, err := l.Pin(t.Context(), "i")
	if err != nil {
		t.Fatal(err)
	}
	good := whole(t, v)
	f := func(want fault.Kind, change func(*commitlog.Section)) {
		t.Helper()
		of := sent(t, good)
		change(&of)
		if _, err := commitlog.Open(s).Section(t.Context(), of); !fault.Is(err, want) {
			t.Errorf("%v, want %s", err, want)
		}
	}
	f(fault.NotFound, func(s *commitlog.Section) { s.Instance = "other" })
	f(fault.Gone, func(s *commitlog.Section) { s.Point.Ends = []int64{1, 1} })
	f(fault.Invalid, func(s *commitlog.Section) { s.Tail[0].Shard = 1 })
	f(fault.Invalid, func(s *commitlog.Section) { s.Tail[0].Position = 2 })
	of := sent(t, good)
	of.Point.Ends[0], of.Tail[0].Position = 2, 2
	if _, err := commitlog.Open(s).Section(t.Context(), of); !fault.Is(err, fault.Corrupt) {
		t.Errorf("a commit that is not there: %v", err)
	}
	if _, err := l.DeleteInstance(t.Context(), "i"); err != nil {
		t.Fatal(err)
	}
	f(fault.NotFound, func(*commitlog.Section) {})
	if _, err := l.CreateInstance(t.Context(), catalog.Instance{ID: "i", Shards: 1}); err != nil {
		t.Fatal(err)
	}
	mustAppend(t, l, batch(fmt.Sprint("b")))
	f(fault.Gone, func(*commitlog.Section) {})
}
