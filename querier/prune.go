package querier

import (
	"math"

	"github.com/firnlog/firn/layout/event"
	"github.com/firnlog/firn/layout/segment"
	"github.com/firnlog/firn/layout/snapshot"
)

// extent tells what range of values a data file or a row group holds.
type extent interface {
	// bounds returns a lower and an upper bound of a field's values; ok is
	// false if none are known.
	bounds(b base) (lo, hi Value, ok bool)
	// places returns a lower and an upper bound of the events' places.
	places() (lo, hi event.Place)
}

type fileExtent struct{ snapshot.File }

func (f fileExtent) bounds(b base) (lo, hi Value, ok bool) {
	switch b {
	case baseTime:
		return timeValue(f.MinTime), timeValue(f.MaxTime), true
	case baseSequence:
		return Number(f.MinSequence), Number(f.MaxSequence), true
	case baseStream:
		return Text(f.MinStream), Text(f.MaxStream), true
	}
	return Value{}, Value{}, false
}

func (f fileExtent) places() (lo, hi event.Place) {
	return event.Place{Shard: f.Shard, Position: f.MinPosition},
		event.Place{Shard: f.Shard, Position: f.MaxPosition, Ordinal: math.MaxInt32}
}

type groupExtent struct {
	*segment.Group
	shard int
}

func (g groupExtent) bounds(b base) (lo, hi Value, ok bool) {
	switch b {
	case baseTime:
		a, z, ok := g.Ints(segment.Time)
		return timeValue(event.Micros(a)), timeValue(event.Micros(z)), ok
	case baseIngested:
		a, z, ok := g.Ints(segment.Ingested)
		return timeValue(event.Micros(a)), timeValue(event.Micros(z)), ok
	case baseSequence:
		a, z, ok := g.Ints(segment.Sequence)
		return Number(a), Number(z), ok
	case baseStream:
		a, z, ok := g.Strings(segment.Stream)
		return Text(a), Text(z), ok
	case baseType:
		a, z, ok := g.Strings(segment.Type)
		return Text(a), Text(z), ok
	}
	return Value{}, Value{}, false
}

func (g groupExtent) places() (lo, hi event.Place) {
	a, z, ok := g.Ints(segment.Position)
	if !ok {
		a, z = 0, math.MaxInt64
	}
	return event.Place{Shard: g.shard, Position: a}, event.Place{Shard: g.shard, Position: z, Ordinal: math.MaxInt32}
}

// prune returns those predicates that an extent leaves open, or ok false if no
// event of it can match.
func prune(e extent, preds []predicate) (open []predicate, ok bool) {
	for _, p := range preds {
		lo, hi, known := e.bounds(p.field.base)
		if !known {
			open = append(open, p)
			continue
		}
		may, must := p.test.judge(&lo, &hi)
		if !may {
			return nil, false
		}
		if !must {
			open = append(open, p)
		}
	}
	return open, true
}

// judge says whether any value from lo to hi may pass, and whether all must.
// Values are all of one type.
func (t *test) judge(lo, hi *Value) (may, must bool) {
	if compare(lo, hi) == 0 {
		m := t.match(lo)
		return m, m
	}
	switch t.op {
	case Contains:
		return t.values[0].kind == text && lo.kind == text, false
	case Neq:
		may, _ = judgeRange(lo, hi, &t.values[0], &t.values[0])
		return true, !may
	case In:
		for i := range t.values {
			if may, _ = judgeRange(lo, hi, &t.values[i], &t.values[i]); may {
				return true, false
			}
		}
		return false, false
	}
	from, to := t.ends()
	may, must = judgeRange(lo, hi, from, to)
	if !may {
		return false, false
	}
	switch t.op { // the ends themselves do not pass
	case Gt:
		return compare(hi, from) > 0, must && compare(lo, from) > 0
	case Lt:
		return compare(lo, to) < 0, must && compare(hi, to) < 0
	}
	return may, must
}

// ends returns the lowest and the highest value that passes a test for a range,
// nil for an open end. The ends of gt and lt do not pass themselves.
func (t *test) ends() (from, to *Value) {
	switch t.op {
	case Eq:
		return &t.values[0], &t.values[0]
	case Gt, Gte:
		return &t.values[0], nil
	case Lt, Lte:
		return nil, &t.values[0]
	}
	return &t.values[0], &t.values[1] // between
}

// judgeRange compares the values from lo to hi with the range from … to of
// values of one type.
func judgeRange(lo, hi, from, to *Value) (may, must bool) {
	if from != nil && from.rank() != lo.rank() || to != nil && to.rank() != lo.rank() {
		return false, false
	}
	may = (from == nil || compare(hi, from) >= 0) && (to == nil || compare(lo, to) <= 0)
	must = (from == nil || compare(lo, from) >= 0) && (to == nil || compare(hi, to) <= 0)
	return may, must
}
