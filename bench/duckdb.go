package main

import (
	"context"
	"database/sql"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	_ "github.com/duckdb/duckdb-go/v2" // the driver
)

// duckdb is DuckDB within this process, with two threads.
type duckdb struct{ *sql.DB }

// openDuckDB opens an empty database in memory.
func openDuckDB(ctx context.Context) (*duckdb, error) {
	db, err := sql.Open("duckdb", "")
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(1) // settings are of one connection
	for _, setting := range []string{"threads = 2", "TimeZone = 'UTC'", "parquet_metadata_cache = true"} {
		if _, err := db.ExecContext(ctx, "SET "+setting); err != nil {
			return nil, fmt.Errorf("%s: %w", setting, err)
		}
	}
	return &duckdb{db}, nil
}

// table makes the data files of a bucket the view events. What stands at the
// path, if one is given, is its column value: a column of the files that have one
// for it, and else taken out of the JSON, as who knows the files would write it.
func (d *duckdb) table(ctx context.Context, b *bucket, path string) error {
	shredded, plain, err := b.files(path)
	if err != nil {
		return err
	}
	var parts []string
	read := func(files []string, value string) {
		if len(files) > 0 {
			parts = append(parts, "SELECT stream_id, event_type, sequence_number, timestamp, payload, "+value+
				" AS value FROM read_parquet(['"+strings.Join(files, "', '")+"'], union_by_name = true, hive_partitioning = false)")
		}
	}
	read(shredded, `fields."`+strings.ReplaceAll(path, ".", `"."`)+`"`)
	read(plain, fromJSON(b, path))
	_, err = d.ExecContext(ctx, "CREATE OR REPLACE VIEW events AS "+strings.Join(parts, " UNION ALL "))
	return err
}

// fromJSON takes a path out of the JSON, in the type that its column would have.
func fromJSON(b *bucket, path string) string {
	column, rest, _ := strings.Cut(path, ".")
	value := fmt.Sprintf(`(%s::VARCHAR ->> '$.%s')`, column, rest)
	_, boolean := b.filter.value.(bool)
	switch {
	case path == "":
		return "NULL"
	case path == b.number:
		return value + "::BIGINT"
	case path == b.filter.path && boolean:
		return value + "::BOOLEAN"
	}
	return value
}

// ask runs SQL for a question.
func (d *duckdb) ask(ctx context.Context, s *shape, query string) (answer, error) {
	rows, err := d.QueryContext(ctx, query, s.args...)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", query, err)
	}
	defer rows.Close()
	var out answer
	for rows.Next() {
		row := make([]any, len(s.columns))
		into := make([]any, len(row))
		for i := range row {
			into[i] = &row[i]
		}
		if err := rows.Scan(into...); err != nil {
			return nil, err
		}
		for i, c := range s.columns {
			if row[i], err = cell(c, row[i]); err != nil {
				return nil, err
			}
		}
		out = append(out, row)
	}
	return out.sorted(), rows.Err()
}

// appendToDuckDB turns all bodies, as one file of NDJSON, into a Parquet file with
// zstd, and returns events a second. The file is not synced.
func appendToDuckDB(ctx context.Context, dir string, bodies [][]byte, events int) (float64, error) {
	in, out := filepath.Join(dir, "events.ndjson"), filepath.Join(dir, "events.parquet")
	if err := writeAll(in, bodies); err != nil {
		return 0, err
	}
	d, err := openDuckDB(ctx)
	if err != nil {
		return 0, err
	}
	defer d.Close()
	began := time.Now()
	_, err = d.ExecContext(ctx, `COPY (SELECT * FROM read_json('`+in+`', format = 'newline_delimited', columns = {stream_id: 'VARCHAR', event_type: 'VARCHAR',
		timestamp: 'TIMESTAMP', payload: 'JSON', metadata: 'JSON'})) TO '`+out+`' (FORMAT parquet, COMPRESSION zstd)`)
	return float64(events) / time.Since(began).Seconds(), err
}

func writeAll(name string, bodies [][]byte) error {
	f, err := os.Create(name)
	if err != nil {
		return err
	}
	defer f.Close()
	for _, body := range bodies {
		if _, err := f.Write(body); err != nil {
			return err
		}
	}
	return nil
}

// rewrite writes the columns given of all files into one Parquet file with zstd, in
// the order that Firn's have, and returns its size in bytes.
func (d *duckdb) rewrite(ctx context.Context, b *bucket, columns string) (int64, error) {
	shredded, plain, err := b.files("")
	if err != nil {
		return 0, err
	}
	out := filepath.Join(b.dir + "-rewritten.parquet")
	defer os.Remove(out)
	_, err = d.ExecContext(ctx, "COPY (SELECT "+columns+" FROM read_parquet(['"+strings.Join(append(shredded, plain...), "', '")+
		"'], union_by_name = true, hive_partitioning = false) ORDER BY stream_id, sequence_number) TO '"+out+"' (FORMAT parquet, COMPRESSION zstd)")
	if err != nil {
		return 0, err
	}
	info, err := os.Stat(out)
	if err != nil {
		return 0, err
	}
	return info.Size(), nil
}

// fieldBytes returns how many bytes of the files are pages of fields.
func (d *duckdb) fieldBytes(ctx context.Context, b *bucket) (n int64, err error) {
	shredded, plain, err := b.files("")
	if err != nil {
		return 0, err
	}
	err = d.QueryRowContext(ctx, "SELECT coalesce(sum(total_compressed_size), 0)::BIGINT FROM parquet_metadata(['"+strings.Join(append(shredded, plain...), "', '")+
		"']) WHERE path_in_schema LIKE 'fields,%'").Scan(&n)
	return n, err
}
