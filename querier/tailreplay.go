package querier

import (
	"context"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/firnlog/firn/layout/commitlog"
	"github.com/firnlog/firn/layout/event"
	"github.com/firnlog/firn/layout/fault"
	"github.com/firnlog/firn/layout/segment"
	"github.com/firnlog/firn/layout/snapshot"
)

// A page of a replay: the events of one scan of the data files that lie behind
// the cursor. Files are sorted by stream, so each page reads again what its
// events are strewn over; large pages make for few scans.
const (
	replayEvents = 50_000
	replayBytes  = 16 << 20 // the last event may go beyond it
)

// replay reads a page of a shard that the view has folded beyond its mark, from
// data files.
func (t *Tail) replay(ctx context.Context, shard int) (bool, error) {
	before, err := t.feed.HiddenBefore(ctx)
	if err != nil {
		return false, err
	}
	if err := t.replays.Acquire(ctx, 1); err != nil {
		return false, err
	}
	defer t.replays.Release(1)
	room, err := t.room(ctx, replayBytes)
	if err != nil {
		return false, err
	}
	defer room.end()
	events, all, err := t.page(ctx, foldedView{logView{t.view}, shard, t.marks[shard].position, before})
	next := mark{position: t.view.Snapshot().ShardState(shard).Folded + 1}
	if err == nil && !all {
		next = behind(events[len(events)-1].Place)
	}
	if fault.Is(err, fault.Gone) { // the view is older than its files are kept
		return false, t.pin(ctx)
	}
	if err != nil {
		return false, err
	}
	return t.keep(events, shard, next, room), nil
}

// page returns the first events of the files behind the shard's mark that match,
// in append order, and whether these are all.
func (t *Tail) page(ctx context.Context, files foldedView) (events []event.Event, all bool, err error) {
	r := &run{plan: t.plan, memory: &budget{limit: t.engine.memory}, workers: t.engine.workers, total: -1, view: files}
	r.top = newTop(r.order, replayEvents, &entry{place: t.marks[files.shard].last(files.shard)}, r.memory)
	if err := r.scan(ctx); err != nil {
		return nil, false, err
	}
	entries, err := r.top.sorted(ctx)
	if err != nil {
		return nil, false, err
	}
	events, err = r.events(ctx, entries)
	return events, len(events) == len(entries) && len(entries) < replayEvents, err
}

// foldedView shows the data files of one shard that may hold events from a
// position on, and what retention shows now.
type foldedView struct {
	logView
	shard  int
	from   int64
	before event.Micros
}

func (v foldedView) hiddenBefore() event.Micros { return v.before }
func (v foldedView) tail() []*commitlog.Commit  { return nil }

// Files implements view.
func (v foldedView) Files(ctx context.Context, from, to event.Micros) ([]snapshot.File, error) {
	files, err := v.View.Files(ctx, from, to)
	var out []snapshot.File // the list is shared: it stays as it is
	for _, f := range files {
		if f.Shard == v.shard && f.MaxPosition >= v.from {
			out = append(out, f)
		}
	}
	return out, err
}

// events returns the entries' events, up to the one that goes beyond
// replayBytes. Each row group is read once, several at once.
func (r *run) events(ctx context.Context, entries []*entry) ([]event.Event, error) {
	ranks := map[*unit][]int{}
	for i, e := range entries {
		ranks[e.unit] = append(ranks[e.unit], i)
	}
	p := &eventPage{events: make([]event.Event, len(entries)), end: len(entries)}
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(r.workers)
	for u, ranks := range ranks {
		g.Go(func() error {
			if !p.open(ranks[0]) || ctx.Err() != nil {
				return ctx.Err()
			}
			c := u.kept
			if c == nil {
				c = &chunk{unit: u, stats: &r.stats}
			}
			c.ctx = ctx
			if err := c.load(segment.AllColumns); err != nil {
				return err
			}
			for _, rank := range ranks {
				if !p.open(rank) {
					return nil
				}
				p.put(rank, c.event(entries[rank].row))
			}
			return nil
		})
	}
	err := g.Wait()
	p.cut()
	return p.events[:p.end], err
}

// eventPage gathers events that come in any order. It holds about twice
// replayBytes at most. It is safe for concurrent use.
type eventPage struct {
	mu     sync.Mutex
	events []event.Event // by rank
	bytes  int           // that are held
	end    int           // where the page ends, as far as is known
}

// open reports whether the page still reaches a rank.
func (p *eventPage) open(rank int) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return rank < p.end
}

// put adds an event.
func (p *eventPage) put(rank int, e event.Event) {
	p.mu.Lock()
	if rank < p.end {
		p.events[rank] = e
		p.bytes += e.Size()
	}
	full := p.bytes > 2*replayBytes
	p.mu.Unlock()
	if full {
		p.cut()
	}
}

// cut ends the page with the event that takes it beyond replayBytes. Events still
// to come can only make it end earlier.
func (p *eventPage) cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.bytes = 0
	for i := range p.events[:p.end] {
		p.bytes += p.events[i].Size()
		if p.bytes > replayBytes {
			clear(p.events[i+1:])
			p.end = i + 1
			return
		}
	}
}
