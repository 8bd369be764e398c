package verify_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/firnlog/firn/internal/bubble"
	"github.com/firnlog/firn/layout"
	"github.com/firnlog/firn/layout/event"
	"github.com/firnlog/firn/layout/snapshot"
	"github.com/firnlog/firn/layout/store"
	"github.com/firnlog/firn/layout/verify"
)

// erase orders two erasures: of a stream, and of some events' payloads.
func (b bucket) erase(id string) {
	b.t.Helper()
	_, err := b.log().EraseStream(b.t.Context(), id, "stream-3")
	b.must(err)
	v, err := b.log().Pin(b.t.Context(), id)
	b.must(err)
	files, err := v.Files(b.t.Context(), event.MinTime, event.MaxTime)
	b.must(err)
	f, err := v.Open(b.t.Context(), files[0])
	b.must(err)
	_, err = b.log().Redact(b.t.Context(), id, rows(b.t, f, files[0].Shard)[:3], nil)
	b.must(err)
}

// erasing runs f in a bucket with an instance whose table has some files and, when
// they were rewritten, what is said of them.
func erasing(t *testing.T, f func(t *testing.T, b bucket, rng *rand.Rand)) {
	t.Helper()
	bubble.Run(t, func(t *testing.T) {
		b := bucket{t, ticking{store.NewMemory()}}
		rng := rand.New(rand.NewPCG(5, 5))
		b.create("plain", 1, 0)
		for range 4 {
			b.append(b.log(), "plain", batch(rng, 60, 2))
			b.compact("plain")
		}
		f(t, b, rng)
	})
}

// TestErasuresAreClean: in none of the states of an erasure, with appends and folds
// in between, is anything wrong.
func TestErasuresAreClean(t *testing.T) {
	erasing(t, func(t *testing.T, b bucket, rng *rand.Rand) {
		b.append(b.log(), "plain", batch(rng, 20, 2))
		b.erase("plain")
		b.mustBeClean()
		b.append(b.log(), "plain", batch(rng, 20, 2))
		b.mustBeClean()
		b.compact("plain")
		b.mustBeClean()
		for day := range 40 {
			if day%9 == 0 {
				b.append(b.log(), "plain", batch(rng, 20, 2))
			}
			time.Sleep(24 * time.Hour)
			b.compact("plain")
			b.mustBeClean()
		}
		if s, _ := b.newest("plain"); s.Shards[0].ErasedBefore == 0 {
			t.Error("the erasures are not forgotten after 40 days")
		}
		b.erase("plain")
		_, err := b.log().DeleteInstance(t.Context(), "plain")
		b.must(err)
		b.mustBeClean()
		b.compact("plain")
		b.mustBeClean()
	})
}

// TestForgottenErasuresOfSeveralStreams: of orders that are forgotten only the last
// one's position is known. A stream that was erased before it, and went on before
// it, is whole; one that lacks events in its middle is not.
func TestForgottenErasuresOfSeveralStreams(t *testing.T) {
	erasing(t, func(t *testing.T, b bucket, rng *rand.Rand) {
		for _, stream := range []string{"stream-3", "stream-7"} {
			_, err := b.log().EraseStream(t.Context(), "plain", stream)
			b.must(err)
			b.append(b.log(), "plain", batch(rng, 60, 2))
			b.mustBeClean()
		}
		for range 36 {
			b.compact("plain")
			b.mustBeClean()
			time.Sleep(24 * time.Hour)
		}
		if s, _ := b.newest("plain"); s.Shards[0].ErasedBefore == 0 || len(s.Shards[0].Erasures) > 0 {
			t.Fatalf("the erasures are not forgotten: %+v", s.Shards[0])
		}
		var lacking string
		b.rewrite("plain", func(events []event.Event) []event.Event {
			for i := 1; i < len(events)-1; i++ { // sorted by stream and number
				if lacking = events[i].Stream; events[i-1].Stream == lacking && events[i+1].Stream == lacking {
					return append(events[:i:i], events[i+1:]...)
				}
			}
			t.Fatal("no stream has three events in the file")
			return nil
		}, func(f *snapshot.File) { f.ErasedTo = 1 << 40 })
		for _, fault := range b.verify(verify.Options{}).Faults {
			if fault.Kind == verify.Gap && strings.HasPrefix(fault.Text, fmt.Sprintf("stream %q: events", lacking)) {
				return
			}
		}
		t.Errorf("no gap of %s is found", lacking)
	})
}

// TestWhatIsWrongWithErasuresIsFound plants faults about erasures.
func TestWhatIsWrongWithErasuresIsFound(t *testing.T) {
	first := func(b bucket) int64 {
		s, _ := b.newest("plain")
		return s.Shards[0].Erasures[0].Position
	}
	f := func(name string, plant func(b bucket) (verify.Kind, string)) {
		erasing(t, func(t *testing.T, b bucket, rng *rand.Rand) {
			b.erase("plain")
			b.compact("plain")
			b.mustBeClean()
			kind, key := plant(b)
			r := b.verify(verify.Options{})
			for _, fault := range r.Faults {
				if fault.Kind == kind && fault.Key == key {
					return
				}
			}
			t.Errorf("%s: no fault %s of %s among:\n%s", name, kind, key, text(r))
		})
	}
	f("a lost erasure", func(b bucket) (verify.Kind, string) {
		at := first(b)
		b.editSnapshot("plain", func(s *snapshot.Snapshot) { s.Shards[0].Erasures = s.Shards[0].Erasures[1:] })
		return verify.Gap, layout.Commit("plain", 0, at)
	})
	f("a lost order", func(b bucket) (verify.Kind, string) {
		return verify.Missing, b.remove(layout.Commit("plain", 0, first(b)))
	})
	f("an event that was erased", func(b bucket) (verify.Kind, string) {
		return verify.Content, b.rewrite("plain", func(events []event.Event) []event.Event {
			e := events[0]
			for i := range events {
				if events[i].Stream < "stream-3" {
					e = events[i]
				}
			}
			back := e
			back.Stream, back.Sequence = "stream-3", 1
			at := 0
			for at < len(events) && events[at].Stream <= e.Stream {
				at++
			}
			return append(events[:at:at], append([]event.Event{back}, events[at:]...)...)
		}, func(f *snapshot.File) { f.ErasedTo = 1 << 40 })
	})
	f("a payload that was redacted", func(b bucket) (verify.Kind, string) {
		return verify.Content, b.rewrite("plain", func(events []event.Event) []event.Event {
			for i := range events {
				events[i].Payload = []byte(`{"n":7}`)
			}
			return events
		}, func(f *snapshot.File) { f.ErasedTo = 1 << 40 })
	})
}
