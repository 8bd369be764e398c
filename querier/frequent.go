package querier

import (
	"cmp"
	"slices"
	"strconv"
)

// frequent counts how often each value occurs.
type frequent struct {
	k      int
	counts map[string]*tally // by key
}

// tally is how often a value occurs.
type tally struct {
	value Value
	n     int64
}

// tallySize is what a tally takes besides its texts, in bytes.
const tallySize = 128

func (f *frequent) add(v *Value, _ origin) int {
	var scratch [64]byte
	w := v.compacted()
	key := w.appendKey(scratch[:0])
	if t := f.counts[string(key)]; t != nil {
		t.n++
		return 0
	}
	if f.counts == nil {
		f.counts = map[string]*tally{}
	}
	f.counts[string(key)] = &tally{w.clone(), 1}
	return tallySize + len(key) + len(w.s)
}

func (f *frequent) merge(s state) int {
	freed := 0
	if f.counts == nil {
		f.counts = map[string]*tally{}
	}
	for key, other := range s.(*frequent).counts {
		if t := f.counts[key]; t != nil {
			t.n += other.n
			freed += tallySize + len(key) + len(other.value.s)
			continue
		}
		f.counts[key] = other
	}
	return -freed
}

// result returns the most frequent values, those that are as frequent in their
// order.
func (f *frequent) result() Value {
	all := make([]*tally, 0, len(f.counts))
	for _, t := range f.counts {
		all = append(all, t)
	}
	slices.SortFunc(all, func(a, b *tally) int {
		if c := cmp.Compare(b.n, a.n); c != 0 {
			return c
		}
		return compare(&a.value, &b.value)
	})
	b := appendList(nil, all[:min(f.k, len(all))], func(b []byte, t *tally) []byte {
		b = t.value.appendJSON(append(b, `{"value":`...))
		return append(strconv.AppendInt(append(b, `,"count":`...), t.n, 10), '}')
	})
	return Value{kind: array, s: string(b)}
}
