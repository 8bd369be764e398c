package catalog

import (
	"context"
	"encoding/json"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/firnlog/firn/layout"
	"github.com/firnlog/firn/layout/chain"
	"github.com/firnlog/firn/layout/event"
	"github.com/firnlog/firn/layout/fault"
	"github.com/firnlog/firn/layout/seal"
	"github.com/firnlog/firn/layout/store"
)

// Format is the version of catalog objects that this code writes; higher ones
// are refused.
const Format = 1

// MaxAge is how old settings may be that a process goes by.
const MaxAge = 10 * time.Second

// state is one object of the catalog's chain. It is never changed.
type state struct {
	Format    int          `json:"format"`
	Key       string       `json:"key"` // its own
	Number    int64        `json:"number"`
	ID        string       `json:"id"` // of the writer's attempt
	Time      event.Micros `json:"time"`
	Instances []Instance   `json:"instances"` // by id, deleted ones included
	Seal      string       `json:"seal"`

	seen   chain.Seen
	loaded time.Time // by the process's clock, for MaxAge
}

// Catalog reads and changes the list of instances. It is safe for concurrent
// use.
type Catalog struct {
	chain chain.Newest

	mu     sync.Mutex // guards newest
	newest *state
}

// Open returns the catalog of a bucket. It makes no request.
func Open(s store.Store) *Catalog {
	return &Catalog{chain: chain.Newest{Store: s, Prefix: layout.Catalog, WriterID: writerID}}
}

// Get returns the instance with the id, or else the active one with the name,
// as it was at most maxAge ago. What is not found or not active is looked up
// afresh before it is reported, so that an instance just made elsewhere is
// found. NotFound when the id was never used.
func (c *Catalog) Get(ctx context.Context, idOrName string, maxAge time.Duration) (Instance, error) {
	st, err := c.load(ctx, maxAge)
	if err != nil {
		return Instance{}, err
	}
	inst, ok := st.get(idOrName)
	if !ok || inst.State != Active {
		if st, err = c.load(ctx, 0); err != nil {
			return Instance{}, err
		}
		if inst, ok = st.get(idOrName); !ok {
			return Instance{}, fault.New(fault.NotFound, "there is no instance %q", shorten(idOrName))
		}
	}
	return inst, nil
}

// List returns all instances by id, deleted ones included, as they were at most
// maxAge ago.
func (c *Catalog) List(ctx context.Context, maxAge time.Duration) ([]Instance, error) {
	st, err := c.load(ctx, maxAge)
	if err != nil {
		return nil, err
	}
	return slices.Clone(st.Instances), nil
}

// Change applies f to the newest list of instances and stores the result as the
// next object of the chain, again and again until no other writer was faster.
// f gets a list of its own, by id, and the store's time, and returns the new
// list; an error of f ends the change. Unknown when nobody can tell whether the change was stored.
func (c *Catalog) Change(ctx context.Context, f func(list []Instance, now event.Micros) ([]Instance, error)) error {
	for {
		st, err := c.load(ctx, 0)
		if err != nil {
			return err
		}
		list, err := f(slices.Clone(st.Instances), event.ToMicros(st.seen.At))
		if err != nil {
			return err
		}
		slices.SortFunc(list, func(a, b Instance) int { return strings.Compare(a.ID, b.ID) })
		next := &state{Format: Format, Key: layout.Descending(layout.Catalog, st.Number+1), Number: st.Number + 1, ID: uuid.NewString(),
			Time: event.ToMicros(time.Now()), Instances: list, Seal: seal.Blank}
		body, err := json.Marshal(next)
		if err != nil {
			return err
		}
		seal.Seal(body)
		res, err := c.chain.Try(ctx, st.seen, next.ID, body)
		if err != nil {
			return fault.Wrap(err, "changing the catalog")
		}
		if res.Won {
			next.seen, next.loaded = chain.Seen{Number: next.Number, At: st.seen.At}, time.Now()
			c.keep(next)
			return nil
		}
	}
}

// load returns the newest state, from memory when that is at most maxAge old.
func (c *Catalog) load(ctx context.Context, maxAge time.Duration) (*state, error) {
	c.mu.Lock()
	st := c.newest
	c.mu.Unlock()
	if st != nil && maxAge > 0 && chain.Elapsed(st.loaded, time.Now()) <= maxAge {
		return st, nil
	}
	began := time.Now()
	var known int64
	if st != nil {
		known = st.Number
	}
	seen, err := c.chain.LookFrom(ctx, known)
	if err != nil {
		return nil, err
	}
	next := &state{}
	switch {
	case st != nil && st.Number == seen.Number:
		same := *st
		next = &same
	case seen.Number > 0:
		if next, err = c.read(ctx, seen.Number); err != nil {
			return nil, err
		}
	}
	next.seen, next.loaded = seen, began
	c.keep(next)
	return next, nil
}

// read returns state n of the chain.
func (c *Catalog) read(ctx context.Context, n int64) (*state, error) {
	body, err := c.chain.Read(ctx, n)
	if fault.Is(err, fault.NotFound) { // we slept for longer than the grace since we saw it
		err = fault.New(fault.Unavailable, "catalog %d was replaced and swept before it was read", n)
	}
	if err != nil {
		return nil, err
	}
	key := layout.Descending(layout.Catalog, n)
	st, err := parse(body)
	if err != nil {
		return nil, fault.Wrap(err, "%s", key)
	}
	return st, seal.At(key, st.Key)
}

// keep remembers st unless a newer state is known.
func (c *Catalog) keep(st *state) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.newest == nil || st.Number >= c.newest.Number {
		c.newest = st
	}
}

// get prefers an active instance to a deleted one of which it bears the name.
func (st *state) get(idOrName string) (Instance, bool) {
	i, ok := slices.BinarySearchFunc(st.Instances, idOrName, func(i Instance, id string) int { return strings.Compare(i.ID, id) })
	if ok && st.Instances[i].State == Active {
		return st.Instances[i], true
	}
	for _, other := range st.Instances {
		if other.Name == idOrName && other.State == Active {
			return other, true
		}
	}
	if ok {
		return st.Instances[i], true
	}
	return Instance{}, false
}

func parse(body []byte) (*state, error) {
	if err := seal.Check(body); err != nil {
		return nil, err
	}
	st := &state{}
	if err := json.Unmarshal(body, st); err != nil {
		return nil, fault.New(fault.Corrupt, "no catalog: %w", err)
	}
	if st.Format > Format {
		return nil, fault.New(fault.Unavailable, "format %d is newer than this program, which knows up to %d: upgrade it", st.Format, Format)
	}
	return st, nil
}

func writerID(body []byte) (string, error) {
	st, err := parse(body)
	if err != nil {
		return "", err
	}
	return st.ID, nil
}
