package querier

import (
	"errors"

	"github.com/apache/arrow-go/v18/arrow"
	arrays "github.com/apache/arrow-go/v18/arrow/array"

	"github.com/firnlog/firn/layout/event"
)

// Events in answers are named, and not shown: by a source of the share, a row group
// and a row. Who asked reads those that it shows.

// unitFields name a row group: its source's rank in the share, and its number.
var unitFields = []arrow.Field{{Name: "source", Type: arrow.PrimitiveTypes.Int32}, {Name: "group", Type: arrow.PrimitiveTypes.Int32}}

var (
	entrySchema = arrow.NewSchema(append(append([]arrow.Field{keysField, {Name: "row", Type: arrow.PrimitiveTypes.Int32}}, unitFields...), placeFields...), nil)
	unitSchema  = arrow.NewSchema(append([]arrow.Field{{Name: "rows", Type: arrow.ListOf(arrow.PrimitiveTypes.Int32)}}, unitFields...), nil)
)

// ranks returns the ranks of sources.
func ranks(sources []*source) map[*source]int32 {
	out := make(map[*source]int32, len(sources))
	for i, s := range sources {
		out[s] = int32(i)
	}
	return out
}

// encodeEntries writes entries of units that were scanned here.
func encodeEntries(entries []entry, sources []*source) ([]byte, error) {
	rank := ranks(sources)
	return encodeRows(entrySchema, func(yield func(addRow) bool) {
		for i := range entries {
			e := &entries[i]
			if !yield(func(b *arrays.RecordBuilder) {
				writeValues(b.Field(0), e.keys)
				appendInt32(b.Field(1), e.unit.rowInGroup(e.row))
				appendInt32(b.Field(2), rank[e.unit.of])
				appendInt32(b.Field(3), int32(e.unit.number))
				appendInt64(b.Field(4), int64(e.place.Shard))
				appendInt64(b.Field(5), e.place.Position)
				appendInt32(b.Field(6), e.place.Ordinal)
			}) {
				return
			}
		}
	})
}

func appendInt32(b arrays.Builder, n int32) { b.(*arrays.Int32Builder).Append(n) }
func appendInt64(b arrays.Builder, n int64) { b.(*arrays.Int64Builder).Append(n) }

// decodeEntries reads entries, of units that are read when they are shown.
func (r *run) decodeEntries(body []byte, sources []*source) (out []entry, err error) {
	err = decodeRows(entrySchema, body, func(batch arrow.RecordBatch, row int) error {
		u, err := r.unitOf(batch, 2, row, sources)
		if err != nil {
			return err
		}
		keys, err := readValues(batch.Column(0), row)
		if err != nil {
			return err
		}
		if len(keys) != len(r.order.by) {
			return corruptPartial(errors.New("an event has the wrong number of keys"))
		}
		place := event.Place{Shard: int(batch.Column(4).(*arrays.Int64).Value(row)), Position: batch.Column(5).(*arrays.Int64).Value(row),
			Ordinal: batch.Column(6).(*arrays.Int32).Value(row)}
		out = append(out, entry{keys: keys, place: place, unit: u, row: batch.Column(1).(*arrays.Int32).Value(row)})
		return r.memory.take(out[len(out)-1].size(), "ask for fewer events with limit and offset")
	})
	return out, err
}

// encodeUnits writes rows of units that were scanned here.
func encodeUnits(units []unitRows, sources []*source) ([]byte, error) {
	rank := ranks(sources)
	return encodeRows(unitSchema, func(yield func(addRow) bool) {
		for _, u := range units {
			if !yield(func(b *arrays.RecordBuilder) {
				list := b.Field(0).(*arrays.ListBuilder)
				list.Append(true)
				list.ValueBuilder().(*arrays.Int32Builder).AppendValues(u.rows, nil)
				appendInt32(b.Field(1), rank[u.unit.of])
				appendInt32(b.Field(2), int32(u.unit.number))
			}) {
				return
			}
		}
	})
}

// rowBytes is what a row's number takes.
const rowBytes = 4

// decodeUnits reads rows of units that are read when they are shown.
func (r *run) decodeUnits(body []byte, sources []*source) (out []unitRows, err error) {
	err = decodeRows(unitSchema, body, func(batch arrow.RecordBatch, row int) error {
		u, err := r.unitOf(batch, 1, row, sources)
		if err != nil {
			return err
		}
		list := batch.Column(0).(*arrays.List)
		from, to := list.ValueOffsets(row)
		numbers := list.ListValues().(*arrays.Int32).Int32Values()[from:to]
		out = append(out, unitRows{u, append([]int32(nil), numbers...)})
		return r.memory.take(rowBytes*len(numbers), "narrow the query with where")
	})
	return out, err
}

// unitOf returns the unit that two columns name. It is the same for the same names.
func (r *run) unitOf(batch arrow.RecordBatch, column, row int, sources []*source) (*unit, error) {
	rank := int(batch.Column(column).(*arrays.Int32).Value(row))
	number := int(batch.Column(column + 1).(*arrays.Int32).Value(row))
	if rank < 0 || rank >= len(sources) || number < 0 {
		return nil, corruptPartial(errors.New("it names a file that is not in the share"))
	}
	return r.spread.unit(sources[rank], number), nil
}
