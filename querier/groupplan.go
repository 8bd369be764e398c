package querier

import (
	"slices"

	"github.com/firnlog/firn/layout/event"
	"github.com/firnlog/firn/layout/segment"
)

// reducePlan is a reduction made ready to run.
type reducePlan struct {
	*Reduce
	values []Named     // what it asks for
	slots  []int       // by value: of its field in the projection value, -1 for none
	all    *projection // the fields of groupBy, then those of the values
	value  *projection // those of the values alone
	place  bool        // the events' places are looked at
	time   bool        // and their timestamps
}

func newReducePlan(instance string, r *Reduce) *reducePlan {
	p := &reducePlan{Reduce: r, values: r.named()}
	var keys, fields []Field
	for _, k := range r.GroupBy {
		keys = append(keys, k.Field)
	}
	for _, v := range p.values {
		slot := -1
		if v.Field.base != baseNone {
			slot = slices.IndexFunc(fields, func(f Field) bool { return f.canonical() == v.Field.canonical() })
			if slot < 0 {
				slot = len(fields)
				fields = append(fields, v.Field)
			}
		}
		p.slots = append(p.slots, slot)
		p.place = p.place || v.Type.needsPlace()
		p.time = p.time || v.Type.needsTime()
	}
	p.all, p.value = newProjection(instance, append(keys, fields...)), newProjection(instance, fields)
	p.value.ask(0)
	for i, v := range p.values {
		if slot := p.slots[i]; slot >= 0 {
			p.value.needs[slot] |= v.Type.needs()
		}
	}
	copy(p.all.needs[len(keys):], p.value.needs)
	return p
}

// needs returns what a column must tell for a reduction.
func (r Reduction) needs() need {
	switch r {
	case Count:
		return needNull
	case Collect, First, Last, TopK:
		return needSpelling
	}
	return 0
}

// sources returns what the reduction is made of in a unit, as [projection.sources]
// does.
func (r *reducePlan) sources(u *unit) (cols segment.Columns, paths []string) {
	cols, paths = r.all.sources(u)
	if r.place {
		cols |= placeColumns
	}
	if r.time {
		cols |= baseColumns[baseTime]
	}
	return cols, paths
}

// load reads what the reduction is made of.
func (r *reducePlan) load(c *chunk) error {
	cols, paths := r.sources(c.unit)
	return c.load(cols, paths...)
}

// origin returns what the reduction needs of a row's origin.
func (r *reducePlan) origin(c *chunk, row int32) (at origin) {
	if r.place {
		at.place = c.place(row)
	}
	if r.time {
		at.time = event.Micros(c.int(segment.Time, row))
	}
	return at
}

// statistics reports whether counts of events by type, or of all, are all that
// the reduction needs.
func (r *reducePlan) statistics() bool {
	for _, v := range r.values {
		if v.Type != Count || v.Field.base != baseNone && !v.Field.always() {
			return false
		}
	}
	return len(r.GroupBy) == 0 || r.byType()
}

// byType reports whether events are grouped by nothing but their type.
func (r *reducePlan) byType() bool { return len(r.GroupBy) == 1 && r.GroupBy[0].base == baseType }

// rank returns the index of what an order of groups names: of a key, or of a
// value; -1 for neither.
func (r *Reduce) rank(name string) (key, value int) {
	key = slices.IndexFunc(r.GroupBy, func(k Key) bool { return k.name == name })
	value = slices.IndexFunc(r.named(), func(n Named) bool { return n.Name == name })
	return key, value
}
