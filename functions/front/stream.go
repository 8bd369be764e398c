package front

import (
	"context"

	"github.com/firnlog/firn/querier"
)

// Stream answers a query by batches, as [querier.Engine.Stream] does, for a caller
// who may query. The instance may be given by id or unique name.
func (s *Service) Stream(ctx context.Context, q *querier.Query, most int64, emit func(*querier.Batch) error) error {
	inst, err := s.Instance(ctx, q.Instance, CanQuery)
	if err != nil {
		return err
	}
	q.Instance = inst.ID
	release, err := s.queries.take(ctx)
	if err != nil {
		return err
	}
	defer release()
	_, err = s.Queries.Stream(ctx, q, most, emit)
	return err
}
