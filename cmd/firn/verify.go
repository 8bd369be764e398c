package main

import (
	"context"

	"github.com/firnlog/firn/layout/fault"
	"github.com/firnlog/firn/layout/store"
	"github.com/firnlog/firn/layout/verify"
)

type verifyCmd struct {
	Instance string `arg:"" optional:"" help:"Id of an instance; all of the bucket's without."`
}

// Help implements [kong.HelpProvider].
func (verifyCmd) Help() string {
	return `Reads every object of a bucket and derives everything anew: numbers without gap
or double in each stream, snapshots against objects, counts and bounds against
rows, checksums. It changes nothing, and others may append and compact
meanwhile. The exit status is 1 when something is wrong.

    firn verify --bucket file://./firn-data
    firn verify my-log --bucket file://./firn-data -o json`
}

// Run verifies and prints what was found.
func (c *verifyCmd) Run(ctx context.Context, a *app) error {
	bucket, err := a.bucketURL("verify")
	if err != nil {
		return err
	}
	s, err := store.Open(ctx, bucket)
	if err != nil {
		return err
	}
	report, err := verify.Run(ctx, s, verify.Options{Instance: c.Instance})
	if err != nil {
		return err
	}
	if a.json() {
		err = a.printJSON(report)
	} else {
		err = report.WriteText(a.stdout)
	}
	if err == nil && !report.OK() {
		err = fault.New(fault.Corrupt, "the bucket is not as it must be: see the faults")
	}
	return err
}
