package querier

import "github.com/firnlog/firn/layout/event"

// interval is a range of values of one type that all conditions on a field
// leave. A nil end is open.
type interval struct {
	rank           int
	lo, hi         *Value
	loOpen, hiOpen bool // the end itself is left out
	empty          bool
}

// narrow leaves what passes t as well. Tests that ask for no range leave all.
func (i *interval) narrow(t *test) {
	switch t.op {
	case Neq, Contains:
		return
	case In:
		i.narrowList(t.values)
		return
	}
	from, to := t.ends()
	if from != nil {
		i.raise(from, t.op == Gt)
	}
	if to != nil {
		i.lower(to, t.op == Lt)
	}
}

// narrowList leaves the range of a list's values, if they are of one type.
func (i *interval) narrowList(values []Value) {
	if len(values) == 0 {
		i.empty = true
		return
	}
	lo, hi := &values[0], &values[0]
	for j := range values {
		v := &values[j]
		if compare(v, lo) < 0 {
			lo = v
		}
		if compare(v, hi) > 0 {
			hi = v
		}
	}
	if lo.rank() == hi.rank() {
		i.raise(lo, false)
		i.lower(hi, false)
	}
}

func (i *interval) raise(v *Value, open bool) {
	i.meet(v)
	if c := compareEnd(v, i.lo); i.lo == nil || c > 0 || c == 0 && open {
		i.lo, i.loOpen = v, open
	}
	i.settle()
}

func (i *interval) lower(v *Value, open bool) {
	i.meet(v)
	if c := compareEnd(v, i.hi); i.hi == nil || c < 0 || c == 0 && open {
		i.hi, i.hiOpen = v, open
	}
	i.settle()
}

// meet empties i if v is of another type.
func (i *interval) meet(v *Value) {
	if i.rank == 0 {
		i.rank = v.rank()
	}
	i.empty = i.empty || i.rank != v.rank()
}

func (i *interval) settle() {
	if i.lo == nil || i.hi == nil {
		return
	}
	c := compare(i.lo, i.hi)
	i.empty = i.empty || c > 0 || c == 0 && (i.loOpen || i.hiOpen)
}

func compareEnd(v, end *Value) int {
	if end == nil {
		return 0
	}
	return compare(v, end)
}

// intervals returns what the predicates leave of each field, by its one name.
func intervals(preds []predicate) map[string]*interval {
	out := map[string]*interval{}
	for i := range preds {
		p := &preds[i]
		name := p.field.canonical()
		if out[name] == nil {
			out[name] = &interval{rank: columnRank(p.field.base)}
		}
		out[name].narrow(&p.test)
	}
	return out
}

// columnRank returns the one type of a column's values, 0 if there are several.
func columnRank(b base) int {
	switch b {
	case baseID, baseInstance, baseStream, baseType:
		return int(text)
	case baseSequence:
		return int(whole)
	case baseTime, baseIngested:
		return int(moment)
	case baseTags:
		return int(array)
	}
	return 0
}

// times returns the range of times, both ends included.
func (i *interval) times() (from, to event.Micros) {
	from, to = event.MinTime, event.MaxTime
	if i != nil && i.lo != nil {
		from = event.Micros(i.lo.n + int64(btoi(i.loOpen)))
	}
	if i != nil && i.hi != nil {
		to = event.Micros(i.hi.n - int64(btoi(i.hiOpen)))
	}
	return from, to
}
