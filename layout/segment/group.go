package segment

import (
	"errors"
	"io"
	"sync"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/format"

	"github.com/firnlog/firn/layout/fault"
)

// Group is a row group of a file.
type Group struct {
	file    *File
	index   int
	chunks  []parquet.ColumnChunk
	rows    int
	filters *sync.Map // bloom filters that were read, by leaf
}

// Rows returns the number of events in the group.
func (g *Group) Rows() int { return g.rows }

// Field is [File.Field] of the group's file.
func (g *Group) Field(path string) (info FieldInfo, ok bool) { return g.file.Field(path) }

// Bytes returns how many bytes of the file the columns' pages take.
func (g *Group) Bytes(cols Columns) int64 {
	var n int64
	for _, c := range cols.List() {
		n += g.meta(g.file.leaf[c]).TotalCompressedSize
	}
	return n
}

// Unpacked returns how many bytes the columns' pages are when they are
// decompressed. Of columns with dictionaries that is less than what their values
// take in memory.
func (g *Group) Unpacked(cols Columns) int64 {
	var n int64
	for _, c := range cols.List() {
		n += g.meta(g.file.leaf[c]).TotalUncompressedSize
	}
	return n
}

// FieldBytes is Bytes for the fields at some paths; it leaves out paths that are
// none.
func (g *Group) FieldBytes(paths []string) int64 {
	var n int64
	for _, p := range paths {
		if f := g.file.fieldAt(p); f != nil {
			n += g.meta(f.leaf).TotalCompressedSize
		}
	}
	return n
}

// Read returns the columns of all rows as a record batch, whose fields are in
// the order of the schema. Stream and Type come as dictionary arrays where the
// file has them so, else as strings; timestamps in UTC microseconds; Payload
// and Metadata as strings; Tags as a list of strings. The batch owns its memory
// and needs no Release. Damaged pages are Corrupt.
func (g *Group) Read(cols Columns) (*Batch, error) { return g.read(nil, cols, nil) }

// ReadFields is Read with the columns of fields, too, whose paths come as names
// behind those of the other columns, in the order given; their arrays are as
// [FieldType] says. Invalid if the file has no column for a path.
func (g *Group) ReadFields(cols Columns, paths []string) (*Batch, error) {
	return g.read(nil, cols, paths)
}

// ReadRows is ReadFields for some rows only: row i of the batch is the i-th of
// them. No pages but those with such rows are read. The rows MUST be within the
// group.
func (g *Group) ReadRows(rows Rows, cols Columns, paths []string) (*Batch, error) {
	if rows == nil {
		rows = Rows{}
	}
	return g.read(rows, cols, paths)
}

// request is a column to be read.
type request struct {
	leaf  int
	field arrow.Field
	asm   assembler
	pages []int // to be read; nil for all
}

// read reads some rows, nil for all.
func (g *Group) read(rows Rows, cols Columns, paths []string) (batch *Batch, err error) {
	defer g.file.named(&err)
	defer recovered(&err)
	batch = &Batch{rows: g.rows}
	if rows != nil {
		batch.rows = rows.Count()
	}
	reqs, err := g.requests(batch.rows, cols, paths)
	if err != nil {
		return nil, err
	}
	fetched, err := g.fetch(reqs, rows)
	if err != nil {
		return nil, err
	}
	var fields []arrow.Field
	arrays := make([]arrow.Array, len(reqs))
	for i := range reqs {
		r := &reqs[i]
		if arrays[i], err = g.readColumn(r, rows, fetched); err != nil {
			return nil, readError(err)
		}
		if n := arrays[i].Len(); n != batch.rows {
			return nil, fault.New(fault.Corrupt, "column %s holds %d rows, not %d", r.field.Name, n, batch.rows)
		}
		r.field.Type = arrays[i].DataType()
		fields = append(fields, r.field)
	}
	for i, c := range cols.List() {
		batch.cols[c] = arrays[i]
	}
	batch.paths, batch.fields = paths, arrays[len(arrays)-len(paths):]
	batch.Record = array.NewRecordBatch(arrow.NewSchema(fields, nil), arrays, int64(batch.rows))
	return batch, nil
}

