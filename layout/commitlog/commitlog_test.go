package commitlog

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"

	"github.com/firnlog/firn/layout/catalog"
	"github.com/firnlog/firn/layout/event"
	"github.com/firnlog/firn/layout/fault"
	"github.com/firnlog/firn/layout/store"
)

// newLog returns a log over s with an active instance "i" of so many shards.
func newLog(t testing.TB, s store.Store, shards int) *Log {
	t.Helper()
	l := Open(s)
	_, err := l.CreateInstance(t.Context(), catalog.Instance{ID: "i", Shards: shards})
	if err != nil && !fault.Is(err, fault.Exists) {
		t.Fatal(err)
	}
	return l
}

// events returns one event for each stream named, with distinct payloads.
func events(streams ...string) []event.Event {
	out := make([]event.Event, len(streams))
	for i, s := range streams {
		out[i] = event.Event{Stream: s, Type: "t", Time: 1, Payload: fmt.Appendf(nil, `{"n":%d}`, i), Metadata: []byte(`{}`)}
	}
	return out
}

func mustAppend(t testing.TB, l *Log, b Batch) Receipt {
	t.Helper()
	r, err := l.Append(context.Background(), "i", b)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range r.Parts {
		if p.Err != nil {
			t.Fatal(p.Err)
		}
	}
	return r
}

// tailEvents returns what a fresh process sees in the tail of instance i.
func tailEvents(t testing.TB, s store.Store) []event.Event {
	t.Helper()
	v, err := Open(s).Pin(context.Background(), "i")
	if err != nil {
		t.Fatal(err)
	}
	var out []event.Event
	for _, c := range v.Tail {
		es, err := c.Events()
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, es...)
	}
	return out
}

// checkGapless fails unless every stream's events are numbered 1, 2, 3, … in
// append order.
func checkGapless(t testing.TB, all []event.Event) {
	t.Helper()
	last := map[string]int64{}
	for _, e := range all {
		if e.Sequence != last[e.Stream]+1 {
			t.Fatalf("stream %s: %d follows %d at %v", e.Stream, e.Sequence, last[e.Stream], e.Place)
		}
		last[e.Stream] = e.Sequence
	}
}

func TestAppendNumbersEachStreamInOrder(t *testing.T) {
	s := store.NewMemory()
	l := newLog(t, s, 1)
	mustAppend(t, l, Batch{Events: events("a", "b", "a")})
	r := mustAppend(t, l, Batch{Events: events("b", "a")})
	if r.Events[0].Sequence != 2 || r.Events[1].Sequence != 3 || r.Events[1].Place.String() != "0-2-1" {
		t.Fatalf("%+v", r.Events)
	}
	all := tailEvents(t, s)
	if len(all) != 5 {
		t.Fatalf("%d events are visible, not 5", len(all))
	}
	checkGapless(t, all)
}

// Many processes, many goroutines each, the same streams: the heart of it.
func TestConcurrentProcessesNumberWithoutGaps(t *testing.T) {
	for _, shards := range []int{1, 3} {
		s := store.NewMemory()
		newLog(t, s, shards)
		const processes, clients, appends = 4, 5, 12
		var wg sync.WaitGroup
		var mu sync.Mutex
		acked := map[string]bool{}
		for p := range processes {
			l := Open(s)
			for c := range clients {
				wg.Go(func() {
					for n := range appends {
						es := events("a", "b", fmt.Sprint("own-", c))
						for i := range es {
							es[i].ID = fmt.Sprint(p, "-", c, "-", n, "-", i)
						}
						r := mustAppend(t, l, Batch{Events: es})
						mu.Lock()
						for _, e := range r.Events {
							acked[fmt.Sprint(e.ID, " ", e.Stream, " ", e.Sequence)] = true
						}
						mu.Unlock()
					}
				})
			}
		}
		wg.Wait()
		all := tailEvents(t, s)
		if want := processes * clients * appends * 3; len(all) != want || len(acked) != want {
			t.Fatalf("%d shards: %d events, %d acknowledged, want %d", shards, len(all), len(acked), want)
		}
		checkGapless(t, all)
		for _, e := range all {
			if !acked[fmt.Sprint(e.ID, " ", e.Stream, " ", e.Sequence)] {
				t.Fatalf("%s was acknowledged with other numbers than it is stored with", e.ID)
			}
		}
	}
}

