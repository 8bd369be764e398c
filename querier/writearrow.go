package querier

import (
	"io"

	"github.com/apache/arrow-go/v18/arrow"
	arrays "github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/ipc"
	allocate "github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/go-json-experiment/json/jsontext"
)

// compactly is how what was sent is made one line.
var compactly = []jsontext.Options{jsontext.AllowDuplicateNames(true)}

type arrowWriter struct {
	to    io.Writer
	w     *ipc.Writer
	build *arrays.RecordBuilder
	types []ColumnType
	row   []Value
}

// NewArrow returns a writer of an Arrow IPC stream: times as UTC microseconds,
// numbers as int64 or float64, and all else as strings.
func NewArrow(w io.Writer) BatchWriter { return &arrowWriter{to: w} }

var arrowTypes = [...]arrow.DataType{AnyColumn: arrow.BinaryTypes.String, IntColumn: arrow.PrimitiveTypes.Int64,
	FloatColumn: arrow.PrimitiveTypes.Float64, TimeColumn: &arrow.TimestampType{Unit: arrow.Microsecond, TimeZone: "UTC"}}

func (a *arrowWriter) begin(columns []Column) {
	fields := make([]arrow.Field, len(columns))
	for i, c := range columns {
		fields[i] = arrow.Field{Name: c.Name, Type: arrowTypes[c.Type], Nullable: true}
		a.types = append(a.types, c.Type)
	}
	schema := arrow.NewSchema(fields, nil)
	a.w = ipc.NewWriter(a.to, ipc.WithSchema(schema))
	a.build = arrays.NewRecordBuilder(allocate.DefaultAllocator, schema)
	a.row = make([]Value, len(columns))
}

func (a *arrowWriter) Write(b *Batch) error {
	if a.w == nil {
		a.begin(b.Columns)
	}
	for i := range b.Rows() {
		if err := b.Read(i, a.row); err != nil {
			return err
		}
		for j := range a.row {
			appendArrow(a.build.Field(j), a.types[j], &a.row[j])
		}
	}
	if b.Rows() == 0 {
		return nil
	}
	record := a.build.NewRecordBatch()
	defer record.Release()
	return a.w.Write(record)
}

func appendArrow(b arrays.Builder, t ColumnType, v *Value) {
	switch {
	case v.Null():
		b.AppendNull()
	case t == IntColumn:
		b.(*arrays.Int64Builder).Append(v.Int())
	case t == FloatColumn:
		b.(*arrays.Float64Builder).Append(v.Float())
	case t == TimeColumn:
		b.(*arrays.TimestampBuilder).Append(arrow.Timestamp(v.Int()))
	default:
		b.(*arrays.StringBuilder).Append(v.Text())
	}
}

func (a *arrowWriter) Close() error {
	if a.w == nil {
		return nil
	}
	return a.w.Close()
}
