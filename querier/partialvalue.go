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
