package commitlog

import (
	"context"
	"time"

	"github.com/firnlog/firn/layout/chain"
)

// foldReads is how many commits of one shard are read at once for a fold: each
// may have the size of the largest group.
const foldReads = 4

// PinFold is [Log.PinNewest] for who folds, in bounded memory: of each shard's
// tail the view has only the first commits, until they have so many stored bytes
// together. [View.Logged] tells where the log ends.
func (l *Log) PinFold(ctx context.Context, id string, bytes int) (*View, chain.Seen, error) {
	return l.pinNewest(ctx, id, bytes)
}

// Logged returns the last position of a shard's log when the view was pinned.
func (v *View) Logged(shard int) int64 { return v.logged[shard] }

// some returns the first commits of the positions from … to as [Log.commits]
// does: until they have so many stored bytes together.
func (l *Log) some(ctx context.Context, instance string, shard int, from, to int64, seen time.Time, bytes int) ([]*Commit, error) {
	var out []*Commit
	for from <= to && bytes > 0 {
		next, err := l.commits(ctx, instance, shard, from, min(to, from+foldReads-1), seen)
		if err != nil {
			return nil, err
		}
		for _, c := range next {
			if c != nil { // nil by a planted mistake alone
				bytes -= c.Bytes
			}
		}
		out, from = append(out, next...), from+int64(len(next))
	}
	return out, nil
}
