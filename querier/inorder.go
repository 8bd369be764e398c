package querier

import (
	"context"

	"golang.org/x/sync/errgroup"
)

// inOrder runs work for 0 … n-1, several at once, and merge with each outcome
// in that order, so that a result does not depend on scheduling. Work runs
// ahead of merge by at most a few outcomes for each worker, which bounds what
// is held. The first error ends all of it.
func inOrder[T any](ctx context.Context, n, workers int, work func(context.Context, int) (T, error), merge func(T) error) error {
	done := make([]chan T, n)
	for i := range done {
		done[i] = make(chan T, 1)
	}
	ahead := make(chan struct{}, 3*workers)
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(workers + 2) // and the two loops
	g.Go(func() error {
		for i := range n {
			select {
			case ahead <- struct{}{}:
			case <-ctx.Done():
				return ctx.Err()
			}
			g.Go(func() error {
				v, err := work(ctx, i)
				if err == nil {
					done[i] <- v
				}
				return err
			})
		}
		return nil
	})
	g.Go(func() error {
		for i := range n {
			select {
			case v := <-done[i]:
				if err := merge(v); err != nil {
					return err
				}
				<-ahead
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		return nil
	})
	return g.Wait()
}
