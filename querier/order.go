package querier

import (
	"github.com/firnlog/firn/layout/event"
)

// order is a total order of events: by fields, then by place.
type order struct {
	by        []Order
	placeDesc bool
}

// newOrder makes a total order of what a query asks for. Nothing behind Place
// can matter.
func newOrder(by []Order) order {
	for i, o := range by {
		if o.Field.base == basePlace {
			return order{by[:i], o.Desc}
		}
	}
	return order{by: by}
}

func (o *order) fields() []Field {
	var out []Field
	for _, b := range o.by {
		out = append(out, b.Field)
	}
	return out
}

// entry is an event in an order.
type entry struct {
	keys  []Value // of the order's fields
	place event.Place
	unit  *unit
	row   int32
}

// compare returns whether a comes before b, at it or behind it. Events that
// lack a field come last in both directions.
func (o *order) compare(a, b *entry) int {
	if c := o.compareKeys(a.keys, b.keys); c != 0 {
		return c
	}
	return flip(a.place.Compare(b.place), o.placeDesc)
}

// compareKeys is compare for the keys alone.
func (o *order) compareKeys(a, b []Value) int {
	for i := range o.by {
		x, y := &a[i], &b[i]
		switch {
		case x.kind == missing && y.kind == missing:
			continue
		case x.kind == missing:
			return 1
		case y.kind == missing:
			return -1
		}
		if c := compare(x, y); c != 0 {
			return flip(c, o.by[i].Desc)
		}
	}
	return 0
}

func flip(c int, desc bool) int {
	if desc {
		return -c
	}
	return c
}

// edge returns what no event of an extent comes before in the order's first
// key, or with last, behind: a value, or a place where the order has no fields.
func (o *order) edge(e extent, last bool) (edge Value, place event.Place, ok bool) {
	if len(o.by) == 0 {
		lo, hi := e.places()
		if last != o.placeDesc {
			return Value{}, hi, true
		}
		return Value{}, lo, true
	}
	lo, hi, ok := e.bounds(o.by[0].Field.base)
	if last != o.by[0].Desc {
		return hi, event.Place{}, ok
	}
	return lo, event.Place{}, ok
}

// outside reports whether every event of an extent comes behind the entry
// bound (last false), or before it (last true), by the order's first key alone.
func (o *order) outside(e extent, bound *entry, last bool) bool {
	if bound == nil {
		return false
	}
	v, place, ok := o.edge(e, last)
	if !ok {
		return false
	}
	var c int
	if len(o.by) == 0 {
		c = flip(place.Compare(bound.place), o.placeDesc)
	} else {
		c = flip(compare(&v, &bound.keys[0]), o.by[0].Desc)
	}
	if last {
		return c < 0
	}
	return c > 0
}
