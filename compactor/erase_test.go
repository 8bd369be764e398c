package compactor

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/firnlog/firn/internal/bubble"
	"github.com/firnlog/firn/layout/commitlog"
	"github.com/firnlog/firn/layout/event"
	"github.com/firnlog/firn/layout/segment"
	"github.com/firnlog/firn/layout/snapshot"
	"github.com/firnlog/firn/layout/store"
)

// bytesWith returns the keys of the bucket's objects whose bytes, or whose events'
// payloads where they are Parquet, hold a text.
func bytesWith(t testing.TB, s store.Store, text string) []string {
	t.Helper()
	var found []string
	for after, more := "", true; more; {
		page, err := s.List(t.Context(), store.ListOptions{StartAfter: after})
		if err != nil {
			t.Fatal(err)
		}
		more = page.More
		for _, o := range page.Objects {
			after = o.Key
			body, _, err := store.ReadAll(t.Context(), s, o.Key)
			if err != nil {
				t.Fatal(err)
			}
			if strings.Contains(string(body), text) || strings.Contains(texts(body), text) {
				found = append(found, o.Key)
			}
		}
	}
	return found
}

// erasures returns the states of a shard's erasures.
func erasures(t testing.TB, s store.Store) []snapshot.Erasure {
	t.Helper()
	v, _, err := commitlog.Open(s).PinNewest(context.Background(), "i")
	if err != nil {
		t.Fatal(err)
	}
	return v.Snapshot().ShardState(0).Erasures
}

// secret returns an event of a stream with a payload of its own.
func secret(stream, payload string) event.Event {
	return event.Event{Stream: stream, Type: "t", Time: event.ToMicros(time.Now()), Payload: fmt.Appendf(nil, `{"v":%q}`, payload), Metadata: []byte(`{}`)}
}

// TestErasureLeavesNothing: what was erased is in no object of the bucket once the
// order is marked as gone, and all else is there as before.
func TestErasureLeavesNothing(t *testing.T) {
	bubble.Run(t, func(t *testing.T) {
		s := store.NewMemory()
		l := newLog(t, s, 1)
		rng := rand.New(rand.NewPCG(1, 2))
		c := &Compactor{Log: l}
		mustAppend(t, l, batch(rng, 20))
		mustAppend(t, l, commitlog.Batch{Events: []event.Event{secret("alice", "hidden-one"), secret("bob", "kept-one"), secret("carol", "hidden-two")}})
		mustRun(t, c)
		mustAppend(t, l, commitlog.Batch{Events: []event.Event{secret("alice", "hidden-three")}})
		before := all(t, s)

		if _, err := l.EraseStream(t.Context(), "i", "alice"); err != nil {
			t.Fatal(err)
		}
		var carol []event.Event
		for _, e := range before {
			if e.Stream == "carol" {
				carol = append(carol, e)
			}
		}
		if _, err := l.Redact(t.Context(), "i", carol, nil); err != nil {
			t.Fatal(err)
		}
		mustAppend(t, l, commitlog.Batch{Events: []event.Event{secret("alice", "later")}})
		mustRun(t, c)
		want := []event.Event{}
		for _, e := range before {
			if e.Stream == "alice" {
				continue
			}
			if e.Stream == "carol" {
				e.Payload = commitlog.Redacted
			}
			want = append(want, e)
		}
		got := all(t, s)
		if last := got[len(got)-1]; last.Stream != "alice" || last.Sequence != 3 {
			t.Errorf("the stream goes on with %+v, want number 3", last)
		}
		mustEqual(t, got[:len(got)-1], want)
		for _, e := range erasures(t, s) {
			if e.Rewritten == 0 || e.Gone != 0 {
				t.Errorf("after the rewriting: %+v", e)
			}
		}
		if len(bytesWith(t, s, "hidden-")) == 0 {
			t.Error("a reader of before could not go on: what was replaced is gone at once")
		}

		time.Sleep(25 * time.Hour)
		mustRun(t, c) // deletes what was replaced
		time.Sleep(2 * time.Hour)
		mustRun(t, c)
		if found := bytesWith(t, s, "hidden-"); len(found) > 0 {
			t.Errorf("a day later it is still in %v", found)
		}
		list := erasures(t, s)
		if len(list) != 2 {
			t.Fatalf("the erasures of the shard: %+v", list)
		}
		for _, e := range list {
			if e.Gone == 0 || e.Stream != "" {
				t.Errorf("a day later: %+v", e)
			}
		}
		mustEqual(t, all(t, s), got)
		time.Sleep(31 * 24 * time.Hour)
		mustRun(t, c)
		if list := erasures(t, s); len(list) != 0 {
			t.Errorf("a month later: %+v", list)
		}
	})
}

