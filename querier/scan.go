package querier

import (
	"cmp"
	"context"
	"math"
	"slices"
	"sync/atomic"

	"golang.org/x/sync/errgroup"

	"github.com/firnlog/firn/layout/commitlog"
	"github.com/firnlog/firn/layout/event"
	"github.com/firnlog/firn/layout/segment"
	"github.com/firnlog/firn/layout/snapshot"
)

// run is a query under way.
type run struct {
	*plan
	view     view
	columns  []predicate // the plan's cheap ones, and that of retention
	workers  int
	limits   Limits
	counting bool // the total is wanted
	top      *top // nil where no events are wanted
	table    *table
	total    int64 // -1 where it is not counted
	matched  int64
	memory   budget
	kept     atomic.Int64 // bytes of columns kept for the page
	stats    counters
}

// source is a data file, or a commit of the tail.
type source struct {
	extent
	file snapshot.File
	open *segment.File   // nil for a file that is not open yet
	rest []predicate     // cheap predicates that statistics leave open
	mask *commitlog.Mask // what is erased of it, nil for nothing
}

// wave is how many files are opened before their row groups are scanned. What
// the scan finds can spare opening the files of later waves.
const wave = 32

// scan goes through all events that may match.
func (r *run) scan(ctx context.Context) error {
	if r.never || r.top == nil && r.table == nil && !r.counting {
		return nil
	}
	sources, err := r.sources(ctx)
	if err != nil {
		return err
	}
	for some := range slices.Chunk(sources, wave) {
		units, err := r.open(ctx, some)
		if err != nil {
			return err
		}
		err = inOrder(ctx, len(units), r.workers,
			func(ctx context.Context, i int) (*part, error) { return r.scanUnit(ctx, units[i]) }, r.merge)
		if err != nil {
			return err
		}
	}
	return nil
}

// sources returns the data files that statistics do not rule out and all
// commits of the tail, those first that come first in the order.
func (r *run) sources(ctx context.Context) ([]*source, error) {
	before := r.view.hiddenBefore()
	if r.columns = r.cheap; before > event.MinTime {
		r.columns = append([]predicate{hidden(before)}, r.cheap...)
	}
	var out []*source
	if from := max(r.from, before); from <= r.to {
		files, err := r.view.Files(ctx, from, r.to)
		if err != nil {
			return nil, err
		}
		r.stats.filesConsidered.Add(int64(len(files)))
		for _, f := range files {
			e := fileExtent{f}
			if rest, ok := prune(e, r.columns); ok && mayHold(f.Types, rest) {
				mask, err := r.view.FileMask(ctx, f)
				if err != nil {
					return nil, err
				}
				out = append(out, &source{extent: e, file: f, rest: rest, mask: mask})
			}
		}
	}
	for _, c := range r.view.tail() {
		r.stats.tailCommits.Add(1)
		mask, err := r.view.TailMask(ctx, c)
		if err != nil {
			return nil, err
		}
		out = append(out, &source{extent: commitExtent{c.Shard, c.Position}, open: c.File, rest: r.columns, mask: mask})
	}
	if r.top != nil {
		slices.SortStableFunc(out, func(a, b *source) int { return r.earlier(a, b) })
	}
	return out, nil
}

// earlier orders extents by where their first event may come.
func (r *run) earlier(a, b extent) int {
	v, p, ok1 := r.order.edge(a, false)
	w, q, ok2 := r.order.edge(b, false)
	switch {
	case !ok1 || !ok2:
		return cmp.Compare(btoi(ok1), btoi(ok2)) // those that do not tell first
	case len(r.order.by) == 0:
		return flip(p.Compare(q), r.order.placeDesc)
	}
	return flip(compare(&v, &w), r.order.by[0].Desc)
}

func btoi(b bool) int {
	if b {
		return 1
	}
	return 0
}

// commitExtent knows only where a commit stands.
type commitExtent struct {
	shard    int
	position int64
}

func (commitExtent) bounds(base) (lo, hi Value, ok bool) { return Value{}, Value{}, false }

func (c commitExtent) places() (lo, hi event.Place) {
	return event.Place{Shard: c.shard, Position: c.position},
		event.Place{Shard: c.shard, Position: c.position, Ordinal: math.MaxInt32}
}

// mayHold reports whether a file with the counts by type given, nil for
// unknown, can hold an event of a type that passes.
func mayHold(types map[string]int64, preds []predicate) bool {
	if types == nil {
		return true
	}
	for t := range types {
		if typePasses(t, preds) {
			return true
		}
	}
	return false
}

// typePasses tests an event type with those predicates that are about it.
func typePasses(t string, preds []predicate) bool {
	v := Text(t)
	for i := range preds {
		if preds[i].field.base == baseType && !preds[i].test.match(&v) {
			return false
		}
	}
	return true
}

// open answers what statistics can answer of the sources, opens the files left
// and returns the row groups to scan.
func (r *run) open(ctx context.Context, sources []*source) ([]*unit, error) {
	var g errgroup.Group      // without a context of its own: pages are read later, under that of opening
	g.SetLimit(2 * r.workers) // opening is waiting
	for _, s := range sources {
		if s.open != nil {
			continue
		}
		if done, err := r.settle(s); done || err != nil {
			if err != nil {
				return nil, err
			}
			continue
		}
		r.stats.filesRead.Add(1)
		r.stats.requests.Add(1)
		g.Go(func() (err error) {
			if err := ctx.Err(); err != nil {
				return err
			}
			s.open, err = r.view.Open(ctx, s.file)
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	var units []*unit
	for _, s := range sources {
		if s.open == nil {
			continue
		}
		if r.totalled(s) {
			continue
		}
		places, _ := s.places()
		for _, group := range s.open.Groups() {
			units = append(units, &unit{group: group, shard: places.Shard, file: s.file.Key != "", mask: s.mask})
		}
	}
	r.stats.groupsConsidered.Add(int64(len(units)))
	if r.top != nil {
		slices.SortStableFunc(units, func(a, b *unit) int {
			return r.earlier(groupExtent{a.group, a.shard}, groupExtent{b.group, b.shard})
		})
	}
	return units, nil
}

// settle answers for a file by its statistics alone, if they suffice: when its
// events can only be counted, and conditions are open only on their types,
// whose counts are known.
func (r *run) settle(s *source) (done bool, err error) {
	rest, rows, types := s.rest, s.file.Rows, s.file.Types
	if r.top == nil && r.table == nil && !r.counting {
		return false, nil // all events are wanted
	}
	if r.totalled(s) {
		return true, nil
	}
	if r.top != nil && !r.top.excludes(s.extent) || r.table != nil && !r.reduce.statistics() {
		return false, nil
	}
	if r.top != nil && !r.counting {
		return true, nil
	}
	if s.mask != nil || len(r.deep) > 0 || !r.rest.empty() || slices.ContainsFunc(rest, func(p predicate) bool { return p.field.base != baseType }) {
		return false, nil
	}
	if len(rest) == 0 && !(r.table != nil && r.reduce.byType()) {
		return true, r.counted("", rows)
	}
	for t, n := range types {
		if !typePasses(t, rest) {
			continue
		}
		if err := r.counted(t, n); err != nil {
			return false, err
		}
	}
	return types != nil, nil
}

// counted takes in n events of a type that statistics tell of.
func (r *run) counted(eventType string, n int64) error {
	r.matched += n
	r.stats.rowsCounted.Add(n)
	if r.counting {
		r.total += n
	}
	if r.table == nil || n == 0 {
		return nil
	}
	return r.table.count(eventType, n)
}
