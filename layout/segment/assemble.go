package segment

import (
	"fmt"
	"math"
	"unsafe"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/bitutil"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/parquet-go/parquet-go"
)

// assembler puts the pages of one column chunk together into an Arrow array.
// Pages come from a pool, so everything is copied out of them once.
type assembler interface {
	add(parquet.Page) error
	finish() (arrow.Array, error)
}

func newAssembler(c Column, rows int) assembler {
	switch c {
	case Sequence, Position:
		return &fixed[int64]{typ: arrow.PrimitiveTypes.Int64}
	case Time, Ingested:
		return &fixed[int64]{typ: micros}
	case Ordinal:
		return &fixed[int32]{typ: arrow.PrimitiveTypes.Int32}
	case Tags:
		return &lists{offsets: make([]int32, 0, rows+1)}
	}
	return &texts{offsets: append(make([]int32, 0, rows+1), 0)}
}

// fixed assembles required columns of fixed width.
type fixed[T int32 | int64] struct {
	typ    arrow.DataType
	values []T
}

func (f *fixed[T]) add(p parquet.Page) error {
	data := p.Data()
	raw, _ := data.Data()
	var zero T
	f.values = append(f.values, unsafe.Slice((*T)(unsafe.Pointer(unsafe.SliceData(raw))), len(raw)/int(unsafe.Sizeof(zero)))...)
	return nil
}

func (f *fixed[T]) finish() (arrow.Array, error) {
	return makeArray(f.typ, len(f.values), 0, nil, bytesOf(f.values)), nil
}

// texts assembles columns of byte strings. As long as every page refers to the
// chunk's dictionary it gathers codes, and from the first plain page on the
// strings themselves.
type texts struct {
	codes   []int32
	dict    *array.String
	offsets []int32
	data    []byte
	plain   bool
	valid   []byte // one bit a row, nil while there is no null
	rows    int
	nulls   int
}

func (t *texts) add(p parquet.Page) error {
	if p.Dictionary() != nil && t.dict == nil {
		t.dict = dictionary(p.Dictionary())
	}
	if p.Dictionary() == nil && !t.plain {
		if err := t.spell(); err != nil {
			return err
		}
	}
	present := t.levels(p)
	data := p.Data()
	if p.Dictionary() != nil {
		return t.addCodes(data.Int32(), present)
	}
	raw, offsets := data.ByteArray()
	next := 0
	return each(present, int(p.NumValues()), func(ok bool) error {
		if !ok {
			return t.text("")
		}
		v := raw[offsets[next]:offsets[next+1]]
		next++
		return t.text(unsafe.String(unsafe.SliceData(v), len(v)))
	})
}

// addCodes adds a page of dictionary codes, as codes or spelled out.
func (t *texts) addCodes(codes []int32, present []byte) error {
	if !t.plain && present == nil {
		t.codes = append(t.codes, codes...)
		return nil
	}
	next := 0
	return each(present, max(len(present), len(codes)), func(ok bool) error {
		var code int32
		if ok {
			code = codes[next]
			next++
		}
		switch {
		case !t.plain:
			t.codes = append(t.codes, code)
			return nil
		case !ok:
			return t.text("")
		}
		return t.text(t.dict.Value(int(code)))
	})
}

// spell turns what was gathered as codes into strings.
func (t *texts) spell() error {
	t.plain = true
	for _, code := range t.codes {
		if err := t.text(t.dict.Value(int(code))); err != nil {
			return err
		}
	}
	t.codes = nil
	return nil
}

func (t *texts) text(s string) error {
	if len(t.data)+len(s) > math.MaxInt32 {
		return fmt.Errorf("a row group holds more than 2 GiB of one column")
	}
	t.data = append(t.data, s...)
	t.offsets = append(t.offsets, int32(len(t.data)))
	return nil
}

