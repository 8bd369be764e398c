package main

import (
	"context"
	"errors"

	"github.com/firnlog/firn/compactor"
	"github.com/firnlog/firn/layout/fault"
)

// sweptKeys is what the sweep of an instance deleted, or left to the bucket's
// lifecycle rule, or would.
type sweptKeys struct {
	Instance string   `json:"instance"`
	Keys     []string `json:"keys"`
}

// sweep deletes garbage, or with --dry-run says what it would delete.
func (c *compactCmd) sweep(ctx context.Context, a *app, work *compactor.Compactor, ids []string) error {
	all := []sweptKeys{}
	var failed []error
	for _, id := range ids {
		keys, err := work.Sweep(ctx, id, c.DryRun)
		all = append(all, sweptKeys{id, append([]string{}, keys...)})
		failed = append(failed, fault.Wrap(err, "instance %s", id))
	}
	if a.json() {
		return errors.Join(append(failed, a.printJSON(all))...)
	}
	for _, s := range all {
		for _, key := range s.Keys {
			failed = append(failed, a.printf("%s\n", key))
		}
	}
	return errors.Join(failed...)
}
