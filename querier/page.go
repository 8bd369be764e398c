package querier

import (
	"context"
	"slices"
	"sync"

	"github.com/go-json-experiment/json/jsontext"
	"golang.org/x/sync/errgroup"
)

// page reads the events of the page and puts them into res, with the cursor of
// the next one.
func (r *run) page(ctx context.Context, res *Result) error {
	res.Events = []jsontext.Value{}
	if r.top == nil {
		return nil
	}
	found, err := r.top.sorted(ctx)
	if err != nil {
		return err
	}
	skip := 0
	if r.top.after == nil {
		skip = min(r.q.Offset, len(found))
	}
	entries := found[skip:]
	if len(entries) > r.q.Limit {
		entries = entries[:r.q.Limit]
	}
	events, err := r.render(ctx, entries)
	if err != nil {
		return err
	}
	res.Events = events
	if skip+len(events) == len(found) || len(events) == 0 || len(r.partial) > 0 {
		return nil
	}
	res.Cursor, err = r.cursor(entries[len(events)-1])
	return err
}

// cursor returns the cursor of what comes behind an event.
func (r *run) cursor(last *entry) (string, error) {
	c := cursor{Query: r.q.identity(), Point: r.view.point(), Place: last.place.String(), Total: r.total}
	for i := range last.keys {
		c.Keys = append(c.Keys, encodeKey(&last.keys[i]))
	}
	return c.encode()
}

// render reads the entries' events, each unit once and several at once, up to
// the one that fills the page.
func (r *run) render(ctx context.Context, entries []*entry) ([]jsontext.Value, error) {
	byUnit := map[*unit][]int{}
	var units []*unit
	for i, e := range entries {
		if byUnit[e.unit] == nil {
			units = append(units, e.unit)
		}
		byUnit[e.unit] = append(byUnit[e.unit], i)
	}
	b := &pageBuffer{events: make([]jsontext.Value, len(entries)), end: len(entries), most: MaxPageBytes}
	if r.limits.Page > 0 {
		b.most = min(r.limits.Page, MaxPageBytes)
	}
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(r.workers)
	for _, u := range units {
		g.Go(func() error { return r.renderUnit(ctx, u, entries, byUnit[u], b) })
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	b.cut()
	return b.events[:b.end], nil
}

// renderUnit renders the entries of one unit, given by their ranks on the page.
func (r *run) renderUnit(ctx context.Context, u *unit, entries []*entry, ranks []int, b *pageBuffer) error {
	if !b.open(ranks[0]) {
		return nil
	}
	if err := r.ready(ctx, u); err != nil {
		return err
	}
	c := u.kept
	if c == nil {
		c = &chunk{unit: u, stats: &r.stats}
	}
	c.ctx = ctx
	c.left = c.left[:0]
	for _, rank := range ranks {
		c.left = append(c.left, entries[rank].row)
	}
	slices.Sort(c.left)
	if err := c.load(r.show.cols); err != nil {
		return err
	}
	w := r.show.renderer(c)
	for _, rank := range ranks {
		if err := ctx.Err(); err != nil {
			return err
		}
		e, err := w.event(entries[rank].row)
		if err != nil {
			return err
		}
		if !b.put(rank, e) {
			return nil
		}
	}
	return nil
}

// pageBuffer gathers a page's events, which come in any order. It holds about
// twice the page's bytes at most: whatever lies behind the event that fills the page
// is let go. It is safe for concurrent use.
type pageBuffer struct {
	mu     sync.Mutex
	events []jsontext.Value // by rank
	bytes  int              // that are held
	end    int              // where the page ends, as far as is known
	most   int              // bytes of the page: the event that goes beyond is its last
}

// open reports whether the page still reaches a rank.
func (b *pageBuffer) open(rank int) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return rank < b.end
}

// put adds an event and reports whether the page still reaches its rank.
func (b *pageBuffer) put(rank int, e jsontext.Value) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if rank >= b.end {
		return false
	}
	b.events[rank] = e
	b.bytes += len(e)
	if b.bytes > 2*b.most {
		b.cut()
	}
	return true
}

// cut ends the page with the event that takes it beyond its bytes. Events
// still to come can only make it end earlier.
func (b *pageBuffer) cut() {
	b.bytes = 0
	for i, e := range b.events[:b.end] {
		b.bytes += len(e)
		if b.bytes > b.most {
			clear(b.events[i+1:])
			b.end = i + 1
			return
		}
	}
}