func TestExpectations(t *testing.T) {
	s := store.NewMemory()
	l, other := newLog(t, s, 1), Open(s)
	expect := func(l *Log, stream string, x Expectation) error {
		_, err := l.Append(t.Context(), "i", Batch{Events: events(stream), Expect: map[string]Expectation{stream: x}})
		return err
	}
	if err := expect(l, "a", Exists); !fault.Is(err, fault.Conflict) {
		t.Fatalf("exists on an empty stream: %v", err)
	}
	for i, step := range []struct {
		l *Log
		x Expectation
	}{{l, 0}, {other, 1}, {l, 2}, {other, Exists}, {l, Any}} { // l does not know what other wrote
		if err := expect(step.l, "a", step.x); err != nil {
			t.Fatalf("step %d: %v", i, err)
		}
	}
	err := expect(other, "a", 4)
	var c *ConflictError
	if !errors.As(err, &c) || c.Actual != 5 || c.Expected != 4 || c.Stream != "a" || !fault.Is(err, fault.Conflict) {
		t.Fatalf("%v", err)
	}
	if n := len(tailEvents(t, s)); n != 5 {
		t.Fatalf("%d events, want 5: a refused append stored something", n)
	}
}

func TestOneOfManyExpectingTheSameWins(t *testing.T) {
	s := store.NewMemory()
	l, other := newLog(t, s, 1), Open(s)
	for round := range 10 {
		var wg sync.WaitGroup
		results := make([]error, 8)
		for i := range results {
			wg.Go(func() {
				_, results[i] = []*Log{l, other}[i%2].Append(t.Context(), "i", Batch{Events: events("a"), Expect: map[string]Expectation{"a": Expectation(round)}})
			})
		}
		wg.Wait()
		won := 0
		for _, err := range results {
			if err == nil {
				won++
			} else if !fault.Is(err, fault.Conflict) {
				t.Fatal(err)
			}
		}
		if won != 1 {
			t.Fatalf("round %d: %d appends won", round, won)
		}
	}
}

func TestIdempotencyKeys(t *testing.T) {
	s := store.NewMemory()
	l := newLog(t, s, 3)
	b := Batch{Events: events("a", "b", "c", "d"), Key: "k", Hash: "h"}
	first := mustAppend(t, l, b)
	for name, l := range map[string]*Log{"the same process": l, "another process": Open(s)} {
		again := mustAppend(t, l, b)
		if !again.Replayed || first.Replayed {
			t.Fatalf("%s: replayed %v", name, again.Replayed)
		}
		for i := range first.Events {
			if again.Events[i].Place != first.Events[i].Place || again.Events[i].Sequence != first.Events[i].Sequence {
				t.Fatalf("%s: %+v is not %+v", name, again.Events[i], first.Events[i])
			}
		}
		b2 := b
		b2.Hash = "other"
		if _, err := l.Append(t.Context(), "i", b2); !errors.Is(err, ErrKeyReused) {
			t.Fatalf("%s: %v", name, err)
		}
	}
	if n := len(tailEvents(t, s)); n != 4 {
		t.Fatalf("%d events, want 4", n)
	}
}

func TestTheSameKeyAtOnceStoresOnce(t *testing.T) {
	s := store.NewMemory()
	l, other := newLog(t, s, 1), Open(s)
	var wg sync.WaitGroup
	receipts := make([]Receipt, 16)
	for i := range receipts {
		wg.Go(func() {
			receipts[i] = mustAppend(t, []*Log{l, other}[i%2], Batch{Events: events("a", "a"), Key: "k", Hash: "h"})
		})
	}
	wg.Wait()
	fresh := 0
	for _, r := range receipts {
		if !r.Replayed {
			fresh++
		}
		if r.Events[1].Sequence != 2 {
			t.Fatalf("%+v", r.Events)
		}
	}
	if n := len(tailEvents(t, s)); n != 2 || fresh != 1 {
		t.Fatalf("%d events, %d fresh answers", n, fresh)
	}
}

