package querier

import (
	"slices"

	"github.com/apache/arrow-go/v18/arrow"
	arrays "github.com/apache/arrow-go/v18/arrow/array"
)

// column holds the states of one value of a reduction, those of all groups by
// their numbers.
type column interface {
	// grow makes states without values, so that there are n.
	grow(n int)
	// reserve makes room for n more.
	reserve(n int)
	// add takes in the value of an event and returns by how many bytes the
	// states grew; see [state].
	add(group int32, v *Value, at origin) int
	// merge takes in the states of a column of the same kind, which is not used
	// any more; those of its group i go to group to[i]. It returns by how many
	// bytes both together grew.
	merge(o column, to []int32) int
	result(group int32) Value
	// form, write and read are those of [wired], of one group.
	form() arrow.DataType
	write(b arrays.Builder, group int32)
	read(a arrow.Array, row int, group int32) (int, error)
}

// states is a column of states that know nothing of each other.
type states[S any, P interface {
	*S
	state
}] struct {
	list  []S
	fresh S // one without values
}

// The columns that have loops of their own.
type (
	counts   = states[count, *count]
	sums     = states[sum, *sum]
	avgs     = states[avg, *avg]
	extremes = states[extreme, *extreme]
	sketches = states[percentile, *percentile]
)

func newColumn(n Named) column {
	switch n.Type {
	case Sum:
		return &sums{}
	case Avg:
		return &avgs{}
	case Min:
		return &extremes{}
	case Max:
		return &extremes{fresh: extreme{max: true}}
	case Collect:
		return &states[collect, *collect]{}
	case CountDistinct:
		return &distincts{values: tuples{width: 1}}
	case First:
		return &states[edge, *edge]{}
	case Last:
		return &states[edge, *edge]{fresh: edge{last: true}}
	case TopK:
		k := n.K
		if k == 0 {
			k = defaultTop
		}
		return &states[frequent, *frequent]{fresh: frequent{k: k}}
	case Count:
		return &counts{}
	}
	q, _ := n.Type.quantile()
	return &sketches{fresh: percentile{q: q}}
}

// defaultTop is how many values topK shows when it does not say.
const defaultTop = 10

func (s *states[S, P]) grow(n int) {
	if n > cap(s.list) {
		s.list = slices.Grow(s.list, max(n, 2*len(s.list))-len(s.list))
	}
	for len(s.list) < n {
		s.list = append(s.list, s.fresh)
	}
}

func (s *states[S, P]) reserve(n int) { s.list = slices.Grow(s.list, n) }

func (s *states[S, P]) add(group int32, v *Value, at origin) int {
	return P(&s.list[group]).add(v, at)
}

func (s *states[S, P]) merge(o column, to []int32) int {
	grown := 0
	list := o.(*states[S, P]).list
	for i := range list {
		grown += P(&s.list[to[i]]).merge(P(&list[i]))
	}
	return grown
}

func (s *states[S, P]) result(group int32) Value { return P(&s.list[group]).result() }
func (s *states[S, P]) form() arrow.DataType     { return P(&s.fresh).form() }

func (s *states[S, P]) write(b arrays.Builder, group int32) { P(&s.list[group]).write(b) }

func (s *states[S, P]) read(a arrow.Array, row int, group int32) (int, error) {
	return P(&s.list[group]).read(a, row)
}
