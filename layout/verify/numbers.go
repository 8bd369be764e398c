package verify

import (
	"github.com/apache/arrow-go/v18/arrow/array"

	"github.com/firnlog/firn/layout/segment"
	"github.com/firnlog/firn/layout/snapshot"
)

// paths returns the paths of a file's numbers that it has columns of numbers
// for.
func paths(file *segment.File, entry []snapshot.Number) []string {
	var out []string
	for _, n := range entry {
		if info, ok := file.Field(n.Path); ok && (info.Type == segment.Int64 || info.Type == segment.Double) {
			out = append(out, n.Path)
		}
	}
	return out
}

// gatherNumbers adds the columns of a row group to what the rows say.
func (r *fileReader) gatherNumbers(b *segment.Batch, paths []string) {
	for i, path := range paths {
		if len(r.stat.Numbers) == i {
			r.stat.Numbers = append(r.stat.Numbers, snapshot.Number{Path: path})
		}
		n := &r.stat.Numbers[i]
		switch column := b.Field(path).(type) {
		case *array.Int64:
			for row, v := range column.Int64Values() {
				if column.IsValid(row) {
					n.Values++
					addNumber(&n.Ints, v)
				}
			}
		case *array.Float64:
			for row, v := range column.Float64Values() {
				if column.IsValid(row) {
					n.Values++
					addNumber(&n.Floats, v)
				}
			}
		}
	}
}

// addNumber adds v to totals that may not be there yet.
func addNumber[T int64 | float64](totals **snapshot.Totals[T], v T) {
	if *totals == nil {
		*totals = &snapshot.Totals[T]{Min: v, Max: v}
	}
	t := *totals
	t.Min, t.Max = min(t.Min, v), max(t.Max, v)
	sum := t.Sum + v
	// An int64 overflows to the wrong side, a float64 to an infinity.
	if t.NoSum || v > 0 && sum < t.Sum || v < 0 && sum > t.Sum || sum-sum != 0 {
		t.NoSum, sum = true, 0
	}
	t.Sum = sum
}

// unequalNumbers says which of the numbers in a file's entry are not what the
// file's columns and footer say.
func unequalNumbers(file *segment.File, entry, rows []snapshot.Number) string {
	for i, n := range entry {
		if i >= len(rows) || rows[i].Path != n.Path {
			return "numbers at " + n.Path + " are counted, and the file has no such column there"
		}
		info, _ := file.Field(n.Path)
		if n.Nulls != info.Nulls || n.Residual != info.Residual || n.Values != rows[i].Values ||
			!sameTotals(n.Ints, rows[i].Ints) || !sameTotals(n.Floats, rows[i].Floats) {
			return "the numbers at " + n.Path + " are not those of the file"
		}
	}
	return ""
}

func sameTotals[T int64 | float64](a, b *snapshot.Totals[T]) bool {
	return a == nil && b == nil || a != nil && b != nil && *a == *b
}
