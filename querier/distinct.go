package querier

import (
	"slices"

	"github.com/apache/arrow-go/v18/arrow"
	arrays "github.com/apache/arrow-go/v18/arrow/array"
)

// distincts counts the different values of each group. A value is held once for
// all groups, which hold its number.
type distincts struct {
	values tuples // of one value each
	texts  arena
	groups []numberSet
}

// What a value takes besides its text, and its number in a group, in bytes.
const (
	valueSize  = 80
	memberSize = 16
)

func (d *distincts) grow(n int) {
	for len(d.groups) < n {
		d.groups = append(d.groups, numberSet{})
	}
}

func (d *distincts) reserve(n int) { d.groups = slices.Grow(d.groups, n) }

func (d *distincts) add(group int32, v *Value, _ origin) int {
	w := [1]Value{v.compacted()}
	number, grown := d.number(hashOf(w[:]), w[:])
	if d.groups[group].add(uint32(number)) {
		grown += memberSize
	}
	return grown
}

// number returns the number of a value, which is copied, and by how many bytes the
// column grew.
func (d *distincts) number(hash uint64, v []Value) (number int32, grown int) {
	if number, ok := d.values.find(hash, v); ok {
		return number, 0
	}
	w := [1]Value{d.texts.keep(v[0])}
	return d.values.add(hash, w[:]), valueSize + len(w[0].s)
}

func (d *distincts) merge(other column, to []int32) int {
	o := other.(*distincts)
	grown := 0
	d.values.reserve(o.values.len() / 4) // most are there already
	numbers := make([]int32, o.values.len())
	d.values.findEach(&o.values, numbers)
	for i := range numbers {
		v, n := o.values.at(int32(i)), 0
		if numbers[i] < 0 { // or numbered since, where a dictionary has a text twice
			numbers[i], n = d.number(o.values.hashes[i], v)
		}
		grown += n - valueSize - len(v[0].s) // which the other had accounted for
	}
	for i := range o.groups {
		g := &d.groups[to[i]]
		for _, n := range o.groups[i].list {
			if !g.add(uint32(numbers[n])) {
				grown -= memberSize
			}
		}
	}
	return grown
}

func (d *distincts) result(group int32) Value { return Number(int64(len(d.groups[group].list))) }

func (*distincts) form() arrow.DataType { return arrow.ListOf(arrow.BinaryTypes.Binary) }

func (d *distincts) write(b arrays.Builder, group int32) {
	lb := b.(*arrays.ListBuilder)
	lb.Append(true)
	for _, n := range d.groups[group].list {
		writeValue(lb.ValueBuilder(), &d.values.at(int32(n))[0])
	}
}

func (d *distincts) read(a arrow.Array, row int, group int32) (size int, err error) {
	la := a.(*arrays.List)
	from, to := la.ValueOffsets(row)
	for i := int(from); i < int(to); i++ {
		v, err := readValue(la.ListValues(), i)
		if err != nil {
			return size, err
		}
		size += d.add(group, &v, origin{})
	}
	return size, nil
}

// numberSet is a set of small numbers.
type numberSet struct {
	list  []uint32
	bits  []uint64 // one for each number, where a good part of them is in the set; else nil
	slots []uint32 // a number and 1, by its hash, 0 for none; nil where there are bits, too, or few, or [numberSet.note] was used
}

const (
	fewNumbers = 8  // up to so many are looked through
	dense      = 64 // of so many numbers one must be in the set for it to have bits
)

// note adds a number that is not in the set.
func (s *numberSet) note(n uint32) {
	s.list = append(s.list, n)
	s.bits, s.slots = nil, nil
}

// add adds a number and reports whether it was not in the set.
func (s *numberSet) add(n uint32) bool {
	switch {
	case len(s.list) <= fewNumbers:
		if slices.Contains(s.list, n) {
			return false
		}
		s.note(n)
		return true
	case int(n/64) < len(s.bits):
	case s.bits != nil || 2*(len(s.list)+1) > len(s.slots):
		s.index(n)
	}
	if s.bits != nil {
		word, bit := &s.bits[n/64], uint64(1)<<(n%64)
		if *word&bit != 0 {
			return false
		}
		*word |= bit
	} else {
		at, found := s.find(n)
		if found {
			return false
		}
		s.slots[at] = n + 1
	}
	s.list = append(s.list, n)
	return true
}

// index makes bits or slots anew, with room for more numbers, n among them.
func (s *numberSet) index(n uint32) {
	top := max(n, slices.Max(s.list))
	if int(top) < dense*len(s.list) {
		s.slots, s.bits = nil, make([]uint64, 2*top/64+1)
		for _, n := range s.list {
			s.bits[n/64] |= 1 << (n % 64)
		}
		return
	}
	size := 4 * fewNumbers
	for size < 4*len(s.list) {
		size *= 2
	}
	s.bits, s.slots = nil, make([]uint32, size)
	for _, n := range s.list {
		at, _ := s.find(n)
		s.slots[at] = n + 1
	}
}

// find returns the slot where a number is, or where it would be.
func (s *numberSet) find(n uint32) (at uint32, found bool) {
	mask := uint32(len(s.slots) - 1)
	for at = uint32(uint64(n)*mixer>>32) & mask; s.slots[at] != 0; at = (at + 1) & mask {
		if s.slots[at] == n+1 {
			return at, true
		}
	}
	return at, false
}