// TestNumbersSurviveErasure: a stream that is erased before it is folded goes on
// where it stood, for processes that know it from the table alone.
func TestNumbersSurviveErasure(t *testing.T) {
	bubble.Run(t, func(t *testing.T) {
		s := store.NewMemory()
		l := newLog(t, s, 1)
		mustAppend(t, l, commitlog.Batch{Events: []event.Event{secret("alice", "one"), secret("alice", "two"), secret("bob", "one")}})
		if _, err := l.EraseStream(t.Context(), "i", "alice"); err != nil {
			t.Fatal(err)
		}
		mustRun(t, &Compactor{Log: l})
		r, err := commitlog.Open(s).Append(t.Context(), "i", commitlog.Batch{Events: []event.Event{secret("alice", "three")}})
		if err != nil || r.Events[0].Sequence != 3 {
			t.Errorf("the next number is %+v, %v; want 3", r.Events, err)
		}
	})
}

// TestErasureIsNotGoneEarly: an order is not marked as carried out while any
// object holds what it names, at whatever time the sweeper looks.
func TestErasureIsNotGoneEarly(t *testing.T) {
	bubble.Run(t, func(t *testing.T) {
		s := store.NewMemory()
		l := newLog(t, s, 1)
		rng := rand.New(rand.NewPCG(3, 4))
		c := &Compactor{Log: l}
		mustAppend(t, l, commitlog.Batch{Events: []event.Event{secret("alice", "hidden-one")}})
		ordered := false
		for hour := range 80 {
			if hour == 10 {
				if _, err := l.EraseStream(t.Context(), "i", "alice"); err != nil {
					t.Fatal(err)
				}
				ordered = true
			}
			if rng.IntN(3) == 0 {
				mustAppend(t, l, batch(rng, 5))
			}
			if rng.IntN(2) == 0 {
				mustRun(t, c)
			}
			for _, e := range erasures(t, s) {
				if found := bytesWith(t, s, "hidden-"); e.Gone != 0 && len(found) > 0 {
					t.Fatalf("hour %d: the erasure is marked as gone, and %v hold it", hour, found)
				}
			}
			time.Sleep(time.Hour)
		}
		mustRun(t, c)
		if list := erasures(t, s); !ordered || len(list) != 1 || list[0].Gone == 0 {
			t.Errorf("after three days: %+v", list)
		}
	})
}

// TestMergeMeetsErasure: a merge that began before an erasure was carried out does
// not bring back what was erased.
func TestMergeMeetsErasure(t *testing.T) {
	bubble.Run(t, func(t *testing.T) {
		s := store.NewMemory()
		l := newLog(t, s, 1)
		c := &Compactor{Log: l}
		for i := range fanIn {
			mustAppend(t, l, commitlog.Batch{Events: []event.Event{secret("bob", fmt.Sprint(i)), secret("alice", "hidden")}})
			v, _, err := l.PinNewest(t.Context(), "i")
			if err != nil {
				t.Fatal(err)
			}
			var total Report
			if err := c.repeat(t.Context(), "i", c.foldUntil(v.Point.Ends), foldBytes, &total); err != nil {
				t.Fatal(err)
			}
		}
		v, seen, err := l.PinNewest(t.Context(), "i")
		if err != nil {
			t.Fatal(err)
		}
		edit, _, err := c.merge(t.Context(), "i", v)
		if err != nil || edit.Empty() {
			t.Fatalf("nothing to merge: %v", err)
		}
		if _, err := l.EraseStream(t.Context(), "i", "alice"); err != nil {
			t.Fatal(err)
		}
		mustRun(t, &Compactor{Log: commitlog.Open(s)}) // another compactor is faster
		if done, err := c.commit(t.Context(), "i", v.Snapshot(), seen, edit); done || err != nil {
			t.Errorf("the merge of files that were rewritten is in the table: %v, %v", done, err)
		}
		mustRun(t, c)
		for _, e := range all(t, s) {
			if e.Stream == "alice" {
				t.Errorf("%+v is back", e)
			}
		}
	})
}

