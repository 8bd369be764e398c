package querier

import (
	"context"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/firnlog/firn/layout/event"
)

// Batch is some rows of an answer that is streamed, in their order: events, or
// the groups of a reduction. It is good until the function that it was given to
// returns.
type Batch struct {
	// Columns are the same in all batches of an answer.
	Columns []Column
	rows    int
	json    func(row int) (jsontext.Value, error)
	values  func(row int, out []Value) error
}

// Column is a column of a streamed answer.
type Column struct {
	Name string
	Type ColumnType
}

// ColumnType is what all values of a column are, where they are not null.
type ColumnType uint8

// The types of columns.
const (
	AnyColumn   ColumnType = iota // strings as they are, all else as JSON
	IntColumn                     // whole numbers within int64
	FloatColumn                   // numbers
	TimeColumn                    // times
)

// Rows returns the number of rows.
func (b *Batch) Rows() int { return b.rows }

// JSON returns a row as a JSON object, as [Engine.Run] does.
func (b *Batch) JSON(row int) (jsontext.Value, error) { return b.json(row) }

// Read puts a row's values into out, one for each column.
func (b *Batch) Read(row int, out []Value) error { return b.values(row, out) }

// Null reports whether there is no value, or JSON's null.
func (v *Value) Null() bool { return v.kind <= null }

// Text returns a string as it is, a time in RFC 3339, and all else as JSON.
func (v *Value) Text() string {
	switch v.kind {
	case missing, null:
		return ""
	case text:
		return v.s
	case moment:
		return event.Micros(v.n).String()
	}
	return string(v.appendJSON(nil))
}

// Int returns a whole number, or a time in microseconds since 1970.
func (v *Value) Int() int64 { return v.n }

// Float returns a number.
func (v *Value) Float() float64 {
	if v.kind == whole {
		return float64(v.n)
	}
	return v.broken()
}

// tableFields are what a table of events shows when a query does not select.
var tableFields = []Field{ID, Stream, Type, Timestamp, Sequence, Ingested, Tags, Payload, Metadata}

// columnsOf returns the columns of fields.
func columnsOf(fields []Field) []Column {
	out := make([]Column, len(fields))
	for i, f := range fields {
		out[i].Name = f.name
		switch {
		case f.isTime():
			out[i].Type = TimeColumn
		case f.base == baseSequence:
			out[i].Type = IntColumn
		}
	}
	return out
}

// batch returns the answer to a reduction.
func (t *table) batch(ctx context.Context) (*Batch, error) {
	b := &Batch{}
	for _, k := range t.plan.GroupBy {
		b.Columns = append(b.Columns, Column{Name: k.name})
	}
	for _, v := range t.plan.values {
		b.Columns = append(b.Columns, Column{Name: v.Name})
	}
	groups, err := t.sorted(ctx)
	if err != nil {
		return nil, err
	}
	rows := make([][]Value, len(groups))
	for i, g := range groups {
		rows[i] = append(rows[i], t.groups.at(g)...)
		for _, c := range t.columns {
			rows[i] = append(rows[i], c.result(g))
		}
	}
	for c := range b.Columns {
		b.Columns[c].Type = typeOf(rows, c)
	}
	b.rows = len(rows)
	b.json = func(row int) (jsontext.Value, error) { return t.appendRow(nil, groups[row]), nil }
	b.values = func(row int, out []Value) error { copy(out, rows[row]); return nil }
	return b, nil
}

// typeOf returns the type of all values of a column.
func typeOf(rows [][]Value, column int) ColumnType {
	var seen [object + 1]int
	values := 0
	for _, row := range rows {
		if v := &row[column]; !v.Null() {
			seen[v.kind]++
			values++
		}
	}
	switch {
	case values == 0:
		return AnyColumn
	case values == seen[whole]:
		return IntColumn
	case values == seen[whole]+seen[broken]:
		return FloatColumn
	case values == seen[moment]:
		return TimeColumn
	}
	return AnyColumn
}
