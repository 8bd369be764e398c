package segment

import (
	"github.com/parquet-go/parquet-go"

	"github.com/firnlog/firn/layout/fault"
)

// Stats tells what a column holds in a row group, or in a page of it.
type Stats struct {
	Nulls  int64 // rows without a value
	lo, hi parquet.Value
	known  bool
}

// Ints returns the smallest and the largest of whole numbers or times; ok is
// false if they are not known, as they are not where every row is null, or if
// the column holds something else.
func (s *Stats) Ints() (lo, hi int64, ok bool) {
	switch {
	case s.known && s.lo.Kind() == parquet.Int64:
		return s.lo.Int64(), s.hi.Int64(), true
	case s.known && s.lo.Kind() == parquet.Int32:
		return int64(s.lo.Int32()), int64(s.hi.Int32()), true
	}
	return 0, 0, false
}

// Floats is Ints for columns of double.
func (s *Stats) Floats() (lo, hi float64, ok bool) {
	if !s.known || s.lo.Kind() != parquet.Double {
		return 0, 0, false
	}
	return s.lo.Double(), s.hi.Double(), true
}

// Booleans is Ints for columns of boolean; false is the smaller.
func (s *Stats) Booleans() (lo, hi, ok bool) {
	if !s.known || s.lo.Kind() != parquet.Boolean {
		return false, false, false
	}
	return s.lo.Boolean(), s.hi.Boolean(), true
}

// Strings returns a lower and an upper bound of strings: they may be shortened
// or lengthened, and need not be valid UTF-8.
func (s *Stats) Strings() (lo, hi string, ok bool) {
	if !s.known || s.lo.Kind() != parquet.ByteArray {
		return "", "", false
	}
	return string(s.lo.ByteArray()), string(s.hi.ByteArray()), true
}

// Stats returns the statistics of a column of the group.
func (g *Group) Stats(c Column) Stats { return g.stats(g.file.leaf[c]) }

// FieldStats is Stats for the field at a path; ok is false if the file has none
// there.
func (g *Group) FieldStats(path string) (s Stats, ok bool) {
	f := g.file.fieldAt(path)
	if f == nil {
		return Stats{}, false
	}
	return g.stats(f.leaf), true
}

func (g *Group) stats(leaf int) Stats {
	s := Stats{Nulls: g.chunk(leaf).NullCount()}
	s.lo, s.hi, s.known = g.chunk(leaf).Bounds()
	return s
}

// Ints returns the smallest and the largest value of a column of whole numbers
// (Sequence, Position, Ordinal, Time, Ingested); ok is false where the file
// does not tell.
func (g *Group) Ints(c Column) (lo, hi int64, ok bool) {
	s := g.Stats(c)
	return s.Ints()
}

// Strings returns a lower and an upper bound of the values of Stream or Type;
// they may be shortened or lengthened texts. ok is false where the file does
// not tell.
func (g *Group) Strings(c Column) (lo, hi string, ok bool) {
	s := g.Stats(c)
	return s.Strings()
}

// Page is a page of a column: what can be read by itself.
type Page struct {
	Range
	Stats
}

// Pages returns the pages of a column, in the order of their rows, by the page
// indexes at the file's end. Those of Payload and Metadata have no bounds.
// Pages of different columns need not end with the same rows.
func (g *Group) Pages(c Column) ([]Page, error) { return g.pages(g.file.leaf[c]) }

// FieldPages is Pages for the field at a path; Invalid if the file has none
// there.
func (g *Group) FieldPages(path string) ([]Page, error) {
	f := g.file.fieldAt(path)
	if f == nil {
		return nil, noField(path)
	}
	return g.pages(f.leaf)
}

func noField(path string) error {
	return fault.New(fault.Invalid, "the file has no column for %s", path)
}

func (g *Group) pages(leaf int) (pages []Page, err error) {
	defer g.file.named(&err)
	defer recovered(&err)
	offsets, err := g.offsets(leaf)
	if err != nil {
		return nil, err
	}
	index, err := g.chunk(leaf).ColumnIndexFrom(g.file.r)
	if err != nil {
		return nil, readError(err)
	}
	if index.NumPages() != offsets.NumPages() {
		return nil, fault.New(fault.Corrupt, "the page indexes of column %d speak of %d and %d pages", leaf, index.NumPages(), offsets.NumPages())
	}
	for i := range offsets.NumPages() {
		p := Page{Range: g.pageRows(offsets, i), Stats: Stats{Nulls: index.NullCount(i)}}
		if g.stats(leaf).known && !index.NullPage(i) { // columns without bounds have empty ones in the index
			p.lo, p.hi, p.known = index.MinValue(i), index.MaxValue(i), true
		}
		pages = append(pages, p)
	}
	return pages, nil
}

func (g *Group) offsets(leaf int) (*parquet.FileOffsetIndex, error) {
	offsets, err := g.chunk(leaf).OffsetIndexFrom(g.file.r)
	return offsets, readError(err)
}

// pageRows returns the rows of a column's page.
func (g *Group) pageRows(offsets *parquet.FileOffsetIndex, page int) Range {
	r := Range{int(offsets.FirstRowIndex(page)), g.rows}
	if page+1 < offsets.NumPages() {
		r.To = int(offsets.FirstRowIndex(page + 1))
	}
	return r
}
