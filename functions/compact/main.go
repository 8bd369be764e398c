// Command compact is the function that folds, merges, expires and sweeps. It runs
// by a schedule, or by a direct invocation with {"instances":["id", …]}, which
// functions that append ask for when the log grows fast. It is
// the only one whose role may delete. Two runs at once do no harm.
package main

import (
	"context"

	"github.com/firnlog/firn/functions/internal/start"
)

func main() {
	start.Main(func(ctx context.Context) (any, error) {
		f, err := start.Log(ctx)
		if err != nil {
			return nil, err
		}
		return newFunction(f.Log, f.Logger, f.Stack).run, nil
	})
}