func TestDeleteAndCreateAgain(t *testing.T) {
	s := store.NewMemory()
	l, other, reader := newLog(t, s, 2), Open(s), Open(s)
	mustAppend(t, l, Batch{Events: events("a", "b", "c", "d"), Key: "k", Hash: "h"})
	mustAppend(t, other, Batch{Events: events("a")})
	if _, err := reader.Pin(t.Context(), "i"); err != nil { // and knows the first life for some seconds
		t.Fatal(err)
	}
	if _, err := l.DeleteInstance(t.Context(), "i"); err != nil {
		t.Fatal(err)
	}
	for name, l := range map[string]*Log{"deleter": l, "other": other, "fresh": Open(s)} {
		if _, err := l.Append(t.Context(), "i", Batch{Events: events("a")}); !fault.Is(err, fault.NotFound) {
			t.Fatalf("%s: append to a deleted instance: %v", name, err)
		}
	}
	if _, err := Open(s).CreateInstance(t.Context(), catalog.Instance{ID: "i", Shards: 3}); err != nil {
		t.Fatal(err)
	}
	for _, l := range []*Log{other, l, Open(s)} { // other and l still know the first life
		r := mustAppend(t, l, Batch{Events: events("a", "b", "c", "d"), Key: fmt.Sprintf("k%p", l), Hash: "h"})
		if r.Replayed {
			t.Fatal("a key of the first life answered in the second")
		}
	}
	for name, l := range map[string]*Log{"reader of the first life": reader, "other": other} {
		v, err := l.Pin(t.Context(), "i")
		if err != nil {
			t.Fatal(err)
		}
		n := 0
		for _, c := range v.Tail {
			n += int(c.File.Rows())
		}
		if n != 12 {
			t.Errorf("%s sees %d events, want 12", name, n)
		}
	}
	all := tailEvents(t, s)
	if len(all) != 12 {
		t.Fatalf("%d events, want 12: %v", len(all), all)
	}
	checkGapless(t, all)
}

func TestInstances(t *testing.T) {
	l := Open(store.NewMemory())
	ctx := t.Context()
	made, err := l.CreateInstance(ctx, catalog.Instance{Name: "User Activity (EU)"})
	if err != nil || made.ID != "user-activity-eu" || made.Shards != 1 || made.Generation != 1 {
		t.Fatalf("%+v %v", made, err)
	}
	there, err := l.CreateInstance(ctx, catalog.Instance{Name: "User Activity (EU)"})
	if !fault.Is(err, fault.Exists) || there.ID != made.ID {
		t.Fatalf("%+v %v", there, err)
	}
	if byName, err := l.Instance(ctx, "User Activity (EU)"); err != nil || byName.ID != made.ID {
		t.Fatalf("%+v %v", byName, err)
	}
	for _, bad := range []catalog.Instance{
		{ID: "../x"}, {ID: "a..b"}, {ID: "UPPER"}, {ID: "-firn"}, {ID: ".a"}, {ID: "a/b"}, {ID: "%2e"}, {Name: "日本"},
		{ID: "x", Shards: 257}, {ID: "x", Shards: -1}, {ID: "x", RetentionDays: -1}, {ID: "x", Name: "a\x00b"},
	} {
		if _, err := l.CreateInstance(ctx, bad); !fault.Is(err, fault.Invalid) {
			t.Errorf("%+v: %v", bad, err)
		}
	}
	days, name := 30, "renamed"
	updated, err := l.UpdateInstance(ctx, made.ID, Update{Name: &name, RetentionDays: &days})
	if err != nil || updated.Name != name || updated.RetentionDays != 30 || updated.VisibleFrom != 0 {
		t.Fatalf("%+v %v", updated, err)
	}
	// What is said under an id or a name must not be of another instance from then on.
	for _, other := range []catalog.Instance{{ID: name}, {ID: "x", Name: made.ID}} {
		if there, err := l.CreateInstance(ctx, other); !fault.Is(err, fault.Exists) || there.ID != made.ID {
			t.Errorf("%+v beside %+v: %v", other, updated, err)
		}
	}
	if _, err := l.CreateInstance(ctx, catalog.Instance{ID: "other"}); err != nil {
		t.Fatal(err)
	}
	if _, err := l.UpdateInstance(ctx, "other", Update{Name: &made.ID}); !fault.Is(err, fault.Exists) {
		t.Errorf("an instance bears another's id as its name: %v", err)
	}
	if _, err := l.DeleteInstance(ctx, "other"); err != nil {
		t.Fatal(err)
	}
	forever := 0
	updated, err = l.UpdateInstance(ctx, made.ID, Update{RetentionDays: &forever})
	hidden := updated.HiddenBefore(updated.UpdatedAt)
	if err != nil || hidden != updated.VisibleFrom || hidden == 0 || hidden > updated.UpdatedAt {
		t.Fatalf("lengthening shows again what was hidden: %+v %v", updated, err)
	}
	list, err := l.Instances(ctx)
	if err != nil || !slices.ContainsFunc(list, func(i catalog.Instance) bool { return i.Name == name }) || len(list) != 1 {
		t.Fatalf("%+v %v", list, err)
	}
}
