package main

import (
	"context"
	"errors"

	"github.com/firnlog/firn/compactor"
	"github.com/firnlog/firn/layout/commitlog"
	"github.com/firnlog/firn/layout/fault"
)

type compactCmd struct {
	Instances []string `arg:"" optional:"" name:"instance" help:"Ids or names of instances; all of the bucket's without."`
	Plan      bool     `help:"Change nothing, and print what there is of each day and what would be merged next."`
	SweepOnly bool     `help:"Only delete garbage that is old enough, and print its keys."`
	DryRun    bool     `help:"With --sweep-only: delete nothing, and print the keys of what would go."`
}

// Help implements [kong.HelpProvider].
func (compactCmd) Help() string {
	return `Folds the log into Parquet files, merges small files, drops what retention has
passed and deletes garbage that is old enough. A running server does so as it
needs to; both at once do no harm.

    firn compact --bucket file://./firn-data
    firn compact --plan --bucket file://./firn-data
    firn compact --sweep-only --dry-run --bucket file://./firn-data
    firn compact my-log --bucket 's3://my-bucket/events?region=eu-central-1'`
}

// compacted is what was done to an instance.
type compacted struct {
	Instance string `json:"instance"`
	compactor.Report
}

// Run compacts and prints what was done, also when some instance failed.
func (c *compactCmd) Run(ctx context.Context, a *app) error {
	bucket, err := a.bucketURL("compact")
	if err != nil {
		return err
	}
	if c.DryRun && !c.SweepOnly {
		return usage("--dry-run is for --sweep-only")
	}
	if c.Plan && c.SweepOnly {
		return usage("--plan and --sweep-only: give one of them")
	}
	s, err := openProved(ctx, bucket, openExisting)
	if err != nil {
		return err
	}
	log := commitlog.Open(s)
	ids, err := c.ids(ctx, log)
	if err != nil {
		return err
	}
	work := &compactor.Compactor{Log: log}
	if c.Plan {
		return a.printPlan(ctx, work, ids)
	}
	if c.SweepOnly {
		return c.sweep(ctx, a, work, ids)
	}
	if terminal(a.stderr) > 0 {
		work.Progress = func(id string, r compactor.Report) {
			a.note("%s: %s events folded, %s files written (%s)", id, thousands(r.Events), thousands(r.FilesWritten), bytesText(r.BytesWritten))
		}
	}
	done := []compacted{}
	var failed []error
	for _, id := range ids {
		report, err := work.Run(ctx, id)
		done = append(done, compacted{id, report})
		failed = append(failed, fault.Wrap(err, "instance %s", id))
	}
	if len(c.Instances) == 0 {
		failed = append(failed, work.SweepCatalog(ctx))
	}
	return errors.Join(append(failed, a.printCompacted(done))...)
}

// ids returns the instances to work on.
func (c *compactCmd) ids(ctx context.Context, log *commitlog.Log) ([]string, error) {
	if len(c.Instances) == 0 {
		return log.IDs(ctx)
	}
	var ids []string
	for _, name := range c.Instances {
		inst, err := log.Instance(ctx, name)
		if err != nil {
			return nil, err
		}
		ids = append(ids, inst.ID)
	}
	return ids, nil
}

func (a *app) printCompacted(done []compacted) error {
	if a.json() {
		return a.printJSON(done)
	}
	t := newTable(a.stdout, "instance", "commits folded", "events folded", "files written", "bytes written", "files merged", "files expired", "objects swept")
	for _, c := range done {
		err := t.add(c.Instance, thousands(c.Commits), thousands(c.Events), thousands(c.FilesWritten), bytesText(c.BytesWritten),
			thousands(c.FilesMerged), thousands(c.FilesExpired), thousands(c.Swept))
		if err != nil {
			return err
		}
	}
	return t.flush()
}
