package compactor

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/firnlog/firn/layout/commitlog"
	"github.com/firnlog/firn/layout/event"
	"github.com/firnlog/firn/layout/segment"
	"github.com/firnlog/firn/layout/store"
)

func TestParts(t *testing.T) {
	f := func(h hours, want parts) {
		t.Helper()
		if got := h.parts(); got != want {
			t.Errorf("%v, want %v", got, want)
		}
	}
	f(hours{}, parts{})
	f(hours{3: 49_999, 4: 49_999}, parts{})
	var one, two parts
	for i := range one {
		one[i], two[i] = min(1, i/9)+min(1, i/10), min(1, i/1)+min(1, i/2)
	}
	f(hours{9: 50_000}, one)
	f(hours{0: 1 << 40, 1: 1 << 40}, two)
}

// Busy hours have row groups of their own, sorted within, after folds and merges
// alike, whatever the inputs were cut by; and the file's numbers are theirs.
func TestRowGroupsAreCutAtBusyHours(t *testing.T) {
	s := store.NewMemory()
	l := newLog(t, s, 1)
	day := event.ToMicros(time.Now().AddDate(0, 0, -3).Truncate(24 * time.Hour))
	rng := rand.New(rand.NewPCG(1, 2))
	add := func(n, hour, hours int) {
		for range n / 5_000 {
			var b commitlog.Batch
			for range 5_000 {
				b.Events = append(b.Events, event.Event{Stream: fmt.Sprint("s", rng.IntN(900)), Type: "t", Metadata: []byte(`{}`),
					Time:    day + event.Micros(hour*microsHour) + event.Micros(rng.Int64N(int64(hours)*microsHour)),
					Payload: fmt.Appendf(nil, `{"n":%d,"f":%d.25}`, rng.IntN(1000), rng.IntN(10))})
			}
			mustAppend(t, l, b)
		}
	}
	c := &Compactor{Log: l}
	for range fewFiles { // of these no file alone has a busy hour
		add(15_000, 9, 1)
		add(10_000, 0, 24)
		if err := c.fold(t.Context(), "i", new(Report)); err != nil {
			t.Fatal(err)
		}
	}
	add(55_000, 20, 1)
	add(5_000, 0, 24)
	want := all(t, s)
	mustRun(t, c)
	mustEqual(t, all(t, s), want)
	v, err := l.Pin(t.Context(), "i")
	if err != nil {
		t.Fatal(err)
	}
	files, err := v.Files(t.Context(), event.MinTime, event.MaxTime)
	if err != nil || len(files) != 1 {
		t.Fatalf("%d files, %v", len(files), err)
	}
	file, err := v.Open(t.Context(), files[0])
	if err != nil {
		t.Fatal(err)
	}
	whole := map[int]int{}
	for i, g := range file.Groups() {
		b, err := g.Read(segment.AllColumns)
		if err != nil {
			t.Fatal(err)
		}
		lo, hi := slices.Min(b.Ints(segment.Time)), slices.Max(b.Ints(segment.Time))
		first, last := hourOf(event.Micros(lo)), hourOf(event.Micros(hi))
		if first == last {
			whole[first] += b.Rows()
		} else if first <= 9 && last >= 9 || first <= 20 && last >= 20 {
			t.Errorf("row group %d goes from hour %d to %d", i, first, last)
		}
		for row := 1; row < b.Rows(); row++ {
			x, y := b.Event(row-1, 0), b.Event(row, 0)
			if !before(&x, &y) {
				t.Fatalf("row group %d: %s %d comes before %s %d", i, x.Stream, x.Sequence, y.Stream, y.Sequence)
			}
		}
	}
	if whole[9] < 60_000 || whole[20] < 55_000 {
		t.Errorf("rows in row groups of one hour: %v", whole)
	}
	if n := files[0].Numbers; len(n) != 2 || n[0].Path != "payload.f" || n[1].Ints == nil || n[1].Values != files[0].Rows {
		t.Errorf("numbers: %+v", n)
	}
}
