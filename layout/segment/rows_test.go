package segment

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"sync/atomic"
	"testing"

	"github.com/firnlog/firn/layout/event"
	"github.com/firnlog/firn/layout/fault"
)

// mixed returns events over several pages and row groups, with fields of every
// type, and the plan for them.
func mixed(t testing.TB, n int) ([]event.Event, []byte) {
	t.Helper()
	rng := rand.New(rand.NewPCG(31, 1))
	events := randomEvents(rng, n, 1)
	for i := range events {
		doc := fmt.Sprintf(`{"i":%d,"d":%d.5,"b":%t,"s":"v%d","h":"%016x"`, i, i/7, i%3 == 0, i/1000, rng.Uint64())
		if i%5 == 0 {
			doc = `{"s":null`
		}
		if i/9000%2 == 1 {
			doc += fmt.Sprintf(`,"sparse":%d`, i)
		}
		events[i].Payload = []byte(doc + "}")
	}
	p := Plan{IDBits: 4, Fields: []Field{{"payload.b", Boolean, 0}, {"payload.d", Double, 0}, {"payload.h", String, 8},
		{"payload.i", Int64, 0}, {"payload.s", String, 0}, {"payload.sparse", Int64, 0}}}
	return events, writeData(t, events, p)
}

var mixedPaths = []string{"payload.sparse", "payload.s", "payload.h", "payload.b", "payload.i", "payload.d"}

func TestSomeRows(t *testing.T) {
	events, data := mixed(t, GroupRows+9_000)
	f := openData(t, data)
	rng := rand.New(rand.NewPCG(1, 1))
	first := 0
	for _, g := range f.Groups() {
		whole, err := g.ReadFields(AllColumns, mixedPaths)
		if err != nil {
			t.Fatal(err)
		}
		for round := range 6 {
			rows := Rows{}
			for at := rng.IntN(g.Rows()); at < g.Rows() && round > 0; at += 1 + rng.IntN(g.Rows()) {
				from := at
				at = min(g.Rows(), at+1+rng.IntN([]int{1, 100, 20_000}[rng.IntN(3)]))
				rows = rows.Add(Range{from, at})
			}
			b, err := g.ReadRows(rows, AllColumns, mixedPaths)
			if err != nil {
				t.Fatal(err)
			}
			if b.Rows() != rows.Count() || b.Record.NumRows() != int64(b.Rows()) {
				t.Fatalf("%d rows of %v", b.Rows(), rows)
			}
			i := 0
			for _, r := range rows {
				for row := r.From; row < r.To; row++ {
					if got := b.Event(i, 3); !reflect.DeepEqual(got, events[first+row]) {
						t.Fatalf("row %d of %v: %+v, want %+v", row, rows, got, events[first+row])
					}
					for _, p := range mixedPaths {
						if got, want := at(b.Field(p), i), at(whole.Field(p), row); got != want {
							t.Fatalf("row %d of %v, %s: %v, want %v", row, rows, p, got, want)
						}
					}
					i++
				}
			}
		}
		first += g.Rows()
	}
	if _, err := f.Groups()[0].ReadFields(0, []string{"payload.none"}); !fault.Is(err, fault.Invalid) {
		t.Errorf("a path without a column: %v", err)
	}
}

// counted counts what is read of a file.
type counted struct {
	*bytes.Reader
	bytes atomic.Int64
}

func (c *counted) ReadAt(p []byte, off int64) (int, error) {
	c.bytes.Add(int64(len(p)))
	return c.Reader.ReadAt(p, off)
}

func TestFewRowsCostFewBytes(t *testing.T) {
	_, data := mixed(t, 40_000)
	r := &counted{Reader: bytes.NewReader(data)}
	f, err := Open(r, int64(len(data)))
	if err != nil {
		t.Fatal(err)
	}
	r.bytes.Store(0)
	g := f.Groups()[0]
	if _, err := g.ReadRows(Rows{{30_000, 30_010}}, Set(Payload), []string{"payload.i"}); err != nil {
		t.Fatal(err)
	}
	if whole := g.Bytes(Set(Payload)) + g.FieldBytes([]string{"payload.i"}); r.bytes.Load() > whole/4 { // a page of each
		t.Errorf("10 rows of 40,000 took %d bytes of %d", r.bytes.Load(), whole)
	}
}

func TestRows(t *testing.T) {
	a := Rows{}.Add(Range{0, 5}).Add(Range{5, 7}).Add(Range{9, 9}).Add(Range{10, 20})
	if !slices.Equal(a, Rows{{0, 7}, {10, 20}}) || a.Count() != 17 {
		t.Errorf("%v", a)
	}
	for _, c := range []struct{ b, want Rows }{
		{Rows{}, nil}, {Rows{{7, 10}}, nil}, {Rows{{0, 30}}, a}, {Rows{{6, 11}, {12, 13}}, Rows{{6, 7}, {10, 11}, {12, 13}}},
	} {
		if got := a.Intersect(c.b); !slices.Equal(got, c.want) {
			t.Errorf("%v and %v: %v", a, c.b, got)
		}
		if got := c.b.Intersect(a); !slices.Equal(got, c.want) {
			t.Errorf("%v and %v: %v", c.b, a, got)
		}
	}
}

