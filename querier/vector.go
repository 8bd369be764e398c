package querier

import (
	"context"

	"github.com/apache/arrow-go/v18/arrow"
	arrays "github.com/apache/arrow-go/v18/arrow/array"

	"github.com/firnlog/firn/layout/segment"
)

// vector is a column of a chunk in the form that inner loops go through: exactly
// one of ints, floats, flags, codes and texts is there. Rows that are null hold
// any value.
type vector struct {
	kind   kind // of ints: whole or moment
	ints   []int64
	floats []float64
	flags  *arrays.Boolean
	codes  []int32 // into dict
	dict   *arrays.String
	texts  *arrays.String
	nulls  arrow.Array // tells which rows are null; nil for none
	at     []int32     // where each row is; nil for the row's own number
	ctx    context.Context
	size   int64 // in memory, in bytes
}

// newVector makes a vector of the array of a shredded field.
func newVector(ctx context.Context, a arrow.Array, at []int32) *vector {
	v := &vector{ctx: ctx, kind: whole, at: at, size: int64(a.Data().SizeInBytes())}
	if a.NullN() > 0 {
		v.nulls = a
	}
	switch a := a.(type) {
	case *arrays.Int64:
		v.ints = a.Int64Values()
	case *arrays.Float64:
		v.floats = a.Float64Values()
	case *arrays.Boolean:
		v.flags = a
	case *arrays.Dictionary:
		v.dict, v.codes = a.Dictionary().(*arrays.String), a.Indices().(*arrays.Int32).Int32Values()
	case *arrays.String:
		v.texts = a
	}
	return v
}

// vector returns the column that a field is read from, which must be loaded, or
// nil where it takes more than a column, or the JSON.
func (c *chunk) vector(f *Field, n need) *vector {
	switch f.base {
	case baseTime:
		return c.intVector(segment.Time, moment)
	case baseIngested:
		return c.intVector(segment.Ingested, moment)
	case baseSequence:
		return c.intVector(segment.Sequence, whole)
	case baseStream:
		return c.textVector(segment.Stream)
	case baseType:
		return c.textVector(segment.Type)
	}
	if c.shredded(f, n) {
		return c.vectors[f.canonical()]
	}
	return nil
}

func (c *chunk) intVector(col segment.Column, k kind) *vector {
	return &vector{ctx: c.ctx, kind: k, ints: c.parts[col].Ints(col), at: c.at[col]}
}

// textVector is for columns that have no nulls.
func (c *chunk) textVector(col segment.Column) *vector {
	if dict, codes, ok := c.parts[col].Codes(col); ok {
		return &vector{ctx: c.ctx, dict: dict, codes: codes, at: c.at[col]}
	}
	return &vector{ctx: c.ctx, texts: c.parts[col].Column(col).(*arrays.String), at: c.at[col]}
}

// need is what a reader of a field depends on that the field's column may not
// tell, where its JSON does.
type need uint8

const (
	needNull     need = 1 << iota // null is not the same as missing
	needSpelling                  // numbers are shown as they were written
	needJSON                      // the text itself
)

// shredded reports whether the unit's file has a column for a field within JSON
// that tells of every row what is needed.
func (u *unit) shredded(f *Field, n need) bool {
	info, ok := u.field(f)
	return ok && n&needJSON == 0 && (n&needNull == 0 || info.Nulls == 0) && (n&needSpelling == 0 || info.Respelled == 0)
}

// field returns what the unit's file says of its column for a field within
// JSON; ok is false where there is none that can stand for the JSON.
func (u *unit) field(f *Field) (info segment.FieldInfo, ok bool) {
	if !f.isJSON() || f.path == "" || u.mask != nil {
		return info, false
	}
	info, ok = u.group.Field(f.canonical())
	return info, ok && info.Residual == 0
}

// index returns where a row is.
func (v *vector) index(row int32) int {
	if v.at != nil {
		return int(v.at[row])
	}
	return int(row)
}

// value returns the value of a row, missing for null. It shares the chunk's
// memory.
func (v *vector) value(row int32) Value {
	i := v.index(row)
	switch {
	case v.nulls != nil && v.nulls.IsNull(i):
		return Value{}
	case v.ints != nil:
		return Value{kind: v.kind, n: v.ints[i]}
	case v.floats != nil:
		return floatValue(v.floats[i])
	case v.codes != nil:
		return Value{kind: text, s: v.dict.Value(int(v.codes[i]))}
	case v.texts != nil:
		return Value{kind: text, s: v.texts.Value(i)}
	}
	return Bool(v.flags.Value(i))
}
