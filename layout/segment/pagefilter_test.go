package segment

import (
	"bytes"
	"fmt"
	"slices"
	"testing"

	"github.com/firnlog/firn/layout/event"
	"github.com/firnlog/firn/layout/fault"
)

// hashes makes events whose payload.id is mostly a text of its own. The first has an
// escape, and one is in an object that comes again.
func hashes(n int) []event.Event {
	return payloads(n, func(i int) string {
		switch id := fmt.Sprintf("id-%d", i); {
		case i%101 == 0:
			return `{"id":"\u0069d-` + fmt.Sprint(i) + `"}`
		case i%103 == 0:
			return `{"id":7,"id":"` + id + `"}`
		case i%107 == 0:
			return fmt.Sprintf(`{"id":%d}`, i)
		case i%109 == 0:
			return `{"id":null,"other":"` + id + `"}`
		default:
			return `{"id":"` + id + `","n":1}`
		}
	})
}

// filteredFile writes row groups of so many rows with filters for payload.id.
func filteredFile(t testing.TB, events []event.Event, rows int) []byte {
	t.Helper()
	var buf bytes.Buffer
	w := NewDataWriter(&buf, Plan{Filters: []Field{{Path: "payload.id", Type: String, FilterBits: filterBits}}}, nil)
	for part := range slices.Chunk(events, rows) {
		if err := w.Write(part); err != nil {
			t.Fatal(err)
		}
		if err := w.Cut(); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

// TestFiltersOfPathsWithoutColumns wants every text to be found where it is, and few
// rows left open for others.
func TestFiltersOfPathsWithoutColumns(t *testing.T) {
	const n, rows = 40_000, 2*pageRows + 1000
	f := openData(t, filteredFile(t, hashes(n), rows))
	if info := f.Filtered(); len(info) != 1 || info[0].Values < n*9/10 || info[0].Nulls == 0 || info[0].Residual == 0 || info[0].Distinct() < n/2 {
		t.Fatalf("the footer says %+v", f.Filtered())
	}
	open := 0
	for i, g := range f.Groups() {
		for row := range g.Rows() {
			number := i*rows + row
			found, ok, err := g.RowsWith("payload.id", []string{"none", fmt.Sprintf("id-%d", number)})
			if err != nil || !ok {
				t.Fatal(ok, err)
			}
			if text := number%101 == 0 || number%103 == 0 || number%107 != 0 && number%109 != 0; text && found.Intersect(Rows{{row, row + 1}}) == nil {
				t.Fatalf("the text of row %d is left out: %v", number, found)
			}
			if found, _, _ = g.RowsWith("payload.id", []string{fmt.Sprintf("no-%d", number)}); found.Count() > 0 {
				open++
			}
		}
		if found, _, _ := g.RowsWith("payload.id", nil); found == nil || found.Count() > 0 {
			t.Errorf("rows with one of no texts: %v", found)
		}
	}
	if open > n/20 {
		t.Errorf("%d of %d texts that are not there may be", open, n)
	}
	if _, ok, err := f.Groups()[0].RowsWith("payload.n", []string{"1"}); ok || err != nil {
		t.Errorf("a path without filters: %t, %v", ok, err)
	}
}

// TestUnreadableDocumentsMayHoldAnything leaves the rows about a document that is no
// JSON open for any text, and those of other pages not.
func TestUnreadableDocumentsMayHoldAnything(t *testing.T) {
	events := hashes(3 * pageRows)
	events[pageRows+77].Payload = []byte(`{"id":`)
	g := openData(t, filteredFile(t, events, len(events))).Groups()[0]
	found, _, err := g.RowsWith("payload.id", []string{"id-20", "none"})
	if want := (Rows{{0, 2 * pageRows}}); err != nil || !slices.Equal(found, want) {
		t.Errorf("%v, %v, want %v", found, err, want)
	}
}

// TestDamagedPageFiltersHideNothing flips bytes of a column of filters.
func TestDamagedPageFiltersHideNothing(t *testing.T) {
	events := hashes(400)
	data := filteredFile(t, events, len(events))
	whole := openData(t, data)
	span := whole.Groups()[0].span(whole.filterLeaf["payload.id"])
	noticed := 0
	for at := span.from; at < span.to; at++ {
		broken := bytes.Clone(data)
		broken[at] ^= 1 << (at % 8)
		g := openData(t, broken).Groups()[0]
		for row := 1; row < len(events); row += 50 {
			found, _, err := g.RowsWith("payload.id", []string{fmt.Sprintf("id-%d", row)})
			if fault.Is(err, fault.Corrupt) {
				noticed++
				break
			}
			if err != nil || found.Count() != len(events) {
				t.Fatalf("byte %d flipped: row %d is left out, %v", at, row, err)
			}
		}
	}
	if noticed < int(span.to-span.from)*9/10 {
		t.Errorf("%d of %d flipped bytes are noticed", noticed, span.to-span.from)
	}
}

// TestDearPathsGetFilters: hashes that no column is affordable for get filters, also
// after merges, and not in files that are small anyway.
func TestDearPathsGetFilters(t *testing.T) {
	doc := func(i int) string {
		return fmt.Sprintf(`{"kind":"k%d","cid":"%064d","uri":"%080d","word":"w%d","rare":%s,"text":"%0300d"}`, i%5, i, i, i%50,
			[]string{`null`, fmt.Sprintf(`"%070d"`, i)}[max(0, 1-i%9)], i)
	}
	want := []string{"payload.cid", "payload.uri"}
	paths := func(p Plan) (out []string) {
		for _, f := range p.Filters {
			out = append(out, f.Path)
		}
		return out
	}
	var merged Chooser
	for file := range 2 {
		events := payloads(sampleRows, func(i int) string { return doc(file*sampleRows + i) })
		p := plan(events)
		if got := paths(p); !slices.Equal(got, want) {
			t.Fatalf("filters of %q, want %q", got, want)
		}
		if err := merged.AddFile(openData(t, writeData(t, events, p))); err != nil {
			t.Fatal(err)
		}
	}
	if got := paths(merged.Plan()); !slices.Equal(got, want) {
		t.Errorf("merged: filters of %q, want %q", got, want)
	}
	if got := paths(plan(payloads(pageRows-1, doc))); got != nil {
		t.Errorf("a small file has filters of %q", got)
	}
}
