package compactor

import (
	"context"

	"github.com/firnlog/firn/layout/snapshot"
)

// Plan is what there is of an instance, and what a run would do next.
type Plan struct {
	Unfolded      int64     `json:"unfolded"`       // commits of the tail
	UnfoldedBytes int64     `json:"unfolded_bytes"` // of those that the next fold takes
	Days          []DayPlan `json:"days"`           // oldest first
}

// DayPlan is what there is of a day in one shard, and what would be merged.
type DayPlan struct {
	Day        string `json:"day"`
	Shard      int    `json:"shard"`
	Files      int    `json:"files"`
	Bytes      int64  `json:"bytes"`
	Levels     []int  `json:"levels"`      // files that were merged never, once, twice, …
	Merge      int    `json:"merge"`       // files that would be merged next
	MergeBytes int64  `json:"merge_bytes"` // of these
}

// Plan looks at an instance, given by its id, and does nothing.
func (c *Compactor) Plan(ctx context.Context, id string) (Plan, error) {
	p := Plan{Days: []DayPlan{}}
	v, _, err := c.Log.PinFold(ctx, id, foldBytes)
	if err != nil {
		return p, err
	}
	for shard := range v.Point.Ends {
		p.Unfolded += v.Logged(shard) - v.Snapshot().ShardState(shard).Folded
		for _, commit := range v.Unfolded(shard) {
			p.UnfoldedBytes += int64(commit.Bytes)
		}
	}
	for _, d := range v.Snapshot().Days {
		files, err := v.DayFiles(ctx, d)
		if err != nil {
			return p, err
		}
		for _, group := range byDayAndShard(files) {
			inputs := mergeable(group, over(group[0].MinTime, v.Point.Now), c.target())
			p.Days = append(p.Days, planDay(group, inputs))
		}
	}
	return p, nil
}

func planDay(files, inputs []snapshot.File) DayPlan {
	d := DayPlan{Day: files[0].MinTime.Day(), Shard: files[0].Shard, Files: len(files), Merge: len(inputs)}
	for _, f := range files {
		d.Bytes += f.Bytes
		for len(d.Levels) <= f.Level {
			d.Levels = append(d.Levels, 0)
		}
		d.Levels[f.Level]++
	}
	for _, f := range inputs {
		d.MergeBytes += f.Bytes
	}
	return d
}
