package vamp

import (
	"context"
	"slices"

	"github.com/firnlog/firn/layout/fault"
	"github.com/firnlog/firn/querier"
)

// find runs a query, whose order is by time from the newest on, behind offset
// events. Total is that of all pages.
//
// The engine skips and shows up to reach events, which is querier.MaxOffset but
// in tests. Where the page lies beyond them, find looks up the time of the last
// one that is not behind the page's first, counts what is newer, and goes on from
// that time.
func (d *door) find(ctx context.Context, q *querier.Query, offset int64, reach int) (*querier.Result, error) {
	where, total := q.Where, int64(-1)
	for offset+int64(q.Limit) > int64(reach) {
		probe := *q
		probe.Limit, probe.Offset, probe.Select = 1, int(min(offset, int64(reach-1))), []querier.Field{querier.Timestamp}
		probe.NoTotal = total >= 0
		res, err := d.Query(ctx, &probe)
		if err != nil {
			return nil, err
		}
		total = max(total, res.Total)
		if offset >= total || len(res.Events) == 0 {
			return &querier.Result{Total: total}, nil
		}
		edge, err := parseStored(res.Events[0], q.Instance)
		if err != nil {
			return nil, err
		}
		newer, err := d.count(ctx, q.Instance, append(slices.Clip(q.Where), predicate(querier.Timestamp, querier.Gt, edge.at.String())))
		if err != nil {
			return nil, err
		}
		if newer == 0 {
			return nil, fault.New(fault.Limit, "there are %d events or more of one time, %s: no page reaches behind them", probe.Offset+1, edge.at)
		}
		offset -= newer
		q.Where = append(slices.Clip(where), predicate(querier.Timestamp, querier.Lte, edge.at.String()))
	}
	q.Offset = int(offset)
	q.NoTotal = total >= 0
	res, err := d.Query(ctx, q)
	if err == nil && total >= 0 {
		res.Total = total
	}
	return res, err
}

// count returns how many events match.
func (d *door) count(ctx context.Context, instance string, where []querier.Predicate) (int64, error) {
	res, err := d.Query(ctx, &querier.Query{Instance: instance, Where: where})
	if err != nil {
		return 0, err
	}
	return res.Total, nil
}
