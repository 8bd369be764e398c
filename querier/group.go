package querier

import "github.com/firnlog/firn/layout/fault"

// table holds the groups of a reduction, of all events or of a part.
type table struct {
	plan   *reducePlan
	groups map[string]*group // by the key of their values
	values int               // collected so far
	memory *budget
	grids  []grid // by key
	key    []byte // scratch
}

type group struct {
	keys   []Value
	states []state // by value
	size   int     // accounted for keys
}

func newTable(p *reducePlan, memory *budget) *table {
	t := &table{plan: p, groups: map[string]*group{}, memory: memory, grids: make([]grid, len(p.GroupBy))}
	for i, k := range p.GroupBy {
		t.grids[i] = newGrid(k.Bucket)
	}
	if len(p.GroupBy) == 0 {
		t.groups[""] = &group{states: p.states()}
	}
	return t
}

const groupAdvice = "group by fewer fields, or narrow the query with where"

// group returns the group of the values, making it if it is new.
func (t *table) group(keys []Value) (*group, error) {
	t.key = t.key[:0]
	for i := range keys {
		t.key = keys[i].appendKey(t.key)
	}
	if g := t.groups[string(t.key)]; g != nil {
		return g, nil
	}
	g := &group{keys: make([]Value, 0, len(keys)), states: t.plan.states(), size: len(t.key) + 96 + 96*len(t.plan.values)}
	for _, k := range keys {
		g.keys = append(g.keys, k.clone())
		g.size += k.size()
	}
	return g, t.insert(string(t.key), g, g.size)
}

// insert adds a group for which size more bytes are accounted.
func (t *table) insert(key string, g *group, size int) error {
	t.groups[key] = g
	if len(t.groups) > MaxGroups && len(t.plan.GroupBy) > 0 {
		return fault.New(fault.Limit, "the query has more than %d groups: %s", MaxGroups, groupAdvice)
	}
	return t.memory.take(size, groupAdvice)
}

// rows takes in rows of a chunk, whose columns must be loaded.
func (t *table) rows(c *chunk, rows []int32) error {
	of, err := t.assign(c, rows)
	if err != nil {
		return err
	}
	if of != nil {
		return t.addRows(c, rows, of)
	}
	return t.general(c, rows)
}

// general takes in rows by reading all fields of each.
func (t *table) general(c *chunk, rows []int32) error {
	reader := t.plan.all.reader(c)
	values := make([]Value, len(t.plan.all.fields))
	n := len(t.plan.GroupBy)
	for _, row := range rows {
		if err := reader.read(row, values); err != nil {
			return err
		}
		for i := range values[:n] {
			values[i] = t.grids[i].value(values[i].compacted())
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
func (t *table) add(g *group, c *chunk, row int32, values []Value) error {
	for i, slot := range t.plan.slots {
		if slot < 0 {
			g.states[i].add(nil, origin{})
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
	if n == 0 {
		return nil
	}
	return t.memory.take(n, "narrow the query with where")
}

// count adds n events of a type to the count that statistics answer.
func (t *table) count(eventType string, n int64) error {
	var keys []Value
	if t.plan.byType() {
		keys = []Value{Text(eventType)}
	}
	g, err := t.group(keys)
	if err != nil {
		return err
	}
	g.count(n)
	return nil
}

// count adds n events to states that are all counts.
func (g *group) count(n int64) {
	for _, s := range g.states {
		*s.(*count) += count(n)
	}
}

// merge takes in the table of a part of the events.
func (t *table) merge(o *table) error {
	t.values += o.values
	for key, og := range o.groups {
		g := t.groups[key]
		if g == nil {
			if err := t.insert(key, og, 0); err != nil {
				return err
			}
			continue
		}
		grown := -og.size
		for i, s := range g.states {
			grown += s.merge(og.states[i])
		}
		if err := t.grew(grown); err != nil {
			return err
		}
	}
	return t.grew(0)
}
