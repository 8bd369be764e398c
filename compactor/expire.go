package compactor

import (
	"context"
	"slices"
	"time"

	"github.com/firnlog/firn/internal/bug"
	"github.com/firnlog/firn/layout/commitlog"
	"github.com/firnlog/firn/layout/event"
	"github.com/firnlog/firn/layout/snapshot"
)

// expireMargin is how long events must have been hidden before their files are
// dropped: clocks of processes differ, and nothing is deleted early.
const expireMargin = time.Hour

// expire drops the files whose events are all past the instance's retention:
// queries have hidden these since the second that they were. It also drops the
// files of shards that the instance had in an earlier life and has no more: no
// log is folded there that would take them along.
func (c *Compactor) expire(ctx context.Context, id string, v *commitlog.View) (snapshot.Edit, Report, error) {
	var edit snapshot.Edit
	cutoff := v.HiddenBefore - event.Micros(expireMargin.Microseconds())
	for _, d := range v.Snapshot().Days {
		if d.MinTime >= cutoff && !formerShards(v) {
			continue
		}
		files, err := v.DayFiles(ctx, d)
		if err != nil {
			return edit, Report{}, err
		}
		for _, f := range files {
			if f.MaxTime < cutoff || f.MinTime < cutoff && bug.In(bug.EarlyExpired) || f.Shard >= v.Instance.Shards {
				edit.Remove = append(edit.Remove, f)
			}
		}
		if len(edit.Remove) >= removesAtOnce {
			edit.Remove = edit.Remove[:removesAtOnce]
			break
		}
	}
	return edit, Report{FilesExpired: int64(len(edit.Remove))}, nil
}

// formerShards reports whether the snapshot knows shards that the instance does
// not have any more.
func formerShards(v *commitlog.View) bool {
	return slices.ContainsFunc(v.Snapshot().Shards, func(s snapshot.Shard) bool { return s.Shard >= v.Instance.Shards })
}
