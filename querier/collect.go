package querier

import (
	"slices"

	"github.com/firnlog/firn/layout/event"
)

// collect gathers all values, in append order.
type collect struct{ values []placed }

type placed struct {
	value Value
	place event.Place
}

// placedSize is what a collected value takes besides its text, in bytes.
const placedSize = 64

func (c *collect) add(v *Value, at origin) int {
	c.values = append(c.values, placed{v.clone(), at.place})
	return placedSize + len(v.s)
}

func (c *collect) merge(s state) int {
	c.values = append(c.values, s.(*collect).values...)
	return 0
}

func (c *collect) result() Value {
	slices.SortFunc(c.values, func(a, b placed) int { return a.place.Compare(b.place) })
	b := appendList(nil, c.values, func(b []byte, p placed) []byte { return p.value.appendJSON(b) })
	return Value{kind: array, s: string(b)}
}
