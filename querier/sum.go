package querier

import (
	"math"
	"math/bits"
)

// sum adds up numbers. Whole ones are added exactly, in 128 bits, so that their
// order and passing overflows do not matter. The others are added with the error
// of each step kept beside (Neumaier 1974), so that their order matters little.
type sum struct {
	hi, lo uint64  // two's complement
	f      float64 // the broken ones
	lost   float64 // what rounding took from f
	n      int64   // how many numbers
	breaks bool    // some are broken
}

func (s *sum) add(v *Value, _ origin) int {
	switch v.kind {
	case whole:
		s.addWide(uint64(v.n>>63), uint64(v.n))
		s.n++
	case broken:
		s.addFloat(v.broken())
		s.breaks = true
		s.n++
	}
	return 0
}

// addInts adds n whole numbers by their sum.
func (s *sum) addInts(total, n int64) {
	s.addWide(uint64(total>>63), uint64(total))
	s.n += n
}

func (s *sum) addWide(hi, lo uint64) {
	var carry uint64
	s.lo, carry = bits.Add64(s.lo, lo, 0)
	s.hi, _ = bits.Add64(s.hi, hi, carry)
}

// addFloat keeps the sum finite, as JSON has no infinity.
func (s *sum) addFloat(f float64) {
	t := finite(s.f + f)
	if math.Abs(s.f) >= math.Abs(f) {
		s.lost = finite(s.lost + (s.f - t + f))
	} else {
		s.lost = finite(s.lost + (f - t + s.f))
	}
	s.f = t
}

func finite(f float64) float64 { return max(-math.MaxFloat64, min(f, math.MaxFloat64)) }

func (s *sum) merge(other state) int {
	o := other.(*sum)
	s.addWide(o.hi, o.lo)
	s.addFloat(o.f)
	s.addFloat(o.lost)
	s.n += o.n
	s.breaks = s.breaks || o.breaks
	return 0
}

// result returns the sum: exact if it is whole and fits, else as float64.
func (s *sum) result() Value {
	if !s.breaks && s.hi == uint64(int64(s.lo)>>63) {
		return Number(int64(s.lo))
	}
	return floatValue(s.float())
}

func (s *sum) float() float64 {
	all := sum{f: s.f, lost: s.lost}
	all.addFloat(s.wide())
	return finite(all.f + all.lost)
}

// wide returns the sum of the whole numbers as float64.
func (s *sum) wide() float64 {
	if int64(s.hi) >= 0 {
		return float64(s.hi)*(1<<64) + float64(s.lo)
	}
	lo, borrow := bits.Sub64(0, s.lo, 0)
	hi, _ := bits.Sub64(0, s.hi, borrow)
	return -(float64(hi)*(1<<64) + float64(lo))
}

// avg is the mean of numbers.
type avg struct{ sum }

func (a *avg) merge(other state) int { return a.sum.merge(&other.(*avg).sum) }

func (a *avg) result() Value {
	if a.n == 0 {
		return Null()
	}
	return floatValue(a.float() / float64(a.n))
}
