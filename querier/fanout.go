package querier

import (
	"context"
	"slices"
	"time"
)

// Transport carries shares of queries to workers.
type Transport interface {
	// Send has a worker of the instance, given by its id, do a share by
	// [Engine.Work], and returns the answer as it is. It MUST be safe for concurrent
	// use. That a share is done twice, or done and its answer lost, does no harm. An
	// error means that there is no answer: the share is sent again, if it may be to
	// another worker. When ctx ends Send MUST return soon, and SHOULD have the worker
	// stop.
	Send(ctx context.Context, instance string, share []byte) (answer []byte, err error)
}

// FanOut says how queries are spread over workers.
type FanOut struct {
	Transport Transport
	Workers   int   // shares of a query that are under way at once
	MinBytes  int64 // of data files and commits below which all work stays here
	// ShareBytes is about how many bytes of data files and commits a share goes
	// through; by default a quarter of MinBytes.
	ShareBytes int64
	// Patience is how long an answer is waited for, or half of the time that the query
	// has left, if that is less.
	Patience time.Duration
	// Resent is called whenever a share is sent again, by any goroutine.
	Resent func()
}

// The defaults of a FanOut.
const (
	DefaultWorkers  = 16
	DefaultMinBytes = 256 << 20
	DefaultPatience = 2 * time.Minute
)

// sends is how often a share is sent at most; then it is done here.
const sends = 3

// maxShares bounds the shares of a query. Larger ones are made where more would be
// needed.
const maxShares = 10_000

// WithFanOut returns an engine like e that spreads large queries over workers.
// Fields of f that are 0 are the defaults.
func (e *Engine) WithFanOut(f FanOut) *Engine {
	if f.Workers == 0 {
		f.Workers = DefaultWorkers
	}
	if f.MinBytes == 0 {
		f.MinBytes = DefaultMinBytes
	}
	if f.ShareBytes == 0 {
		f.ShareBytes = max(1, f.MinBytes/4)
	}
	if f.Patience == 0 {
		f.Patience = DefaultPatience
	}
	if f.Resent == nil {
		f.Resent = func() {}
	}
	out := *e
	out.fan = &f
	return &out
}

// Local is a [Transport] to an engine in this process.
type Local struct{ Engine *Engine }

// Send implements [Transport].
func (l Local) Send(ctx context.Context, _ string, share []byte) ([]byte, error) {
	const room = 1 << 30
	return l.Engine.Work(ctx, share, room), ctx.Err()
}

// scanFar goes through sources with the help of workers, if there is enough to do.
// Where the first events of an order can make it needless to look at others, some
// are looked at here before.
func (r *run) scanFar(ctx context.Context, sources []*source) error {
	if r.seeks() && (!r.counting || len(r.deep) == 0 && r.rest.empty()) {
		first := r.first(sources)
		if err := r.scanHere(ctx, sources[:first]); err != nil {
			return err
		}
		sources = sources[first:]
	}
	var left []*source
	for _, s := range sources {
		done := false
		if s.open == nil {
			var err error
			if done, err = r.settle(s); err != nil {
				return err
			}
		}
		if !done {
			left = append(left, s)
		}
	}
	if r.top == nil { // what is in memory is the first to be done here
		slices.Reverse(left)
	}
	if weigh(left) < r.fan.MinBytes {
		return r.scanHere(ctx, left)
	}
	return r.fanOut(ctx, r.task(), left, func(o *outcome) error { return r.take(ctx, o) })
}

// first returns how many sources make up about one share.
func (r *run) first(sources []*source) int {
	bytes := int64(0)
	for i, s := range sources {
		if bytes += s.weight(); bytes >= r.fan.ShareBytes {
			return i + 1
		}
	}
	return len(sources)
}

// weight is what a source has in stored bytes.
func (s *source) weight() int64 {
	if s.commit != nil {
		return int64(s.commit.Bytes)
	}
	return s.file.Bytes / int64(max(1, s.slice.Of))
}

