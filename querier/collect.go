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

func (c *collect) add(v *Value, at event.Place) int {
	c.values = append(c.values, placed{v.clone(), at})
	return placedSize + len(v.s)
}

func (c *collect) merge(s state) int {
	c.values = append(c.values, s.(*collect).values...)
	return 0
}

func (c *collect) appendJSON(b []byte) []byte {
	slices.SortFunc(c.values, func(a, b placed) int { return a.place.Compare(b.place) })
	return appendList(b, c.values, func(b []byte, p placed) []byte { return p.value.appendJSON(b) })
}