func (g *Group) requests(rows int, cols Columns, paths []string) ([]request, error) {
	var out []request
	for _, c := range cols.List() {
		out = append(out, request{leaf: g.file.leaf[c], asm: newAssembler(c, rows, g.room(g.file.leaf[c], rows)),
			field: arrow.Field{Name: c.String(), Nullable: c == ID}})
	}
	for _, path := range paths {
		f := g.file.fieldAt(path)
		if f == nil {
			return nil, noField(path)
		}
		out = append(out, request{leaf: f.leaf, asm: newFieldAssembler(f.Type, rows, g.room(f.leaf, rows)),
			field: arrow.Field{Name: path, Nullable: true}})
	}
	return out, nil
}

// room returns about how many bytes some rows of a column take in memory, so that
// they are put together without being moved.
func (g *Group) room(leaf, rows int) int {
	return int(g.meta(leaf).TotalUncompressedSize * int64(rows) / int64(max(1, g.rows)))
}

// readColumn puts the pages of one column together.
func (g *Group) readColumn(q *request, rows Rows, r io.ReaderAt) (arrow.Array, error) {
	pages := g.chunk(q.leaf).PagesFrom(r)
	defer pages.Close()
	if rows != nil {
		return g.readSome(q, rows, pages)
	}
	for {
		if err := g.file.ctx.Err(); err != nil {
			return nil, err
		}
		page, err := pages.ReadPage()
		if errors.Is(err, io.EOF) {
			return q.asm.finish()
		}
		if err != nil {
			return nil, err
		}
		err = q.asm.add(page)
		parquet.Release(page)
		if err != nil {
			return nil, err
		}
	}
}

// readSome reads some rows of one column.
func (g *Group) readSome(q *request, rows Rows, pages *parquet.FilePages) (arrow.Array, error) {
	offsets, err := g.offsets(q.leaf)
	if err != nil {
		return nil, err
	}
	for _, i := range q.pages {
		if err := g.file.ctx.Err(); err != nil {
			return nil, err
		}
		span := g.pageRows(offsets, i)
		if err := pages.SeekToRow(int64(span.From)); err != nil {
			return nil, err
		}
		page, err := pages.ReadPage()
		if err != nil {
			return nil, err
		}
		err = addRows(q.asm, page, span, rows)
		parquet.Release(page)
		if err != nil {
			return nil, err
		}
	}
	return q.asm.finish()
}

// addRows adds those rows of a page that are wanted.
func addRows(asm assembler, page parquet.Page, span Range, rows Rows) error {
	if n := int(page.NumRows()); n != span.To-span.From {
		return fault.New(fault.Corrupt, "a page holds %d rows, and the index says %d", n, span.To-span.From)
	}
	for _, s := range rows.Intersect(Rows{span}) {
		part := page
		if s != span {
			part = page.Slice(int64(s.From-span.From), int64(s.To-span.From))
		}
		if err := asm.add(part); err != nil {
			return err
		}
	}
	return nil
}

func (g *Group) chunk(leaf int) *parquet.FileColumnChunk {
	return g.chunks[leaf].(*parquet.FileColumnChunk)
}

// meta returns what the footer says of a column of the group.
func (g *Group) meta(leaf int) *format.ColumnMetaData {
	return &g.file.pq.Metadata().RowGroups[g.index].Columns[leaf].MetaData
}

// span returns where the pages of a column lie in the file.
func (g *Group) span(leaf int) span {
	m := g.meta(leaf)
	from := m.DataPageOffset
	if m.DictionaryPageOffset != 0 {
		from = m.DictionaryPageOffset
	}
	return span{from, from + m.TotalCompressedSize}
}
