package segment

import "slices"

// Range is the rows From … To-1 of a row group.
type Range struct{ From, To int }

// Rows is a set of rows of a row group: ranges in ascending order, none of them
// empty and none overlapping another. Nil means no rows, but all of them where
// it is said so.
type Rows []Range

// Count returns the number of rows.
func (r Rows) Count() int {
	n := 0
	for _, s := range r {
		n += s.To - s.From
	}
	return n
}

// Add returns r with the rows of s added, which MUST not begin before the last
// range of r.
func (r Rows) Add(s Range) Rows {
	switch n := len(r); {
	case s.From >= s.To:
		return r
	case n > 0 && s.From <= r[n-1].To:
		r[n-1].To = max(r[n-1].To, s.To)
		return r
	}
	return append(r, s)
}

// Union returns the rows that are in any of both sets.
func (r Rows) Union(o Rows) Rows {
	all := append(slices.Clone(r), o...)
	slices.SortFunc(all, func(a, b Range) int { return a.From - b.From })
	var out Rows
	for _, s := range all {
		out = out.Add(s)
	}
	return out
}

// Intersect returns the rows that are in both sets.
func (r Rows) Intersect(o Rows) Rows {
	var out Rows
	for i, j := 0, 0; i < len(r) && j < len(o); {
		out = out.Add(Range{max(r[i].From, o[j].From), min(r[i].To, o[j].To)})
		if r[i].To < o[j].To {
			i++
		} else {
			j++
		}
	}
	return out
}
