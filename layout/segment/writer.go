package segment

import (
	"cmp"
	"io"
	"runtime"

	"github.com/parquet-go/parquet-go"

	"github.com/firnlog/firn/layout/codec"
	"github.com/firnlog/firn/layout/event"
)

// GroupRows bounds the rows of a row group: the unit in which files are pruned
// and read, and so what a reader holds in memory at once.
const GroupRows = 64 << 10

// groupBytes bounds a row group of large events in the same way.
const groupBytes = 64 << 20

// Rows are written in chunks, column by column, and pages end with a chunk.
const (
	chunkRows  = 512
	chunkBytes = 256 << 10
	pageRows   = 8_192     // rows after which all pages end, and that a filter is for, by the format; those of fields after so many values
	pageBytes  = 512 << 10 // of one column, after which its page ends: larger ones compress little better, and are read for single rows
)

// Writer writes one event file. Rows must come in the order that the file is
// to have, those of a data file by stream and sequence within each row group.
type Writer struct {
	w       *parquet.GenericWriter[any]
	columns []*parquet.ColumnWriter
	leaf    [numColumns]int
	values  []parquet.Value // scratch: a column of a chunk
	shred   *shredder
	filters *filters // nil for a commit
	group   int      // rows since the last row group was cut
	bytes   int64    // their size in memory
	page    int      // rows since pages were ended
}

// NewWriter starts a file without fields on w: a data file if its rows come
// sorted by stream and sequence, else one like a commit. Meta becomes key-value
// metadata of the footer.
func NewWriter(w io.Writer, sorted bool, meta map[string]string) *Writer {
	if sorted {
		return NewDataWriter(w, Plan{}, meta)
	}
	return newWriter(w, commitSchema, &Plan{}, meta, parquet.DictionaryMaxBytes(commitDictionary), parquet.Compression(&commitCodec{}))
}

// NewDataWriter starts a data file on w, with the fields and filters of the
// plan. Meta becomes key-value metadata of the footer.
func NewDataWriter(w io.Writer, p Plan, meta map[string]string) *Writer {
	schema, keep := dataSchema(&p), newFilters()
	// The dictionaries of a row group are bounded by its rows. A bound beyond
	// which they go on as plain pages would leave these out of bloom filters. Room for
	// a page is made beforehand, of which small files need less.
	d := newWriter(w, schema, &p, meta,
		parquet.Compression(codec.Zstd),
		parquet.PageBufferSize(int(min(max(cmp.Or(p.Bytes, pageBytes), 4<<10), pageBytes))),
		parquet.SortingWriterConfig(parquet.SortingColumns(parquet.Ascending("stream_id"), parquet.Ascending("sequence_number"))),
		parquet.BloomFilters(p.filters()...),
		parquet.DeferBloomFiltersWithBuffers(keep))
	d.filters = keep
	return d
}

func newWriter(w io.Writer, schema *parquet.Schema, p *Plan, meta map[string]string, opts ...parquet.WriterOption) *Writer {
	opts = append(opts, schema,
		parquet.CreatedBy("firn", "1", ""),
		parquet.DataPageStatistics(false), // the column index has them
		parquet.SkipPageBounds("payload"),
		parquet.SkipPageBounds("metadata"))
	for _, f := range p.Filters {
		opts = append(opts, parquet.SkipPageBounds(f.filterPath()...))
	}
	for k, v := range meta {
		opts = append(opts, parquet.KeyValueMetadata(k, v))
	}
	out := &Writer{w: parquet.NewGenericWriter[any](w, opts...), shred: newShredder(p, schema)}
	out.columns = out.w.ColumnWriters()
	for c := range numColumns {
		out.leaf[c] = leafOf(schema, leaves[c])
	}
	return out
}

// Write appends events. It does not keep them.
func (w *Writer) Write(events []event.Event) error {
	for len(events) > 0 {
		n, size := w.chunk(events)
		if err := w.write(events[:n]); err != nil {
			return err
		}
		w.group, w.page, w.bytes = w.group+n, w.page+n, w.bytes+size
		events = events[n:]
		if err := w.end(); err != nil {
			return err
		}
	}
	return nil
}

// yield lets requests go first where a data file is made in a server, whose commits
// are a part of them. After a few rows it does not: who yields all the time beside
// others that compute all the time gets nowhere.
func (w *Writer) yield(rows int) {
	if w.filters != nil && rows >= chunkRows/4 {
		runtime.Gosched()
	}
}

// chunk returns how many of the events make the next chunk, and their size.
func (w *Writer) chunk(events []event.Event) (n int, size int64) {
	most := min(len(events), chunkRows, GroupRows-w.group, pageRows-w.page)
	for n < most && size < chunkBytes {
		size += int64(events[n].Size())
		n++
	}
	return n, size
}

// end ends pages and the row group where they are full.
func (w *Writer) end() error {
	if w.group == GroupRows || w.bytes >= groupBytes {
		return w.Cut()
	}
	if w.page == pageRows {
		if err := w.endFilters(); err != nil {
			return err
		}
		w.page = 0
		for _, leaf := range w.leaf {
			if err := w.columns[leaf].Flush(); err != nil {
				return err
			}
		}
	}
	for _, f := range w.shred.fields {
		if f.inPage >= pageRows {
			f.inPage = 0
			if err := w.columns[f.leaf].Flush(); err != nil {
				return err
			}
		}
	}
	return nil
}

// Cut ends the current row group, if it has rows.
func (w *Writer) Cut() error {
	if w.group == 0 {
		return nil
	}
	if err := w.endFilters(); err != nil {
		return err
	}
	w.group, w.page, w.bytes = 0, 0, 0
	for _, f := range w.shred.fields {
		f.inPage = 0
	}
	return w.w.Flush()
}

// Fields returns what the columns of the fields hold so far.
func (w *Writer) Fields() []FieldInfo {
	infos := make([]FieldInfo, len(w.shred.fields))
	for i, f := range w.shred.fields {
		infos[i] = f.FieldInfo
	}
	return infos
}

// Close writes the footer. It does not close the underlying writer.
func (w *Writer) Close() error {
	if w.filters == nil {
		return w.w.Close()
	}
	if err := w.Cut(); err != nil {
		return err
	}
	sums, err := w.filters.sums()
	if err != nil {
		return err
	}
	w.w.SetKeyValueMetadata(filtersKey, sums)
	if len(w.shred.fields) > 0 {
		text, err := encodeFields(w.Fields())
		if err != nil {
			return err
		}
		w.w.SetKeyValueMetadata(fieldsKey, text)
	}
	if len(w.shred.hashed) > 0 {
		text, err := encodeFields(w.filtered())
		if err != nil {
			return err
		}
		w.w.SetKeyValueMetadata(filteredKey, text)
	}
	return w.w.Close()
}
