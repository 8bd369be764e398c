package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/firnlog/firn/compactor"
	"github.com/firnlog/firn/layout/fault"
)

// planned is what there is of an instance.
type planned struct {
	Instance string `json:"instance"`
	compactor.Plan
}

// printPlan prints what there is of instances, day by day, and what would be done.
func (a *app) printPlan(ctx context.Context, work *compactor.Compactor, ids []string) error {
	all := []planned{}
	for _, id := range ids {
		plan, err := work.Plan(ctx, id)
		if err != nil {
			return fault.Wrap(err, "instance %s", id)
		}
		all = append(all, planned{id, plan})
	}
	if a.json() {
		return a.printJSON(all)
	}
	t := newTable(a.stdout, "instance", "day", "shard", "files", "bytes", "by level", "to merge", "bytes to merge")
	for _, p := range all {
		if err := t.add(p.Instance, "the log", "all", thousands(p.Unfolded)+" commits", "", "", "", ""); err != nil {
			return err
		}
		for _, d := range p.Days {
			levels := strings.Trim(fmt.Sprint(d.Levels), "[]")
			err := t.add(p.Instance, d.Day, fmt.Sprint(d.Shard), thousands(int64(d.Files)), bytesText(d.Bytes), levels, thousands(int64(d.Merge)), bytesText(d.MergeBytes))
			if err != nil {
				return err
			}
		}
	}
	return t.flush()
}
