package segment

import (
	"github.com/cespare/xxhash/v2"
	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/bloom"

	"github.com/apache/arrow-go/v18/arrow/array"

	"github.com/firnlog/firn/layout/fault"
)

// Strings that are nearly all different, such as hashes and ids, cost as much in a
// column as in the JSON, and who asks for one of them wants a single event. So the
// paths of those that no column is affordable for get filters: for each pageRows
// rows of a row group a bloom filter of the strings at the path. It lies in a column
// of the group filters, as the value of the first of these rows, so that it is read,
// checked and found as any value is. All other rows, and the first one where
// nothing is known, are null.

// filtersName is the group that holds the columns of filters.
const filtersName = "filters"

// filteredKey holds the infos of the paths with filters in a data file's footer, in
// the form of those of fields.
const filteredKey = "firn.filtered"

// filterPath returns the names of the column of the path's filters in the schema.
func (f *Field) filterPath() []string { return append([]string{filtersName}, f.Names()...) }

// hashed is a path whose filters are being written.
type hashed struct {
	FieldInfo
	leaf  int
	sums  []uint64 // of the strings since the last page ended
	blind bool     // one of the documents since then could not be read
}

// take takes in the value of a path.
func (s *shredder) take(h *hashed, n *node) {
	switch n.kind {
	case 'n':
		h.Nulls++
	case '"':
		text := s.plain(n.raw)
		h.Values++
		h.Length += int64(len(text))
		h.texts.add(text)
		h.sums = append(h.sums, xxhash.Sum64(text))
	default:
		h.Residual++
	}
}

// value returns the filter of the page, and starts the next one.
func (h *hashed) value() parquet.Value {
	defer func() { h.sums, h.blind = h.sums[:0], false }()
	if h.blind {
		return parquet.Value{}
	}
	f := make(bloom.SplitBlockFilter, max(1, bloom.NumSplitBlocksOf(int64(len(h.sums)), filterBits)))
	for _, sum := range h.sums {
		f.Insert(sum)
	}
	return parquet.ByteArrayValue(f.Bytes()).Level(0, 1, h.leaf)
}

// endFilters writes the filters of the rows since the last page ended.
func (w *Writer) endFilters() error {
	if w.page == 0 {
		return nil
	}
	for _, h := range w.shred.hashed {
		w.values = append(w.values[:0], h.value())
		for range w.page - 1 {
			w.values = append(w.values, parquet.Value{})
		}
		if _, err := w.columns[h.leaf].WriteRowValues(w.values); err != nil {
			return err
		}
		if err := w.columns[h.leaf].Flush(); err != nil {
			return err
		}
		clear(w.values)
	}
	return nil
}

// filtered returns what the paths with filters hold so far.
func (w *Writer) filtered() []FieldInfo {
	infos := make([]FieldInfo, len(w.shred.hashed))
	for i, h := range w.shred.hashed {
		infos[i] = h.FieldInfo
	}
	return infos
}

// readFiltered takes the paths with filters out of the footer.
func (f *File) readFiltered() (err error) {
	text := f.Meta(filteredKey)
	if text == "" {
		return nil
	}
	if f.filtered, err = decodeFields(text); err != nil {
		return err
	}
	f.filterLeaf = make(map[string]int, len(f.filtered))
	for i := range f.filtered {
		info := &f.filtered[i]
		leaf := leafOf(f.pq.Schema(), info.filterPath())
		if leaf < 0 {
			return fault.New(fault.Corrupt, "the file has no column for the filters of %s", info.Path)
		}
		f.filterLeaf[info.Path] = leaf
	}
	return nil
}

// Filtered returns the paths of strings that the file has filters for, and no
// columns. The caller must not change them.
func (f *File) Filtered() []FieldInfo { return f.filtered }

// RowsWith returns the rows of the group whose events may have one of the texts at a
// path: what is left out is certain. It returns ok false where the file has no
// filters for the path. It costs one read of the file the first time. Errors are
// those of reading; damaged filters are Corrupt.
func (g *Group) RowsWith(path string, texts []string) (rows Rows, ok bool, err error) {
	leaf, ok := g.file.filterLeaf[path]
	if !ok {
		return nil, false, nil
	}
	pages, err := g.pageFilters(leaf)
	if err != nil {
		return nil, true, err
	}
	rows = Rows{}
	for i, f := range pages {
		for _, text := range texts {
			if f == nil || f.Check(xxhash.Sum64String(text)) {
				rows = rows.Add(Range{From: i * pageRows, To: min((i+1)*pageRows, g.rows)})
				break
			}
		}
	}
	return rows, true, nil
}

// pageFilters returns the filters of a column, by page; nil for one that is not known.
func (g *Group) pageFilters(leaf int) (pages []bloom.SplitBlockFilter, err error) {
	if known, ok := g.filters.Load(leaf); ok {
		g.file.r.reads.Spared.Add(1)
		return known.([]bloom.SplitBlockFilter), nil
	}
	defer g.file.named(&err)
	defer recovered(&err)
	q := request{leaf: leaf, asm: newFieldAssembler(String, g.rows, g.room(leaf, g.rows))}
	fetched, err := g.fetch([]request{q}, nil)
	if err != nil {
		return nil, err
	}
	a, err := g.readColumn(&q, nil, fetched)
	if err != nil {
		return nil, readError(err)
	}
	values, ok := a.(*array.String)
	if !ok || values.Len() != g.rows {
		return nil, fault.New(fault.Corrupt, "the filters of column %d in row group %d are for %d rows, not %d", leaf, g.index, a.Len(), g.rows)
	}
	for row := 0; row < g.rows; row += pageRows {
		var f bloom.SplitBlockFilter
		if values.IsValid(row) {
			data := []byte(values.Value(row))
			if len(data) == 0 || len(data)%bloom.BlockSize != 0 {
				return nil, fault.New(fault.Corrupt, "a filter of column %d in row group %d has %d bytes", leaf, g.index, len(data))
			}
			f = bloom.MakeSplitBlockFilter(data)
		}
		pages = append(pages, f)
	}
	g.filters.Store(leaf, pages)
	return pages, nil
}