// levels notes which rows of an optional column are null and returns the page's
// definition levels where some are.
func (t *texts) levels(p parquet.Page) []byte {
	n := int(p.NumValues())
	def := p.DefinitionLevels()
	first := t.rows
	t.rows += n
	if len(def) == 0 || p.NumNulls() == 0 {
		t.mark(first, n, true)
		return nil
	}
	for i, d := range def {
		t.mark(first+i, 1, d != 0)
		if d == 0 {
			t.nulls++
		}
	}
	return def
}

// mark sets the validity of n rows from the first on.
func (t *texts) mark(first, n int, valid bool) {
	for need := int(bitutil.BytesForBits(int64(first + n))); len(t.valid) < need; {
		t.valid = append(t.valid, 0)
	}
	bitutil.SetBitsTo(t.valid, int64(first), int64(n), valid)
}

func (t *texts) finish() (arrow.Array, error) {
	valid := t.valid
	if t.nulls == 0 {
		valid = nil
	}
	if !t.plain && t.dict != nil {
		data := array.NewDataWithDictionary(codes, len(t.codes),
			[]*memory.Buffer{buffer(valid), buffer(bytesOf(t.codes))}, t.nulls, 0, t.dict.Data().(*array.Data))
		return array.NewDictionaryData(data), nil
	}
	return makeArray(arrow.BinaryTypes.String, len(t.offsets)-1, t.nulls, valid, bytesOf(t.offsets), t.data), nil
}

// lists assembles a list of strings: the tags.
type lists struct {
	offsets []int32
	texts   texts
}

func (l *lists) add(p parquet.Page) error {
	if len(l.texts.offsets) == 0 {
		l.texts.offsets = append(l.texts.offsets, 0)
	}
	var dict *array.String
	if p.Dictionary() != nil {
		dict = dictionary(p.Dictionary())
	}
	data, next := p.Data(), 0
	value := func() string {
		defer func() { next++ }()
		if dict != nil {
			return dict.Value(int(data.Int32()[next]))
		}
		raw, offsets := data.ByteArray()
		return string(raw[offsets[next]:offsets[next+1]])
	}
	const present = 1 // the definition level of an element that is there
	def, rep := p.DefinitionLevels(), p.RepetitionLevels()
	for i := range def {
		if rep[i] == 0 {
			l.offsets = append(l.offsets, int32(len(l.texts.offsets)-1))
		}
		if def[i] >= present {
			if err := l.texts.text(value()); err != nil {
				return err
			}
		}
	}
	return nil
}

func (l *lists) finish() (arrow.Array, error) {
	l.texts.plain = true
	if len(l.texts.offsets) == 0 {
		l.texts.offsets = append(l.texts.offsets, 0)
	}
	items, err := l.texts.finish()
	if err != nil {
		return nil, err
	}
	rows := len(l.offsets)
	offsets := append(l.offsets, int32(items.Len()))
	data := array.NewData(arrow.ListOf(arrow.BinaryTypes.String), rows,
		[]*memory.Buffer{nil, buffer(bytesOf(offsets))}, []arrow.ArrayData{items.Data()}, 0, 0)
	return array.NewListData(data), nil
}

// dictionary copies a chunk's dictionary.
func dictionary(d parquet.Dictionary) *array.String {
	values := d.Page().Data()
	raw, offsets := values.ByteArray()
	own := make([]int32, len(offsets))
	for i, o := range offsets {
		own[i] = int32(o)
	}
	if len(own) == 0 {
		own = []int32{0}
	}
	return makeArray(arrow.BinaryTypes.String, len(own)-1, 0, nil, bytesOf(own), append([]byte(nil), raw...)).(*array.String)
}

// each calls f for n values, with whether the value is there.
func each(levels []byte, n int, f func(ok bool) error) error {
	for i := range n {
		if err := f(levels == nil || levels[i] != 0); err != nil {
			return err
		}
	}
	return nil
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

func bytesOf[T int32 | int64](s []T) []byte {
	var zero T
	return unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(s))), len(s)*int(unsafe.Sizeof(zero)))
}
