package segment

import (
	"errors"
	"io"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/parquet-go/parquet-go"

	"github.com/firnlog/firn/layout/fault"
)

// Group is a row group of a file.
type Group struct {
	file   *File
	index  int
	chunks []parquet.ColumnChunk
	rows   int
}

// Rows returns the number of events in the group.
func (g *Group) Rows() int { return g.rows }

// Ints returns the smallest and the largest value of a column of whole numbers
// (Sequence, Position, Ordinal, Time, Ingested); ok is false where the file
// does not tell.
func (g *Group) Ints(c Column) (lo, hi int64, ok bool) {
	a, b, ok := g.chunk(c).Bounds()
	if !ok {
		return 0, 0, false
	}
	if c == Ordinal {
		return int64(a.Int32()), int64(b.Int32()), true
	}
	return a.Int64(), b.Int64(), true
}

// Strings returns a lower and an upper bound of the values of Stream or Type;
// they may be shortened or lengthened texts. ok is false where the file does
// not tell.
func (g *Group) Strings(c Column) (lo, hi string, ok bool) {
	a, b, ok := g.chunk(c).Bounds()
	if !ok {
		return "", "", false
	}
	return string(a.ByteArray()), string(b.ByteArray()), true
}

// Bytes returns how many bytes of the file the columns' pages take.
func (g *Group) Bytes(cols Columns) int64 {
	var n int64
	for _, c := range cols.List() {
		from, to := g.span(c)
		n += to - from
	}
	return n
}

// Read returns the columns of all rows as a record batch, whose fields are in
// the order of the schema. Stream and Type come as dictionary arrays where the
// file has them so, else as strings; timestamps in UTC microseconds; Payload
// and Metadata as strings; Tags as a list of strings. The batch owns its memory
// and needs no Release. Damaged pages are Corrupt.
func (g *Group) Read(cols Columns) (batch *Batch, err error) {
	defer recovered(&err)
	batch = &Batch{rows: g.rows}
	fetched, err := g.fetch(cols)
	if err != nil {
		return nil, err
	}
	var fields []arrow.Field
	var arrays []arrow.Array
	for _, c := range cols.List() {
		a, err := g.readColumn(c, fetched)
		if err != nil {
			return nil, readError(err)
		}
		if a.Len() != g.rows {
			return nil, fault.New(fault.Corrupt, "column %s holds %d rows, not %d", c, a.Len(), g.rows)
		}
		batch.cols[c] = a
		fields = append(fields, arrow.Field{Name: c.String(), Type: a.DataType(), Nullable: c == ID})
		arrays = append(arrays, a)
	}
	batch.Record = array.NewRecordBatch(arrow.NewSchema(fields, nil), arrays, int64(g.rows))
	return batch, nil
}

// readColumn puts the pages of one column together.
func (g *Group) readColumn(c Column, r io.ReaderAt) (arrow.Array, error) {
	pages := g.chunk(c).PagesFrom(r)
	defer pages.Close()
	asm := newAssembler(c, g.rows)
	for {
		page, err := pages.ReadPage()
		if errors.Is(err, io.EOF) {
			return asm.finish()
		}
		if err != nil {
			return nil, err
		}
		err = asm.add(page)
		parquet.Release(page)
		if err != nil {
			return nil, err
		}
	}
}

func (g *Group) chunk(c Column) *parquet.FileColumnChunk {
	return g.chunks[g.file.leaf[c]].(*parquet.FileColumnChunk)
}

// span returns where the pages of a column lie in the file.
func (g *Group) span(c Column) (from, to int64) {
	m := &g.file.pq.Metadata().RowGroups[g.index].Columns[g.file.leaf[c]].MetaData
	from = m.DataPageOffset
	if m.DictionaryPageOffset != 0 {
		from = m.DictionaryPageOffset
	}
	return from, from + m.TotalCompressedSize
}
