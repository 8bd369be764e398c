package querier

// addRows takes in rows whose groups are known, value by value: those that are
// read from columns in loops of their own, the others together.
func (t *table) addRows(c *chunk, rows []int32, of *codes) error {
	var rest []int
	for i := range t.plan.values {
		slot := t.plan.slots[i]
		if slot < 0 {
			t.addCounts(i, of)
			continue
		}
		v := c.vector(&t.plan.value.fields[slot], t.plan.value.needs[slot])
		if v == nil {
			rest = append(rest, i)
			continue
		}
		if err := t.addVector(i, v, c, rows, of); err != nil {
			return err
		}
	}
	if len(rest) == 0 {
		return nil
	}
	return t.addOthers(rest, c, rows, of)
}

// addCounts counts events.
func (t *table) addCounts(value int, of *codes) {
	n := make([]count, len(of.found))
	for _, id := range of.ids {
		n[id]++
	}
	for id, g := range of.found {
		*g.states[value].(*count) += n[id]
	}
}

// addVector adds the values of one column.
func (t *table) addVector(value int, v *vector, c *chunk, rows []int32, of *codes) error {
	switch n := &t.plan.values[value]; {
	case v.ints != nil && (n.Type == Min || n.Type == Max):
		addExtremes(value, v, rows, of)
		return nil
	case v.ints != nil && v.kind == whole && (n.Type == Sum || n.Type == Avg):
		addSums(value, v, rows, of)
		return nil
	case v.codes != nil && n.Type == CountDistinct && len(of.found)*v.dict.Len() <= maxSeen:
		return t.addDistinct(value, v, rows, of)
	}
	var x Value // one for all rows, since states may keep it from the stack
	for i, row := range rows {
		x = v.value(row)
		if err := t.addOne(value, of.found[of.ids[i]], &x, c, row); err != nil {
			return err
		}
	}
	return nil
}

// addOne adds one value of an event.
func (t *table) addOne(value int, g *group, x *Value, c *chunk, row int32) error {
	n := &t.plan.values[value]
	if x.kind == missing || x.kind == null && n.Type != Count {
		return nil
	}
	if n.Type == Collect {
		t.values++
	}
	return t.grew(g.states[value].add(x, t.plan.origin(c, row)))
}

// addExtremes finds the smallest and the largest of whole numbers or times.
func addExtremes(value int, v *vector, rows []int32, of *codes) {
	type ends struct {
		lo, hi int64
		any    bool
	}
	all := make([]ends, len(of.found))
	for i, row := range rows {
		at := v.index(row)
		if v.nulls != nil && v.nulls.IsNull(at) {
			continue
		}
		n, e := v.ints[at], &all[of.ids[i]]
		if !e.any {
			*e = ends{n, n, true}
		}
		e.lo, e.hi = min(e.lo, n), max(e.hi, n)
	}
	for id, e := range all {
		if e.any {
			s := of.found[id].states[value]
			s.add(&Value{kind: v.kind, n: e.lo}, origin{}) // numbers take no more memory
			s.add(&Value{kind: v.kind, n: e.hi}, origin{})
		}
	}
}

// addSums adds up whole numbers.
func addSums(value int, v *vector, rows []int32, of *codes) {
	sums := make([]*sum, len(of.found))
	for id, g := range of.found {
		switch s := g.states[value].(type) {
		case *sum:
			sums[id] = s
		case *avg:
			sums[id] = &s.sum
		}
	}
	for i, row := range rows {
		at := v.index(row)
		if v.nulls == nil || v.nulls.IsValid(at) {
			sums[of.ids[i]].addInts(v.ints[at], 1)
		}
	}
}

// maxSeen bounds the pairs of a group and an entry of a dictionary that are
// noted, a bit for each.
const maxSeen = 1 << 26

// addDistinct shows each group each string only once, in one form for all groups.
func (t *table) addDistinct(value int, v *vector, rows []int32, of *codes) error {
	size := v.dict.Len()
	seen := make([]uint64, (len(of.found)*size+63)/64)
	keys := make([]string, size)
	for i, row := range rows {
		at := v.index(row)
		if v.nulls != nil && v.nulls.IsNull(at) {
			continue
		}
		code := v.codes[at]
		bit := int(of.ids[i])*size + int(code)
		if seen[bit/64]&(1<<(bit%64)) != 0 {
			continue
		}
		seen[bit/64] |= 1 << (bit % 64)
		if keys[code] == "" {
			x := Text(v.dict.Value(int(code)))
			keys[code] = string(x.appendKey(nil))
		}
		if err := t.grew(of.found[of.ids[i]].states[value].(*distinct).note(keys[code])); err != nil {
			return err
		}
	}
	return nil
}

// addOthers adds the values that are read together, as those within JSON are.
func (t *table) addOthers(which []int, c *chunk, rows []int32, of *codes) error {
	reader := t.plan.value.reader(c)
	values := make([]Value, len(t.plan.value.fields))
	for i, row := range rows {
		if err := reader.read(row, values); err != nil {
			return err
		}
		for _, value := range which {
			if err := t.addOne(value, of.found[of.ids[i]], &values[t.plan.slots[value]], c, row); err != nil {
				return err
			}
		}
	}
	return nil
}
