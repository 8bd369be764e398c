package querier

import (
	"cmp"
	"context"
	"math"
	"slices"
	"sync/atomic"
	"time"

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
	began    time.Time
	workers  int
	limits   Limits
	partial  []string // why the answer is only a part of it
	counting bool     // the total is wanted
	top      *top     // nil where no events are wanted
	table    *table
	bar      atomic.Pointer[entry] // the last of the groups shown, once they are found; see seek.go
	total    int64                 // -1 where it is not counted
	matched  int64
	memory   *budget
	kept     atomic.Int64 // bytes of columns kept for the page
	stats    counters
	fan      *FanOut // nil keeps all work here
	spread   spread
}

// source is a data file, or a commit of the tail.
type source struct {
	extent
	file   snapshot.File
	commit *commitlog.Commit // nil for a file
	slice  slice             // of the file's row groups
	open   *segment.File     // nil for a file that is not open yet
	rest   []predicate       // cheap predicates that statistics leave open
	mask   *commitlog.Mask   // what is erased of it, nil for nothing

	counted bool // statistics told how many of its events match
}

// wave is how many files are opened before their row groups are scanned. What
// the scan finds can spare opening the files of later waves.
const wave = 32

// scan goes through all events that may match.
func (r *run) scan(ctx context.Context) error {
	if r.never || r.top == nil && r.table == nil && !r.counting {
		return nil
	}
	began := time.Now()
	sources, err := r.sources(ctx)
	if err != nil {
		return err
	}
	r.stats.open.Add(int64(time.Since(began)))
	if r.fan != nil {
		return r.scanFar(ctx, sources)
	}
	return r.cut(r.scanHere(ctx, sources))
}

// opener opens a data file in one of the ways of a [view].
type opener func(ctx context.Context, f snapshot.File) (*segment.File, error)

// scanHere goes through sources in this process.
func (r *run) scanHere(ctx context.Context, sources []*source) error {
	open := r.view.Open
	if len(sources) <= wave { // else small files that are read whole may together be large
		open = r.view.Fetch
	}
	for some := range slices.Chunk(sources, wave) {
		began := time.Now()
		units, err := r.open(ctx, some, open)
		if err != nil {
			return err
		}
		r.stats.open.Add(int64(time.Since(began)))
		err = inOrder(ctx, len(units), r.workers,
			func(ctx context.Context, i int) (*part, error) { return r.scanUnit(ctx, units[i]) },
			func(p *part) error { return r.merge(ctx, p) })
		if err != nil {
			return err
		}
	}
	return nil
}

// sources returns the data files that statistics do not rule out and all
// commits of the tail, those first that come first in the order.
func (r *run) sources(ctx context.Context) ([]*source, error) {
	r.columns = r.visible()
	var out []*source
	if from := max(r.from, r.view.hiddenBefore()); from <= r.to {
		files, err := r.view.Files(ctx, from, r.to)
		if err != nil {
			return nil, err
		}
		r.stats.filesConsidered.Add(int64(len(files)))
		for _, f := range files {
			r.stats.bytesConsidered.Add(f.Bytes)
			r.stats.rowsConsidered.Add(f.Rows)
			s, err := r.fileSource(ctx, f)
			if err != nil {
				return nil, err
			}
			if s != nil {
				out = append(out, s)
			}
		}
	}
	for _, c := range r.view.tail() {
		s, err := r.commitSource(ctx, c)
		if err != nil {
			return nil, err
		}
		r.stats.tailCommits.Add(1)
		r.stats.rowsConsidered.Add(c.File.Rows())
		out = append(out, s)
	}
	if r.seeks() {
		slices.SortStableFunc(out, func(a, b *source) int { return r.earlier(a, b) })
	}
	return out, nil
}

// visible returns the plan's cheap predicates, and that of retention.
func (r *run) visible() []predicate {
	if before := r.view.hiddenBefore(); before > event.MinTime {
		return append([]predicate{hidden(before)}, r.cheap...)
	}
	return r.cheap
}

// fileSource returns a data file, nil for one that statistics rule out.
func (r *run) fileSource(ctx context.Context, f snapshot.File) (*source, error) {
	e := fileExtent{f}
	rest, ok := prune(e, r.columns)
	if !ok || !mayHold(f.Types, rest) || !r.rest.possible(e) {
		return nil, nil
	}
	mask, err := r.view.FileMask(ctx, f)
	return &source{extent: e, file: f, rest: rest, mask: mask}, err
}

func (r *run) commitSource(ctx context.Context, c *commitlog.Commit) (*source, error) {
	mask, err := r.view.TailMask(ctx, c)
	return &source{extent: commitExtent{c.Shard, c.Position}, commit: c, open: c.File.In(ctx), rest: r.columns, mask: mask}, err
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
func (r *run) open(ctx context.Context, sources []*source, open opener) ([]*unit, error) {
	var g errgroup.Group // without a context of its own: pages are read later, under that of opening
	g.SetLimit(wave)     // opening is waiting
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
		if r.table != nil && r.seeks() && r.counting && s.slice.whole() { // groups that come to be excluded need not be read
			var err error
			if s.counted, err = r.tells(s); err != nil {
				return nil, err
			}
		}
		if s.slice.N == 0 { // else another share opens it, too
			r.stats.filesRead.Add(1)
		}
		g.Go(func() (err error) {
			if err := ctx.Err(); err != nil {
				return err
			}
			if s.open, err = open(r.spread.reading(ctx), s.file); err == nil {
				s.open.CountIn(&r.stats.reads)
			}
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
		groups := s.open.Groups()
		for i, to := s.slice.span(len(groups)); i < to; i++ {
			u := s.unit(i)
			u.group = groups[i]
			units = append(units, u)
		}
	}
	r.stats.groupsConsidered.Add(int64(len(units)))
	if r.seeks() {
		slices.SortStableFunc(units, func(a, b *unit) int {
			return r.earlier(groupExtent{a.group, a.shard}, groupExtent{b.group, b.shard})
		})
	}
	return units, nil
}

// unit returns the row group of a number.
func (s *source) unit(number int) *unit {
	places, _ := s.places()
	return &unit{of: s, number: number, shard: places.Shard, file: s.commit == nil, mask: s.mask}
}

// settle answers for a file by its statistics alone, if they suffice: when its
// events can only be counted.
func (r *run) settle(s *source) (done bool, err error) {
	if r.top == nil && r.table == nil && !r.counting {
		return false, nil // all events are wanted
	}
	excluded := r.excludes(s.extent)
	if !s.slice.whole() {
		return excluded && !r.counting, nil
	}
	if r.totalled(s) {
		return true, nil
	}
	if !excluded && (r.top != nil || r.table != nil && !r.reduce.statistics()) {
		return false, nil
	}
	if excluded && !r.counting {
		return true, nil
	}
	return r.tells(s)
}

// tells takes in the events of a file that its statistics alone tell of: when
// conditions are open only on their types, whose counts are known.
func (r *run) tells(s *source) (done bool, err error) {
	rest, rows, types := s.rest, s.file.Rows, s.file.Types
	if s.mask != nil || len(r.deep) > 0 || !r.rest.empty() || slices.ContainsFunc(rest, func(p predicate) bool { return p.field.base != baseType }) {
		return false, nil
	}
	byType := r.table != nil && r.reduce.byType() && r.reduce.statistics()
	if len(rest) == 0 && !byType {
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
	r.count(n)
	r.stats.rowsCounted.Add(n)
	if r.table == nil || !r.reduce.statistics() || n == 0 {
		return nil
	}
	return r.table.count(eventType, n)
}
