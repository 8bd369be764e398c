package querier

import "math"

// addSketches adds whole numbers to sketches: those of a group that follow each
// other in one range at once.
func addSketches(s *sketches, v *vector, rows, groups []int32) (grown int) {
	var near ranges
	group, index, n := int32(0), 0, 0 // numbers that are not added yet
	for i, row := range rows {
		at := v.index(row)
		if v.nulls != nil && v.nulls.IsNull(at) {
			continue
		}
		x := v.ints[at]
		if x <= 0 {
			grown += s.list[groups[i]].add(&Value{kind: whole, n: x}, origin{})
			continue
		}
		next := near.of(x)
		if n > 0 && (next != index || groups[i] != group) {
			grown += s.list[group].addRange(index, n)
			n = 0
		}
		group, index = groups[i], next
		n++
	}
	if n > 0 {
		grown += s.list[group].addRange(index, n)
	}
	return grown
}

// addRange adds n positive numbers of one range.
func (p *percentile) addRange(index, n int) int {
	p.open().GetPositiveValueStore().AddWithCount(index, float64(n))
	p.n += n
	return p.grown(false)
}

// ranges finds the ranges of a sketch that positive numbers lie in, as the sketch
// does with a logarithm each, but faster for small ones and those near each other.
type ranges struct {
	index  int     // of the number before
	lo, hi float64 // numbers of that range; none while none came twice
}

// smallRanges are those of the numbers below their count.
var smallRanges = func() (out [1024]int16) {
	for n := 1; n < len(out); n++ {
		out[n] = int16(sketchMapping.Index(float64(n)))
	}
	return out
}()

// margin keeps off the ends of a range, where the logarithm's rounding decides.
const margin = 1e-9

func (r *ranges) of(n int64) int {
	if n < int64(len(smallRanges)) {
		return int(smallRanges[n])
	}
	f := float64(n)
	if f >= r.lo && f <= r.hi {
		return r.index
	}
	index := sketchMapping.Index(f)
	if r.lo, r.hi = math.Inf(1), 0; index == r.index {
		r.lo, r.hi = sketchMapping.LowerBound(index)*(1+margin), sketchMapping.LowerBound(index+1)*(1-margin)
	}
	r.index = index
	return index
}