// TestReaderOutlivesErasure: who began to read before an erasure and the sweep can
// read to the end.
func TestReaderOutlivesErasure(t *testing.T) {
	bubble.Run(t, func(t *testing.T) {
		s := store.NewMemory()
		l := newLog(t, s, 1)
		c := &Compactor{Log: l}
		mustAppend(t, l, commitlog.Batch{Events: []event.Event{secret("alice", "hidden"), secret("bob", "kept")}})
		mustRun(t, c)
		v, err := l.Pin(t.Context(), "i")
		if err != nil {
			t.Fatal(err)
		}
		if _, err := l.EraseStream(t.Context(), "i", "alice"); err != nil {
			t.Fatal(err)
		}
		mustRun(t, c)
		time.Sleep(20 * time.Hour)
		mustRun(t, c)
		files, err := v.Files(t.Context(), event.MinTime, event.MaxTime)
		if err != nil || len(files) != 1 {
			t.Fatalf("%d files, %v", len(files), err)
		}
		f, err := v.Open(t.Context(), files[0])
		if err != nil {
			t.Fatal(err)
		}
		if f.Rows() != 2 {
			t.Errorf("%d rows", f.Rows())
		}
		// A cursor of before sees what it saw, but for what was erased.
		at, err := l.At(t.Context(), "i", v.Point)
		if err != nil {
			t.Fatal(err)
		}
		mask, err := at.FileMask(t.Context(), files[0])
		if err != nil || !mask.Gone("alice", 1) || mask.Gone("bob", 1) {
			t.Errorf("the mask of a cursor: %+v, %v", mask, err)
		}
	})
}

// TestSweepDryRun lists what would go, and changes nothing.
func TestSweepDryRun(t *testing.T) {
	bubble.Run(t, func(t *testing.T) {
		s := store.NewMemory()
		l := newLog(t, s, 1)
		c := &Compactor{Log: l}
		mustAppend(t, l, commitlog.Batch{Events: []event.Event{secret("alice", "hidden")}})
		mustRun(t, c)
		time.Sleep(25 * time.Hour)
		mustAppend(t, l, commitlog.Batch{Events: []event.Event{secret("alice", "hidden")}})
		if _, err := c.compact(t.Context(), "i"); err != nil {
			t.Fatal(err)
		}
		before := bytesWith(t, s, "")
		would, err := c.Sweep(t.Context(), "i", true)
		if err != nil || len(would) == 0 {
			t.Fatalf("%v, %v", would, err)
		}
		if now := bytesWith(t, s, ""); fmt.Sprint(now) != fmt.Sprint(before) {
			t.Errorf("the bucket changed from %v to %v", before, now)
		}
		did, err := c.Sweep(t.Context(), "i", false)
		if err != nil || fmt.Sprint(did) != fmt.Sprint(would) {
			t.Errorf("it would delete %v and deleted %v, %v", would, did, err)
		}
	})
}

// texts returns the payloads in a Parquet file, "" for what is none.
func texts(body []byte) string {
	f, err := openAny(body)
	if err != nil {
		return ""
	}
	var b strings.Builder
	for _, g := range f.Groups() {
		batch, err := g.Read(payloads)
		if err != nil {
			return ""
		}
		for i := range batch.Rows() {
			b.Write(batch.Event(i, 0).Payload)
		}
	}
	return b.String()
}

var payloads = segment.Set(segment.Payload)

func openAny(body []byte) (*segment.File, error) {
	return segment.Open(bytes.NewReader(body), int64(len(body)))
}
