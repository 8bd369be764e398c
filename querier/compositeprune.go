package querier

import "github.com/firnlog/firn/layout/segment"

// Conditions that are made of others rule out files, row groups and pages, too:
// what their parts may and must hold of, and and or put together, and not turns
// around.

// judge says whether the condition may hold of any event, and whether it must of
// all, by what it is told of single conditions.
func (c *condition) judge(leaf func(*predicate) (may, must bool)) (may, must bool) {
	switch c.op {
	case And, Or:
		may, must = c.op == And, c.op == And
		for i := range c.parts {
			m, n := c.parts[i].judge(leaf)
			if c.op == And {
				may, must = may && m, must && n
			} else {
				may, must = may || m, must || n
			}
		}
		return may, must
	case Not:
		may, must = c.parts[0].judge(leaf)
		return !must, !may
	}
	return leaf(&c.leaf)
}

// possible reports whether all conditions may hold of one event of an extent.
func (r *residue) possible(e extent) bool {
	return r.may(func(p *predicate) (may, must bool) {
		lo, hi, known := e.bounds(p.field.base)
		if !known || !p.test.plain() {
			return true, false
		}
		return p.test.judge(&lo, &hi)
	})
}

func (r *residue) may(leaf func(*predicate) (may, must bool)) bool {
	for i := range r.conditions {
		if may, _ := r.conditions[i].judge(leaf); !may {
			return false
		}
	}
	return true
}

// possibleIn is possible for a row group, whose statistics tell of shredded fields,
// too.
func (r *residue) possibleIn(u *unit) bool {
	return r.possible(groupExtent{u.group, u.shard}) && r.may(func(p *predicate) (may, must bool) {
		if !p.test.plain() || !u.shredded(&p.field, needNull) {
			return true, false
		}
		s, ok := u.group.FieldStats(p.field.canonical())
		if !ok {
			return true, false
		}
		return p.test.judgeAll(&s, u.group.Rows(), whole)
	})
}

// pages returns the rows of the pages that the condition may hold in, or where it is
// negated may not hold in; nil for all where page indexes tell nothing of it.
func (c *condition) pages(u *unit, negated bool, stats *counters) (segment.Rows, error) {
	switch {
	case c.op == Not:
		return c.parts[0].pages(u, !negated, stats)
	case c.op == And || c.op == Or:
		return c.partPages(u, negated, stats)
	case !c.leaf.test.plain():
		return nil, nil
	}
	pages, k, err := u.pages(&c.leaf)
	if pages == nil && err == nil && !negated {
		return u.filtered(&c.leaf, stats)
	}
	if pages == nil || err != nil {
		return nil, err
	}
	rows := passing(&c.leaf.test, pages, k, negated, stats)
	if rows == nil {
		rows = segment.Rows{}
	}
	return rows, nil
}

// partPages is pages for and, and or, each of which is the other when negated.
func (c *condition) partPages(u *unit, negated bool, stats *counters) (all segment.Rows, err error) {
	both := (c.op == And) != negated
	for i := range c.parts {
		rows, err := c.parts[i].pages(u, negated, stats)
		switch {
		case err != nil:
			return nil, err
		case rows == nil && !both:
			return nil, nil
		case rows == nil:
		case all == nil:
			all = rows
		case both:
			if all = all.Intersect(rows); all == nil {
				all = segment.Rows{}
			}
		default:
			all = all.Union(rows)
		}
	}
	return all, nil
}
