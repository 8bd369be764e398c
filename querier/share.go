package querier

import (
	"context"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/firnlog/firn/layout/commitlog"
	"github.com/firnlog/firn/layout/event"
	"github.com/firnlog/firn/layout/fault"
	"github.com/firnlog/firn/layout/snapshot"
)

// A share is a part of a query's work that another process can do: the query, the
// data files and commits that it goes through, all at the query's point, and what
// limits are left. Whoever does it answers with partial states (see answer.go),
// which the process that asked merges. Shares mean nothing to clients.

// shareFormat is the version of shares and answers. A worker refuses higher ones.
const shareFormat = 1

// share is the JSON form.
type share struct {
	Format  int               `json:"format"`
	Query   string            `json:"query"` // in its normal form, see searched
	Section commitlog.Section `json:"section"`
	Slices  []slice           `json:"slices,omitempty"` // by file of the section; none where all are whole
	Task    task              `json:"task"`
	Count   bool              `json:"count,omitempty"` // the total is wanted
	First   int               `json:"first,omitempty"` // how many events the order's top holds
	After   *limitMark        `json:"after,omitempty"` // events up to it are not wanted
	Bar     *limitMark        `json:"bar,omitempty"`   // nor are those from it on
	Millis  int64             `json:"millis"`          // that it may take
	Memory  int64             `json:"memory"`
	Rows    int64             `json:"rows,omitempty"`  // that may still be scanned, 0 for any
	Bytes   int64             `json:"bytes,omitempty"` // that may still be read, 0 for any
}

// task is what a share is to find.
type task string

const (
	taskCount  task = "count"  // how many events match
	taskTop    task = "top"    // the first of them in the order
	taskReduce task = "reduce" // the state of the reduction
	taskRows   task = "rows"   // which rows of which row groups match
)

// slice is a part of a file's row groups: those from N/Of up to (N+1)/Of of all. The
// zero slice is the whole file.
type slice struct {
	N  int `json:"n"`
	Of int `json:"of"`
}

func (s slice) whole() bool { return s.Of <= 1 }

// span returns the numbers of the row groups, of so many.
func (s slice) span(groups int) (from, to int) {
	if s.whole() {
		return 0, groups
	}
	return s.N * groups / s.Of, (s.N + 1) * groups / s.Of
}

// limitMark is an event's place in an order.
type limitMark struct {
	Keys  []string `json:"keys,omitempty"` // see encodeKey
	Place string   `json:"place"`
}

func limitOf(e *entry) *limitMark {
	if e == nil {
		return nil
	}
	m := &limitMark{Place: e.place.String()}
	for i := range e.keys {
		m.Keys = append(m.Keys, encodeKey(&e.keys[i]))
	}
	return m
}

// entry returns the event that it stands for in an order, nil for none.
func (m *limitMark) entry(o order) (*entry, error) {
	if m == nil {
		return nil, nil
	}
	return (&cursor{Keys: m.Keys, Place: m.Place}).entry(o)
}

// task returns what the run is to find.
func (r *run) task() task {
	switch {
	case r.table != nil:
		return taskReduce
	case r.top != nil:
		return taskTop
	}
	return taskCount
}

// searched returns the query as far as finding its events goes.
func (q *Query) searched() *Query {
	s := &Query{Instance: q.Instance, Stream: q.Stream, Where: q.Where, OrderBy: q.OrderBy, Reduce: q.Reduce, NoTotal: q.NoTotal}
	return s
}

// share returns the share of the run that goes through sources.
func (r *run) share(ctx context.Context, t task, sources []*source) (*share, error) {
	s := &share{Format: shareFormat, Query: r.q.searched().String(), Task: t, Count: r.counting, Memory: r.memory.limit, Millis: time.Hour.Milliseconds()}
	var files []snapshot.File
	var tail []*commitlog.Commit
	sliced := false
	for _, o := range sources {
		if o.commit != nil {
			tail = append(tail, o.commit)
			continue
		}
		files, s.Slices = append(files, o.file), append(s.Slices, o.slice)
		sliced = sliced || !o.slice.whole()
	}
	if !sliced {
		s.Slices = nil
	}
	s.Section = r.view.cut(files, tail)
	if t == taskTop {
		s.First, s.After, s.Bar = r.top.n, limitOf(r.top.after), limitOf(r.top.bar.Load())
	}
	if deadline, ok := ctx.Deadline(); ok {
		s.Millis = max(1, time.Until(deadline).Milliseconds())
	}
	var err error
	s.Rows, s.Bytes, err = r.limits.left(&r.stats)
	return s, err
}

