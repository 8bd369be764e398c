package querier

import (
	"context"
	"slices"
	"time"

	"github.com/firnlog/firn/layout/segment"
)

// part is what the scan of one unit found.
type part struct {
	matched int64
	entries []entry // that may belong to the page
	table   *table  // the reduction of the unit's events
}

// scanUnit scans one row group. It is called by several goroutines at once, and
// changes nothing of the run but its counters.
func (r *run) scanUnit(ctx context.Context, u *unit) (*part, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	e := groupExtent{u.group, u.shard}
	rest, ok := prune(e, r.columns)
	if !ok || !u.possible(r.deep) || !r.rest.possibleIn(u) {
		return &part{}, nil
	}
	wanted := (r.top != nil || r.table != nil) && !r.excludes(e)
	counted := len(rest) == 0 && len(r.deep) == 0 && r.rest.empty() && u.mask == nil
	switch {
	case !wanted && (!r.counting || u.of.counted):
		return &part{}, nil
	case !wanted && counted:
		r.stats.rowsCounted.Add(int64(u.rows()))
		return &part{matched: int64(u.rows())}, nil
	}
	if r.table != nil && counted && r.reduce.statistics() && !r.reduce.byType() {
		t := newTable(r.reduce, r.memory)
		r.stats.rowsCounted.Add(int64(u.rows()))
		return &part{int64(u.rows()), nil, t}, t.count("", int64(u.rows()))
	}
	if ok, err := u.narrow(rest, r.deep, r.rest, &r.stats); !ok || err != nil {
		return &part{}, err
	}
	return r.scanRows(ctx, u, rest, wanted)
}

// scanRows reads what the unit's statistics leave open.
func (r *run) scanRows(ctx context.Context, u *unit, rest []predicate, wanted bool) (*part, error) {
	r.stats.groupsRead.Add(1)
	r.stats.rowsScanned.Add(int64(u.rows()))
	if err := r.check(); err != nil {
		return nil, err
	}
	c := &chunk{unit: u, ctx: ctx, stats: &r.stats}
	if err := r.loadSmall(c, rest, wanted); err != nil {
		return nil, err
	}
	rows, err := r.filter(c, rest)
	if err != nil || len(rows) == 0 {
		return &part{}, err
	}
	if err := r.check(); err != nil {
		return nil, err
	}
	p := &part{}
	if !u.of.counted {
		p.matched = int64(len(rows))
	}
	switch {
	case !wanted:
	case r.table != nil:
		p.table, err = r.grouped(ctx, c, rows)
	default:
		p.entries, err = r.candidates(c, rows)
		if len(p.entries) > 0 {
			r.keep(c)
		}
	}
	return p, err
}

// smallBytes is about what a request to an object store could read in the time
// that it takes by itself.
const smallBytes = 256 << 10

// loadSmall reads all that conditions, reduction and order need at once where it
// is little: asking for some of it only once the rows are known would cost more
// than it spares. Where nothing is wanted but the total, conditions are all.
func (r *run) loadSmall(c *chunk, cheap []predicate, wanted bool) error {
	var cols segment.Columns
	var paths []string
	switch {
	case !c.file:
		return nil
	case !wanted:
	case r.table != nil:
		cols, paths = r.reduce.sources(c.unit)
	default:
		cols, paths = r.keys.sources(c.unit)
		cols |= placeColumns
	}
	for i := range cheap {
		cols |= cheap[i].field.columns()
	}
	for i := range r.deep {
		if f := &r.deep[i].field; c.shredded(f, r.deep[i].test.needs()) {
			paths = append(paths, f.canonical())
		}
	}
	slices.Sort(paths)
	paths = slices.Compact(paths)
	if cols&documentColumns != 0 || c.group.Bytes(cols)+c.group.FieldBytes(paths) > smallBytes {
		return nil
	}
	return c.load(cols, paths...)
}

// candidates returns the rows that may belong to the page, with their keys.
func (r *run) candidates(c *chunk, rows []int32) ([]entry, error) {
	cols, paths := r.keys.sources(c.unit)
	if err := c.load(cols|placeColumns, paths...); err != nil {
		return nil, err
	}
	reader := r.keys.reader(c)
	best := r.top.best()
	e := entry{unit: c.unit, keys: make([]Value, len(r.keys.fields))}
	for i, row := range rows {
		if err := c.wanted(i); err != nil {
			return nil, err
		}
		e.row, e.place = row, c.place(row)
		if err := reader.read(row, e.keys); err != nil {
			return nil, err
		}
		for i := range e.keys {
			e.keys[i] = e.keys[i].compacted()
		}
		best.offer(&e)
	}
	return best.list, nil
}

// merge takes in the parts in the order of their units.
func (r *run) merge(ctx context.Context, p *part) error {
	began := time.Now()
	defer func() { r.stats.merge.Add(int64(time.Since(began))) }()
	r.count(p.matched)
	for i := range p.entries {
		if err := r.top.offer(p.entries[i]); err != nil {
			return err
		}
	}
	if p.table == nil {
		return nil
	}
	if err := r.table.merge(p.table); err != nil {
		return err
	}
	return r.settleGroups(ctx)
}

// count takes in events that match.
func (r *run) count(n int64) {
	r.matched += n
	if r.counting {
		r.total += n
	}
}
