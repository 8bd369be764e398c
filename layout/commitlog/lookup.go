package commitlog

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/firnlog/firn/layout/event"
	"github.com/firnlog/firn/layout/fault"
	"github.com/firnlog/firn/layout/snapshot"
)

// lookups bounds the parts of runs that are read at the same time.
const lookups = 64

// names are what a group asks the runs for.
type names struct{ streams, keys []string }

// findings are what runs say of names: nothing of those that they do not have.
type findings struct {
	asked names
	heads map[string]snapshot.Head
	keys  map[string]snapshot.Key
}

// unknown returns the streams and keys of a group that the state says nothing of,
// and notes the heads of those events whose streams it knows.
func (st *state) unknown(group []*request) names {
	streams, keys := map[string]bool{}, map[string]bool{}
	see := func(stream string) (h *head) {
		if st != nil {
			h = st.heads[stream]
		}
		if h == nil {
			streams[stream] = true
		}
		return h
	}
	for _, r := range group {
		if r.erase == nil {
			r.heads = slices.Grow(r.heads[:0], len(r.batch.Events))
			for i := range r.batch.Events {
				r.heads = append(r.heads, see(r.batch.Events[i].Stream))
			}
		}
		for stream := range r.batch.Expect {
			see(stream)
		}
		if r.batch.Key == "" {
			continue
		}
		if st != nil {
			if _, ok := st.keys[r.batch.Key]; ok {
				continue
			}
		}
		keys[r.batch.Key] = true
	}
	return names{slices.Collect(maps.Keys(streams)), slices.Collect(maps.Keys(keys))}
}

// lookUp makes the state know the streams and keys of a group, and notes the heads
// of its events. It costs nothing where it does, or where the parts of runs that
// these stand in are in memory, else one round trip.
func (st *state) lookUp(ctx context.Context, group []*request) error {
	n, runs := st.unknown(group), st.folded
	if st.void {
		runs = snapshot.Shard{}
	}
	found, err := st.log.find(ctx, runs, n)
	if err != nil {
		return err
	}
	st.take(found)
	for _, r := range group {
		for i, h := range r.heads {
			if h == nil {
				if r.heads[i], err = st.head(r.batch.Events[i].Stream); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// take learns what runs were found to say, as far as commits behind them have not
// said otherwise. What the runs do not have is new.
func (st *state) take(f findings) {
	for _, stream := range f.asked.streams {
		if st.heads[stream] == nil {
			st.setHead(stream, f.heads[stream].Sequence)
		}
	}
	for _, key := range f.asked.keys {
		if _, ok := st.keys[key]; !ok {
			st.keys[strings.Clone(key)] = f.keys[key]
		}
	}
}

// head returns where the stream stands, which must have been looked up: taking it
// for new would number it anew.
func (st *state) head(stream string) (*head, error) {
	if h := st.heads[stream]; h != nil {
		return h, nil
	}
	if !st.void {
		return nil, fmt.Errorf("commitlog: stream %q was not looked up", stream)
	}
	st.setHead(stream, 0) // a drop came since
	return st.heads[stream], nil
}

// key returns what was stored under an idempotency key that was looked up, if its
// time is not over for a commit at the time now.
func (st *state) key(key string, now event.Micros) (snapshot.Key, bool) {
	k := st.keys[key]
	return k, k.Key != "" && now-k.Time <= event.Micros(KeyLife.Microseconds())
}

// find looks names up in a shard's runs. errMoved when one was swept.
func (l *Log) find(ctx context.Context, runs snapshot.Shard, n names) (findings, error) {
	f := findings{asked: n}
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() (err error) {
		f.heads, err = find[snapshot.Head](ctx, l, runs.Heads, n.streams)
		return err
	})
	group.Go(func() (err error) {
		f.keys, err = find[snapshot.Key](ctx, l, runs.Keys, n.keys)
		return err
	})
	err := group.Wait() // before f is read: in one return statement either may come first
	return f, err
}

// find looks names up in runs, newest first: in the parts alone that they belong
// in, all at once.
func find[T snapshot.Entry](ctx context.Context, l *Log, runs []snapshot.Run, names []string) (map[string]T, error) {
	found := make([]map[string]T, len(runs))
	var mu sync.Mutex // guards found's maps
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(lookups)
	for i, r := range runs {
		found[i] = map[string]T{}
		for part, names := range byPart(names, r.Count()) {
			group.Go(func() error {
				entries, err := run[T](ctx, l, r, part)
				mu.Lock()
				defer mu.Unlock()
				for _, name := range names {
					if at, ok := slices.BinarySearchFunc(entries, name, func(e T, name string) int { return strings.Compare(e.Name(), name) }); ok {
						found[i][name] = entries[at]
					}
				}
				return err
			})
		}
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	out := map[string]T{}
	for _, f := range slices.Backward(found) {
		maps.Copy(out, f) // that of the newest run last
	}
	return out, nil
}

// byPart returns names by the parts of a run that they belong in.
func byPart(names []string, parts int) map[int][]string {
	out := map[int][]string{}
	for _, name := range names {
		part := snapshot.PartOf(name, parts)
		out[part] = append(out[part], name)
	}
	return out
}

// run returns the entries of a part of a run, from memory or the bucket. errMoved
// when it was swept.
func run[T snapshot.Entry](ctx context.Context, l *Log, r snapshot.Run, part int) ([]T, error) {
	key := r.Object(part)
	if entries, ok := l.cache.get(key); ok {
		return entries.([]T), nil
	}
	entries, err := snapshot.ReadRun[T](ctx, l.store, r, part)
	if fault.Is(err, fault.NotFound) {
		return nil, missing(key)
	}
	if err != nil {
		return nil, err
	}
	const perEntry = 96 // bytes of an entry in memory, its texts included
	l.cache.put(key, entries, perEntry*len(entries))
	return entries, nil
}
