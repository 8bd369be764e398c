package querier

// extreme is the smallest or the largest value: of the numbers or times if
// there are any, else of the strings, else of the booleans. So a stray text
// among numbers does no harm.
type extreme struct {
	max  bool
	best Value
}

// preference ranks the types that have extremes; 0 is none.
func preference(v *Value) int {
	switch v.kind {
	case whole, broken, moment:
		return 3
	case text:
		return 2
	case boolean:
		return 1
	}
	return 0
}

func (x *extreme) add(v *Value, _ origin) int {
	if !x.better(v) {
		return 0
	}
	best := v.clone()
	if v.kind == broken {
		best.s = "" // statistics know the number, not how it was written
	}
	grown := len(best.s) - len(x.best.s)
	x.best = best
	return grown
}

func (x *extreme) better(v *Value) bool {
	p, q := preference(v), preference(&x.best)
	if p != q {
		return p > q
	}
	c := compare(v, &x.best)
	return p > 0 && (c < 0 && !x.max || c > 0 && x.max)
}

func (x *extreme) merge(s state) int {
	other := &s.(*extreme).best
	return x.add(other, origin{}) - len(other.s)
}

func (x *extreme) result() Value {
	if x.best.kind == missing {
		return Null()
	}
	return x.best
}