// Pages follow each other without holes, and their bounds and counts are true.
func TestPagesBoundTheirValues(t *testing.T) {
	_, data := mixed(t, 30_000)
	g := openData(t, data).Groups()[0]
	whole, err := g.ReadFields(AllColumns, mixedPaths)
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range mixedPaths {
		pages, err := g.FieldPages(path)
		if err != nil {
			t.Fatal(err)
		}
		end, total, a := 0, int64(0), whole.Field(path)
		for _, p := range pages {
			nulls := int64(0)
			for i := p.From; i < p.To; i++ {
				v := at(a, i)
				if v == nil {
					nulls++
				} else if !within(&p.Stats, v) {
					t.Fatalf("%s, row %d: %v is outside of its page", path, i, v)
				}
			}
			if p.From != end || nulls != p.Nulls {
				t.Fatalf("%s: a page at %d behind %d, with %d nulls of %d", path, p.From, end, p.Nulls, nulls)
			}
			end, total = p.To, total+nulls
		}
		if s, ok := g.FieldStats(path); end != g.Rows() || !ok || s.Nulls != total {
			t.Fatalf("%s: pages end at %d, %d nulls of %d", path, end, s.Nulls, total)
		}
	}
	for c := range numColumns {
		pages, err := g.Pages(c)
		if err != nil || len(pages) < 3 {
			t.Fatalf("%s: %d pages, %v", c, len(pages), err)
		}
		if _, _, ok := pages[0].Strings(); ok != slices.Contains([]Column{Stream, Type, ID, Tags}, c) {
			t.Errorf("%s: bounds of strings: %t", c, ok)
		}
	}
	sequences, err := g.Pages(Sequence)
	if err != nil {
		t.Fatal(err)
	}
	if lo, hi, ok := sequences[1].Ints(); !ok || lo != pageRows+1 || hi != 2*pageRows {
		t.Errorf("the second page holds %d to %d, %t", lo, hi, ok)
	}
}

func within(s *Stats, v any) bool {
	switch v := v.(type) {
	case int64:
		lo, hi, ok := s.Ints()
		return ok && lo <= v && v <= hi
	case float64:
		lo, hi, ok := s.Floats()
		return ok && lo <= v && v <= hi
	case string:
		lo, hi, ok := s.Strings()
		return ok && lo <= v && v <= hi
	}
	lo, hi, ok := s.Booleans()
	return ok && (v == lo || v == hi)
}

func TestFiltersFindNeedles(t *testing.T) {
	events, data := mixed(t, 12_000)
	f := openData(t, data)
	row, wrong := 0, 0
	for _, g := range f.Groups() {
		b, err := g.ReadFields(0, []string{"payload.h"})
		if err != nil {
			t.Fatal(err)
		}
		must := func(what string, may bool, err error) {
			t.Helper()
			if !may || err != nil {
				t.Fatalf("row %d: %s is not found: %v", row, what, err)
			}
		}
		for i := range b.Rows() {
			e := &events[row]
			may, err := g.MayHold(Stream, e.Stream)
			must("the stream", may, err)
			if e.ID != "" {
				may, err = g.MayHold(ID, e.ID)
				must("the id", may, err)
			}
			if h, ok := at(b.Field("payload.h"), i).(string); ok {
				may, err = g.FieldMayHold("payload.h", h)
				must("the hash", may, err)
			}
			if may, _ := g.FieldMayHold("payload.h", fmt.Sprint("no hash ", row)); may {
				wrong++
			}
			row++
		}
		may, err := g.FieldMayHold("payload.s", "has no filter")
		must("what has no filter", may, err)
		may, err = g.FieldMayHold("payload.none", "has no column")
		must("what has no column", may, err)
	}
	if wrong > row/20 {
		t.Errorf("%d of %d needles that are not there may be", wrong, row)
	}
}

// A filter serves as long as dictionaries grow: all values are in it.
func TestFilterOfManyStreams(t *testing.T) {
	events := randomEvents(rand.New(rand.NewPCG(6, 6)), 40_000, 1)
	for i := range events {
		events[i].Stream = fmt.Sprintf("stream %040d", i)
	}
	g := openData(t, writeData(t, events, Plan{})).Groups()[0]
	for i := range events {
		if may, err := g.MayHold(Stream, events[i].Stream); !may || err != nil {
			t.Fatalf("stream %d: %t, %v", i, may, err)
		}
	}
}

func TestDamagedFiltersAreCorrupt(t *testing.T) {
	_, data := mixed(t, 3000)
	f := openData(t, data)
	m := f.Groups()[0].meta(f.leaf[Stream])
	for _, at := range []int64{m.BloomFilterOffset, m.BloomFilterOffset + int64(m.BloomFilterLength) - 1} {
		if at >= f.End() {
			t.Fatalf("a filter at %d lies behind the end of pages, %d", at, f.End())
		}
		broken := bytes.Clone(data)
		broken[at] ^= 1
		if _, err := openData(t, broken).Groups()[0].MayHold(Stream, "x"); !fault.Is(err, fault.Corrupt) {
			t.Errorf("byte %d flipped: %v", at, err)
		}
	}
}
