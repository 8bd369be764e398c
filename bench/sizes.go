package main

import "context"

// compareSizes reports what the compacted events take, beside what DuckDB makes of
// the same columns: with the fields, and without. Filters, which mean nothing to it,
// are Firn's alone.
func (b *bench) compareSizes(ctx context.Context, duck *duckdb, data *bucket) error {
	fields, err := duck.fieldBytes(ctx, data)
	if err != nil {
		return err
	}
	whole, err := duck.rewrite(ctx, data, "COLUMNS(c -> c <> 'filters')")
	if err != nil {
		return err
	}
	text, err := duck.rewrite(ctx, data, "COLUMNS(c -> c NOT IN ('fields', 'filters'))")
	if err != nil {
		return err
	}
	each := func(bytes int64) float64 { return float64(bytes) / float64(data.Events) }
	b.report.add(row{Work: data.name + ": stored, compacted", Unit: "bytes/event", Firn: figureRef(each(data.size())),
		Peers: map[string]figure{"DuckDB": figureOf(each(whole))}, Detail: map[string]int64{"events": data.Events, "files": int64(len(data.table))}})
	b.report.add(row{Work: data.name + ": stored, without fields", Unit: "bytes/event", Firn: figureRef(each(data.size() - fields)),
		Peers: map[string]figure{"DuckDB": figureOf(each(text))}})
	return nil
}
