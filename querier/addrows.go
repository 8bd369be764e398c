package querier

// addRows takes in rows whose groups are known, value by value: those that are
// read from columns in loops of their own, the others together.
func (t *table) addRows(c *chunk, rows, groups []int32) error {
	var rest []int
	for i := range t.plan.values {
		slot := t.plan.slots[i]
		if slot < 0 {
			addCounts(t.columns[i].(*counts).list, groups)
			continue
		}
		v := c.vector(&t.plan.value.fields[slot], t.plan.value.needs[slot])
		if v == nil {
			rest = append(rest, i)
			continue
		}
		if err := t.addVector(i, v, c, rows, groups); err != nil {
			return err
		}
	}
	if len(rest) == 0 {
		return nil
	}
	return t.addOthers(rest, c, rows, groups)
}

// addCounts counts an event for each of the groups given.
func addCounts(list []count, groups []int32) {
	for _, g := range groups {
		list[g]++
	}
}

// addVector adds the values of one column.
func (t *table) addVector(value int, v *vector, c *chunk, rows, groups []int32) error {
	switch s := t.columns[value].(type) {
	case *extremes:
		if v.ints != nil {
			addExtremes(s, v, rows, groups)
			return nil
		}
	case *sums:
		if v.ints != nil && v.kind == whole {
			addInts(v, rows, groups, func(g int32) *sum { return &s.list[g] })
			return nil
		}
	case *avgs:
		if v.ints != nil && v.kind == whole {
			addInts(v, rows, groups, func(g int32) *sum { return &s.list[g].sum })
			return nil
		}
	case *sketches:
		if v.ints != nil && v.kind == whole {
			return t.grew(addSketches(s, v, rows, groups))
		}
	case *distincts:
		if v.codes != nil && t.groups.len()*v.dict.Len() <= maxSeen {
			return t.grew(s.addCodes(v, rows, groups))
		}
	}
	var x Value // one for all rows, since states may keep it from the stack
	for i, row := range rows {
		if err := c.wanted(i); err != nil {
			return err
		}
		x = v.value(row)
		if err := t.addOne(value, groups[i], &x, c, row); err != nil {
			return err
		}
	}
	return nil
}

// addOne adds one value of an event.
func (t *table) addOne(value int, g int32, x *Value, c *chunk, row int32) error {
	n := &t.plan.values[value]
	if x.kind == missing || x.kind == null && n.Type != Count {
		return nil
	}
	if n.Type == Collect {
		t.values++
	}
	return t.grew(t.columns[value].add(g, x, t.plan.origin(c, row)))
}

// addExtremes finds the smallest and the largest of whole numbers or times, which
// take no memory of their own.
func addExtremes(s *extremes, v *vector, rows, groups []int32) {
	largest := s.fresh.max
	for i, row := range rows {
		at := v.index(row)
		if v.nulls != nil && v.nulls.IsNull(at) {
			continue
		}
		n, x := v.ints[at], &s.list[groups[i]].best
		switch {
		case x.kind == v.kind:
			if n != x.n && n > x.n == largest {
				x.n = n
			}
		default:
			s.list[groups[i]].add(&Value{kind: v.kind, n: n}, origin{})
		}
	}
}

// addInts adds up whole numbers.
func addInts(v *vector, rows, groups []int32, of func(group int32) *sum) {
	for i, row := range rows {
		at := v.index(row)
		if v.nulls == nil || v.nulls.IsValid(at) {
			of(groups[i]).addInts(v.ints[at], 1)
		}
	}
}

// maxSeen bounds the pairs of a group and an entry of a dictionary that are
// noted, a bit for each.
const maxSeen = 1 << 26

// addCodes adds texts of a dictionary to a column that has none yet and gets no
// others. It looks at each text, and shows it each group, only once. A text that
// the dictionary has twice, which other writers' may, is twice there until it is
// merged.
func (d *distincts) addCodes(v *vector, rows, groups []int32) (grown int) {
	size := v.dict.Len()
	seen := make([]uint64, (len(d.groups)*size+63)/64)
	numbers := make([]int32, size) // of the texts, and 1
	d.values.values = make([]Value, 0, min(size, len(rows)))
	d.values.hashes = make([]uint64, 0, min(size, len(rows)))
	for i, row := range rows {
		at := v.index(row)
		if v.nulls != nil && v.nulls.IsNull(at) {
			continue
		}
		code := v.codes[at]
		bit := int(groups[i])*size + int(code)
		if seen[bit/64]&(1<<(bit%64)) != 0 {
			continue
		}
		seen[bit/64] |= 1 << (bit % 64)
		if numbers[code] == 0 {
			x := [1]Value{Text(v.dict.Value(int(code)))}
			numbers[code] = d.values.append(hashOf(x[:]), x[:]) + 1
			grown += valueSize + len(x[0].s)
		}
		d.groups[groups[i]].note(uint32(numbers[code] - 1))
		grown += memberSize
	}
	return grown
}

// addOthers adds the values that are read together, as those within JSON are.
func (t *table) addOthers(which []int, c *chunk, rows, groups []int32) error {
	reader := t.plan.value.reader(c)
	values := make([]Value, len(t.plan.value.fields))
	for i, row := range rows {
		if err := c.wanted(i); err != nil {
			return err
		}
		if err := reader.read(row, values); err != nil {
			return err
		}
		for _, value := range which {
			if err := t.addOne(value, groups[i], &values[t.plan.slots[value]], c, row); err != nil {
				return err
			}
		}
	}
	return nil
}
