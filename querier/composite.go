package querier

import (
	"fmt"
	"slices"
	"time"
)

// residue holds the conditions that statistics and ranges cannot be asked
// about: composite ones, and single ones whose tests are not plain. They are
// tested last, on the rows that all others leave.
type residue struct {
	conditions []condition // all must hold
	fields     *projection // what they read
}

// condition is a tree of conditions made ready to be tested.
type condition struct {
	op    Operator // And, Or, Not, or that of the leaf
	parts []condition
	leaf  predicate
	slot  int // of the leaf's field in residue.fields
}

// predicates compiles the conditions, that on the stream among them. Flat are
// those of which all must hold and that stand alone; now is what relative times
// are relative to.
func (q *Query) predicates(now time.Time) (flat []predicate, rest *residue, err error) {
	if q.Stream != "" {
		flat = append(flat, predicate{Stream, test{op: Eq, values: []Value{Text(q.Stream)}}})
	}
	s := splitter{flat: flat, now: now}
	for i := range q.Where {
		c, err := s.compile(&q.Where[i], fmt.Sprintf("where[%d]", i))
		if err != nil {
			return nil, nil, err
		}
		s.split(c)
	}
	return s.flat, &residue{s.rest, newProjection(q.Instance, s.fields).ask(needNull)}, nil
}

// splitter sorts conditions into flat ones and the rest.
type splitter struct {
	now    time.Time
	flat   []predicate
	rest   []condition
	fields []Field // that the rest reads
}

// compile makes a tree of conditions ready.
func (s *splitter) compile(p *Predicate, at string) (condition, error) {
	c := condition{op: p.Operator}
	if !p.composite() {
		leaf, err := p.compile(at, s.now)
		c.leaf, c.op = leaf, leaf.test.op
		return c, err
	}
	for i := range p.Parts {
		part, err := s.compile(&p.Parts[i], p.partPath(at, i))
		if err != nil {
			return c, err
		}
		c.parts = append(c.parts, part)
	}
	return c, nil
}

// split puts a condition that must hold where it belongs.
func (s *splitter) split(c condition) {
	switch {
	case c.op == And:
		for _, part := range c.parts {
			s.split(part)
		}
	case c.parts == nil && c.leaf.test.plain():
		s.flat = append(s.flat, c.leaf)
	case c.op == StartsWith && !c.leaf.test.fold:
		s.flat = append(s.flat, prefixed(c.leaf)...)
	default:
		s.bind(&c)
		s.rest = append(s.rest, c)
	}
}

// prefixed says that a string begins with a prefix as a range: of strings in
// UTF-8 those and no others come at or behind the prefix and before what the
// prefix is with its last byte made larger, which is never 0xff.
func prefixed(p predicate) []predicate {
	prefix := p.test.values[0]
	out := []predicate{{p.field, test{op: Gte, values: []Value{prefix}}}}
	if n := len(prefix.s); n > 0 {
		end := prefix.s[:n-1] + string([]byte{prefix.s[n-1] + 1})
		out = append(out, predicate{p.field, test{op: Lt, values: []Value{Text(end)}}})
	}
	return out
}

// bind gives each leaf the slot of its field.
func (s *splitter) bind(c *condition) {
	for i := range c.parts {
		s.bind(&c.parts[i])
	}
	if c.parts != nil {
		return
	}
	name := c.leaf.field.canonical()
	c.slot = slices.IndexFunc(s.fields, func(f Field) bool { return f.canonical() == name })
	if c.slot < 0 {
		c.slot = len(s.fields)
		s.fields = append(s.fields, c.leaf.field)
	}
}

// empty reports whether there is nothing to be tested.
func (r *residue) empty() bool { return len(r.conditions) == 0 }

// refine keeps the rows that pass, in place. It loads what it needs.
func (r *residue) refine(c *chunk, rows []int32) ([]int32, error) {
	if r.empty() || len(rows) == 0 {
		return rows, nil
	}
	reader, err := r.fields.open(c)
	if err != nil {
		return nil, err
	}
	var left []condition
	for _, cond := range r.conditions {
		if cond.parts == nil && reader.vectors[cond.slot] != nil {
			// Each string of a dictionary is tested only once.
			rows = cond.leaf.test.refine(reader.vectors[cond.slot], rows)
		} else {
			left = append(left, cond)
		}
	}
	return r.refineRows(reader, left, rows)
}

// refineRows tests row by row.
func (r *residue) refineRows(reader *rowReader, conditions []condition, rows []int32) ([]int32, error) {
	if len(conditions) == 0 {
		return rows, nil
	}
	values := make([]Value, len(r.fields.fields))
	out := rows[:0]
	for i, row := range rows {
		if err := reader.c.wanted(i); err != nil {
			return nil, err
		}
		if err := reader.read(row, values); err != nil {
			return nil, err
		}
		if !slices.ContainsFunc(conditions, func(c condition) bool { return !c.holds(values) }) {
			out = append(out, row)
		}
	}
	return out, nil
}

// holds tests the values of an event. A condition holds or does not; there is no
// third outcome, so that not is exactly the other events.
func (c *condition) holds(values []Value) bool {
	switch c.op {
	case And:
		return !slices.ContainsFunc(c.parts, func(p condition) bool { return !p.holds(values) })
	case Or:
		return slices.ContainsFunc(c.parts, func(p condition) bool { return p.holds(values) })
	case Not:
		return !c.parts[0].holds(values)
	}
	return c.leaf.test.match(&values[c.slot])
}
