package segment

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"sync"

	"github.com/parquet-go/parquet-go"

	"github.com/firnlog/firn/layout/fault"
	"github.com/firnlog/firn/layout/footer"
	"github.com/firnlog/firn/layout/seal"
)

// File is an event file opened for reading. It is safe for concurrent use.
type File struct {
	name   string // key of a data file, for errors
	pq     *parquet.File
	ctx    context.Context // reading ends with it
	r      *reader
	open   func(context.Context) io.ReaderAt // a data file's pages; nil for a file in memory
	leaf   [numColumns]int                   // index of each column's leaf
	groups []*Group
	fields []FieldInfo
	byPath map[string]*fieldColumn

	filterSums map[int64]string // of bloom filters, by their offset
	filtered   []FieldInfo      // paths with filters and no columns
	filterLeaf map[string]int   // by path, the column of these filters
}

// fieldColumn is a field and its column in a file.
type fieldColumn struct {
	*FieldInfo
	leaf int
}

// Open reads the footer of the file of the given size in bytes behind r. A file
// that is no Parquet, or lacks a column, is Corrupt.
func Open(r io.ReaderAt, size int64) (f *File, err error) {
	defer recovered(&err)
	if err := footer.Check(r, size); err != nil {
		return nil, readError(err)
	}
	// Without the magic bytes at its head, opening touches the file's end only.
	pq, err := parquet.OpenFile(r, size, parquet.SkipMagicBytes(true), parquet.SkipPageIndex(true), parquet.SkipBloomFilters(true))
	if err != nil {
		return nil, readError(err)
	}
	f = &File{pq: pq, ctx: context.Background(), r: &reader{ReaderAt: r, reads: &Reads{}}}
	for c := range numColumns {
		if f.leaf[c] = leafOf(pq.Schema(), leaves[c]); f.leaf[c] < 0 {
			return nil, fault.New(fault.Corrupt, "the file has no column %s", c)
		}
	}
	for i, g := range pq.RowGroups() {
		f.groups = append(f.groups, &Group{file: f, index: i, chunks: g.ColumnChunks(), rows: int(g.NumRows()), filters: &sync.Map{}})
	}
	if err := f.readFields(); err != nil {
		return nil, err
	}
	if err := f.readFiltered(); err != nil {
		return nil, err
	}
	return f, f.readFilterSums()
}

// readFields takes the fields out of the footer.
func (f *File) readFields() (err error) {
	text := f.Meta(fieldsKey)
	if text == "" {
		return nil
	}
	if f.fields, err = decodeFields(text); err != nil {
		return err
	}
	f.byPath = make(map[string]*fieldColumn, len(f.fields))
	for i := range f.fields {
		info := &f.fields[i]
		leaf := leafOf(f.pq.Schema(), info.columnPath())
		if leaf < 0 {
			return fault.New(fault.Corrupt, "the file has no column for %s", info.Path)
		}
		f.byPath[info.Path] = &fieldColumn{info, leaf}
	}
	return nil
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

// Fields returns the fields that the file has columns for, in the order of their
// paths. The caller must not change them.
func (f *File) Fields() []FieldInfo { return f.fields }

// Field returns the field at a path, such as payload.user.id; ok is false if the
// file has no column for it.
func (f *File) Field(path string) (info FieldInfo, ok bool) {
	if c := f.fieldAt(path); c != nil {
		return *c.FieldInfo, true
	}
	return FieldInfo{}, false
}

func (f *File) fieldAt(path string) *fieldColumn { return f.byPath[path] }

// End returns where pages and bloom filters end, which have checksums of their
// own: the bytes from there on are indexes and footer.
func (f *File) End() int64 {
	var end int64
	for _, g := range f.groups {
		for leaf := range g.chunks {
			m := g.meta(leaf)
			end = max(end, g.span(leaf).to, m.BloomFilterOffset+int64(m.BloomFilterLength))
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

// named says in an error about the file's content which file it is.
func (f *File) named(err *error) {
	if f.name != "" && fault.Is(*err, fault.Corrupt) {
		*err = fault.Wrap(*err, "%s", f.name)
	}
}
