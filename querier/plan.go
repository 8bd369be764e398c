package querier

import (
	"cmp"
	"slices"
	"time"

	"github.com/firnlog/firn/layout/event"
)

// plan is a query made ready to run. It is not changed by running.
type plan struct {
	q        *Query
	cheap    []predicate // on columns, the cheapest first
	deep     []predicate // on paths of JSON
	rest     *residue    // conditions that are neither
	never    bool        // the conditions contradict each other
	from, to event.Micros
	order    order       // of events: that asked for, or in which the groups of a reduction are sought
	keys     *projection // the fields of order
	reduce   *reducePlan // nil without a reduction
	show     *selection
}

// newPlan checks and compiles q, with relative times relative to the clock.
func newPlan(q *Query) (*plan, error) {
	if err := q.check(); err != nil {
		return nil, err
	}
	return planAt(q, time.Now())
}

// pinned returns the plan with relative times relative to now.
func (p *plan) pinned(now event.Micros) (*plan, error) {
	if !p.q.relative() {
		return p, nil
	}
	return planAt(p.q, now.Time())
}

// planAt compiles q, which was checked.
func planAt(q *Query, now time.Time) (*plan, error) {
	all, rest, err := q.predicates(now)
	if err != nil {
		return nil, err
	}
	p := &plan{q: q, rest: rest, order: newOrder(q.OrderBy), show: newSelection(q)}
	if q.Reduce != nil {
		p.reduce = newReducePlan(q.Instance, q.Reduce)
		if p.reduce.seeks() {
			p.order = p.reduce.seekOrder()
		}
	}
	p.keys = newProjection(q.Instance, p.order.fields()).ask(needNull)
	left := intervals(all)
	for _, i := range left {
		p.never = p.never || i.empty
	}
	p.from, p.to = left[Timestamp.name].times()
	for _, c := range all {
		switch {
		case c.field.base == baseInstance:
			p.never = p.never || !c.test.match(&Value{kind: text, s: q.Instance})
		case c.field.isJSON():
			p.deep = append(p.deep, c)
		default:
			p.cheap = append(p.cheap, c)
		}
	}
	slices.SortStableFunc(p.cheap, func(a, b predicate) int { return cmp.Compare(a.cost(), b.cost()) })
	return p, nil
}

// cost ranks predicates on columns by what a row costs.
func (p *predicate) cost() int {
	switch p.field.base {
	case baseTime, baseIngested, baseSequence:
		return 1
	case baseStream, baseType:
		return 2
	case baseID:
		return 3
	}
	return 4
}

// hidden returns the predicate of events that retention shows.
func hidden(before event.Micros) predicate {
	return predicate{Timestamp, test{op: Gte, values: []Value{timeValue(before)}}}
}
