package snapshot

import (
	"bytes"
	"context"
	"encoding/json"
	"slices"

	"github.com/firnlog/firn/layout"
	"github.com/firnlog/firn/layout/fault"
	"github.com/firnlog/firn/layout/seal"
	"github.com/firnlog/firn/layout/store"
)

// Bounds of a snapshot in bytes. A snapshot is written whole with every step of
// a compactor, so that it is kept small: above coarseBytes, without lists of
// files, or with more than maxDays of them, old days become months and so on, so
// that a step which changes all of them writes few manifests; above inlineBytes,
// lists of files move out into manifests, the longest first. What is left, orders
// to erase and what one step drops, may be many times as large for a while: a
// snapshot that is refused, which is above maxBytes, stops compaction for good.
const (
	inlineBytes = 32 << 10
	coarseBytes = 128 << 10
	maxDays     = 128
	maxBytes    = 16 << 20
)

// fit returns s as JSON, with its days made coarser and as many of their lists of
// files moved into manifests as it takes.
func (t Table) fit(ctx context.Context, s *Snapshot) ([]byte, error) {
	if err := t.coarsen(ctx, s); err != nil {
		return nil, err
	}
	for {
		body, err := json.Marshal(s)
		if err != nil || len(body) <= inlineBytes {
			return body, err
		}
		moved := false
		for size := len(body); size > inlineBytes; moved = true {
			day := longest(s.Days)
			if day == nil {
				break
			}
			size -= jsonSize(day.Files)
			if err := t.moveOut(ctx, day); err != nil {
				return nil, err
			}
		}
		switch {
		case moved:
		case len(body) > maxBytes:
			return nil, fault.New(fault.Limit, "the snapshot of %s would have %d bytes, more than %d", t.Instance, len(body), maxBytes)
		default:
			return body, nil
		}
	}
}

// jsonSize returns the size of v as JSON. What is kept as JSON can be written so.
func jsonSize(v any) int {
	body, _ := json.Marshal(v)
	return len(body)
}

// longest returns the day with the most files in the snapshot itself.
func longest(days []Day) *Day {
	i := slices.IndexFunc(days, func(d Day) bool { return len(d.Files) > 0 })
	if i < 0 {
		return nil
	}
	for j := range days {
		if len(days[j].Files) > len(days[i].Files) {
			i = j
		}
	}
	return &days[i]
}

// moveOut stores the day's files as a manifest. The day's own slice is left
// alone, since other snapshots in memory share it.
func (t Table) moveOut(ctx context.Context, d *Day) error {
	key := layout.NewManifest(t.Instance)
	body, err := json.Marshal(Manifest{Format: Format, Key: key, Day: d.Day, Files: d.Files, Seal: seal.Blank})
	if err != nil {
		return err
	}
	seal.Seal(body)
	if _, err := t.Store.Put(ctx, key, bytes.NewReader(body), store.Always); err != nil {
		return fault.Wrap(err, "storing a manifest")
	}
	d.Manifest, d.Files = key, nil
	return nil
}
