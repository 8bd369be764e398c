package chain

import (
	"context"
	"time"

	"github.com/firnlog/firn/layout"
	"github.com/firnlog/firn/layout/fault"
	"github.com/firnlog/firn/layout/store"
)

// Newest is a chain of documents whose newest object is the state: the catalog
// and the snapshots. Its keys sort from the newest to the oldest.
type Newest struct {
	Store    store.Store
	Prefix   string
	WriterID func(body []byte) (string, error)
}

// Seen is what a look at the newest end of a chain found.
type Seen struct {
	Number int64     // of the newest object, 0 for an empty chain
	At     time.Time // store time of the look
}

// Look lists the newest object of the chain: one request.
func (c Newest) Look(ctx context.Context) (Seen, error) {
	page, err := c.Store.List(ctx, store.ListOptions{Prefix: c.Prefix, Max: 1})
	if err != nil {
		return Seen{}, fault.Wrap(err, "looking up %s", c.Prefix)
	}
	seen := Seen{At: page.StoreTime}
	if len(page.Objects) > 0 {
		n, ok := layout.ParseDescending(page.Objects[0].Key)
		if !ok {
			return Seen{}, fault.New(fault.Corrupt, "%s is no key of the chain %s", page.Objects[0].Key, c.Prefix)
		}
		seen.Number = n
	}
	return seen, nil
}

// LookFrom is Look by one who has seen the chain at a number before. Corrupt
// when it has gone back since: the newest object is never deleted.
func (c Newest) LookFrom(ctx context.Context, known int64) (Seen, error) {
	seen, err := c.Look(ctx)
	if err == nil && seen.Number < known {
		return Seen{}, fault.New(fault.Corrupt, "%s was there and is not: the newest object of the chain is number %d",
			layout.Descending(c.Prefix, known), seen.Number)
	}
	return seen, err
}

// Read returns object n of the chain.
func (c Newest) Read(ctx context.Context, n int64) ([]byte, error) {
	body, _, err := store.ReadAll(ctx, c.Store, layout.Descending(c.Prefix, n))
	return body, err
}

// Try writes object seen.Number+1 by the rules of chains, as [Slot.Try] does.
// Where the write turns out to have come so late that the slot may have been
// swept before, it looks whether the object is the chain's newest; when it is
// not, nobody can tell whether anyone ever saw it, and the error is Unknown.
func (c Newest) Try(ctx context.Context, seen Seen, id string, body []byte) (Result, error) {
	n := seen.Number + 1
	slot := Slot{Store: c.Store, Key: layout.Descending(c.Prefix, n), WriterID: c.WriterID}
	res, err := slot.Try(ctx, id, body)
	if err != nil || !res.Won || !Stale(seen.At, res.StoreTime) {
		return res, err
	}
	again, err := c.Look(ctx)
	if err != nil {
		return Result{}, fault.New(fault.Unknown, "%s was written late: %w", slot.Key, err)
	}
	if again.Number != n {
		return Result{}, fault.New(fault.Unknown, "%s was written so late that it may be without effect", slot.Key)
	}
	return res, nil
}
