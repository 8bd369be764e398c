package querier

import (
	"slices"

	"github.com/firnlog/firn/layout/event"
	"github.com/firnlog/firn/layout/fault"
	"github.com/firnlog/firn/layout/segment"
)

// reducePlan is a reduction made ready to run.
type reducePlan struct {
	*Reduce
	all   *projection // the fields of groupBy, then the field if there is one
	value *projection // the field alone, if there is one
}

func newReducePlan(instance string, r *Reduce) *reducePlan {
	var value []Field
	if r.Field.base != baseNone {
		value = []Field{r.Field}
	}
	return &reducePlan{r, newProjection(instance, append(slices.Clone(r.GroupBy), value...)), newProjection(instance, value)}
}

// columns returns what the reduction reads.
func (r *reducePlan) columns() segment.Columns {
	if r.Type == Collect {
		return r.all.cols | placeColumns
	}
	return r.all.cols
}

// statistics reports whether counts of events by type, or of all, are all that
// the reduction needs.
func (r *reducePlan) statistics() bool {
	counts := r.Type == Count && (r.Field.base == baseNone || r.Field.always())
	return counts && (len(r.GroupBy) == 0 || r.byType())
}

// byType reports whether events are grouped by nothing but their type.
func (r *reducePlan) byType() bool { return len(r.GroupBy) == 1 && r.GroupBy[0].base == baseType }

// table holds the groups of a reduction, of all events or of a part.
type table struct {
	plan   *reducePlan
	groups map[string]*group // by the key of their values
	values int               // collected so far
	memory *budget
	key    []byte // scratch
}

type group struct {
	keys  []Value
	state state
	size  int // accounted for keys
}

func newTable(p *reducePlan, memory *budget) *table {
	t := &table{plan: p, groups: map[string]*group{}, memory: memory}
	if len(p.GroupBy) == 0 {
		t.groups[""] = &group{state: newState(p.Type)}
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
	g := &group{state: newState(t.plan.Type), size: len(t.key) + 160}
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
	if len(t.plan.GroupBy) == 1 {
		switch b := t.plan.GroupBy[0].base; b {
		case baseStream:
			return t.coded(c, segment.Stream, rows)
		case baseType:
			return t.coded(c, segment.Type, rows)
		}
	}
	return t.general(c, rows)
}

// general takes in rows by reading all fields of each.
func (t *table) general(c *chunk, rows []int32) error {
	if len(t.plan.all.fields) == 0 {
		*t.groups[""].state.(*count) += count(len(rows))
		return nil
	}
	reader := t.plan.all.reader(c)
	values := make([]Value, len(t.plan.all.fields))
	n := len(t.plan.GroupBy)
	for _, row := range rows {
		if err := reader.read(row, values); err != nil {
			return err
		}
		for i := range values[:n] {
			values[i] = values[i].compacted()
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

// coded takes in rows grouped by one column of strings, where the column has a
// dictionary looking up each group only once.
func (t *table) coded(c *chunk, col segment.Column, rows []int32) error {
	dict, codes, ok := c.parts[col].Codes(col)
	if !ok {
		return t.general(c, rows)
	}
	known := make([]*group, dict.Len())
	reader := t.plan.value.reader(c)
	values := make([]Value, len(t.plan.value.fields))
	for _, row := range rows {
		g := known[codes[row]]
		if g == nil {
			var err error
			if g, err = t.group([]Value{Text(dict.Value(int(codes[row])))}); err != nil {
				return err
			}
			known[codes[row]] = g
		}
		if len(values) > 0 {
			if err := reader.read(row, values); err != nil {
				return err
			}
		}
		if err := t.add(g, c, row, values); err != nil {
			return err
		}
	}
	return nil
}

// add takes in one event. Value holds the value of the field, or nothing where
// there is no field.
func (t *table) add(g *group, c *chunk, row int32, value []Value) error {
	if len(value) == 0 {
		g.state.add(nil, event.Place{})
		return nil
	}
	v := &value[0]
	if v.kind == missing || v.kind == null && t.plan.Type != Count {
		return nil
	}
	var at event.Place
	if t.plan.Type == Collect {
		at = c.place(row)
		t.values++
	}
	return t.grew(g.state.add(v, at))
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
	*g.state.(*count) += count(n)
	return nil
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
		if err := t.grew(g.state.merge(og.state) - og.size); err != nil {
			return err
		}
	}
	return t.grew(0)
}

// appendJSON appends the result: that of the one group, or a row for each group
// in the order of their keys.
func (t *table) appendJSON(b []byte) []byte {
	if len(t.plan.GroupBy) == 0 {
		return t.groups[""].state.appendJSON(b)
	}
	sorted := make([]*group, 0, len(t.groups))
	for _, g := range t.groups {
		sorted = append(sorted, g)
	}
	o := order{by: make([]Order, len(t.plan.GroupBy))}
	slices.SortFunc(sorted, func(a, b *group) int { return o.compare(&entry{keys: a.keys}, &entry{keys: b.keys}) })
	return appendList(b, sorted, t.appendRow)
}

func (t *table) appendRow(b []byte, g *group) []byte {
	b = append(b, '{')
	for i, f := range t.plan.GroupBy {
		if g.keys[i].kind != missing {
			b = append(appendQuoted(b, f.name), ':')
			b = append(g.keys[i].appendJSON(b), ',')
		}
	}
	b = append(appendQuoted(b, string(t.plan.Type)), ':')
	return append(g.state.appendJSON(b), '}')
}
