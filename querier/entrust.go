package querier

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cespare/xxhash/v2"
	"github.com/go-json-experiment/json"

	"github.com/firnlog/firn/layout/commitlog"
	"github.com/firnlog/firn/layout/fault"
	"github.com/firnlog/firn/layout/segment"
)

// spread is what a run knows of the work that others do.
type spread struct {
	local sync.Mutex // held by who does a share in this process
	// query is the context of the query, nil while nothing is spread. Files are
	// opened, and so their pages read, under it: a share's own ends before the
	// events that it found are shown.
	query context.Context

	workers map[string]int64 // shares by who did them; for one goroutine
	away    atomic.Bool      // the last share that was given up had no answer, and none came since

	mu    sync.Mutex // guards the maps below
	units map[unitKey]*unit
	files map[string]*lateFile
}

// unitKey names a row group of a file, or of a commit.
type unitKey struct {
	file   string
	commit *commitlog.Commit
	number int
}

// lateFile is a data file that is opened when one of its events is shown.
type lateFile struct {
	once sync.Once
	open *segment.File
	err  error
}

// reading returns the context under which files are opened by who works under ctx.
func (s *spread) reading(ctx context.Context) context.Context {
	if s.query != nil {
		return s.query
	}
	return ctx
}

// did notes who did a share.
func (s *spread) did(worker string) {
	if s.workers == nil {
		s.workers = map[string]int64{}
	}
	s.workers[worker]++
}

// unit returns the one unit that stands for a row group.
func (s *spread) unit(of *source, number int) *unit {
	s.mu.Lock()
	defer s.mu.Unlock()
	key := unitKey{of.file.Key, of.commit, number}
	if s.units == nil {
		s.units = map[unitKey]*unit{}
	}
	if s.units[key] == nil {
		s.units[key] = of.unit(number)
	}
	return s.units[key]
}

// file returns the one opening of a data file.
func (s *spread) file(key string) *lateFile {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.files == nil {
		s.files = map[string]*lateFile{}
	}
	if s.files[key] == nil {
		s.files[key] = &lateFile{}
	}
	return s.files[key]
}

// ready makes a unit one whose columns can be read. Each unit is made ready by one
// goroutine.
func (r *run) ready(ctx context.Context, u *unit) error {
	if err := ctx.Err(); err != nil || u.group != nil {
		return err
	}
	open := u.of.open
	if open == nil {
		f := r.spread.file(u.of.file.Key)
		f.once.Do(func() {
			if f.open, f.err = r.view.Open(r.spread.reading(ctx), u.of.file); f.err == nil {
				f.open.CountIn(&r.stats.reads)
			}
		})
		if f.err != nil {
			return f.err
		}
		open = f.open
	}
	groups := open.Groups()
	if u.number >= len(groups) {
		return corruptPartial(errors.New("it names a row group that is not in the file"))
	}
	u.group = groups[u.number]
	return nil
}

// rowInGroup returns where in the row group a row of the unit is.
func (u *unit) rowInGroup(row int32) int32 {
	for _, s := range u.sel {
		if n := int32(s.To - s.From); row >= n {
			row -= n
			continue
		}
		return int32(s.From) + row
	}
	return row
}

// entrust has a worker do a share. What no worker can do is done here, so that
// workers that are away make a query slow, and no more.
func (r *run) entrust(ctx context.Context, t task, sources []*source) ([]*outcome, error) {
	for try := 0; try < sends && !r.spread.away.Load(); try++ {
		if try > 0 {
			r.stats.sharesResent.Add(1)
			r.fan.Resent()
			if err := pause(ctx, try); err != nil {
				return nil, err
			}
		}
		h, out, err := r.send(ctx, t, sources)
		switch {
		case ctx.Err() != nil:
			return nil, ctx.Err()
		case err == nil:
			r.spread.away.Store(false)
			return []*outcome{out}, nil
		case h == nil: // no answer
			if try == sends-1 {
				r.spread.away.Store(true)
			}
			continue
		case h.Refused == refusedSize && t != taskTop && len(sources) > 1:
			return r.halve(ctx, t, sources)
		case h.Refused != "" || fault.Is(err, fault.Invalid):
			return r.alone(ctx, t, sources)
		}
		switch fault.KindOf(err) {
		case fault.Limit, fault.NotFound, fault.Gone, fault.Corrupt:
			return nil, err // as it would be here
		}
	}
	return r.alone(ctx, t, sources)
}

// send sends a share once. The head is nil where there is no answer.
func (r *run) send(ctx context.Context, t task, sources []*source) (*head, *outcome, error) {
	patience := r.fan.Patience
	if deadline, ok := ctx.Deadline(); ok {
		patience = min(patience, time.Until(deadline)/2)
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	s, err := r.share(ctx, t, sources)
	if err != nil {
		return &head{}, nil, err
	}
	body, err := json.Marshal(s)
	if err != nil {
		return &head{}, nil, err
	}
	answer, err := r.fan.Transport.Send(ctx, s.Section.Instance, body)
	if err != nil {
		return nil, nil, err
	}
	h, found, err := readHead(xxhash.Sum64(body), answer)
	if err == nil {
		err = h.err()
	}
	if err != nil {
		return h, nil, err
	}
	out, err := r.outcome(t, h, found, sources)
	if fault.Is(err, fault.Corrupt) {
		h = nil // it is the answer that is
	}
	return h, out, err
}

// halve has a share done in two parts.
func (r *run) halve(ctx context.Context, t task, sources []*source) ([]*outcome, error) {
	first, err := r.entrust(ctx, t, sources[:len(sources)/2])
	if err != nil {
		return nil, err
	}
	second, err := r.entrust(ctx, t, sources[len(sources)/2:])
	return append(first, second...), err
}

// alone does a share here, one at a time.
func (r *run) alone(ctx context.Context, t task, sources []*source) ([]*outcome, error) {
	r.spread.local.Lock()
	defer r.spread.local.Unlock()
	return r.doHere(ctx, t, sources)
}

// pause waits before a share is sent again.
func pause(ctx context.Context, try int) error {
	t := time.NewTimer(time.Duration(try)*50*time.Millisecond + rand.N(100*time.Millisecond))
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
