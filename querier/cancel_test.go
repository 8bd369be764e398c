package querier

import (
	"context"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/firnlog/firn/layout/event"
)

// countdown is a context that ends when it is asked for the n-th time whether it
// has. So a test ends a query at every one of its looks, and needs no clock.
type countdown struct {
	context.Context
	left atomic.Int64
}

func ending(n int64) *countdown {
	c := &countdown{Context: context.Background()}
	c.left.Store(n)
	return c
}

// Err implements [context.Context].
func (c *countdown) Err() error {
	if c.left.Add(-1) < 0 {
		return context.Canceled
	}
	return nil
}

// looks is more often than any query looks.
const looks = 1 << 40

// TestQueriesEndWithinARowGroup scans one row group of 20,000 events by queries of
// every kind. Each must look whether it is still wanted at least once in some
// hundred rows of what takes long, and when it is not, return at once: after
// that look there is no other. That is what ends a query within a tenth of a
// second, whatever the speed of the machine.
func TestQueriesEndWithinARowGroup(t *testing.T) {
	const rows = 20_000
	m := numbered(t, rows, func(i int) string {
		return fmt.Sprintf(`{"n":%d,"text":"%d %s","deep":{"a":[%d]}}`, i, i, strings.Repeat("x", 100), i)
	})
	for _, c := range []struct {
		text string
		min  int64 // looks
	}{
		{`text ~ "9$" | count`, rows / lookRows},
		{`deep.a.0 = 7 | count`, rows / lookRows},
		{`not deep.a.0 = 7 or text endswith "9" | count`, rows / lookRows},
		{`id ~ "9$" | count`, rows / lookRows},
		{`| count by deep`, rows / lookRows},
		{`| p99 deep.a.0`, rows / lookRows},
		{`| countDistinct text, topK text, collect n, first text, avg n by stream`, rows / lookRows},
		{`| sort text desc | limit 10`, rows / lookRows},
		{`tag:x | count`, rows / lookRows},
	} {
		units, r := cancelled(t, m, c.text)
		ctx := ending(looks)
		if _, err := r.scanUnit(ctx, units[0]); err != nil {
			t.Fatalf("%s: %v", c.text, err)
		}
		n := looks - ctx.left.Load()
		if n < c.min {
			t.Errorf("%s: %d looks at %d rows, want %d", c.text, n, rows, c.min)
		}
		for _, at := range []int64{0, 1, 2, n / 3, n / 2, n - 2, n - 1} {
			units, r := cancelled(t, m, c.text)
			ctx := ending(at)
			if _, err := r.scanUnit(ctx, units[0]); err == nil {
				t.Errorf("%s: no error when it ended at look %d of %d", c.text, at, n)
			}
			if more := -ctx.left.Load(); more > 3 {
				t.Errorf("%s: went on for %d looks after it had ended at look %d of %d", c.text, more, at, n)
			}
		}
	}
}

// cancelled returns the row groups of a memory for a query that begins.
func cancelled(t *testing.T, m *memory, text string) ([]*unit, *run) {
	t.Helper()
	q, err := ParseText("from log " + text)
	if err != nil {
		t.Fatal(err)
	}
	p, err := newPlan(q)
	if err != nil {
		t.Fatal(err)
	}
	r, err := newEngine(m).begin(context.Background(), p)
	if err != nil {
		t.Fatal(err)
	}
	sources, err := r.sources(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	units, err := r.open(context.Background(), sources, r.view.Open)
	if err != nil || len(units) == 0 {
		t.Fatalf("%d row groups, %v", len(units), err)
	}
	return units, r
}

// TestSortsAndAnswersEnd ends the sort of many groups and of a page's events.
func TestSortsAndAnswersEnd(t *testing.T) {
	numbers := make([]int, 10*sortPiece+5)
	for i := range numbers {
		numbers[i] = i * 7919 % len(numbers)
	}
	order := func(a, b int) int { return a - b }
	ctx := ending(looks)
	if err := sortUnder(ctx, numbers, order); err != nil {
		t.Fatal(err)
	}
	for i, n := range numbers {
		if n < i-7 || i > 0 && n < numbers[i-1] {
			t.Fatalf("number %d is %d", i, n)
		}
	}
	for at := range looks - ctx.left.Load() {
		if err := sortUnder(ending(at), numbers, order); err == nil {
			t.Errorf("the sort went on after look %d", at)
		}
	}
	m := numbered(t, 3000, func(i int) string { return fmt.Sprintf(`{"n":%d}`, i) })
	_, r := cancelled(t, m, `| count by n`)
	if err := r.scan(context.Background()); err != nil {
		t.Fatal(err)
	}
	if _, err := r.table.appendJSON(ending(1), nil); err == nil {
		t.Error("groups were shown to nobody")
	}
}

// TestNothingIsReadForNobody ends queries when they open a file: none is opened but
// those that may be under way at the same time, and no page read any more.
func TestNothingIsReadForNobody(t *testing.T) {
	m := byDay(t, 3*wave)
	for _, text := range []string{`n >= 0 | count`, `| sort n | limit 3`, `n >= 0 | sum n by stream`} {
		q, err := ParseText("from log " + text)
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(context.Background())
		m.opened.Store(0)
		m.onOpen = cancel
		if _, err := newEngine(m).Run(ctx, q); err == nil {
			t.Errorf("%s: no error", text)
		}
		if n := m.opened.Load(); n > wave {
			t.Errorf("%s: %d files were opened", text, n)
		}
	}
	m.onOpen = nil
	if res := m.run(t, `{"from":{"instance":"log"},"limit":0}`); res.Total != int64(3*wave*50) || m.hidden != event.MinTime {
		t.Errorf("total %d", res.Total)
	}
}
