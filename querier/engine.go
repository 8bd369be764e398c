package querier

import (
	"context"
	"runtime"
	"strconv"
	"time"

	"github.com/go-json-experiment/json/jsontext"
)

// Engine runs queries and live tails. Of its own it holds no more than what the
// tails share, and is safe for concurrent use.
type Engine struct {
	src     pinner
	tails   *tails
	workers int   // row groups scanned at once by a query
	memory  int64 // MaxMemory, in bytes
	limits  Limits
	fan     *FanOut // nil keeps all work here
}

// minWorkers keeps some reads of the store under way also on a small machine.
const minWorkers = 4

// NewEngine returns an engine over the instances of src.
func NewEngine(src Source) *Engine {
	e := newEngine(logPinner{src})
	e.tails = newTails(src)
	return e
}

func newEngine(src pinner) *Engine {
	return &Engine{src: src, workers: max(minWorkers, runtime.GOMAXPROCS(0)), memory: MaxMemory}
}

// Result is the answer to a query.
type Result struct {
	// Events are the page's events as JSON objects; nil with a reduction.
	Events []jsontext.Value
	// Aggregation is the reduction's result as JSON; nil without one.
	Aggregation jsontext.Value
	// Total is the number of all matching events; -1 with Query.NoTotal.
	Total int64
	// Limit and Offset are those of the query.
	Limit, Offset int
	// Cursor asks for the next page; "" when there is none.
	Cursor string
	// Partial says why this is only a part of the answer, which the query takes
	// for one; nil for all of it. There is no cursor then.
	Partial []string
	// Stats says what the answer cost.
	Stats Stats
}

// AppendJSON appends the result as a JSON object with the members events or
// aggregation, total, limit and offset, cursor and stats. What does not apply
// is left out. Events appear byte for byte as they are here.
func (r *Result) AppendJSON(b []byte) []byte {
	b = append(b, '{')
	if r.Aggregation != nil {
		b = append(append(append(b, `"aggregation":`...), r.Aggregation...), ',')
	} else {
		b = appendList(append(b, `"events":`...), r.Events, func(b []byte, e jsontext.Value) []byte { return append(b, e...) })
		b = strconv.AppendInt(append(b, `,"limit":`...), int64(r.Limit), 10)
		b = strconv.AppendInt(append(b, `,"offset":`...), int64(r.Offset), 10)
		b = append(b, ',')
	}
	if r.Total >= 0 {
		b = append(strconv.AppendInt(append(b, `"total":`...), r.Total, 10), ',')
	}
	if len(r.Partial) > 0 {
		b = append(appendList(append(b, `"partial":`...), r.Partial, appendQuoted), ',')
	}
	if r.Cursor != "" {
		b = append(appendQuoted(append(b, `"cursor":`...), r.Cursor), ',')
	}
	return append(r.Stats.AppendJSON(append(b, `"stats":`...)), '}')
}

// Run answers a query. Errors: Invalid for a query or cursor that cannot be
// answered; Limit for an answer beyond the limits of this package; NotFound and
// Gone for instances and cursors that are no more; Corrupt and Unavailable from
// the store.
func (e *Engine) Run(ctx context.Context, q *Query) (*Result, error) {
	limits := e.limits.within(q.Limits)
	ctx, cancel := limits.bound(ctx, q.Partial)
	defer cancel()
	res, err := e.answer(ctx, q)
	return res, limits.explain(ctx, err)
}

// answer is Run within a context.
func (e *Engine) answer(ctx context.Context, q *Query) (*Result, error) {
	start := time.Now()
	p, err := newPlan(q)
	if err != nil {
		return nil, err
	}
	r, err := e.begin(ctx, p)
	if err != nil {
		return nil, err
	}
	pinned := time.Now()
	if err := r.scan(ctx); err != nil {
		return nil, err
	}
	scanned := time.Now()
	res := &Result{Partial: r.partial, Total: r.total, Limit: q.Limit, Offset: q.Offset}
	if p.reduce != nil {
		if res.Aggregation, err = r.table.appendJSON(ctx, nil); err != nil {
			return nil, err
		}
	} else if err := r.page(ctx, res); err != nil {
		return nil, err
	}
	r.stats.rowsMatched.Store(r.matched)
	res.Stats = r.stats.stats(start)
	if q.Explain {
		d := r.stats.detail()
		d.Workers = r.spread.workers
		d.Pin, d.Scan, d.Page = pinned.Sub(start), scanned.Sub(pinned)-d.Open, time.Since(scanned)
		res.Stats.Detail = d
	}
	return res, nil
}

// begin pins what the query reads.
func (e *Engine) begin(ctx context.Context, p *plan) (*run, error) {
	limits := e.limits.within(p.q.Limits)
	r := &run{plan: p, began: time.Now(), memory: &budget{limit: lower(e.memory, p.q.Limits.Memory), groups: limits.Groups}, workers: e.workers,
		limits: limits, fan: e.fan, counting: !p.q.NoTotal, total: -1}
	if p.q.Partial {
		r.fan = nil // what others did until a limit was reached would be lost
	}
	n := p.q.Offset + p.q.Limit
	var after *entry
	var err error
	if p.q.Cursor == "" {
		r.view, err = e.src.pin(ctx, p.q.Instance, p.from, p.to)
	} else {
		var c *cursor
		if c, err = p.q.parseCursor(); err != nil {
			return nil, err
		}
		if after, err = c.entry(p.order); err != nil {
			return nil, err
		}
		n, r.counting, r.total = p.q.Limit, false, c.Total
		r.view, err = e.src.at(ctx, p.q.Instance, c.Point)
	}
	if err != nil {
		return nil, err
	}
	if r.plan, err = p.pinned(r.view.point().Now); err != nil {
		return nil, err
	}
	if p.reduce != nil {
		r.table = newTable(r.reduce, r.memory)
	} else if p.q.Limit > 0 {
		r.top = newTop(p.order, n+1, after, r.memory) // one more tells whether a further page follows
	}
	if r.counting {
		r.total = 0
	}
	return r, nil
}
