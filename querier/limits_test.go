package querier

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/firnlog/firn/layout/event"
	"github.com/firnlog/firn/layout/fault"
)

// numbered makes one data file of n events whose payloads come from doc.
func numbered(t testing.TB, n int, doc func(int) string) *memory {
	t.Helper()
	m := &memory{id: "log", hidden: event.MinTime, now: 99}
	events := make([]event.Event, n)
	for i := range events {
		events[i] = event.Event{Stream: "s", Type: "t", Time: event.Micros(i), Payload: []byte(doc(i)), Metadata: []byte("{}"),
			Sequence: int64(i) + 1, Place: event.Place{Position: 1 + int64(i)/1000, Ordinal: int32(i % 1000)}}
	}
	m.addFile(t, events, 20_000)
	return m
}

func wantLimit(t *testing.T, m *memory, memory int64, query, message string) {
	t.Helper()
	q, err := Parse([]byte(fromLog + query))
	if err != nil {
		t.Fatal(err)
	}
	e := newEngine(m)
	e.memory = memory
	if _, err = e.Run(context.Background(), q); !fault.Is(err, fault.Limit) || !strings.Contains(err.Error(), message) {
		t.Errorf("%s: %v, want %q", query, err, message)
	}
}

func TestGroupsAndCollectedValuesAreBounded(t *testing.T) {
	m := numbered(t, MaxGroups+1, func(i int) string { return fmt.Sprintf(`{"n":%d,"even":%t}`, i, i%2 == 0) })
	const few = `"where":[{"field":"n","operator":"lt","value":100000}],`
	wantLimit(t, m, MaxMemory, `"reduce":{"type":"count","groupBy":["n"]}}`, "more than 100000 groups: group by fewer fields")
	wantLimit(t, m, MaxMemory, `"reduce":{"type":"collect","field":"n"}}`, "at most 100000 values")
	wantLimit(t, m, MaxMemory, `"reduce":{"type":"collect","field":"n","groupBy":["even"]}}`, "at most 100000 values")
	for _, query := range []string{few + `"reduce":{"type":"count","groupBy":["n"]}}`, few + `"reduce":{"type":"collect","field":"n"}}`} {
		if res := m.run(t, fromLog+query); res.Total != MaxGroups {
			t.Errorf("%s: total %d", query, res.Total)
		}
	}
}

func TestMemoryIsBounded(t *testing.T) {
	long := strings.Repeat("x", 20_000)
	m := numbered(t, 100, func(i int) string { return fmt.Sprintf(`{"a":"%s%d"}`, long, i%80) })
	for query, message := range map[string]string{
		`"orderBy":{"field":"a"}}`:                                         "order by a shorter field",
		`"reduce":{"type":"count","groupBy":["a"]}}`:                       "group by fewer fields",
		`"reduce":{"type":"collect","field":"a"}}`:                         "narrow the query",
		`"reduce":{"type":"max","field":"a","groupBy":["timestamp"]}}`:     "narrow the query",
		`"reduce":{"type":"count","groupBy":["a","timestamp"]},"limit":1}`: "group by fewer fields",
	} {
		wantLimit(t, m, 1<<20, query, message)
		m.run(t, fromLog+query)
	}
	q, _ := Parse([]byte(fromLog + `"orderBy":{"field":"a"},"limit":5,"select":["timestamp"]}`))
	e := newEngine(m)
	e.memory = 1 << 20
	if _, err := e.Run(context.Background(), q); err != nil {
		t.Errorf("a few long values: %v", err)
	}
}

// TestEqualGroupsCountOnce checks that groups found in many row groups are
// accounted for once.
func TestEqualGroupsCountOnce(t *testing.T) {
	m := &memory{id: "log", hidden: event.MinTime, now: 99}
	long := strings.Repeat("x", 1000)
	for p := range 200 {
		m.addCommit(t, []event.Event{{Stream: "s", Type: "t", Payload: []byte(`{"a":"` + long + `"}`), Metadata: []byte("{}"), Sequence: int64(p) + 1, Place: event.Place{Position: int64(p) + 1}}})
	}
	q, _ := Parse([]byte(fromLog + `"reduce":{"type":"min","field":"a","groupBy":["a"]}}`))
	e := newEngine(m)
	e.memory = 100_000
	if _, err := e.Run(context.Background(), q); err != nil {
		t.Error(err)
	}
}

func TestLargePagesEndEarly(t *testing.T) {
	const n, size = 100, 1 << 20
	pad := strings.Repeat("x", size)
	m := numbered(t, n, func(i int) string { return fmt.Sprintf(`{"n":%d,"pad":"%s"}`, i, pad) })
	seen, pages, cursor := 0, 0, ""
	for pages == 0 || cursor != "" {
		res := m.run(t, fromLog+`"select":["payload"],"cursor":"`+cursor+`"}`)
		bytes := 0
		for _, e := range res.Events {
			if got := refWalk(string(e[:64])+`"}}`, []string{"payload", "n"}); got.raw != fmt.Sprint(seen) {
				t.Fatalf("event %d is %s", seen, got.raw)
			}
			seen++
			bytes += len(e)
		}
		if bytes > MaxPageBytes+size+100 || res.Cursor != "" && bytes <= MaxPageBytes || res.Total != n {
			t.Fatalf("a page of %d bytes, total %d", bytes, res.Total)
		}
		pages, cursor = pages+1, res.Cursor
	}
	if seen != n || pages != 4 {
		t.Errorf("%d events on %d pages", seen, pages)
	}
}

func TestCursorsAreBounded(t *testing.T) {
	m := numbered(t, 2, func(i int) string { return fmt.Sprintf(`{"a":"%s%d"}`, strings.Repeat("x", MaxCursor), i) })
	wantLimit(t, m, MaxMemory, `"orderBy":{"field":"a"},"limit":1}`, "order by a shorter field")
}

func TestInOrder(t *testing.T) {
	const workers = 4
	var begun, merged atomic.Int64
	work := func(_ context.Context, i int) (int, error) {
		if ahead := begun.Add(1) - merged.Load(); ahead > 3*workers+1 {
			t.Errorf("%d units are held", ahead)
		}
		return i, nil
	}
	merge := func(i int) error {
		if n := merged.Add(1); n != int64(i)+1 {
			t.Errorf("%d is merged as number %d", i, n)
		}
		return nil
	}
	if err := inOrder(context.Background(), 1000, workers, work, merge); err != nil || merged.Load() != 1000 {
		t.Errorf("%v after %d", err, merged.Load())
	}
	broken := errors.New("broken")
	fails := func(_ context.Context, i int) (*int, error) {
		if i == 500 {
			return nil, broken
		}
		return &i, nil
	}
	if err := inOrder(context.Background(), 1000, workers, fails, func(i *int) error { *i++; return nil }); !errors.Is(err, broken) {
		t.Errorf("work's error comes out as %v", err)
	}
	refuse := func(i *int) error {
		if *i == 500 {
			return broken
		}
		return nil
	}
	good := func(_ context.Context, i int) (*int, error) { return &i, nil }
	if err := inOrder(context.Background(), 1000, workers, good, refuse); !errors.Is(err, broken) {
		t.Errorf("merge's error comes out as %v", err)
	}
}
