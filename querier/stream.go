package querier

import (
	"context"
	"slices"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/firnlog/firn/layout/fault"
)

// streamRows is how many rows a batch of a stream has at most.
const streamRows = 4_096

// Stream answers a query by batches, without holding the answer: at most so many
// events behind the query's offset, or all if most is negative, or the rows of a
// reduction. Without orderBy events come in the order in which they are stored,
// which is any, and their number is bounded by nothing; with it up to MaxOffset
// can be asked for. It gives at least one batch, which
// may be empty. An error of emit ends it. Errors are those of Run; what was
// emitted before one is right, but not all.
func (e *Engine) Stream(ctx context.Context, q *Query, most int64, emit func(*Batch) error) (Stats, error) {
	limits := e.limits.within(q.Limits)
	ctx, cancel := limits.bound(ctx, false)
	defer cancel()
	stats, err := e.stream(ctx, q, most, emit)
	return stats, limits.explain(ctx, err)
}

// stream is Stream within a context.
func (e *Engine) stream(ctx context.Context, q *Query, most int64, emit func(*Batch) error) (Stats, error) {
	start := time.Now()
	if q.Partial {
		return Stats{}, fault.New(fault.Invalid, "limits.partial: a stream has no place to say that it is one")
	}
	if q.Cursor != "" {
		return Stats{}, fault.New(fault.Invalid, "cursor: a stream takes none: ask for all of it, or for its pages as JSON")
	}
	inOrder := q.Reduce == nil && len(q.OrderBy) > 0
	if inOrder && (most < 0 || most > int64(MaxOffset-q.Offset)) {
		return Stats{}, fault.New(fault.Limit, "in an order at most %d events can be streamed: give a limit, or leave orderBy away", MaxOffset-q.Offset)
	}
	ask := *q
	ask.NoTotal, ask.Limit = true, 0
	p, err := newPlan(&ask)
	if err != nil {
		return Stats{}, err
	}
	if inOrder {
		ask.Limit = int(most) // beyond what a page may have
	}
	r, err := e.begin(ctx, p)
	if err != nil {
		return Stats{}, err
	}
	s := &stream{most: most, skip: int64(q.Offset), emit: emit}
	s.run = r
	switch {
	case q.Reduce != nil:
		err = s.reduction(ctx)
	case inOrder:
		err = s.ordered(ctx)
	default:
		err = s.stored(ctx)
	}
	r.stats.rowsMatched.Store(r.matched)
	return r.stats.stats(start), err
}

// stream is an answer on its way.
type stream struct {
	*run
	most, skip int64 // events still to be emitted, negative for all; to be skipped before
	fields     *projection
	emit       func(*Batch) error
}

func (s *stream) reduction(ctx context.Context) error {
	if err := s.scan(ctx); err != nil {
		return err
	}
	b, err := s.table.batch(ctx)
	if err != nil {
		return err
	}
	return s.emit(b)
}

// begin emits the empty batch that tells of the columns.
func (s *stream) begin() error {
	fields := s.q.Select
	if len(fields) == 0 {
		fields = tableFields
	}
	s.fields = newProjection(s.q.Instance, fields)
	return s.emit(&Batch{Columns: columnsOf(fields)})
}

// errEnough ends a scan that has found all that is wanted.
var errEnough = fault.New(fault.Limit, "the stream is complete")

// stored emits events as they lie in files and commits.
func (s *stream) stored(ctx context.Context) error {
	if err := s.begin(); err != nil || s.never || s.most == 0 {
		return err
	}
	sources, err := s.sources(ctx)
	if err != nil {
		return err
	}
	if s.fan != nil {
		err = s.rowsFar(ctx, sources)
	} else {
		err = s.rowsHere(ctx, sources)
	}
	if err == errEnough {
		return nil
	}
	return err
}

// rowsHere emits the matching events of sources.
func (s *stream) rowsHere(ctx context.Context, sources []*source) error {
	return s.matches(ctx, sources, func(c *chunk) error { return s.rows(ctx, c.unit, c.left) })
}

// matches calls emit with the units of sources and their rows that match, in
// order.
func (r *run) matches(ctx context.Context, sources []*source, emit func(*chunk) error) error {
	for some := range slices.Chunk(sources, wave) {
		units, err := r.open(ctx, some, r.view.Open)
		if err != nil {
			return err
		}
		err = inOrder(ctx, len(units), r.workers, func(ctx context.Context, i int) (*chunk, error) { return r.matching(ctx, units[i]) }, emit)
		if err != nil {
			return err
		}
	}
	return nil
}

