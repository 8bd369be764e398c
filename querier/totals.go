package querier

import (
	"github.com/firnlog/firn/internal/bug"
	"github.com/firnlog/firn/layout/segment"
	"github.com/firnlog/firn/layout/snapshot"
)

// totals are those of a field over a data file.
type totals struct {
	values, nulls int64 // rows with a number, and with null
	ints          *snapshot.Totals[int64]
	floats        *snapshot.Totals[float64]
}

// totalled answers for a data file by the totals in its manifest, or once it is
// open in its footer, if all its events match and these are all that the
// reduction needs.
func (r *run) totalled(s *source) bool {
	if s.commit != nil || !s.slice.whole() || s.mask != nil && !bug.In(bug.TotalsOfErased) || r.table == nil || len(r.reduce.GroupBy) > 0 ||
		len(s.rest) > 0 || len(r.deep) > 0 || !r.rest.empty() {
		return false
	}
	all := make([]totals, len(r.reduce.values))
	for i := range r.reduce.values {
		var ok bool
		if all[i], ok = s.totals(&r.reduce.values[i]); !ok {
			return false
		}
	}
	for i := range all {
		all[i].addTo(r.table.columns[i])
	}
	r.count(s.file.Rows)
	r.stats.rowsCounted.Add(s.file.Rows)
	return true
}

// totals returns what is known of a value's field; ok is false if that is not
// all that the reduction needs. Sums of float64 are not as exact there as [sum].
func (s *source) totals(v *Named) (t totals, ok bool) {
	if v.Type == Count && (v.Field.base == baseNone || v.Field.always()) {
		return totals{values: s.file.Rows}, true
	}
	if !v.Field.isJSON() || v.Field.path == "" {
		return t, false
	}
	if t, ok = s.numbers(v.Field.canonical()); !ok {
		return t, false
	}
	switch v.Type {
	case Count:
		return t, true
	case Sum, Avg:
		return t, t.ints != nil && !t.ints.NoSum
	case Min, Max:
		return t, t.ints != nil || t.floats != nil
	}
	return t, false
}

// numbers returns the totals of the field at a path, if they stand for all its
// values.
func (s *source) numbers(path string) (t totals, ok bool) {
	for i := range s.file.Numbers {
		if n := &s.file.Numbers[i]; n.Path == path {
			return totals{n.Values, n.Nulls, n.Ints, n.Floats}, n.Residual == 0
		}
	}
	if s.open == nil {
		return t, false
	}
	info, ok := s.open.Field(path)
	if !ok || info.Type != segment.Int64 && info.Type != segment.Double {
		return t, false
	}
	return totals{info.Values, info.Nulls, (*snapshot.Totals[int64])(info.Ints), (*snapshot.Totals[float64])(info.Floats)}, info.Residual == 0
}

// addTo takes the totals into the states of the one group.
func (t *totals) addTo(c column) {
	switch c := c.(type) {
	case *counts:
		c.list[0] += count(t.values + t.nulls) // null is counted
	case *sums:
		c.list[0].addInts(t.ints.Sum, t.values)
	case *avgs:
		c.list[0].addInts(t.ints.Sum, t.values)
	case *extremes:
		lo, hi := Value{}, Value{}
		if t.ints != nil {
			lo, hi = Number(t.ints.Min), Number(t.ints.Max)
		} else {
			lo, hi = floatValue(t.floats.Min), floatValue(t.floats.Max)
		}
		c.add(0, &lo, origin{})
		c.add(0, &hi, origin{})
	}
}
