package querier

import "math"

// refine keeps the rows whose values in a vector pass, in place.
func (t *test) refine(v *vector, rows []int32) []int32 {
	switch {
	case v.codes != nil:
		return t.refineCodes(v, rows)
	case v.ints != nil:
		if lo, hi, ok := t.intRange(v.kind); ok {
			return refineRange(v, v.ints, lo, hi, rows)
		}
	case v.floats != nil:
		if lo, hi, ok := t.floatRange(); ok {
			return refineRange(v, v.floats, lo, hi, rows)
		}
	}
	return keep(v.ctx, rows, func(row int32) bool {
		x := v.value(row)
		return t.match(&x)
	})
}

// refineRange keeps the rows with a value from lo to hi. No test for a range
// passes null.
func refineRange[T int64 | float64](v *vector, values []T, lo, hi T, rows []int32) []int32 {
	out := rows[:0]
	if v.nulls == nil && v.at == nil {
		for _, row := range rows {
			if x := values[row]; x >= lo && x <= hi {
				out = append(out, row)
			}
		}
		return out
	}
	for _, row := range rows {
		i := v.index(row)
		if x := values[i]; x >= lo && x <= hi && (v.nulls == nil || v.nulls.IsValid(i)) {
			out = append(out, row)
		}
	}
	return out
}

// refineCodes tests each entry of a dictionary, and null, at most once.
func (t *test) refineCodes(v *vector, rows []int32) []int32 {
	const pass, fail = 1, 2
	known := make([]uint8, v.dict.Len())
	null := t.match(&Value{})
	tested := 0
	out := rows[:0]
	for _, row := range rows {
		i := v.index(row)
		if v.nulls != nil && v.nulls.IsNull(i) {
			if null {
				out = append(out, row)
			}
			continue
		}
		code := v.codes[i]
		if known[code] == 0 {
			if tested++; tested%lookRows == 0 && v.ctx.Err() != nil {
				break // see [keep]
			}
			known[code] = fail
			if t.match(&Value{kind: text, s: v.dict.Value(int(code))}) {
				known[code] = pass
			}
		}
		if known[code] == pass {
			out = append(out, row)
		}
	}
	return out
}

// intRange returns the whole numbers or times that pass, if they are a range of
// whole ends.
func (t *test) intRange(k kind) (lo, hi int64, ok bool) {
	if !t.plain() || t.op == Neq || t.op == In || t.op == Contains {
		return 0, 0, false
	}
	from, to := t.ends()
	if from != nil && from.kind != k || to != nil && to.kind != k {
		return 0, 0, false
	}
	lo, hi = math.MinInt64, math.MaxInt64
	if from != nil {
		lo = from.n
	}
	if to != nil {
		hi = to.n
	}
	switch {
	case t.op == Gt && lo == math.MaxInt64 || t.op == Lt && hi == math.MinInt64:
		return 0, 0, false
	case t.op == Gt:
		lo++
	case t.op == Lt:
		hi--
	}
	return lo, hi, true
}

// floatRange returns the numbers of a column of float64 that pass, if they are a
// range of numbers that float64 holds exactly.
func (t *test) floatRange() (lo, hi float64, ok bool) {
	if !t.plain() || t.op == Neq || t.op == In || t.op == Contains {
		return 0, 0, false
	}
	from, to := t.ends()
	lo, hi = math.Inf(-1), math.Inf(1)
	if from != nil {
		if lo, ok = from.exactFloat(); !ok {
			return 0, 0, false
		}
	}
	if to != nil {
		if hi, ok = to.exactFloat(); !ok {
			return 0, 0, false
		}
	}
	switch t.op {
	case Gt:
		lo = math.Nextafter(lo, math.Inf(1))
	case Lt:
		hi = math.Nextafter(hi, math.Inf(-1))
	}
	return lo, hi, true
}

// exactFloat returns a number as float64, if that is exact.
func (v *Value) exactFloat() (float64, bool) {
	switch v.kind {
	case broken:
		return v.broken(), true
	case whole:
		const exact = 1 << 53
		return float64(v.n), v.n >= -exact && v.n <= exact
	}
	return 0, false
}
