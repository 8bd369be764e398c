package main

import (
	"cmp"
	"context"
	"fmt"
	"time"
)

// queries asks Firn and DuckDB the same questions over the same data files, in
// turns, after both have answered once and their answers agreed.
func (b *bench) queries(ctx context.Context, s set) error {
	if !b.wanted("queries of " + s.name) {
		return nil
	}
	data, err := build(ctx, b.Dir, s)
	if err != nil {
		return err
	}
	if data.Compact > 0 {
		b.report.add(row{Work: s.name + ": fold and merge", Unit: "events/s/core", Firn: figureRef(float64(data.Events) / data.Compact)})
	}
	duck, err := openDuckDB(ctx)
	if err != nil {
		return err
	}
	defer duck.Close()
	if err := b.compareSizes(ctx, duck, data); err != nil {
		return err
	}
	if s.events > 0 {
		if err := b.scaling(ctx, data); err != nil {
			return err
		}
	}
	here := newFirn(data)
	for _, q := range shapes(data) {
		if err := duck.table(ctx, data, q.path); err != nil {
			return err
		}
		if err := b.compare(ctx, here, duck, &q); err != nil {
			return fmt.Errorf("%s, %s: %w", s.name, q.name, err)
		}
	}
	return nil
}

// compare asks one question in turns and reports both sides' times.
func (b *bench) compare(ctx context.Context, here *firn, duck *duckdb, q *shape) error {
	res, err := here.ask(ctx, q)
	if err != nil {
		return err
	}
	ours, err := q.rows(res)
	if err != nil {
		return err
	}
	theirs, err := duck.ask(ctx, q, cmp.Or(q.exact, q.sql))
	if err != nil {
		return err
	}
	if d := q.differs(theirs, ours); d != "" {
		return fmt.Errorf("the answers differ: Firn has %s", d)
	}
	var firn, duckdb []float64
	for began := time.Now(); len(firn) < b.Runs || len(firn) < 50 && time.Since(began) < time.Second; {
		firn = append(firn, milliseconds(func() { res, err = here.ask(ctx, q) }))
		if err != nil {
			return err
		}
		duckdb = append(duckdb, milliseconds(func() { _, err = duck.ask(ctx, q, q.sql) }))
		if err != nil {
			return err
		}
	}
	b.report.add(row{Work: here.instance + ": " + q.name, Unit: "ms", Firn: figureRef(firn...), Peers: map[string]figure{"DuckDB": figureOf(duckdb...)},
		Detail: map[string]int64{"bytes read": res.Stats.BytesRead, "rows scanned": res.Stats.RowsScanned, "rows": int64(len(ours))}})
	return nil
}

func milliseconds(f func()) float64 {
	began := time.Now()
	f()
	return float64(time.Since(began).Microseconds()) / 1000
}
