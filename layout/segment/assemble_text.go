package segment

import (
	"fmt"
	"math"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/parquet-go/parquet-go"
)

// texts assembles columns of byte strings. As long as every page refers to the
// chunk's dictionary it gathers codes, and from the first plain page on the
// strings themselves.
type texts struct {
	codes   []int32
	dict    *array.String
	offsets []int32
	data    []byte
	plain   bool
	valid   validity
	rows    int // that are expected
	bytes   int // bytes that are expected of plain pages
}

func newTexts(rows, room int) *texts { return &texts{rows: rows, bytes: room} }

// begin makes room for what is expected.
func (t *texts) begin() {
	if t.offsets == nil {
		t.offsets = append(make([]int32, 0, min(t.rows, GroupRows)+1), 0)
		t.data = make([]byte, 0, max(0, min(t.bytes, maxRoom)))
	}
}

// maxRoom bounds the bytes that are made room for on the word of a footer.
const maxRoom = 256 << 20

func (t *texts) add(p parquet.Page) error {
	if p.Dictionary() != nil && t.dict == nil {
		t.dict = dictionary(p.Dictionary())
	}
	if p.Dictionary() == nil {
		t.begin()
	} else if t.codes == nil && !t.plain {
		t.codes = make([]int32, 0, min(t.rows, GroupRows))
	}
	if p.Dictionary() == nil && !t.plain {
		t.plain = true
		if err := t.spell(t.codes); err != nil {
			return err
		}
		t.codes = nil
	}
	levels, data := t.valid.add(p), p.Data()
	if p.Dictionary() == nil {
		raw, offsets := data.ByteArray()
		if err := complete(p, levels, max(0, len(offsets)-1)); err != nil {
			return err
		}
		return t.addTexts(raw, offsets, levels)
	}
	if err := complete(p, levels, len(data.Int32())); err != nil {
		return err
	}
	codes := spread(data.Int32(), levels)
	if t.plain {
		return t.spell(codes)
	}
	t.codes = append(t.codes, codes...)
	return nil
}

// spread puts values to where the levels say that a value is, and zeros between.
func spread(values []int32, levels []byte) []int32 {
	if levels == nil {
		return values
	}
	out := make([]int32, len(levels))
	next := 0
	for i, level := range levels {
		if level != 0 {
			out[i] = values[next]
			next++
		}
	}
	return out
}

// addTexts adds a plain page.
func (t *texts) addTexts(raw []byte, offsets []uint32, levels []byte) error {
	if len(offsets) == 0 {
		offsets = []uint32{0}
	}
	first, last := offsets[0], offsets[len(offsets)-1]
	if err := t.room(int(last - first)); err != nil {
		return err
	}
	base := int32(len(t.data)) - int32(first)
	t.data = append(t.data, raw[first:last]...)
	if levels == nil {
		for _, o := range offsets[1:] {
			t.offsets = append(t.offsets, base+int32(o))
		}
		return nil
	}
	next := 0
	for _, level := range levels {
		next += int(level)
		t.offsets = append(t.offsets, base+int32(offsets[next]))
	}
	return nil
}

// spell adds what codes stand for.
func (t *texts) spell(codes []int32) error {
	for _, code := range codes {
		var s string
		if t.dict.Len() > 0 { // else all are null
			s = t.dict.Value(int(code))
		}
		if err := t.room(len(s)); err != nil {
			return err
		}
		t.data = append(t.data, s...)
		t.offsets = append(t.offsets, int32(len(t.data)))
	}
	return nil
}

// room returns an error if n more bytes are too many for an array.
func (t *texts) room(n int) error {
	if len(t.data)+n > math.MaxInt32 {
		return fmt.Errorf("a row group holds more than 2 GiB of one column")
	}
	return nil
}

func (t *texts) finish() (arrow.Array, error) {
	valid, nulls := t.valid.bitmap(), t.valid.nulls
	if !t.plain && t.dict != nil {
		data := array.NewDataWithDictionary(codes, len(t.codes),
			[]*memory.Buffer{buffer(valid), memory.NewBufferBytes(bytesOf(t.codes))}, nulls, 0, t.dict.Data().(*array.Data))
		return array.NewDictionaryData(data), nil
	}
	t.begin()
	return makeArray(arrow.BinaryTypes.String, len(t.offsets)-1, nulls, valid, bytesOf(t.offsets), t.data), nil
}

// lists assembles a list of strings: the tags.
type lists struct {
	offsets []int32
	texts   texts
}

func (l *lists) add(p parquet.Page) error {
	// The elements are spelled out: their nulls are empty lists.
	l.texts.plain = true
	if len(l.texts.offsets) == 0 {
		l.texts.offsets = append(l.texts.offsets, 0)
	}
	next := int32(len(l.texts.offsets) - 1)
	rep := p.RepetitionLevels()
	for i, level := range p.DefinitionLevels() {
		if rep[i] == 0 {
			l.offsets = append(l.offsets, next)
		}
		next += int32(level)
	}
	data := p.Data()
	if p.Dictionary() == nil {
		raw, offsets := data.ByteArray()
		if err := complete(p, p.DefinitionLevels(), max(0, len(offsets)-1)); err != nil {
			return err
		}
		return l.texts.addTexts(raw, offsets, nil)
	}
	if err := complete(p, p.DefinitionLevels(), len(data.Int32())); err != nil {
		return err
	}
	if l.texts.dict == nil {
		l.texts.dict = dictionary(p.Dictionary())
	}
	return l.texts.spell(data.Int32())
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
		[]*memory.Buffer{nil, memory.NewBufferBytes(bytesOf(offsets))}, []arrow.ArrayData{items.Data()}, 0, 0)
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
