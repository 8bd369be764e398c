package segment

import (
	"github.com/parquet-go/parquet-go"

	"github.com/firnlog/firn/layout/event"
)

// write appends one chunk of rows to all columns.
func (w *Writer) write(events []event.Event) error {
	for c := range numColumns {
		w.values = w.values[:0]
		for i := range events {
			w.values = appendValue(w.values, c, &events[i], w.leaf[c])
		}
		if _, err := w.columns[w.leaf[c]].WriteRowValues(w.values); err != nil {
			return err
		}
	}
	w.yield(len(events))
	// Copying the documents brought them near: in the order of a file they come from
	// all over the memory, and a copy waits for several at once, a parser for each.
	for i := range events {
		w.shred.shred(i, &events[i])
	}
	w.yield(len(events))
	for _, f := range w.shred.fields {
		if _, err := w.columns[f.leaf].WriteRowValues(f.rows[:len(events)]); err != nil {
			return err
		}
	}
	// What the values refer to is the caller's again.
	clear(w.values[:cap(w.values)])
	w.shred.reset()
	return nil
}

// appendValue appends what e has in a column: of tags one value for each, and
// one that is null for none.
func appendValue(to []parquet.Value, c Column, e *event.Event, leaf int) []parquet.Value {
	switch c {
	case Stream:
		return append(to, textValue(e.Stream))
	case Type:
		return append(to, textValue(e.Type))
	case Sequence:
		return append(to, parquet.Int64Value(e.Sequence))
	case Position:
		return append(to, parquet.Int64Value(e.Place.Position))
	case Ordinal:
		return append(to, parquet.Int32Value(e.Place.Ordinal))
	case Time:
		return append(to, parquet.Int64Value(int64(e.Time)))
	case Ingested:
		return append(to, parquet.Int64Value(int64(e.Ingested)))
	case Payload:
		return append(to, parquet.ByteArrayValue(e.Payload))
	case Metadata:
		return append(to, parquet.ByteArrayValue(e.Metadata))
	case ID:
		if e.ID == "" {
			return append(to, parquet.Value{})
		}
		return append(to, textValue(e.ID).Level(0, 1, leaf))
	}
	if len(e.Tags) == 0 {
		return append(to, parquet.Value{})
	}
	for i, tag := range e.Tags {
		to = append(to, textValue(tag).Level(min(i, 1), 1, leaf)) // 0 begins a list
	}
	return to
}

// textValue returns s as a value that shares its memory.
func textValue(s string) parquet.Value { return parquet.ByteArrayValue(bytesIn(s)) }
