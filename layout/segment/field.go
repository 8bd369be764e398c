package segment

import (
	"strings"
)

// Bounds of what becomes a column of a data file. What lies beyond them is read
// from the JSON.
const (
	MaxFields    = 256   // columns of one file
	MaxFieldPath = 256   // bytes of a path
	MaxFieldText = 1_024 // bytes of a string within a column; longer ones are residual
	maxFieldDeep = 16    // objects that a path leads through
)

// FieldType is the type of a field's column.
type FieldType uint8

// The types of fields, and the Arrow arrays in which they are read.
const (
	Int64   FieldType = iota + 1 // Int64
	Double                       // Float64
	Boolean                      // Boolean
	String                       // a Dictionary of String, or String
)

var fieldTypes = [...]string{Int64: "int64", Double: "double", Boolean: "boolean", String: "string"}

// String returns the type's name in the footer.
func (t FieldType) String() string { return fieldTypes[t] }

// Field is a path into the JSON of events that a data file has a column for.
type Field struct {
	// Path is payload or metadata and the names of members, joined by dots.
	Path string
	Type FieldType
	// FilterBits is the size of a bloom filter over the values of a column of
	// strings, in bits a row. A column with a filter has no dictionary: it is
	// for strings that seldom come twice. 0 is a dictionary and no filter.
	FilterBits int
}

// Names returns the parts of the path.
func (f *Field) Names() []string { return strings.Split(f.Path, ".") }

// Plan says how a data file is written, as a [Chooser] found it best. The zero
// Plan has no fields, and dictionaries only of streams and types.
type Plan struct {
	Fields       []Field // in the order of their paths
	Filters      []Field // paths of strings that get filters and no columns
	IDBits       int     // of a bloom filter over event ids, in bits a row; 0 for none
	Dictionaries Columns // of timestamp, ingested_at and metadata those whose values come again often
	Bytes        int64   // about what all events take; 0 where nothing is known
}

// FieldInfo tells what a file's column of a field holds, over all rows. A row
// is null in the column if its event does not have the path, has null there, or
// has a residual value; every value in the column is exactly what the path
// leads to. So without residual values the JSON need not be read, and without
// nulls either a null in the column means a missing path.
//
// Numbers are values, not texts: 1, 1.0 and 1e0 are the same whole number, in a
// column of int64 as in one of double, and 2.50 is 2.5. Residual are values of
// another type; in int64 columns numbers that are no integer within int64, in
// double columns those that are an integer but not a float64, and those beyond
// float64; strings of more than [MaxFieldText] bytes; arrays and objects.
type FieldInfo struct {
	Field
	Values    int64 // rows with a value in the column
	Nulls     int64 // rows whose event has null at the path
	Residual  int64 // rows whose value the column cannot hold
	Respelled int64 // values of a double column that the event spells otherwise than JavaScript would: 2.50, 1E-5
	Length    int64 // bytes of all strings in the column
	Ints      *Totals[int64]
	Floats    *Totals[float64]

	texts sketch // of the strings
}

// Totals are those of a column's numbers. There are none of no values.
type Totals[T int64 | float64] struct {
	Min, Max T
	Sum      T    // of float64 in the order of the rows
	NoSum    bool // the sum is beyond T, and Sum says nothing
}

// Distinct returns about how many different strings the column holds, mostly
// within a third.
func (i *FieldInfo) Distinct() int64 { return i.texts.estimate() }

func (t *Totals[T]) add(v T) {
	t.Min, t.Max = min(t.Min, v), max(t.Max, v)
	sum := t.Sum + v
	// An int64 overflows to the wrong side, a float64 to an infinity.
	if t.NoSum || v > 0 && sum < t.Sum || v < 0 && sum > t.Sum || sum-sum != 0 {
		t.NoSum, sum = true, 0
	}
	t.Sum = sum
}

// addTo adds v to totals that may not be there yet.
func addTo[T int64 | float64](t **Totals[T], v T) {
	if *t == nil {
		*t = &Totals[T]{Min: v, Max: v}
	}
	(*t).add(v)
}
