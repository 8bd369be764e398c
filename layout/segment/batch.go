package segment

import (
	"slices"
	"unsafe"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"

	"github.com/firnlog/firn/layout/event"
)

// Batch is a row group, or some rows of it, in memory: an Arrow record batch of
// the columns that were asked for. Asking it for another column panics.
type Batch struct {
	Record arrow.RecordBatch
	cols   [numColumns]arrow.Array
	paths  []string
	fields []arrow.Array
	rows   int
}

// Rows returns the number of events.
func (b *Batch) Rows() int { return b.rows }

// Column returns a column's array.
func (b *Batch) Column(c Column) arrow.Array { return b.cols[c] }

// Field returns the array of the field at a path, nil if it was not asked for.
func (b *Batch) Field(path string) arrow.Array {
	if i := slices.Index(b.paths, path); i >= 0 {
		return b.fields[i]
	}
	return nil
}

// Ints returns the values of Sequence, Position, Time or Ingested.
func (b *Batch) Ints(c Column) []int64 {
	if c == Time || c == Ingested {
		a := b.cols[c].(*array.Timestamp)
		return arrow.GetData[int64](a.Data().Buffers()[1].Bytes())[:b.rows]
	}
	return b.cols[c].(*array.Int64).Int64Values()
}

// Ordinals returns the values of Ordinal.
func (b *Batch) Ordinals() []int32 { return b.cols[Ordinal].(*array.Int32).Int32Values() }

// Text returns a value of a column of strings; null reads as "".
func (b *Batch) Text(c Column, i int) string {
	switch a := b.cols[c].(type) {
	case *array.Dictionary:
		if a.IsNull(i) {
			return ""
		}
		return a.Dictionary().(*array.String).Value(a.GetValueIndex(i))
	case *array.String:
		return a.Value(i)
	}
	panic("segment: " + c.String() + " is no column of strings in this batch")
}

// Codes returns the dictionary of a column of strings and each row's index in
// it, or ok false where the column has none. Null rows hold any code.
func (b *Batch) Codes(c Column) (dict *array.String, rows []int32, ok bool) {
	a, ok := b.cols[c].(*array.Dictionary)
	if !ok {
		return nil, nil, false
	}
	return a.Dictionary().(*array.String), a.Indices().(*array.Int32).Int32Values(), true
}

// TagsAt returns the tags of a row; nil for none.
func (b *Batch) TagsAt(i int) []string {
	l := b.cols[Tags].(*array.List)
	from, to := l.ValueOffsets(i)
	if from == to {
		return nil
	}
	items := l.ListValues().(*array.String)
	tags := make([]string, 0, to-from)
	for j := from; j < to; j++ {
		tags = append(tags, items.Value(int(j)))
	}
	return tags
}

// Event fills in the event of a row from the columns that the batch has. Its
// texts share the batch's memory, which must not be written to. The shard is not in the file: it is the
// caller's to know.
func (b *Batch) Event(i, shard int) event.Event {
	var e event.Event
	e.Place.Shard = shard
	for c := range numColumns {
		if b.cols[c] != nil {
			b.set(&e, c, i)
		}
	}
	return e
}

func (b *Batch) set(e *event.Event, c Column, i int) {
	switch c {
	case Stream:
		e.Stream = b.Text(c, i)
	case Type:
		e.Type = b.Text(c, i)
	case Sequence:
		e.Sequence = b.Ints(c)[i]
	case Position:
		e.Place.Position = b.Ints(c)[i]
	case Ordinal:
		e.Place.Ordinal = b.Ordinals()[i]
	case Time:
		e.Time = event.Micros(b.Ints(c)[i])
	case Ingested:
		e.Ingested = event.Micros(b.Ints(c)[i])
	case ID:
		e.ID = b.Text(c, i)
	case Tags:
		e.Tags = b.TagsAt(i)
	case Payload:
		e.Payload = bytesIn(b.Text(c, i))
	case Metadata:
		e.Metadata = bytesIn(b.Text(c, i))
	}
}

// bytesIn returns the memory of s.
func bytesIn(s string) []byte { return unsafe.Slice(unsafe.StringData(s), len(s)) }