// readShare reads a share. Errors are Invalid; refused is not "" for those of a
// later version.
func readShare(body []byte) (s *share, refused refusal, err error) {
	var version struct {
		Format int `json:"format"`
	}
	if err := json.Unmarshal(body, &version); err != nil {
		return nil, "", invalid("share", "it is none: %w", err)
	}
	if version.Format > shareFormat {
		return nil, refusedFormat, invalid("share", "it is of format %d, and this worker knows up to %d: upgrade it", version.Format, shareFormat)
	}
	s = &share{}
	if err := json.Unmarshal(body, s); err != nil {
		return nil, "", invalid("share", "it is none: %w", err)
	}
	if len(s.Slices) != 0 && len(s.Slices) != len(s.Section.Files) {
		return nil, "", invalid("share", "it has %d slices of %d files", len(s.Slices), len(s.Section.Files))
	}
	for _, l := range s.Slices {
		if l.N < 0 || l.N > 0 && l.N >= l.Of {
			return nil, "", invalid("share", "there is no slice %d of %d", l.N, l.Of)
		}
	}
	return s, "", nil
}

// section is the view of a share: its files are those of the section, whatever the
// time asked for.
type section struct {
	view
	files []snapshot.File
}

func (s section) Files(context.Context, event.Micros, event.Micros) ([]snapshot.File, error) {
	return s.files, nil
}

// accept returns the run of a share, and what it goes through.
func (e *Engine) accept(ctx context.Context, s *share) (*run, []*source, error) {
	q, err := Parse([]byte(s.Query))
	if err != nil {
		return nil, nil, err
	}
	p, err := newPlan(q)
	if err != nil {
		return nil, nil, err
	}
	if p, err = p.pinned(s.Section.Point.Now); err != nil {
		return nil, nil, err
	}
	v, err := e.src.section(ctx, s.Section)
	if err != nil {
		return nil, nil, err
	}
	r := &run{plan: p, memory: &budget{limit: min(e.memory, s.Memory), groups: e.limits.Groups}, view: section{v, s.Section.Files}, workers: e.workers, counting: s.Count, limits: Limits{Rows: s.Rows, Bytes: s.Bytes}}
	switch {
	case (s.Task == taskReduce) != (p.reduce != nil) || s.Task == taskTop && s.First < 1:
		return nil, nil, invalid("share", "its task is not that of its query")
	case s.Task == taskReduce:
		r.table = newTable(p.reduce, r.memory)
	case s.Task == taskTop:
		if r.top, err = s.top(r); err != nil {
			return nil, nil, err
		}
	}
	sources, err := r.given(ctx, s)
	return r, sources, err
}

// top returns the empty top of a share's order.
func (s *share) top(r *run) (*top, error) {
	after, err := s.After.entry(r.order)
	if err != nil {
		return nil, err
	}
	bar, err := s.Bar.entry(r.order)
	if err != nil {
		return nil, err
	}
	t := newTop(r.order, s.First, after, r.memory)
	t.bar.Store(bar)
	return t, nil
}

// given returns the sources of a share in its own order: files, then commits.
func (r *run) given(ctx context.Context, s *share) ([]*source, error) {
	r.columns = r.visible()
	var out []*source
	for i, f := range s.Section.Files {
		o, err := r.fileSource(ctx, f)
		if err != nil {
			return nil, err
		}
		if o == nil { // the asker's statistics left it open, so these do
			return nil, fault.New(fault.Internal, "a share has a file that its query does not ask for")
		}
		if s.Slices != nil {
			o.slice = s.Slices[i]
		}
		out = append(out, o)
	}
	for _, c := range r.view.tail() {
		o, err := r.commitSource(ctx, c)
		if err != nil {
			return nil, err
		}
		out = append(out, o)
	}
	return out, nil
}