// matching finds the rows of a unit that match, without the columns that show
// them. The chunk that it returns holds nothing but these.
func (r *run) matching(ctx context.Context, u *unit) (*chunk, error) {
	none := &chunk{unit: u}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	rest, ok := prune(groupExtent{u.group, u.shard}, r.columns)
	if !ok || !u.possible(r.deep) || !r.rest.possibleIn(u) {
		return none, nil
	}
	if ok, err := u.narrow(rest, r.deep, r.rest, &r.stats); !ok || err != nil {
		return none, err
	}
	r.stats.groupsRead.Add(1)
	r.stats.rowsScanned.Add(int64(u.rows()))
	if err := r.limits.check(&r.stats); err != nil {
		return nil, err
	}
	rows, err := r.filter(&chunk{unit: u, ctx: ctx, stats: &r.stats}, rest)
	return &chunk{unit: u, left: rows}, err
}

// rows emits rows of a unit, some at a time, and reads no more than these.
func (s *stream) rows(ctx context.Context, u *unit, rows []int32) error {
	s.matched += int64(len(rows))
	skip := min(s.skip, int64(len(rows)))
	s.skip -= skip
	if rows = rows[skip:]; s.most >= 0 && int64(len(rows)) > s.most {
		rows = rows[:s.most]
	}
	for some := range slices.Chunk(rows, streamRows) {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := s.emitRows(ctx, u, some); err != nil {
			return err
		}
	}
	if s.most < 0 {
		return nil
	}
	if s.most -= int64(len(rows)); s.most == 0 {
		return errEnough
	}
	return nil
}

// emitRows emits rows of one unit, which are in ascending order.
func (s *stream) emitRows(ctx context.Context, u *unit, rows []int32) error {
	c := &chunk{unit: u, ctx: ctx, stats: &s.stats, left: slices.Clone(rows)}
	b := &Batch{Columns: columnsOf(s.fields.fields), rows: len(rows)}
	var shown *renderer
	var reader *rowReader
	b.json = func(i int) (jsontext.Value, error) {
		if shown == nil {
			if err := c.load(s.show.cols); err != nil {
				return nil, err
			}
			shown = s.show.renderer(c)
		}
		return shown.event(rows[i])
	}
	b.values = func(i int, out []Value) (err error) {
		if reader == nil {
			if reader, err = s.fields.open(c); err != nil {
				return err
			}
		}
		return reader.read(rows[i], out)
	}
	return s.emit(b)
}

// ordered emits events in the order asked for.
func (s *stream) ordered(ctx context.Context) error {
	if err := s.begin(); err != nil {
		return err
	}
	if err := s.scan(ctx); err != nil || s.top == nil {
		return err
	}
	entries, err := s.top.sorted(ctx)
	if err != nil {
		return err
	}
	entries = entries[min(int(s.skip), len(entries)):]
	for some := range slices.Chunk(entries[:min(int(s.most), len(entries))], streamRows) {
		if err := s.emitEntries(ctx, some); err != nil {
			return err
		}
	}
	return nil
}

// emitEntries emits events of several units, of each of which it reads the rows
// in question.
func (s *stream) emitEntries(ctx context.Context, entries []*entry) error {
	rows := map[*unit][]int32{}
	for _, e := range entries {
		rows[e.unit] = append(rows[e.unit], e.row)
	}
	shown := map[*unit]*renderer{}
	readers := map[*unit]*rowReader{}
	for u, rows := range rows {
		if err := s.ready(ctx, u); err != nil {
			return err
		}
		slices.Sort(rows)
		c := &chunk{unit: u, ctx: ctx, stats: &s.stats, left: rows}
		if err := c.load(s.show.cols | s.fields.cols); err != nil {
			return err
		}
		var err error
		shown[u] = s.show.renderer(c)
		if readers[u], err = s.fields.open(c); err != nil {
			return err
		}
	}
	return s.emit(&Batch{Columns: columnsOf(s.fields.fields), rows: len(entries),
		json:   func(i int) (jsontext.Value, error) { return shown[entries[i].unit].event(entries[i].row) },
		values: func(i int, out []Value) error { return readers[entries[i].unit].read(entries[i].row, out) }})
}
