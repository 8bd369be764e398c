package main

import "context"

// tenth is what the cost of the same work is compared with.
const tenth = "a tenth of the events"

// scaling compares what an event and a scanned row cost with their cost in a
// tenth of the events: it should not grow.
func (b *bench) scaling(ctx context.Context, data *bucket) error {
	small, err := build(ctx, b.Dir, generated(b.Events/10))
	if err != nil {
		return err
	}
	each := func(d *bucket) float64 { return d.Compact * 1e6 / float64(d.Events) }
	b.report.add(row{Work: data.name + ": fold and merge, CPU time of an event", Unit: "µs", Firn: figureRef(each(data)), Peers: map[string]figure{tenth: figureOf(each(small))}})
	large, err := b.scanned(ctx, data)
	if err != nil {
		return err
	}
	little, err := b.scanned(ctx, small)
	if err != nil {
		return err
	}
	b.report.add(row{Work: data.name + ": a scanned row of the distinct streams by type", Unit: "ns", Firn: figureRef(large...), Peers: map[string]figure{tenth: figureOf(little...)}})
	return nil
}

// scanned returns what a scanned row costs, in nanoseconds, run by run.
func (b *bench) scanned(ctx context.Context, data *bucket) (each []float64, err error) {
	here, q := newFirn(data), shapes(data)[distinctByType]
	for i := range b.Runs + 1 {
		rows := int64(0)
		took := milliseconds(func() {
			res, failed := here.ask(ctx, &q)
			if err = failed; err == nil {
				rows = res.Stats.RowsScanned
			}
		})
		if err != nil {
			return nil, err
		}
		if i > 0 { // the first one warms up
			each = append(each, took*1e6/float64(rows))
		}
	}
	return each, nil
}
