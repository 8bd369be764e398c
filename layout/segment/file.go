package segment

import (
	"bytes"
	"fmt"
	"io"

	"github.com/parquet-go/parquet-go"

	"github.com/firnlog/firn/layout/fault"
	"github.com/firnlog/firn/layout/seal"
)

// File is an event file opened for reading. It is safe for concurrent use.
type File struct {
	pq     *parquet.File
	r      io.ReaderAt
	leaf   [numColumns]int // index of each column's leaf, -1 where it is absent
	groups []*Group
}

// Open reads the footer of the file of the given size in bytes behind r. A file
// that is no Parquet, or lacks a column, is Corrupt.
func Open(r io.ReaderAt, size int64) (f *File, err error) {
	defer recovered(&err)
	// Without the magic bytes at its head, opening touches the file's end only.
	pq, err := parquet.OpenFile(r, size, parquet.SkipMagicBytes(true), parquet.SkipPageIndex(true), parquet.SkipBloomFilters(true))
	if err != nil {
		return nil, readError(err)
	}
	f = &File{pq: pq, r: r}
	for c := range numColumns {
		leaf, ok := pq.Schema().Lookup(leaves[c]...)
		if !ok {
			return nil, fault.New(fault.Corrupt, "the file has no column %s", c)
		}
		f.leaf[c] = leaf.ColumnIndex
	}
	for i, g := range pq.RowGroups() {
		f.groups = append(f.groups, &Group{file: f, index: i, chunks: g.ColumnChunks(), rows: int(g.NumRows())})
	}
	return f, nil
}

// Decode opens a commit that is in memory, after checking its seal.
func Decode(body []byte) (*File, error) {
	if err := seal.Check(body); err != nil {
		return nil, err
	}
	return Open(bytes.NewReader(body), int64(len(body)))
}

// Rows returns the number of events.
func (f *File) Rows() int64 { return f.pq.NumRows() }

// Meta returns a value of the footer's key-value metadata, "" where it is absent.
func (f *File) Meta(key string) string {
	v, _ := f.pq.Lookup(key)
	return v
}

// Groups returns the row groups in the order of the file.
func (f *File) Groups() []*Group { return f.groups }

// End returns where the pages of the last row group end: the bytes from there
// on are indexes and footer, which page checksums do not cover.
func (f *File) End() int64 {
	var end int64
	for _, g := range f.groups {
		for c := range numColumns {
			_, e := g.span(c)
			end = max(end, e)
		}
	}
	return end
}

// readError gives an error of the Parquet library its kind: errors that came
// from the store keep theirs, all others mean that the bytes are not right.
func readError(err error) error {
	if err == nil || fault.KindOf(err) != fault.Internal {
		return err
	}
	return fault.New(fault.Corrupt, "the Parquet file cannot be read: %w", err)
}

// recovered turns a panic of the Parquet library over damaged bytes into an error.
func recovered(err *error) {
	if p := recover(); p != nil {
		*err = fault.New(fault.Corrupt, "the Parquet file cannot be read: %w", fmt.Errorf("%v", p))
	}
}
