package main

import (
	"context"
	"database/sql"
	"path/filepath"
	"time"

	_ "modernc.org/sqlite" // the driver

	"github.com/firnlog/firn/layout/event"
)

// sqliteSchema is the table that cc-event-store makes for each cluster.
const sqliteSchema = `CREATE TABLE log_events (id integer primary key, timestamp bigint, name text, hostname text, type text,
	typeid text, stype text, stypeid text, othertags JSON, field text)`

// appendToSQLite stores all bodies in a new SQLite database within this process, a
// transaction each, durable when it is committed, and returns events a second.
func appendToSQLite(ctx context.Context, dir string, bodies [][]byte, events int) (float64, error) {
	db, err := sql.Open("sqlite", filepath.Join(dir, "events.db")+"?_pragma=journal_mode(WAL)&_pragma=synchronous(FULL)")
	if err != nil {
		return 0, err
	}
	defer db.Close()
	db.SetMaxOpenConns(1)
	if _, err := db.ExecContext(ctx, sqliteSchema); err != nil {
		return 0, err
	}
	insert, err := db.PrepareContext(ctx, `INSERT INTO log_events (timestamp, name, hostname, othertags, field) VALUES (?, ?, ?, ?, ?)`)
	if err != nil {
		return 0, err
	}
	defer insert.Close()
	began := time.Now()
	for _, body := range bodies {
		decoded, err := event.DecodeNDJSON(body, event.ToMicros(began))
		if err != nil {
			return 0, err
		}
		tx, err := db.BeginTx(ctx, nil)
		if err != nil {
			return 0, err
		}
		in := tx.StmtContext(ctx, insert)
		for i := range decoded {
			e := &decoded[i]
			if _, err := in.ExecContext(ctx, int64(e.Time)/1e6, e.Type, e.Stream, string(e.Metadata), string(e.Payload)); err != nil {
				return 0, err
			}
		}
		if err := tx.Commit(); err != nil {
			return 0, err
		}
	}
	return float64(events) / time.Since(began).Seconds(), nil
}
