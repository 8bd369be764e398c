package segment

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"unsafe"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/bitutil"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/encoding"
)

// assembler puts pages of one column together into an Arrow array. Pages come
// from a pool, so everything is copied out of them once. Rows that are null hold
// zero.
type assembler interface {
	add(parquet.Page) error
	finish() (arrow.Array, error)
}

func newAssembler(c Column, rows, room int) assembler {
	switch c {
	case Sequence, Position:
		return newFixed[int64](arrow.PrimitiveTypes.Int64, rows)
	case Time, Ingested:
		return newFixed[int64](micros, rows)
	case Ordinal:
		return newFixed[int32](arrow.PrimitiveTypes.Int32, rows)
	case Tags:
		return &lists{offsets: make([]int32, 0, rows+1)}
	}
	return newTexts(rows, room)
}

func newFieldAssembler(t FieldType, rows, room int) assembler {
	switch t {
	case Int64:
		return newFixed[int64](arrow.PrimitiveTypes.Int64, rows)
	case Double:
		return newFixed[float64](arrow.PrimitiveTypes.Float64, rows)
	case Boolean:
		return &booleans{}
	}
	return newTexts(rows, room)
}

// validity notes which rows are there, a bit for each.
type validity struct {
	bits  []byte
	rows  int
	nulls int
}

// add notes the rows of a page and returns their definition levels, 1 for each
// row that is there, or nil if all are.
func (v *validity) add(p parquet.Page) []byte {
	first, n := v.rows, int(p.NumValues())
	v.rows += n
	if need := int(bitutil.BytesForBits(int64(v.rows))); need > len(v.bits) {
		v.bits = append(v.bits, make([]byte, need-len(v.bits))...)
	}
	levels, nulls := p.DefinitionLevels(), int(p.NumNulls())
	if len(levels) == 0 || nulls == 0 {
		bitutil.SetBitsTo(v.bits, int64(first), int64(n), true)
		return nil
	}
	v.nulls += nulls
	for i, level := range levels {
		v.bits[(first+i)/8] |= level << ((first + i) % 8)
	}
	return levels
}

// bitmap returns the bits, nil if no row is null.
func (v *validity) bitmap() []byte {
	if v.nulls == 0 {
		return nil
	}
	return v.bits
}

// complete checks that a page has as many values as its levels say. Headers of
// pages are under no checksum, and a damaged one may make more or fewer values out
// of the same bytes.
func complete(p parquet.Page, levels []byte, values int) error {
	want := int(p.NumValues())
	if levels != nil {
		want = len(levels) - bytes.Count(levels, []byte{0})
	}
	if values != want {
		return fmt.Errorf("a page has %d values in the place of %d", values, want)
	}
	return nil
}

// fixed assembles columns of fixed width.
type fixed[T int32 | int64 | float64] struct {
	typ    arrow.DataType
	values []T
	valid  validity
	looked []T // scratch: a page's values out of its dictionary
}

func newFixed[T int32 | int64 | float64](typ arrow.DataType, rows int) *fixed[T] {
	return &fixed[T]{typ: typ, values: make([]T, 0, min(rows, GroupRows))}
}

func (f *fixed[T]) add(p parquet.Page) error {
	levels := f.valid.add(p)
	values, zero := f.valuesOf(p), T(0)
	if err := complete(p, levels, len(values)); err != nil {
		return err
	}
	if levels == nil {
		f.values = append(f.values, values...)
		return nil
	}
	next := 0
	for _, level := range levels {
		v := zero
		if level != 0 {
			v = values[next]
			next++
		}
		f.values = append(f.values, v)
	}
	return nil
}

// valuesOf returns the values that are there, which last as long as the page or
// until the next call.
func (f *fixed[T]) valuesOf(p parquet.Page) []T {
	data := p.Data()
	d := p.Dictionary()
	if d == nil {
		return fixedOf[T](data)
	}
	dict := fixedOf[T](d.Page().Data())
	f.looked = f.looked[:0]
	for _, code := range data.Int32() {
		f.looked = append(f.looked, dict[code])
	}
	return f.looked
}

func fixedOf[T int32 | int64 | float64](data encoding.Values) []T {
	raw, _ := data.Data()
	var one T
	return unsafe.Slice((*T)(unsafe.Pointer(unsafe.SliceData(raw))), len(raw)/int(unsafe.Sizeof(one)))
}

func (f *fixed[T]) finish() (arrow.Array, error) {
	return makeArray(f.typ, len(f.values), f.valid.nulls, f.valid.bitmap(), bytesOf(f.values)), nil
}

// booleans assembles columns of booleans. Their pages' bits need not begin with
// a byte, so that they are read one by one.
type booleans struct {
	bits   []byte
	valid  validity
	values []parquet.Value // scratch
}

func (b *booleans) add(p parquet.Page) error {
	first := b.valid.rows
	b.valid.add(p)
	for len(b.bits) < len(b.valid.bits) {
		b.bits = append(b.bits, 0)
	}
	b.values = append(b.values[:0], make([]parquet.Value, p.NumValues())...)
	if n, err := p.Values().ReadValues(b.values); n < len(b.values) || err != nil && !errors.Is(err, io.EOF) {
		return errors.Join(err, io.ErrUnexpectedEOF)
	}
	for i, v := range b.values {
		if !v.IsNull() && v.Boolean() {
			bitutil.SetBit(b.bits, first+i)
		}
	}
	return nil
}

func (b *booleans) finish() (arrow.Array, error) {
	return makeArray(arrow.FixedWidthTypes.Boolean, b.valid.rows, b.valid.nulls, b.valid.bitmap(), b.bits), nil
}

func makeArray(t arrow.DataType, n, nulls int, valid []byte, data ...[]byte) arrow.Array {
	buffers := []*memory.Buffer{buffer(valid)}
	for _, d := range data {
		buffers = append(buffers, memory.NewBufferBytes(d))
	}
	return array.MakeFromData(array.NewData(t, n, buffers, nil, nulls, 0))
}

func buffer(b []byte) *memory.Buffer {
	if b == nil {
		return nil
	}
	return memory.NewBufferBytes(b)
}

func bytesOf[T int32 | int64 | float64](s []T) []byte {
	var zero T
	return unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(s))), len(s)*int(unsafe.Sizeof(zero)))
}
