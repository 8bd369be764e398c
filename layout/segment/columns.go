// Package segment reads and writes Firn's Parquet files of events: the commits
// of a shard's log and the compacted data files, which share one schema.
//
// Data files also have columns for fields: paths into the JSON of payloads and
// metadata that many of the file's events have. A [Chooser] looks at the events
// and chooses them, a [Writer] fills them, one pass over each document, and the
// footer says how exactly each stands for the JSON ([FieldInfo]).
//
// Files are written column by column with parquet-go, and read as Arrow record
// batches, one for each row group or for some of its rows ([Rows]), and only the
// columns asked for. The pages that parquet-go decodes are put together into
// Arrow arrays here, since that is several times faster than a conversion row by
// row.
package segment

import (
	"github.com/apache/arrow-go/v18/arrow"
	"github.com/parquet-go/parquet-go"
)

// row is an event as Parquet holds it. Its tags are the schema (FORMAT.md).
type row struct {
	Stream   string   `parquet:"stream_id,dict"`
	Type     string   `parquet:"event_type,dict"`
	Sequence int64    `parquet:"sequence_number,delta"`
	Position int64    `parquet:"position,delta"`
	Ordinal  int32    `parquet:"ordinal,delta"`
	Time     int64    `parquet:"timestamp,timestamp(microsecond:utc),delta"`
	Ingested int64    `parquet:"ingested_at,timestamp(microsecond:utc),delta"`
	ID       *string  `parquet:"event_id,optional"`
	Tags     []string `parquet:"tags,list" parquet-element:",dict"`
	Payload  []byte   `parquet:"payload,json"`
	Metadata []byte   `parquet:"metadata,json,dict"`
}

// Column names one column of an event file.
type Column int

// The columns, in the order of the schema.
const (
	Stream Column = iota
	Type
	Sequence
	Position
	Ordinal
	Time
	Ingested
	ID
	Tags
	Payload
	Metadata
	numColumns
)

// Columns is a set of columns.
type Columns uint32

// AllColumns is the set of every column.
const AllColumns Columns = 1<<numColumns - 1

// Set returns the set of the columns given.
func Set(cols ...Column) Columns {
	var s Columns
	for _, c := range cols {
		s |= 1 << c
	}
	return s
}

// Has reports whether c is in the set.
func (s Columns) Has(c Column) bool { return s&(1<<c) != 0 }

// List returns the columns of the set in the order of the schema.
func (s Columns) List() []Column {
	var out []Column
	for c := range numColumns {
		if s.Has(c) {
			out = append(out, c)
		}
	}
	return out
}

var (
	commitSchema = parquet.SchemaOf(row{})

	// leaves are the paths of the columns' leaves in the Parquet schema.
	leaves = [numColumns][]string{{"stream_id"}, {"event_type"}, {"sequence_number"}, {"position"}, {"ordinal"},
		{"timestamp"}, {"ingested_at"}, {"event_id"}, {"tags", "list", "element"}, {"payload"}, {"metadata"}}

	micros = &arrow.TimestampType{Unit: arrow.Microsecond, TimeZone: "UTC"}
	codes  = &arrow.DictionaryType{IndexType: arrow.PrimitiveTypes.Int32, ValueType: arrow.BinaryTypes.String}
)

// String returns the column's name in the files.
func (c Column) String() string { return leaves[c][0] }
