package querier

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"iter"

	"github.com/apache/arrow-go/v18/arrow"
	arrays "github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/ipc"
	mem "github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/cespare/xxhash/v2"
)

// What processes send each other of a query are Arrow IPC streams. Behind the end
// of the stream, where Arrow's readers do not look, stand eight bytes of its XXH64,
// little endian: Arrow trusts what it reads, so that damage must be found before.

// sumBytes is the length of the checksum.
const sumBytes = 8

// batchRows is how many rows a record batch has at most.
const batchRows = 8_192

// addRow appends one row to a builder.
type addRow func(b *arrays.RecordBuilder)

// encodeRows writes rows.
func encodeRows(schema *arrow.Schema, rows iter.Seq[addRow]) ([]byte, error) {
	var out bytes.Buffer
	w := ipc.NewWriter(&out, ipc.WithSchema(schema), ipc.WithLZ4())
	b := arrays.NewRecordBuilder(mem.DefaultAllocator, schema)
	defer b.Release()
	n := 0
	flush := func() error {
		batch := b.NewRecordBatch()
		defer batch.Release()
		n = 0
		return w.Write(batch)
	}
	for add := range rows {
		add(b)
		if n++; n == batchRows {
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

// decodeRows reads rows of a schema. Errors are Corrupt for what encodeRows cannot
// have written with it, and those of one.
func decodeRows(schema *arrow.Schema, body []byte, one func(batch arrow.RecordBatch, row int) error) error {
	end := len(body) - sumBytes
	if end < 0 || xxhash.Sum64(body[:end]) != binary.LittleEndian.Uint64(body[end:]) {
		return corruptPartial(errors.New("it was cut or damaged"))
	}
	r, err := ipc.NewReader(bytes.NewReader(body[:end]))
	if err != nil {
		return corruptPartial(err)
	}
	defer r.Release()
	if !r.Schema().Equal(schema) || !r.Schema().Metadata().Equal(schema.Metadata()) {
		return corruptPartial(errors.New("it belongs to another query or version"))
	}
	for {
		batch, err := r.Read()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return corruptPartial(err)
		}
		for row := range int(batch.NumRows()) {
			for i := range int(batch.NumCols()) {
				if batch.Column(i).IsNull(row) {
					return corruptPartial(errors.New("a value is missing"))
				}
			}
			if err := one(batch, row); err != nil {
				return err
			}
		}
	}
}