func weigh(sources []*source) (bytes int64) {
	for _, s := range sources {
		bytes += s.weight()
	}
	return bytes
}

// divide splits sources into shares of about equal bytes, in their order. Large
// files are sliced.
func (f *FanOut) divide(sources []*source) [][]*source {
	size := max(f.ShareBytes, weigh(sources)/maxShares, 1)
	var shares [][]*source
	var share []*source
	bytes := int64(0)
	for _, whole := range sources {
		for _, s := range whole.slices(size) {
			if len(share) > 0 && bytes+s.weight()/2 > size {
				shares, share, bytes = append(shares, share), nil, 0
			}
			share = append(share, s)
			bytes += s.weight()
		}
	}
	if len(share) > 0 {
		shares = append(shares, share)
	}
	for _, share := range shares { // files before commits, as workers get them
		slices.SortStableFunc(share, func(a, b *source) int { return btoi(a.commit != nil) - btoi(b.commit != nil) })
	}
	return shares
}

// slices returns the source, or slices of about so many bytes if it is a large file.
func (s *source) slices(size int64) []*source {
	n := int(min((s.weight()+size/2)/size, maxSlices))
	if s.commit != nil || n < 2 {
		return []*source{s}
	}
	out := make([]*source, n)
	for i := range out {
		part := *s
		part.slice = slice{N: i, Of: n}
		out[i] = &part
	}
	return out
}

// maxSlices bounds the slices of a file: there are hardly more row groups.
const maxSlices = 64

// fanOut has a task done on sources, and take called with what was found, in their
// order, by one goroutine at a time. This process is one of the workers. The first
// error ends all.
func (r *run) fanOut(ctx context.Context, t task, sources []*source, take func(*outcome) error) error {
	shares := r.fan.divide(sources)
	r.spread.query = ctx
	return inOrder(ctx, len(shares), r.fan.Workers+1,
		func(ctx context.Context, i int) ([]*outcome, error) {
			if r.spread.local.TryLock() {
				defer r.spread.local.Unlock()
				return r.doHere(ctx, t, shares[i])
			}
			return r.entrust(ctx, t, shares[i])
		},
		func(found []*outcome) error {
			for _, o := range found {
				if err := r.account(o); err != nil {
					return err
				}
				if err := take(o); err != nil {
					return err
				}
			}
			return nil
		})
}

// account takes in what a share cost.
func (r *run) account(o *outcome) error {
	r.stats.add(o.stats)
	r.stats.shares.Add(1)
	if o.worker == "" {
		r.stats.sharesHere.Add(1)
	}
	r.spread.did(o.worker)
	return r.limits.check(&r.stats)
}

// take merges what a share found.
func (r *run) take(ctx context.Context, o *outcome) error {
	if err := r.merge(ctx, &part{matched: o.matched, entries: o.entries, table: o.table}); err != nil {
		return err
	}
	held := 0
	for i := range o.entries {
		held += o.entries[i].size()
	}
	return r.memory.take(-held, "")
}

// doHere does a share in this process.
func (r *run) doHere(ctx context.Context, t task, sources []*source) ([]*outcome, error) {
	c := &run{plan: r.plan, view: r.view, columns: r.columns, workers: r.workers, counting: r.counting, memory: r.memory}
	c.spread.query = r.spread.query
	var err error
	if c.limits.Rows, c.limits.Bytes, err = r.limits.left(&r.stats); err != nil {
		return nil, err
	}
	switch t {
	case taskReduce:
		c.table = newTable(r.reduce, r.memory)
		c.bar.Store(r.bar.Load())
	case taskTop:
		c.top = newTop(r.order, r.top.n, r.top.after, r.memory)
		c.top.bar.Store(r.top.bar.Load())
	}
	out, err := c.do(ctx, t, sources)
	return []*outcome{out}, err
}
