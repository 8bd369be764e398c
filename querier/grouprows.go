package querier

import "slices"

// appendJSON appends the result: that of the one group, or a row for each group.
func (t *table) appendJSON(b []byte) []byte {
	if len(t.plan.GroupBy) > 0 {
		return appendList(b, t.sorted(), t.appendRow)
	}
	g := t.groups[""]
	if len(t.plan.Values) > 0 {
		return append(t.appendValues(append(b, '{'), g), '}')
	}
	v := g.states[0].result()
	return v.appendJSON(b)
}

// sorted returns the groups that are shown: in the order of their keys, or in
// that which is asked for, and as many as are.
func (t *table) sorted() []*group {
	var o order
	for _, by := range t.plan.OrderBy {
		o.by = append(o.by, Order{Desc: by.Desc})
	}
	o.by = append(o.by, make([]Order, len(t.plan.GroupBy))...) // ties, in the order of keys
	type row struct {
		entry
		group *group
	}
	rows := make([]row, 0, len(t.groups))
	for _, g := range t.groups {
		rows = append(rows, row{entry{keys: append(t.orderKeys(g), g.keys...)}, g})
	}
	slices.SortFunc(rows, func(a, b row) int { return o.compare(&a.entry, &b.entry) })
	if t.plan.Limit > 0 {
		rows = rows[:min(t.plan.Limit, len(rows))]
	}
	out := make([]*group, len(rows))
	for i := range rows {
		out[i] = rows[i].group
	}
	return out
}

// orderKeys returns what a group is ordered by.
func (t *table) orderKeys(g *group) []Value {
	var out []Value
	for _, by := range t.plan.OrderBy {
		if key, value := t.plan.rank(by.Name); key >= 0 {
			out = append(out, g.keys[key])
		} else {
			out = append(out, g.states[value].result().compacted())
		}
	}
	return out
}

func (t *table) appendRow(b []byte, g *group) []byte {
	b = append(b, '{')
	for i, f := range t.plan.GroupBy {
		if g.keys[i].kind != missing {
			b = append(appendQuoted(b, f.name), ':')
			b = append(t.grids[i].appendJSON(b, g.keys[i]), ',')
		}
	}
	return append(t.appendValues(b, g), '}')
}

// appendValues appends the members that are a group's values.
func (t *table) appendValues(b []byte, g *group) []byte {
	for i, v := range t.plan.values {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(appendQuoted(b, v.Name), ':')
		r := g.states[i].result()
		b = r.appendJSON(b)
	}
	return b
}
