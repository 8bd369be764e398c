package querier

import (
	"math"
	"strings"

	"github.com/firnlog/firn/layout/segment"
)

// filter returns the rows of a chunk that pass the cheap predicates given and
// the plan's deep ones, in ascending order.
func (p *plan) filter(c *chunk, cheap []predicate) ([]int32, error) {
	var cols segment.Columns
	for i := range cheap {
		cols |= cheap[i].field.columns()
	}
	if err := c.load(cols); err != nil {
		return nil, err
	}
	rows := make([]int32, c.group.Rows())
	for i := range rows {
		rows[i] = int32(i)
	}
	for i := range cheap {
		rows = cheap[i].refine(c, rows)
	}
	if len(p.deep) == 0 || len(rows) == 0 {
		return rows, nil
	}
	if err := c.load(p.paths.cols); err != nil {
		return nil, err
	}
	return p.refineDeep(c, rows)
}

// refine keeps the rows that pass a predicate on a column.
func (p *predicate) refine(c *chunk, rows []int32) []int32 {
	switch p.field.base {
	case baseTime:
		return p.test.refineInts(c.ints(segment.Time), moment, rows)
	case baseIngested:
		return p.test.refineInts(c.ints(segment.Ingested), moment, rows)
	case baseSequence:
		return p.test.refineInts(c.ints(segment.Sequence), whole, rows)
	case baseStream:
		return p.test.refineTexts(c, segment.Stream, rows)
	case baseType:
		return p.test.refineTexts(c, segment.Type, rows)
	case baseTags:
		return keep(rows, func(row int32) bool { return p.test.matchTags(c.tags(row)) })
	}
	return keep(rows, func(row int32) bool {
		v := c.value(p.field.base, row)
		return p.test.match(&v)
	})
}

// keep keeps the rows that pass, in place.
func keep(rows []int32, pass func(int32) bool) []int32 {
	out := rows[:0]
	for _, row := range rows {
		if pass(row) {
			out = append(out, row)
		}
	}
	return out
}

func (t *test) refineInts(values []int64, k kind, rows []int32) []int32 {
	lo, hi, ok := t.intRange(k)
	if !ok {
		return keep(rows, func(row int32) bool { return t.match(&Value{kind: k, n: values[row]}) })
	}
	out := rows[:0]
	for _, row := range rows {
		if v := values[row]; v >= lo && v <= hi {
			out = append(out, row)
		}
	}
	return out
}

// intRange returns the whole numbers or times that pass, if they are a range of
// whole ends.
func (t *test) intRange(k kind) (lo, hi int64, ok bool) {
	if t.op == Neq || t.op == In || t.op == Contains {
		return 0, 0, false
	}
	from, to := t.ends()
	if from != nil && from.kind != k || to != nil && to.kind != k {
		return 0, 0, false
	}
	lo, hi = math.MinInt64, math.MaxInt64
	if from != nil {
		lo = from.n
	}
	if to != nil {
		hi = to.n
	}
	switch {
	case t.op == Gt && lo == math.MaxInt64 || t.op == Lt && hi == math.MinInt64:
		return 0, 0, false
	case t.op == Gt:
		lo++
	case t.op == Lt:
		hi--
	}
	return lo, hi, true
}

// refineTexts tests each entry of a column's dictionary at most once.
func (t *test) refineTexts(c *chunk, col segment.Column, rows []int32) []int32 {
	dict, codes, ok := c.parts[col].Codes(col)
	if !ok {
		return keep(rows, func(row int32) bool { return t.match(&Value{kind: text, s: c.text(col, row)}) })
	}
	const pass, fail = 1, 2
	known := make([]uint8, dict.Len())
	out := rows[:0]
	for _, row := range rows {
		code := codes[row]
		if known[code] == 0 {
			known[code] = fail
			if t.match(&Value{kind: text, s: dict.Value(int(code))}) {
				known[code] = pass
			}
		}
		if known[code] == pass {
			out = append(out, row)
		}
	}
	return out
}

// refineDeep keeps the rows that pass the predicates on JSON.
func (p *plan) refineDeep(c *chunk, rows []int32) ([]int32, error) {
	reader := p.paths.reader(c)
	values := make([]Value, len(p.deep))
	out := rows[:0]
	for _, row := range rows {
		if p.hopeless(c, row) {
			continue
		}
		if err := reader.read(row, values); err != nil {
			return nil, err
		}
		if p.deepMatch(values) {
			out = append(out, row)
		}
	}
	return out, nil
}

func (p *plan) deepMatch(values []Value) bool {
	for i := range p.deep {
		if !p.deep[i].test.match(&values[i]) {
			return false
		}
	}
	return true
}

// hopeless reports whether a document lacks a text that it must have, which is
// found out many times faster than by parsing. With escapes there is no telling.
func (p *plan) hopeless(c *chunk, row int32) bool {
	for i := range p.deep {
		needle := p.deep[i].test.needle()
		if needle == "" {
			continue
		}
		doc := c.text(p.deep[i].field.document(), row)
		if !strings.Contains(doc, needle) && strings.IndexByte(doc, '\\') < 0 {
			return true
		}
	}
	return false
}

// document returns the column of a field within JSON.
func (f *Field) document() segment.Column {
	if f.base == baseMetadata {
		return segment.Metadata
	}
	return segment.Payload
}
