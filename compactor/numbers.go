package compactor

import (
	"cmp"
	"slices"
	"strings"

	"github.com/firnlog/firn/layout/segment"
	"github.com/firnlog/firn/layout/snapshot"
)

// numbers returns what a file's entry says of its columns of numbers: of those
// with the most values, by path.
func numbers(fields []segment.FieldInfo) []snapshot.Number {
	var out []snapshot.Number
	for i := range fields {
		f := &fields[i]
		if f.Ints == nil && f.Floats == nil {
			continue
		}
		out = append(out, snapshot.Number{Path: f.Path, Values: f.Values, Nulls: f.Nulls, Residual: f.Residual,
			Ints: (*snapshot.Totals[int64])(f.Ints), Floats: (*snapshot.Totals[float64])(f.Floats)})
	}
	slices.SortFunc(out, func(a, b snapshot.Number) int {
		return cmp.Or(cmp.Compare(b.Values, a.Values), strings.Compare(a.Path, b.Path))
	})
	out = out[:min(len(out), snapshot.MaxNumbers)]
	slices.SortFunc(out, func(a, b snapshot.Number) int { return strings.Compare(a.Path, b.Path) })
	return out
}

// planOf returns how a file is best written that takes the place of others.
func planOf(files []*segment.File) (segment.Plan, error) {
	var ch segment.Chooser
	for _, f := range files {
		if err := ch.AddFile(f); err != nil {
			return segment.Plan{}, err
		}
	}
	return ch.Plan(), nil
}
