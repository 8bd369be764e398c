package querier

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/firnlog/firn/layout/event"
)

// plan is a query made ready to run. It is not changed by running.
type plan struct {
	q        *Query
	cheap    []predicate // on columns, the cheapest first
	deep     []predicate // on paths of JSON
	paths    *projection // the fields of deep
	never    bool        // the conditions contradict each other
	from, to event.Micros
	order    order
	keys     *projection // the fields of order
	reduce   *reducePlan // nil without a reduction
	show     *selection
}

// newPlan checks and compiles q.
func newPlan(q *Query) (*plan, error) {
	if err := q.check(); err != nil {
		return nil, err
	}
	all, err := q.predicates()
	if err != nil {
		return nil, err
	}
	p := &plan{q: q, order: newOrder(q.OrderBy), show: newSelection(q)}
	p.keys = newProjection(q.Instance, p.order.fields())
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
	var fields []Field
	for _, c := range p.deep {
		fields = append(fields, c.field)
	}
	p.paths = newProjection(q.Instance, fields)
	if q.Reduce != nil {
		p.reduce = newReducePlan(q.Instance, q.Reduce)
	}
	return p, nil
}

// predicates compiles the conditions, that on the stream among them.
func (q *Query) predicates() ([]predicate, error) {
	var out []predicate
	if q.Stream != "" {
		out = append(out, predicate{Stream, test{op: Eq, values: []Value{Text(q.Stream)}}})
	}
	for i := range q.Where {
		p, err := q.Where[i].compile(fmt.Sprintf("where[%d]", i))
		if err != nil {
			return nil, err
		}
		out = append(out, p)
	}
	return out, nil
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
