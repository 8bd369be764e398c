package querier

// edge is the value of the first or of the last event that has one.
type edge struct {
	last  bool
	value Value // missing for none
	at    origin
}

func (e *edge) add(v *Value, at origin) int {
	if e.value.kind != missing && (at.compare(e.at) > 0) != e.last {
		return 0
	}
	grown := len(v.s) - len(e.value.s)
	e.value, e.at = v.clone(), at
	return grown
}

func (e *edge) merge(s state) int {
	o := s.(*edge)
	if o.value.kind == missing {
		return 0
	}
	return e.add(&o.value, o.at) - len(o.value.s)
}

func (e *edge) result() Value {
	if e.value.kind == missing {
		return Null()
	}
	return e.value
}
