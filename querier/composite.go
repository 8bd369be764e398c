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
		if err == nil && leaf.test.op == StartsWith && !leaf.test.fold {
			return prefixed(leaf), nil
		}
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
	default:
		s.bind(&c)
		s.rest = append(s.rest, c)
	}
}

// prefixed says that a string begins with a prefix as a range, which statistics can
// be asked about: of strings in UTF-8 those and no others come at or behind the
// prefix and before what the prefix is with its last byte made larger, which is
// never 0xff.
func prefixed(p predicate) condition {
	prefix := p.test.values[0]
	part := func(op Operator, v Value) condition {
		return condition{op: op, leaf: predicate{p.field, test{op: op, values: []Value{v}}}}
	}
	c := condition{op: And, parts: []condition{part(Gte, prefix)}}
	if n := len(prefix.s); n > 0 {
		c.parts = append(c.parts, part(Lt, Text(prefix.s[:n-1]+string([]byte{prefix.s[n-1] + 1}))))
	}
	return c
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

// refine keeps the rows that pass, in place. It loads what it needs: documents only
// for the rows that conditions on columns leave.
func (r *residue) refine(c *chunk, rows []int32) ([]int32, error) {
	if r.empty() || len(rows) == 0 {
		return rows, nil
	}
	cols, paths := r.fields.sources(c.unit)
	if err := c.load(cols&^documentColumns, paths...); err != nil {
		return nil, err
	}
	reader := r.fields.reader(c)
	var left []condition
	var err error
	for _, cond := range r.conditions {
		if !cond.columnar(reader, true) {
			left = append(left, cond)
		} else if rows, err = r.passing(reader, cond, rows); err != nil {
			return nil, err
		}
	}
	if len(left) == 0 || len(rows) == 0 {
		return rows, nil
	}
	c.left = slices.Clone(rows)
	if err := c.load(cols & documentColumns); err != nil {
		return nil, err
	}
	for _, cond := range left {
		if rows, err = r.passing(reader, cond, rows); err != nil {
			return nil, err
		}
	}
	return rows, nil
}

// columnar reports whether all fields that the condition reads, or any of them,
// are read from columns.
func (c *condition) columnar(reader *rowReader, all bool) bool {
	if c.parts == nil {
		return reader.vectors[c.slot] != nil
	}
	for i := range c.parts {
		if c.parts[i].columnar(reader, all) != all {
			return !all
		}
	}
	return all
}

// passing keeps the rows of which a condition holds, in place. Each string of a
// dictionary is tested only once; parts that columns tell nothing of are tested
// together, so that each document is walked once.
func (r *residue) passing(reader *rowReader, c condition, rows []int32) ([]int32, error) {
	if len(rows) == 0 {
		return rows, nil
	}
	if !c.columnar(reader, false) {
		return r.refineRows(reader, []condition{c}, rows)
	}
	switch c.op {
	case And:
		return r.passingAll(reader, c.parts, rows)
	case Or:
		return r.passingAny(reader, c.parts, rows)
	case Not:
		held, err := r.passing(reader, c.parts[0], slices.Clone(rows))
		return without(rows, held), err
	}
	return c.leaf.test.refine(reader.vectors[c.slot], rows), nil
}

func (r *residue) passingAll(reader *rowReader, parts []condition, rows []int32) (out []int32, err error) {
	for _, part := range parts {
		if rows, err = r.passing(reader, part, rows); err != nil {
			return nil, err
		}
	}
	return rows, nil
}

// passingAny tests of each part only the rows that no part before held of.
func (r *residue) passingAny(reader *rowReader, parts []condition, rows []int32) ([]int32, error) {
	failed := slices.Clone(rows)
	for _, part := range parts {
		held, err := r.passing(reader, part, slices.Clone(failed))
		if err != nil {
			return nil, err
		}
		failed = without(failed, held)
	}
	return without(rows, failed), nil
}

// without removes rows from others, in place; both are in ascending order.
func without(rows, others []int32) []int32 {
	out := rows[:0]
	for _, row := range rows {
		for len(others) > 0 && others[0] < row {
			others = others[1:]
		}
		if len(others) == 0 || others[0] != row {
			out = append(out, row)
		}
	}
	return out
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
