package snapshot

import (
	"context"
	"encoding/json"
	"time"

	"github.com/google/uuid"

	"github.com/firnlog/firn/layout"
	"github.com/firnlog/firn/layout/chain"
	"github.com/firnlog/firn/layout/event"
	"github.com/firnlog/firn/layout/fault"
	"github.com/firnlog/firn/layout/seal"
	"github.com/firnlog/firn/layout/store"
)

// Table reads and writes the snapshots of one instance. It holds no state.
type Table struct {
	Store    store.Store
	Instance string
}

func (t Table) chain() chain.Newest {
	return chain.Newest{Store: t.Store, Prefix: layout.Snapshots(t.Instance), WriterID: writerID}
}

// Look returns the number of the newest snapshot, 0 for none: one request.
func (t Table) Look(ctx context.Context) (chain.Seen, error) { return t.chain().Look(ctx) }

// LookFrom is Look by one who has seen a snapshot's number before. Corrupt when
// the newest one is older than that.
func (t Table) LookFrom(ctx context.Context, known int64) (chain.Seen, error) {
	return t.chain().LookFrom(ctx, known)
}

// Read returns snapshot n; number 0 is the empty one. NotFound once it was
// swept.
func (t Table) Read(ctx context.Context, n int64) (*Snapshot, error) {
	if n == 0 {
		return &Snapshot{}, nil
	}
	body, err := t.chain().Read(ctx, n)
	if err != nil {
		return nil, err
	}
	key := layout.Descending(layout.Snapshots(t.Instance), n)
	s, err := parse(body)
	if err != nil {
		return nil, fault.Wrap(err, "%s", key)
	}
	return s, seal.At(key, s.Key)
}

// Commit writes next as the snapshot behind seen, after giving it its key, number,
// id, time and seal, and storing the manifests that are too large to lie in it.
// It reports whether next won its number; a crash, or a loss, leaves manifests
// that no snapshot names.
func (t Table) Commit(ctx context.Context, seen chain.Seen, next *Snapshot) (bool, error) {
	next.Format, next.Number, next.ID = Format, seen.Number+1, uuid.NewString()
	next.Key = layout.Descending(layout.Snapshots(t.Instance), next.Number)
	next.Time, next.Seal = event.ToMicros(time.Now()), seal.Blank
	body, err := t.fit(ctx, next)
	if err != nil {
		return false, err
	}
	seal.Seal(body)
	res, err := t.chain().Try(ctx, seen, next.ID, body)
	return res.Won, fault.Wrap(err, "committing snapshot %d of %s", next.Number, t.Instance)
}

// Files returns the data files of a day of a snapshot.
func (t Table) Files(ctx context.Context, d Day) ([]File, error) {
	if d.Manifest == "" {
		return d.Files, nil
	}
	body, _, err := store.ReadAll(ctx, t.Store, d.Manifest)
	if err != nil {
		return nil, err
	}
	if err := seal.Check(body); err != nil {
		return nil, fault.Wrap(err, "%s", d.Manifest)
	}
	var m Manifest
	if err := json.Unmarshal(body, &m); err != nil {
		return nil, fault.New(fault.Corrupt, "%s is no manifest: %w", d.Manifest, err)
	}
	if err := checkFormat(m.Format); err != nil {
		return nil, fault.Wrap(err, "%s", d.Manifest)
	}
	return m.Files, seal.At(d.Manifest, m.Key)
}

func parse(body []byte) (*Snapshot, error) {
	if err := seal.Check(body); err != nil {
		return nil, err
	}
	s := &Snapshot{}
	if err := json.Unmarshal(body, s); err != nil {
		return nil, fault.New(fault.Corrupt, "no snapshot: %w", err)
	}
	return s, checkFormat(s.Format)
}

func checkFormat(n int) error {
	if n > Format {
		return fault.New(fault.Unavailable, "format %d is newer than this program, which knows up to %d: upgrade it", n, Format)
	}
	return nil
}

func writerID(body []byte) (string, error) {
	s, err := parse(body)
	if err != nil {
		return "", err
	}
	return s.ID, nil
}
