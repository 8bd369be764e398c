package querier

import (
	"context"
	"strings"

	"github.com/firnlog/firn/layout/segment"
)

// filter returns the rows of a chunk that pass the cheap predicates given and
// the plan's deep ones and the rest, in ascending order.
func (p *plan) filter(c *chunk, cheap []predicate) ([]int32, error) {
	var cols segment.Columns
	for i := range cheap {
		cols |= cheap[i].field.columns()
	}
	if err := c.load(cols); err != nil {
		return nil, err
	}
	rows, err := c.visible()
	if err != nil {
		return nil, err
	}
	for i := range cheap {
		rows = cheap[i].refine(c, rows)
	}
	if c.left = rows; len(p.deep) > 0 && len(rows) > 0 {
		if rows, err = p.refineDeep(c, rows); err != nil {
			return nil, err
		}
		c.left = rows
	}
	if rows, err = p.rest.refine(c, rows); err != nil {
		return nil, err
	}
	c.left = rows
	return rows, c.ctx.Err() // what went through the rows may have ended early
}

// refine keeps the rows that pass a predicate on a column, in place.
func (p *predicate) refine(c *chunk, rows []int32) []int32 {
	if p.field.base == baseTags {
		return keep(c.ctx, rows, func(row int32) bool { return p.test.matchTags(c.tags(row)) })
	}
	if v := c.vector(&p.field, 0); v != nil {
		return p.test.refine(v, rows)
	}
	return keep(c.ctx, rows, func(row int32) bool {
		v := c.value(p.field.base, row)
		return p.test.match(&v)
	})
}

// keep keeps the rows that pass, in place. It stops when ctx ends, so that what is
// left is worth something only while ctx lasts.
func keep(ctx context.Context, rows []int32, pass func(int32) bool) []int32 {
	out := rows[:0]
	for i, row := range rows {
		if i%lookRows == 0 && ctx.Err() != nil {
			break
		}
		if pass(row) {
			out = append(out, row)
		}
	}
	return out
}

// refineTexts keeps the rows whose text in a column passes, in place.
func (t *test) refineTexts(c *chunk, col segment.Column, rows []int32) []int32 {
	return t.refine(c.textVector(col), rows)
}

// refineDeep keeps the rows that pass the predicates on JSON: first by those that
// columns answer, then by those that take the documents.
func (p *plan) refineDeep(c *chunk, rows []int32) ([]int32, error) {
	var paths []string
	var columnar, rest []predicate
	for _, d := range p.deep {
		if c.shredded(&d.field, d.test.needs()) {
			columnar = append(columnar, d)
			paths = append(paths, d.field.canonical())
		} else {
			rest = append(rest, d)
		}
	}
	c.stats.byColumn.Add(int64(len(columnar)))
	c.stats.byJSON.Add(int64(len(rest)))
	if err := c.load(0, paths...); err != nil {
		return nil, err
	}
	for i := range columnar {
		rows = columnar[i].test.refine(c.vectors[paths[i]], rows)
	}
	if c.left = rows; len(rest) == 0 || len(rows) == 0 {
		return rows, nil
	}
	return p.refineDocuments(c, rest, rows)
}

// needs returns what a column must tell for a test.
func (t *test) needs() need {
	if t.match(&Value{}) != t.match(&Value{kind: null}) {
		return needNull
	}
	return 0
}

// refineDocuments keeps the rows whose JSON passes.
func (p *plan) refineDocuments(c *chunk, preds []predicate, rows []int32) ([]int32, error) {
	fields := make([]Field, len(preds))
	for i := range preds {
		fields[i] = preds[i].field
	}
	reader, err := newProjection(p.q.Instance, fields).open(c)
	if err != nil {
		return nil, err
	}
	values := make([]Value, len(preds))
	out := rows[:0]
	for i, row := range rows {
		if err := c.wanted(i); err != nil {
			return nil, err
		}
		if hopeless(c, preds, row) {
			continue
		}
		if err := reader.read(row, values); err != nil {
			return nil, err
		}
		if matchAll(preds, values) {
			out = append(out, row)
		}
	}
	return out, nil
}

func matchAll(preds []predicate, values []Value) bool {
	for i := range preds {
		if !preds[i].test.match(&values[i]) {
			return false
		}
	}
	return true
}

// hopeless reports whether a document lacks a text that it must have, which is
// found out many times faster than by parsing. With escapes there is no telling.
func hopeless(c *chunk, preds []predicate, row int32) bool {
	for i := range preds {
		needle := preds[i].test.needle()
		if needle == "" {
			continue
		}
		doc := c.text(preds[i].field.document(), row)
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
