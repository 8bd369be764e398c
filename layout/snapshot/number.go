package snapshot

// Number is what a data file holds at a path of its events that has a column of
// numbers there, so that sums, extremes and counts of whole files need no
// reading. It says of all the file's rows; those with neither value, null nor
// residual do not have the path.
type Number struct {
	Path     string           `json:"path"` // such as payload.duration
	Values   int64            `json:"values"`
	Nulls    int64            `json:"nulls,omitempty"`    // rows with null at the path
	Residual int64            `json:"residual,omitempty"` // rows with something that the column cannot hold: with any, only the JSON knows all
	Ints     *Totals[int64]   `json:"ints,omitempty"`     // of a column of int64
	Floats   *Totals[float64] `json:"floats,omitempty"`   // of a column of double
}

// Totals are those of a column's numbers.
type Totals[T int64 | float64] struct {
	Min   T    `json:"min"`
	Max   T    `json:"max"`
	Sum   T    `json:"sum"`              // of float64 in the order of the rows
	NoSum bool `json:"no_sum,omitempty"` // the sum is beyond T, and Sum says nothing
}

// Bounds of a file's numbers: a file of fewer than NumberRows rows is as soon
// read, and its entry is rewritten with every change of its day.
const (
	MaxNumbers = 16
	NumberRows = 1_000
)
