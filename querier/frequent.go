package querier

import (
	"cmp"
	"context"
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
	first := firsts[*tally]{n: f.k, compare: func(a, b *tally) int {
		return cmp.Or(cmp.Compare(b.n, a.n), compare(&a.value, &b.value))
	}}
	for _, t := range f.counts {
		first.offer(t)
	}
	all, _ := first.sorted(context.Background())
	b := appendList(nil, all, func(b []byte, t *tally) []byte {
		b = t.value.appendJSON(append(b, `{"value":`...))
		return append(strconv.AppendInt(append(b, `,"count":`...), t.n, 10), '}')
	})
	return Value{kind: array, s: string(b)}
}
