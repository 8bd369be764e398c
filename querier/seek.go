package querier

import (
	"cmp"
	"context"
	"slices"
)

// The first groups in the order of an extreme, such as the three streams that began
// first, are found without going through all events, as the first events of an order
// are: files and row groups come in the order of their own extremes, and once there
// are as many groups as are shown, events behind the last one of these change
// nothing but the total. Events just as far as it are still looked at, as groups of
// the same extreme are in the order of their keys.

// seeks reports whether the first groups are found so. They are those that parts
// may be trimmed to, in the order of the extreme above all.
func (r *reducePlan) seeks() bool {
	if !r.trims() {
		return false
	}
	key, _ := r.rank(r.OrderBy[0].Name)
	return key < 0
}

// seekOrder is the order of events in which their groups are found.
func (r *reducePlan) seekOrder() order {
	v := &r.values[0]
	return order{by: []Order{{Field: v.Field, Desc: v.Type == Max}}}
}

// seeks reports whether what comes first in the plan's order is to be found.
func (r *run) seeks() bool { return r.top != nil || r.table != nil && r.reduce.seeks() }

// excludes reports whether no event of an extent would change more than the total, as
// things are.
func (r *run) excludes(e extent) bool {
	if r.top != nil {
		return r.top.excludes(e)
	}
	return r.order.outside(e, r.bar.Load(), false)
}

// settleGroups leaves of the groups found so far those that may be shown. It keeps
// the table in its place, since who scans looks whether there is one.
func (r *run) settleGroups(ctx context.Context) error {
	if !r.reduce.seeks() {
		return nil
	}
	t, err := r.found(ctx, r.table)
	if err == nil {
		*r.table = *t
	}
	return err
}

// found returns the groups of a part that may be shown. If they are as many as are
// shown, nothing behind the last one of them is looked for any more, whatever else
// there is. Any goroutine may call it with a table of its own.
func (r *run) found(ctx context.Context, t *table) (*table, error) {
	t, err := t.trimmed(ctx)
	if err != nil || t.groups.len() < r.reduce.Limit {
		return t, err
	}
	last := &entry{keys: []Value{t.columns[0].result(0)}}
	for g := range int32(t.groups.len()) {
		if v := []Value{t.columns[0].result(g)}; r.order.compareKeys(v, last.keys) > 0 {
			last.keys = v
		}
	}
	for {
		bar := r.bar.Load()
		if bar != nil && r.order.compareKeys(last.keys, bar.keys) >= 0 || r.bar.CompareAndSwap(bar, last) {
			return t, nil
		}
	}
}

// seekRows is how many of a unit's rows are tried, at least, before all are taken in.
const seekRows = 256

// grouped returns the reduction of rows of a chunk.
func (r *run) grouped(ctx context.Context, c *chunk, rows []int32) (*table, error) {
	t := newTable(r.reduce, r.memory)
	if !r.reduce.seeks() {
		if err := r.groupRows(t, c, rows); err != nil {
			return nil, err
		}
		return t.trimmed(ctx)
	}
	v, err := r.loadSought(c)
	if err != nil {
		return nil, err
	}
	if bar := r.bar.Load(); bar != nil {
		rows = r.upTo(v, rows, bar.keys[0])
		c.left = rows
	}
	near, err := r.nearest(v, rows)
	if err != nil {
		return nil, err
	}
	err = r.groupRows(t, c.only(near), near)
	if err == nil && t.groups.len() < r.reduce.Limit && len(near) < len(rows) {
		err = r.groupRows(t, c, rows) // that some come again changes no extreme
	}
	if err != nil {
		return nil, err
	}
	return r.found(ctx, t)
}

// groupRows reads what a reduction is made of and takes rows in.
func (r *run) groupRows(t *table, c *chunk, rows []int32) error {
	if len(rows) == 0 {
		return nil
	}
	if err := r.reduce.load(c); err != nil {
		return err
	}
	return t.rows(c, rows)
}

// loadSought reads the column that the order of a reduction that seeks is by.
func (r *run) loadSought(c *chunk) (*vector, error) {
	f := &r.order.by[0].Field
	err := c.load(f.columns())
	if err != nil {
		return nil, err
	}
	return c.vector(f, 0), nil
}

// upTo keeps the rows that are not behind a value in the order, in place.
func (r *run) upTo(v *vector, rows []int32, last Value) []int32 {
	t := test{op: Lte, values: []Value{last}}
	if r.order.by[0].Desc {
		t.op = Gte
	}
	return t.refine(v, rows)
}

// nearest returns of many rows some hundreds that come first in the order, with all
// that are just as far as the last of these. If they are in as many groups as are
// shown, no other row has a group that comes before these.
func (r *run) nearest(v *vector, rows []int32) ([]int32, error) {
	most := max(seekRows, 4*r.reduce.Limit)
	if len(rows) <= 4*most {
		return rows, nil
	}
	desc := r.order.by[0].Desc
	first := firsts[int64]{n: most, compare: func(a, b int64) int { return flip(cmp.Compare(a, b), desc) }}
	for _, row := range rows {
		first.offer(v.ints[v.index(row)])
	}
	list, err := first.sorted(v.ctx)
	if err != nil {
		return nil, err
	}
	return r.upTo(v, slices.Clone(rows), Value{kind: v.kind, n: list[most-1]}), nil
}
