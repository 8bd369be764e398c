package querier

import (
	"hash/maphash"
	"math/bits"
	"slices"
	"strings"
	"unsafe"
)

// tuples numbers different lists of values, all of one length, in the order in
// which they come. It is a hash table with open addressing over flat memory:
// groups and different values come by the hundred thousand, where a map of texts
// costs several times as much.
type tuples struct {
	width  int
	values []Value // those of list i from i*width on
	hashes []uint64
	slots  []slot // as many as a power of two, at most half of them used

	touched byte // so that what findEach reads is not left out
}

// slot holds the number of a list and 1, 0 for none, and a part of its hash.
type slot struct {
	number int32
	tag    uint32
}

func (t *tuples) len() int { return len(t.hashes) }

// at returns list i.
func (t *tuples) at(i int32) []Value { return t.values[int(i)*t.width : (int(i)+1)*t.width] }

// find returns the number of the list with a hash, or ok false if it is not there.
func (t *tuples) find(hash uint64, values []Value) (i int32, ok bool) {
	if len(t.slots) == 0 {
		return 0, false
	}
	mask := uint64(len(t.slots) - 1)
	for at := hash & mask; ; at = (at + 1) & mask {
		s := t.slots[at]
		if s.number == 0 {
			return 0, false
		}
		if s.tag == uint32(hash>>32) && same(t.at(s.number-1), values) {
			return s.number - 1, true
		}
	}
}

// findEach finds the lists of another table, from the first one on as many as there
// is room for in numbers: -1 for those that are not there.
//
// A large table is in no cache, and each look at it waits for the memory three times:
// for the slot, for the list and for its text. It is looked at for many lists before
// it is for the next thing of any, so that the processor waits for many at once.
func (t *tuples) findEach(o *tuples, numbers []int32) {
	const together = 64
	var slots [together]slot
	var first byte
	mask := uint64(len(t.slots) - 1)
	for from := 0; from < len(numbers); from += together {
		some := numbers[from:min(from+together, len(numbers))]
		if len(t.slots) > 0 {
			for i := range some {
				slots[i] = t.slots[o.hashes[from+i]&mask]
			}
			for i := range some {
				if n := slots[i].number; n > 0 && t.width > 0 {
					if s := t.at(n - 1)[0].s; s != "" {
						first += s[0]
					}
				}
			}
		}
		for i := range some {
			some[i] = -1
			if n, ok := t.find(o.hashes[from+i], o.at(int32(from+i))); ok {
				some[i] = n
			}
		}
	}
	t.touched = first
}

// append numbers a list without looking whether it is there already, and so that
// it is never found, which is all that it takes to be merged into others.
func (t *tuples) append(hash uint64, values []Value) int32 {
	t.hashes = append(t.hashes, hash)
	t.values = append(t.values, values...)
	return int32(t.len() - 1)
}

// add numbers a list that is not there yet.
func (t *tuples) add(hash uint64, values []Value) int32 {
	if 2*(t.len()+1) > len(t.slots) {
		t.reserve(t.len() + 1)
	}
	i := t.append(hash, values)
	t.place(hash, i+1)
	return i
}

// reserve makes room for some more lists.
func (t *tuples) reserve(more int) {
	size := max(16, len(t.slots))
	for size < 2*(t.len()+more) {
		size *= 2
	}
	t.hashes = slices.Grow(t.hashes, size/2-t.len())
	t.values = slices.Grow(t.values, t.width*(size/2)-len(t.values))
	if size == len(t.slots) {
		return
	}
	t.slots = make([]slot, size)
	for i, hash := range t.hashes {
		t.place(hash, int32(i)+1)
	}
}

func (t *tuples) place(hash uint64, number int32) {
	mask := uint64(len(t.slots) - 1)
	at := hash & mask
	for t.slots[at].number != 0 {
		at = (at + 1) & mask
	}
	t.slots[at] = slot{number, uint32(hash >> 32)}
}

// same reports whether two lists hold the same values.
func same(a, b []Value) bool {
	for i := range a {
		x, y := &a[i], &b[i]
		if x.kind != y.kind || x.n != y.n || x.kind != broken && x.s != y.s {
			return false
		}
	}
	return true
}

// hashSeed is the process's own: no hash leaves it, and none can be foreseen.
var hashSeed = maphash.MakeSeed()

// hashOf returns the hash of a list of values.
func hashOf(values []Value) uint64 {
	h := uint64(len(values))
	for i := range values {
		h = (bits.RotateLeft64(h, 5) ^ values[i].hash()) * mixer
	}
	return h ^ h>>32
}

// mixer is an odd number without pattern, 2^64 by the golden ratio.
const mixer = 0x9e3779b97f4a7c15

func (v *Value) hash() uint64 {
	h := uint64(v.kind)
	switch v.kind {
	case boolean, whole, broken, moment:
		h ^= uint64(v.n) * mixer
	case text, array, object:
		h ^= maphash.String(hashSeed, v.s)
	}
	return h ^ h>>29
}

// arena keeps copies of texts in a few large pieces of memory.
type arena struct{ room []byte }

// arenaPiece is how many bytes are asked for at once.
const arenaPiece = 32 << 10

// keep returns v without any tie to other memory.
func (a *arena) keep(v Value) Value {
	if len(v.s) > arenaPiece/8 {
		v.s = strings.Clone(v.s)
		return v
	}
	if v.s == "" {
		return v
	}
	if len(a.room)+len(v.s) > cap(a.room) {
		a.room = make([]byte, 0, arenaPiece)
	}
	from := len(a.room)
	a.room = append(a.room, v.s...)
	v.s = unsafe.String(unsafe.SliceData(a.room[from:]), len(a.room)-from) // never written to again
	return v
}
