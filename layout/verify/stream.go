package verify

import (
	"sort"

	"github.com/firnlog/firn/layout/event"
)

// span is a range of one stream's events without a gap, in append order.
type span struct {
	lo, hi         int64
	loPlace, hiEnd event.Place // of the first event, and of the last
	source         int32       // which object holds the first
}

// stream is what is known of one stream of a shard.
type stream struct {
	spans   []span // of the table's events, by sequence number, apart from each other
	head    int64  // by the runs of heads, 0 for none
	headKey string // of the run
}

// add takes in a span. It returns what cannot be: events that are there already,
// which it leaves out, or an append order that is not that of the numbers.
func (s *stream) add(n span) (Kind, int64) {
	i := sort.Search(len(s.spans), func(i int) bool { return s.spans[i].lo > n.lo })
	if i > 0 && s.spans[i-1].hi >= n.lo {
		return Duplicate, n.lo
	}
	if i < len(s.spans) && s.spans[i].lo <= n.hi {
		return Duplicate, s.spans[i].lo
	}
	var kind Kind
	if i > 0 && s.spans[i-1].hiEnd.Compare(n.loPlace) >= 0 || i < len(s.spans) && n.hiEnd.Compare(s.spans[i].loPlace) >= 0 {
		kind = Disorder
	}
	s.insert(i, n)
	return kind, n.lo
}

// insert puts a span before the i-th and joins it with its neighbours.
func (s *stream) insert(i int, n span) {
	joinsLeft := i > 0 && s.spans[i-1].hi+1 == n.lo
	joinsRight := i < len(s.spans) && n.hi+1 == s.spans[i].lo
	switch {
	case joinsLeft && joinsRight:
		s.spans[i-1].hi, s.spans[i-1].hiEnd = s.spans[i].hi, s.spans[i].hiEnd
		s.spans = append(s.spans[:i], s.spans[i+1:]...)
	case joinsLeft:
		s.spans[i-1].hi, s.spans[i-1].hiEnd = n.hi, n.hiEnd
	case joinsRight:
		s.spans[i].lo, s.spans[i].loPlace, s.spans[i].source = n.lo, n.loPlace, n.source
	default:
		s.spans = append(s.spans, span{})
		copy(s.spans[i+1:], s.spans[i:])
		s.spans[i] = n
	}
}

// last returns the highest sequence number in the table, 0 for none.
func (s *stream) last() int64 {
	if len(s.spans) == 0 {
		return 0
	}
	return s.spans[len(s.spans)-1].hi
}
