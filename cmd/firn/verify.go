package main

import (
	"context"

	"github.com/firnlog/firn/layout/fault"
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
meanwhile. The exit status is 1 when something is wrong, or when there is no log.

    firn verify --bucket file://./firn-data
    firn verify my-log --bucket file://./firn-data -o json`
}

// Run verifies and prints what was found.
func (c *verifyCmd) Run(ctx context.Context, a *app) error {
	bucket, err := a.bucketURL("verify")
	if err != nil {
		return err
	}
	s, err := openExisting(ctx, bucket)
	if err != nil {
		return err
	}
	report, err := verify.Run(ctx, s, verify.Options{Instance: c.Instance})
	if err != nil {
		return err
	}
	if report.Catalog == 0 && report.OK() { // a misspelt prefix must not pass for a whole bucket
		return fault.New(fault.NotFound, "there is no log at %s: it has no catalog, so that nothing was verified", a.Bucket)
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
