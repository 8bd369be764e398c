package querier

import (
	"fmt"
	"slices"

	"github.com/firnlog/firn/layout/event"
	"github.com/firnlog/firn/layout/fault"
)

// check returns an error of kind Invalid or Limit unless q can be answered.
func (q *Query) check() error {
	if q.Instance == "" {
		return invalid("from.instance", "a query needs the id of an instance")
	}
	for i := range q.Where {
		if err := q.Where[i].check(fmt.Sprintf("where[%d]", i)); err != nil {
			return err
		}
	}
	for i, f := range q.Select {
		if f.base == basePlace || f.base == baseNone {
			return invalid(fmt.Sprintf("select[%d]", i), "%s can only be ordered by", Place.name)
		}
	}
	for i, o := range q.OrderBy {
		if o.Field.base == baseNone {
			return invalid(fmt.Sprintf("orderBy[%d].field", i), "an order needs a field")
		}
	}
	if q.Reduce != nil {
		if err := q.Reduce.check(); err != nil {
			return err
		}
	}
	return q.checkPage()
}

// checkPage checks what says where a page begins and ends.
func (q *Query) checkPage() error {
	switch {
	case len(q.Where) > MaxConditions || len(q.Select) > MaxSelect || len(q.OrderBy) > MaxOrders:
		return fault.New(fault.Invalid, "a query has at most %d conditions, %d selected fields and %d orders", MaxConditions, MaxSelect, MaxOrders)
	case q.Limit < 0 || q.Offset < 0:
		return fault.New(fault.Invalid, "limit and offset are whole numbers, 0 or more")
	case q.Limit > MaxLimit:
		return fault.New(fault.Limit, "limit: a page has at most %d events; go on with its cursor", MaxLimit)
	case q.Offset > MaxOffset-q.Limit:
		return fault.New(fault.Limit, "offset: offset and limit together go to %d at most; go on with the page's cursor instead", MaxOffset)
	case q.Cursor != "" && q.Reduce != nil:
		return invalid("cursor", "a query with reduce has no pages")
	}
	return nil
}

func (p *Predicate) check(at string) error {
	if p.Field.base == baseNone {
		return invalid(at+".field", "a condition needs a field")
	}
	if p.Field.base == basePlace {
		return invalid(at+".field", "%s can only be ordered by", Place.name)
	}
	if !slices.Contains(operators, p.Operator) {
		return invalid(at+".operator", "%q is none of %s", shorten(string(p.Operator)), oneOf(operators))
	}
	if err := p.checkCount(at + ".value"); err != nil {
		return err
	}
	_, err := p.compile(at)
	return err
}

// checkCount checks the number of values.
func (p *Predicate) checkCount(at string) error {
	switch n := len(p.Values); {
	case p.Operator == In && n > MaxList:
		return invalid(at, "in takes at most %d values", MaxList)
	case p.Operator == Between && n != 2:
		return invalid(at, "between takes two values, the lowest and the highest; here are %d", n)
	case p.Operator != In && p.Operator != Between && n != 1:
		return invalid(at, "%s takes one value", p.Operator)
	}
	return nil
}

// checkValues checks the types of values that are converted to the field's.
func (t *test) check(at string, isTime bool) error {
	for i := range t.values {
		if !t.values[i].scalar() && t.values[i].kind != moment {
			return invalid(at, "a value is a string, a number, true, false or null")
		}
	}
	switch t.op {
	case Gt, Gte, Lt, Lte, Between:
		for i := range t.values {
			if v := &t.values[i]; !ordered(v, v) {
				return invalid(at, "%s compares with a string or a number", t.op)
			}
		}
	case Contains:
		if isTime {
			return invalid(at, "contains is for strings and lists; compare times with gte, lt or between")
		}
	}
	if t.op == Between && !ordered(&t.values[0], &t.values[1]) {
		return invalid(at, "the two values of between are both strings or both numbers")
	}
	return nil
}

// asTime converts a condition's value for a field of times.
func asTime(v Value, at string) (Value, error) {
	var m event.Micros
	var err error
	switch v.kind {
	case null, moment:
		return v, nil
	case text:
		m, err = event.ParseTime(v.s)
	case whole:
		m, err = event.EpochTime(v.n)
	case broken:
		m, err = event.ParseTime(string(v.appendJSON(nil)))
	default:
		return Value{}, invalid(at, "a time is RFC 3339 text or a number since 1970")
	}
	if err != nil {
		return Value{}, invalid(at, "%w", err)
	}
	return timeValue(m), nil
}

func (r *Reduce) check() error {
	if !slices.Contains(reductions, r.Type) {
		return invalid("reduce.type", "%q is none of %s", shorten(string(r.Type)), oneOf(reductions))
	}
	if r.Type != Count && r.Field.base == baseNone {
		return invalid("reduce.field", "%s needs a field", r.Type)
	}
	if r.Field.base == basePlace {
		return invalid("reduce.field", "%s can only be ordered by", Place.name)
	}
	if len(r.GroupBy) > MaxGroupBy {
		return invalid("reduce.groupBy", "groups have at most %d fields", MaxGroupBy)
	}
	names := map[string]bool{string(r.Type): true}
	for i, f := range r.GroupBy {
		at := fmt.Sprintf("reduce.groupBy[%d]", i)
		switch {
		case f.base == basePlace || f.base == baseNone:
			return invalid(at, "%s can only be ordered by", Place.name)
		case names[f.name] && f.name == string(r.Type):
			return invalid(at, "%s is the name of the result; write %s", f.name, f.canonical())
		case names[f.name]:
			return invalid(at, "%s is here twice", shorten(f.name))
		}
		names[f.name] = true
	}
	return nil
}
