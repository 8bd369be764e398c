package querier

import (
	"math"
	"math/bits"

	"github.com/firnlog/firn/layout/event"
)

// sum adds up numbers. Whole ones are added exactly, in 128 bits, so that their
// order and passing overflows do not matter.
type sum struct {
	hi, lo uint64  // two's complement
	f      float64 // the broken ones
	n      int64   // how many numbers
	breaks bool    // some are broken
}

func (s *sum) add(v *Value, _ event.Place) int {
	switch v.kind {
	case whole:
		s.addWide(uint64(v.n>>63), uint64(v.n))
		s.n++
	case broken:
		s.addFloat(v.f)
		s.breaks = true
		s.n++
	}
	return 0
}

func (s *sum) addWide(hi, lo uint64) {
	var carry uint64
	s.lo, carry = bits.Add64(s.lo, lo, 0)
	s.hi, _ = bits.Add64(s.hi, hi, carry)
}

// addFloat keeps the sum finite, as JSON has no infinity.
func (s *sum) addFloat(f float64) {
	s.f = max(-math.MaxFloat64, min(s.f+f, math.MaxFloat64))
}

func (s *sum) merge(other state) int {
	o := other.(*sum)
	s.addWide(o.hi, o.lo)
	s.addFloat(o.f)
	s.n += o.n
	s.breaks = s.breaks || o.breaks
	return 0
}

// value returns the sum: exact if it is whole and fits, else as float64.
func (s *sum) value() Value {
	if !s.breaks && s.hi == uint64(int64(s.lo)>>63) {
		return Number(int64(s.lo))
	}
	return floatValue(s.float())
}

func (s *sum) float() float64 { return s.wide() + s.f }

// wide returns the sum of the whole numbers as float64.
func (s *sum) wide() float64 {
	if int64(s.hi) >= 0 {
		return float64(s.hi)*(1<<64) + float64(s.lo)
	}
	lo, borrow := bits.Sub64(0, s.lo, 0)
	hi, _ := bits.Sub64(0, s.hi, borrow)
	return -(float64(hi)*(1<<64) + float64(lo))
}

func (s *sum) appendJSON(b []byte) []byte {
	v := s.value()
	return v.appendJSON(b)
}

// avg is the mean of numbers.
type avg struct{ sum }

func (a *avg) merge(other state) int { return a.sum.merge(&other.(*avg).sum) }

func (a *avg) appendJSON(b []byte) []byte {
	if a.n == 0 {
		return append(b, "null"...)
	}
	v := floatValue(a.float() / float64(a.n))
	return v.appendJSON(b)
}
