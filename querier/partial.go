package querier

import (
	"errors"

	"github.com/apache/arrow-go/v18/arrow"
	arrays "github.com/apache/arrow-go/v18/arrow/array"

	"github.com/firnlog/firn/layout/fault"
)

// A partial is the table of a part of the events on its way from one process to
// another: record batches with a row for each group. The column keys holds the
// group's keys, and each further one the state of a value. The schema's metadata
// tell the reduction that it belongs to, so that no two versions of a query are
// mixed.

// wired is a state that can be sent. The array that it is read from is of its
// own type, and the row is not null.
type wired interface {
	// form returns the Arrow type.
	form() arrow.DataType
	// write appends the state to a builder of that type.
	write(b arrays.Builder)
	// read replaces the state, which is new, and returns its size in bytes.
	read(a arrow.Array, row int) (int, error)
}

// encodePartial writes a table.
func encodePartial(t *table) ([]byte, error) {
	return encodeRows(t.plan.schema(), func(yield func(addRow) bool) {
		for g := range int32(t.groups.len()) {
			if !yield(func(b *arrays.RecordBuilder) { t.writeRow(b, g) }) {
				return
			}
		}
	})
}

// writeRow appends a group as a row.
func (t *table) writeRow(b *arrays.RecordBuilder, g int32) {
	writeValues(b.Field(0), t.groups.at(g))
	for i, c := range t.columns {
		c.write(b.Field(i+1), g)
	}
}

// schema returns the form of the tables of a reduction.
func (r *reducePlan) schema() *arrow.Schema {
	fields := []arrow.Field{keysField}
	for _, v := range r.values {
		fields = append(fields, arrow.Field{Name: v.Name, Type: newColumn(v).form()})
	}
	belongs := arrow.NewMetadata([]string{"firn.partial", "firn.reduce"}, []string{"1", string(appendReduce(nil, r.Reduce))})
	return arrow.NewSchema(fields, &belongs)
}

// decodePartial reads a table of the reduction p, and accounts for it. Errors are
// Corrupt for what encodePartial cannot have written for p, and Limit.
func decodePartial(p *reducePlan, memory *budget, body []byte) (*table, error) {
	t := newTable(p, memory)
	return t, decodeRows(p.schema(), body, t.readRow)
}

func corruptPartial(err error) error {
	return fault.New(fault.Corrupt, "a partial answer cannot be read: %w", err)
}

// readRow adds the group of one row.
func (t *table) readRow(batch arrow.RecordBatch, row int) error {
	keys, err := readValues(batch.Column(0), row)
	if err != nil {
		return err
	}
	if len(keys) != len(t.plan.GroupBy) {
		return corruptPartial(errors.New("a group has the wrong number of keys"))
	}
	g, err := t.group(keys)
	if err != nil {
		return err
	}
	return t.readStates(g, batch, row)
}

func (t *table) readStates(g int32, batch arrow.RecordBatch, row int) error {
	for i, c := range t.columns {
		size, err := c.read(batch.Column(i+1), row, g)
		if err != nil {
			return err
		}
		if t.plan.values[i].Type == Collect {
			t.values += len(c.(*states[collect, *collect]).list[g].values)
		}
		if err := t.grew(size); err != nil {
			return err
		}
	}
	return nil
}
