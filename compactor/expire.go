package compactor

import (
	"context"
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
// queries have hidden these since the second that they were.
func (c *Compactor) expire(ctx context.Context, id string, v *commitlog.View) (snapshot.Edit, Report, error) {
	var edit snapshot.Edit
	cutoff := v.HiddenBefore - event.Micros(expireMargin.Microseconds())
	for _, d := range v.Snapshot().Days {
		if d.MinTime >= cutoff {
			continue
		}
		files, err := v.DayFiles(ctx, d)
		if err != nil {
			return edit, Report{}, err
		}
		for _, f := range files {
			if f.MaxTime < cutoff || f.MinTime < cutoff && bug.In(bug.EarlyExpired) {
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
