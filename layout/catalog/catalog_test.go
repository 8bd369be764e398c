package catalog

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/firnlog/firn/internal/bubble"
	"github.com/firnlog/firn/layout"
	"github.com/firnlog/firn/layout/event"
	"github.com/firnlog/firn/layout/fault"
	"github.com/firnlog/firn/layout/seal"
	"github.com/firnlog/firn/layout/store"
)

func add(id string) func([]Instance, event.Micros) ([]Instance, error) {
	return func(list []Instance, _ event.Micros) ([]Instance, error) {
		return append(list, Instance{ID: id, Name: "name of " + id, State: Active, Generation: 1, Shards: 1}), nil
	}
}

func TestChangesOfManyAreAllKept(t *testing.T) {
	s := store.NewMemory()
	var wg sync.WaitGroup
	for p := range 4 {
		c := Open(s)
		for n := range 5 {
			wg.Go(func() {
				if err := c.Change(t.Context(), add(fmt.Sprintf("i%d-%d", p, n))); err != nil {
					t.Error(err)
				}
			})
		}
	}
	wg.Wait()
	list, err := Open(s).List(t.Context(), 0)
	if err != nil || len(list) != 20 {
		t.Fatalf("%d instances, %v", len(list), err)
	}
}

// What was made elsewhere is found at once; what was changed elsewhere is seen
// within MaxAge.
func TestFreshness(t *testing.T) {
	bubble.Run(t, func(t *testing.T) {
		s := store.NewMemory()
		here, there := Open(s), Open(s)
		if err := there.Change(t.Context(), add("a")); err != nil {
			t.Fatal(err)
		}
		if _, err := here.Get(t.Context(), "a", MaxAge); err != nil {
			t.Fatal(err)
		}
		if err := there.Change(t.Context(), add("b")); err != nil {
			t.Fatal(err)
		}
		if _, err := here.Get(t.Context(), "b", MaxAge); err != nil {
			t.Fatalf("an instance just made elsewhere: %v", err)
		}
		rename := func(list []Instance, _ event.Micros) ([]Instance, error) { list[0].Name = "new"; return list, nil }
		if err := there.Change(t.Context(), rename); err != nil {
			t.Fatal(err)
		}
		time.Sleep(MaxAge + time.Second)
		if i, err := here.Get(t.Context(), "a", MaxAge); err != nil || i.Name != "new" {
			t.Fatalf("after %v: %+v %v", MaxAge, i, err)
		}
		if i, err := here.Get(t.Context(), "name of b", MaxAge); err != nil || i.ID != "b" {
			t.Fatalf("by name: %+v %v", i, err)
		}
		if _, err := here.Get(t.Context(), "nobody", MaxAge); !fault.Is(err, fault.NotFound) {
			t.Fatal(err)
		}
	})
}

func TestNewerAndDamagedCatalogsAreRefused(t *testing.T) {
	newer := fmt.Appendf(nil, `{"format":2,"number":1,"id":"x","instances":[],"seal":"%s"}`, seal.Blank)
	seal.Seal(newer)
	damaged := []byte(strings.Replace(string(newer), `"x"`, `"y"`, 1))
	for kind, body := range map[fault.Kind][]byte{fault.Unavailable: newer, fault.Corrupt: damaged} {
		s := store.NewMemory()
		if _, err := s.Put(t.Context(), layout.Descending(layout.Catalog, 1), strings.NewReader(string(body)), store.Always); err != nil {
			t.Fatal(err)
		}
		if _, err := Open(s).List(t.Context(), 0); !fault.Is(err, kind) {
			t.Errorf("%v: %v", kind, err)
		}
	}
}

func TestRetentionHidesToTheSecond(t *testing.T) {
	const day = 86400_000000
	i := Instance{RetentionDays: 2}
	if got := i.HiddenBefore(5*day + 999_999); got != 3*day {
		t.Errorf("%v", got)
	}
	i = Instance{VisibleFrom: 4 * day, RetentionDays: 30}
	if got := i.HiddenBefore(5 * day); got != 4*day {
		t.Errorf("what was hidden is shown again: %v", got)
	}
	i = Instance{}
	if got := i.HiddenBefore(5 * day); got != event.MinTime {
		t.Errorf("%v", got)
	}
}

func FuzzCheckID(f *testing.F) {
	for _, id := range []string{"a", "a-b", "..", "a..b", "_firn", "A", "ä", "a/b", strings.Repeat("a", 64)} {
		f.Add(id)
	}
	f.Fuzz(func(t *testing.T, id string) {
		if CheckID(id) == nil && store.CheckKey(layout.Commit(id, 0, 1)) != nil {
			t.Errorf("%q is taken for an id and cannot be part of a key", id)
		}
	})
}

// sleepy is a bucket whose user falls asleep before reading an object.
type sleepy struct {
	*store.Memory
	sleep func()
}

func (s *sleepy) Get(ctx context.Context, key string, r store.Range) (*store.Object, error) {
	s.sleep()
	return s.Memory.Get(ctx, key, r)
}

// A process that sleeps between finding the newest state and reading it, until
// that was replaced and swept, does not say that an instance does not exist.
func TestSweptBeforeItWasRead(t *testing.T) {
	mem := store.NewMemory()
	if err := Open(mem).Change(t.Context(), add("a")); err != nil {
		t.Fatal(err)
	}
	s := &sleepy{Memory: mem, sleep: func() {
		if err := Open(mem).Change(t.Context(), add("b")); err != nil {
			t.Fatal(err)
		}
		if err := mem.Delete(t.Context(), layout.Descending(layout.Catalog, 1)); err != nil {
			t.Fatal(err)
		}
	}}
	if _, err := Open(s).Get(t.Context(), "a", 0); !fault.Is(err, fault.Unavailable) {
		t.Fatalf("%v", err)
	}
}

func FuzzParse(f *testing.F) {
	f.Add(`"format":1,"number":2,"id":"x","time":5,"instances":[{"id":"i","shards":1,"state":"active","generation":1,"retention_days":3}]`)
	f.Fuzz(func(t *testing.T, members string) {
		body := fmt.Appendf(nil, `{%s,"seal":"%s"}`, members, seal.Blank)
		seal.Seal(body) // else none but the seal would ever be looked at
		st, err := parse(body)
		if err != nil {
			if !fault.Is(err, fault.Corrupt) && !fault.Is(err, fault.Unavailable) {
				t.Errorf("%v", err)
			}
			return
		}
		if st.Format > Format {
			t.Errorf("format %d was read", st.Format)
		}
		st.get("i")
	})
}
