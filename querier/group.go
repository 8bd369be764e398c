package querier

import "github.com/firnlog/firn/layout/fault"

// table holds the groups of a reduction, of all events or of a part. A part's
// groups share the memory of what they were read from.
type table struct {
	plan    *reducePlan
	groups  tuples   // the keys of the groups
	columns []column // by value
	values  int      // collected so far
	memory  *budget
	texts   arena
	grids   []grid  // by key
	keys    []Value // scratch
}

func newTable(p *reducePlan, memory *budget) *table {
	t := &table{plan: p, groups: tuples{width: len(p.GroupBy)}, memory: memory,
		grids: make([]grid, len(p.GroupBy)), keys: make([]Value, len(p.GroupBy))}
	for i, k := range p.GroupBy {
		t.grids[i] = newGrid(k.Bucket)
	}
	for _, v := range p.values {
		t.columns = append(t.columns, newColumn(v))
	}
	if len(p.GroupBy) == 0 {
		t.insert(hashOf(nil), nil)
	}
	return t
}

const groupAdvice = "group by fewer fields, or narrow the query with where"

// group returns the number of the group of the values, making it if it is new.
func (t *table) group(keys []Value) (int32, error) {
	hash := hashOf(keys)
	if g, ok := t.groups.find(hash, keys); ok {
		return g, nil
	}
	g := t.insert(hash, keys)
	if err := t.few(); err != nil {
		return g, err
	}
	return g, t.memory.take(t.groupSize(keys), groupAdvice)
}

// insert adds a group that is not there yet.
func (t *table) insert(hash uint64, keys []Value) int32 {
	g := t.groups.add(hash, keys)
	for _, c := range t.columns {
		c.grow(t.groups.len())
	}
	return g
}

// reserve makes room for some more groups.
func (t *table) reserve(more int) {
	t.groups.reserve(more)
	for _, c := range t.columns {
		c.reserve(more)
	}
}

// few returns an error if there are too many groups.
func (t *table) few() error {
	if n := t.memory.maxGroups(); t.groups.len() > n && len(t.plan.GroupBy) > 0 {
		return fault.New(fault.Limit, "the query has more than %d groups: %s", n, groupAdvice)
	}
	return nil
}

// groupSize is about what a group takes besides the texts of its values, in
// bytes.
func (t *table) groupSize(keys []Value) int {
	n := 48 + 64*len(t.columns)
	for i := range keys {
		n += 8 + keys[i].size()
	}
	return n
}

// rows takes in rows of a chunk, whose columns must be loaded.
func (t *table) rows(c *chunk, rows []int32) error {
	groups, err := t.assign(c, rows)
	if err != nil {
		return err
	}
	if groups != nil {
		return t.addRows(c, rows, groups)
	}
	return t.general(c, rows)
}

// general takes in rows by reading all fields of each.
func (t *table) general(c *chunk, rows []int32) error {
	reader := t.plan.all.reader(c)
	values := make([]Value, len(t.plan.all.fields))
	n := len(t.plan.GroupBy)
	for i, row := range rows {
		if err := c.wanted(i); err != nil {
			return err
		}
		if err := reader.read(row, values); err != nil {
			return err
		}
		for k := range values[:n] {
			values[k] = t.grids[k].value(values[k].compacted())
		}
		g, err := t.group(values[:n])
		if err != nil {
			return err
		}
		if err := t.add(g, c, row, values[n:]); err != nil {
			return err
		}
	}
	return nil
}

// add takes in one event. Values holds those of the fields that values are made
// of.
func (t *table) add(g int32, c *chunk, row int32, values []Value) error {
	for i, slot := range t.plan.slots {
		if slot < 0 {
			t.columns[i].add(g, nil, origin{})
		} else if err := t.addOne(i, g, &values[slot], c, row); err != nil {
			return err
		}
	}
	return nil
}

// grew accounts for the growth of a state and checks how much was collected.
func (t *table) grew(n int) error {
	if t.values > MaxCollect {
		return fault.New(fault.Limit, "collect gathers at most %d values: narrow the query with where", MaxCollect)
	}
	return t.memory.take(n, "narrow the query with where")
}

// count adds n events of a type to the counts that statistics answer.
func (t *table) count(eventType string, n int64) error {
	var keys []Value
	if t.plan.byType() {
		keys = []Value{Text(eventType)}
	}
	g, err := t.group(keys)
	if err != nil {
		return err
	}
	for _, c := range t.columns {
		c.(*counts).list[g] += count(n)
	}
	return nil
}

// merge takes in the table of a part of the events, which is not used any more.
func (t *table) merge(o *table) error {
	t.values += o.values
	to := make([]int32, o.groups.len())
	t.groups.findEach(&o.groups, to)
	grown := 0
	for i := range to {
		keys := o.groups.at(int32(i))
		if to[i] >= 0 {
			grown -= t.groupSize(keys)
			continue
		}
		for k := range keys {
			t.keys[k] = t.texts.keep(keys[k])
		}
		to[i] = t.insert(o.groups.hashes[i], t.keys)
	}
	if err := t.few(); err != nil {
		return err
	}
	for i, c := range t.columns {
		grown += c.merge(o.columns[i], to)
	}
	return t.grew(grown)
}
