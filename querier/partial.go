package querier

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"

	"github.com/apache/arrow-go/v18/arrow"
	arrays "github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/ipc"
	mem "github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/cespare/xxhash/v2"

	"github.com/firnlog/firn/layout/fault"
)

// A partial is the table of a part of the events on its way from one process to
// another: an Arrow IPC stream of record batches with a row for each group. The
// column keys holds the group's keys, and each further one the state of a value.
// The schema's metadata tell the reduction that it belongs to, so that no two
// versions of a query are mixed. Behind the end of the stream, where Arrow's
// readers do not look, stand eight bytes of its XXH64, little endian: Arrow
// trusts what it reads, so that damage must be found before.

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

// sumBytes is the length of the checksum.
const sumBytes = 8

// partialRows is how many groups a record batch has at most.
const partialRows = 8_192

// encodePartial writes a table.
func encodePartial(t *table) ([]byte, error) {
	var out bytes.Buffer
	schema := t.plan.schema()
	w := ipc.NewWriter(&out, ipc.WithSchema(schema))
	b := arrays.NewRecordBuilder(mem.DefaultAllocator, schema)
	defer b.Release()
	rows := 0
	flush := func() error {
		batch := b.NewRecordBatch()
		defer batch.Release()
		rows = 0
		return w.Write(batch)
	}
	for g := range int32(t.groups.len()) {
		t.writeRow(b, g)
		if rows++; rows == partialRows {
			if err := flush(); err != nil {
				return nil, err
			}
		}
	}
	if err := flush(); err != nil {
		return nil, err
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	return binary.LittleEndian.AppendUint64(out.Bytes(), xxhash.Sum64(out.Bytes())), nil
}

// writeRow appends a group as a row.
func (t *table) writeRow(b *arrays.RecordBuilder, g int32) {
	keys := b.Field(0).(*arrays.ListBuilder)
	keys.Append(true)
	for _, k := range t.groups.at(g) {
		writeValue(keys.ValueBuilder(), &k)
	}
	for i, c := range t.columns {
		c.write(b.Field(i+1), g)
	}
}

// schema returns the form of the tables of a reduction.
func (r *reducePlan) schema() *arrow.Schema {
	fields := []arrow.Field{{Name: "keys", Type: arrow.ListOf(arrow.BinaryTypes.Binary)}}
	for _, v := range r.values {
		fields = append(fields, arrow.Field{Name: v.Name, Type: newColumn(v).form()})
	}
	belongs := arrow.NewMetadata([]string{"firn.partial", "firn.reduce"}, []string{"1", string(appendReduce(nil, r.Reduce))})
	return arrow.NewSchema(fields, &belongs)
}

// decodePartial reads a table of the reduction p, and accounts for it. Errors are
// Corrupt for what encodePartial cannot have written for p, and Limit.
func decodePartial(p *reducePlan, memory *budget, body []byte) (*table, error) {
	end := len(body) - sumBytes
	if end < 0 || xxhash.Sum64(body[:end]) != binary.LittleEndian.Uint64(body[end:]) {
		return nil, corruptPartial(errors.New("it was cut or damaged"))
	}
	r, err := ipc.NewReader(bytes.NewReader(body[:end]))
	if err != nil {
		return nil, corruptPartial(err)
	}
	defer r.Release()
	if want := p.schema(); !r.Schema().Equal(want) || !r.Schema().Metadata().Equal(want.Metadata()) {
		return nil, corruptPartial(errors.New("it belongs to another query or version"))
	}
	t := newTable(p, memory)
	for {
		batch, err := r.Read()
		if errors.Is(err, io.EOF) {
			return t, nil
		}
		if err != nil {
			return nil, corruptPartial(err)
		}
		for row := range int(batch.NumRows()) {
			if err := t.readRow(batch, row); err != nil {
				return nil, err
			}
		}
	}
}

func corruptPartial(err error) error {
	return fault.New(fault.Corrupt, "a partial answer cannot be read: %w", err)
}

// readRow adds the group of one row.
func (t *table) readRow(batch arrow.RecordBatch, row int) error {
	for i := range int(batch.NumCols()) {
		if batch.Column(i).IsNull(row) {
			return corruptPartial(errors.New("a state is missing"))
		}
	}
	lists := batch.Column(0).(*arrays.List)
	from, to := lists.ValueOffsets(row)
	if int(to-from) != len(t.plan.GroupBy) {
		return corruptPartial(errors.New("a group has the wrong number of keys"))
	}
	var keys []Value
	for i := from; i < to; i++ {
		v, err := readValue(lists.ListValues(), int(i))
		if err != nil {
			return err
		}
		keys = append(keys, v)
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
