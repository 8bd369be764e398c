package querier

import "context"

// appendJSON appends the result: that of the one group, or a row for each group.
func (t *table) appendJSON(ctx context.Context, b []byte) ([]byte, error) {
	if len(t.plan.GroupBy) > 0 {
		rows, err := t.sorted(ctx)
		return appendList(b, rows, t.appendRow), err
	}
	if len(t.plan.Values) > 0 {
		return append(t.appendValues(append(b, '{'), 0), '}'), nil
	}
	v := t.columns[0].result(0)
	return v.appendJSON(b), nil
}

// sorted returns the groups that are shown: in the order of their keys, or in
// that which is asked for, and as many as are.
func (t *table) sorted(ctx context.Context) ([]int32, error) {
	most := t.groups.len()
	if t.plan.Limit > 0 {
		most = min(most, t.plan.Limit)
	}
	first := firsts[int32]{n: most, compare: t.ranking().compare}
	for g := range int32(t.groups.len()) {
		if g%sortPiece == 0 && ctx.Err() != nil {
			return nil, ctx.Err()
		}
		first.offer(g)
	}
	return first.sorted(ctx)
}

// ranking orders groups by what is asked for, and ties by their keys.
type ranking struct {
	order  order // what is asked for
	ties   order
	groups *tuples
	keys   []Value // those of order, of all groups one after the other
}

func (t *table) ranking() *ranking {
	r := &ranking{groups: &t.groups, ties: order{by: make([]Order, len(t.plan.GroupBy))}}
	for _, by := range t.plan.OrderBy {
		r.order.by = append(r.order.by, Order{Desc: by.Desc})
	}
	r.keys = make([]Value, t.groups.len()*len(t.plan.OrderBy))
	for i, by := range t.plan.OrderBy {
		key, value := t.plan.rank(by.Name)
		for g := range int32(t.groups.len()) {
			if at := int(g)*len(t.plan.OrderBy) + i; key >= 0 {
				r.keys[at] = t.groups.at(g)[key]
			} else {
				r.keys[at] = t.columns[value].result(g).compacted()
			}
		}
	}
	return r
}

func (r *ranking) compare(a, b int32) int {
	n := len(r.order.by)
	if c := r.order.compareKeys(r.keys[int(a)*n:], r.keys[int(b)*n:]); c != 0 {
		return c
	}
	return r.ties.compareKeys(r.groups.at(a), r.groups.at(b))
}

func (t *table) appendRow(b []byte, g int32) []byte {
	b = append(b, '{')
	for i, v := range t.groups.at(g) {
		if v.kind != missing {
			b = append(appendQuoted(b, t.plan.GroupBy[i].name), ':')
			b = append(t.grids[i].appendJSON(b, v), ',')
		}
	}
	return append(t.appendValues(b, g), '}')
}

// appendValues appends the members that are a group's values.
func (t *table) appendValues(b []byte, g int32) []byte {
	for i, v := range t.plan.values {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(appendQuoted(b, v.Name), ':')
		r := t.columns[i].result(g)
		b = r.appendJSON(b)
	}
	return b
}
