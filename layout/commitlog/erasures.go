package commitlog

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"slices"

	"github.com/firnlog/firn/layout/event"
	"github.com/firnlog/firn/layout/snapshot"
)

// ErasureState is how far an erasure has come. What it erases is in no answer from
// Ordered on; the times after it are those of what lies in the bucket.
type ErasureState struct {
	ID     string
	Shards int    // that it concerns
	Hash   string // SHA-256 of the stream that is erased, 64 hex digits; "" for a redaction
	// Ordered is when the order was stored.
	Ordered event.Micros
	// Rewritten is when no data file of the table held anything of it any more; 0
	// before that.
	Rewritten event.Micros
	// Gone is when the last object with anything of it had been deleted; 0 before
	// that.
	Gone event.Micros
}

// Erasures returns the erasures of an instance that are under way, and those that
// were carried out within the last weeks, the oldest first.
func (l *Log) Erasures(ctx context.Context, instance string) ([]ErasureState, error) {
	inst, err := l.freshInstance(ctx, instance)
	if err != nil {
		return nil, err
	}
	v, _, err := l.PinNewest(ctx, inst.ID)
	if err != nil {
		return nil, err
	}
	byID := map[string]*ErasureState{}
	for shard := range v.Point.Ends {
		list := v.Erasures(shard)
		if v.dropped[shard] == 0 {
			for _, e := range v.snap.ShardState(shard).Erasures {
				if e.Gone != 0 {
					list = append(list, e)
				}
			}
		}
		for _, e := range list {
			if byID[e.ID] == nil {
				byID[e.ID] = &ErasureState{ID: e.ID, Hash: hashOf(e), Ordered: e.Time, Rewritten: e.Rewritten, Gone: e.Gone}
			}
			byID[e.ID].join(e)
		}
	}
	var out []ErasureState
	for _, s := range byID {
		out = append(out, *s)
	}
	slices.SortFunc(out, func(a, b ErasureState) int { return cmp.Or(cmp.Compare(a.Ordered, b.Ordered), cmp.Compare(a.ID, b.ID)) })
	return out, nil
}

// join takes in a shard's part: the whole is as far as the slowest of its parts.
func (s *ErasureState) join(e snapshot.Erasure) {
	later := func(a, b event.Micros) event.Micros {
		if a == 0 || b == 0 {
			return 0
		}
		return max(a, b)
	}
	s.Shards++
	s.Ordered = min(s.Ordered, e.Time)
	s.Rewritten, s.Gone = later(s.Rewritten, e.Rewritten), later(s.Gone, e.Gone)
}

func hashOf(e snapshot.Erasure) string {
	if e.Stream == "" {
		return e.Hash
	}
	return StreamHash(e.Stream)
}

// StreamHash returns the name under which an erased stream is spoken of: its
// SHA-256 as 64 hex digits.
func StreamHash(stream string) string {
	sum := sha256.Sum256([]byte(stream))
	return hex.EncodeToString(sum[:])
}
