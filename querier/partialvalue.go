package querier

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/apache/arrow-go/v18/arrow"
	arrays "github.com/apache/arrow-go/v18/arrow/array"

	"github.com/firnlog/firn/layout/event"
)

// writeValue appends a value to a builder of binaries, in the form of
// [encodeKey], but that numbers keep the text that they were written as.
func writeValue(b arrays.Builder, v *Value) {
	s := encodeKey(v)
	if v.kind == broken && v.s != "" {
		s = keyLetters[broken:broken+1] + v.s
	}
	b.(*arrays.BinaryBuilder).Append([]byte(s))
}

// readValue reads what writeValue wrote, into memory of its own.
func readValue(a arrow.Array, i int) (Value, error) {
	binaries, ok := a.(*arrays.Binary)
	if !ok || binaries.IsNull(i) {
		return Value{}, corruptPartial(fmt.Errorf("a value is missing"))
	}
	s := string(binaries.Value(i))
	if number, ok := strings.CutPrefix(s, keyLetters[broken:broken+1]); ok {
		if _, err := strconv.ParseFloat(number, 64); err != nil && !strings.Contains(err.Error(), "range") {
			return Value{}, corruptPartial(fmt.Errorf("%q is no number", number))
		}
		return parseNumber(number), nil
	}
	v, err := decodeKey(s)
	if err != nil {
		return v, corruptPartial(err)
	}
	return v, nil
}

// keysField holds some values of one row: those of a group, or of an order.
var keysField = arrow.Field{Name: "keys", Type: arrow.ListOf(arrow.BinaryTypes.Binary)}

// writeValues appends values to a builder of lists.
func writeValues(b arrays.Builder, values []Value) {
	list := b.(*arrays.ListBuilder)
	list.Append(true)
	for i := range values {
		writeValue(list.ValueBuilder(), &values[i])
	}
}

// readValues reads what writeValues wrote.
func readValues(a arrow.Array, row int) (values []Value, err error) {
	list := a.(*arrays.List)
	from, to := list.ValueOffsets(row)
	for i := from; i < to; i++ {
		v, err := readValue(list.ListValues(), int(i))
		if err != nil {
			return nil, err
		}
		values = append(values, v)
	}
	return values, nil
}

// placeFields are the fields of a place.
var placeFields = []arrow.Field{{Name: "shard", Type: arrow.PrimitiveTypes.Int64},
	{Name: "position", Type: arrow.PrimitiveTypes.Int64}, {Name: "ordinal", Type: arrow.PrimitiveTypes.Int32}}

// writePlace appends a place to three fields of a struct from the field first on.
func writePlace(b *arrays.StructBuilder, first int, p event.Place) {
	b.FieldBuilder(first).(*arrays.Int64Builder).Append(int64(p.Shard))
	b.FieldBuilder(first + 1).(*arrays.Int64Builder).Append(p.Position)
	b.FieldBuilder(first + 2).(*arrays.Int32Builder).Append(p.Ordinal)
}

func readPlace(a *arrays.Struct, first, i int) event.Place {
	return event.Place{Shard: int(a.Field(first).(*arrays.Int64).Value(i)),
		Position: a.Field(first + 1).(*arrays.Int64).Value(i), Ordinal: a.Field(first + 2).(*arrays.Int32).Value(i)}
}
