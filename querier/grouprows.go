package querier

import "slices"

// appendJSON appends the result: that of the one group, or a row for each group.
func (t *table) appendJSON(b []byte) []byte {
	if len(t.plan.GroupBy) > 0 {
		return appendList(b, t.sorted(), t.appendRow)
	}
	if len(t.plan.Values) > 0 {
		return append(t.appendValues(append(b, '{'), 0), '}')
	}
	v := t.columns[0].result(0)
	return v.appendJSON(b)
}

// sorted returns the groups that are shown: in the order of their keys, or in
// that which is asked for, and as many as are. Where few of many are shown, the
// others are left out on the way.
func (t *table) sorted() []int32 {
	r := t.ranking()
	most := t.plan.Limit
	if most == 0 {
		most = t.groups.len()
	}
	var out []int32
	cut := func() {
		slices.SortFunc(out, r.compare)
		out = out[:min(most, len(out))]
	}
	full := false // whether the last one shown is known
	for g := range int32(t.groups.len()) {
		if full && r.compare(g, out[most-1]) > 0 {
			continue
		}
		if out = append(out, g); len(out) > 2*most+spareGroups {
			cut()
			full = true
		}
	}
	cut()
	return out
}

// spareGroups is how many groups more than twice those that are shown are sorted
// at once.
const spareGroups = 1_000

// ranking orders groups.
type ranking struct {
	order order
	width int
	keys  []Value // of group g from g*width on
}

// ranking returns the order of the groups; ties are in the order of their keys.
func (t *table) ranking() *ranking {
	r := &ranking{}
	for _, by := range t.plan.OrderBy {
		r.order.by = append(r.order.by, Order{Desc: by.Desc})
	}
	if len(t.plan.OrderBy) == 0 {
		r.keys = t.groups.values
	} else {
		for g := range int32(t.groups.len()) {
			for _, by := range t.plan.OrderBy {
				r.keys = append(r.keys, t.orderKey(by, g))
			}
			r.keys = append(r.keys, t.groups.at(g)...)
		}
	}
	r.order.by = append(r.order.by, make([]Order, len(t.plan.GroupBy))...)
	r.width = len(r.order.by)
	return r
}

func (r *ranking) compare(a, b int32) int {
	return r.order.compareKeys(r.keys[int(a)*r.width:], r.keys[int(b)*r.width:])
}

// orderKey returns what a group is ordered by.
func (t *table) orderKey(by GroupOrder, g int32) Value {
	key, value := t.plan.rank(by.Name)
	if key >= 0 {
		return t.groups.at(g)[key]
	}
	return t.columns[value].result(g).compacted()
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
