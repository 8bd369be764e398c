package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/firnlog/firn/compactor"
	"github.com/firnlog/firn/layout/catalog"
	"github.com/firnlog/firn/layout/commitlog"
	"github.com/firnlog/firn/layout/event"
	"github.com/firnlog/firn/layout/segment"
	"github.com/firnlog/firn/layout/snapshot"
	"github.com/firnlog/firn/layout/store"
)

// bucket is a folder with the events of a set as one compacted instance, which
// is called by the set's name.
type bucket struct {
	set
	about
	dir   string
	log   *commitlog.Log
	table []snapshot.File
}

// about is what was seen when the bucket was filled, and is kept beside it.
type about struct {
	Events  int64   // how many
	Bytes   int64   // of their payloads, streams and types
	Needle  any     // what some event has at the set's id
	Stream  string  // of some event
	Compact float64 // CPU seconds of the folds and merges
}

// loadBatch is how many events a commit has, and sampled the event that gives
// needle and stream, or else the last one.
const (
	loadBatch = 10_000
	sampled   = 20_000
)

// build fills a folder below dir with a set, or takes what a run before left.
func build(ctx context.Context, dir string, s set) (*bucket, error) {
	b := &bucket{set: s, dir: filepath.Join(dir, s.name)}
	if s.events > 0 {
		b.dir += fmt.Sprint("-", s.events)
	}
	known := b.dir + ".json"
	kept, err := os.ReadFile(known)
	if err != nil {
		if err := b.fill(ctx); err != nil {
			return nil, err
		}
		if kept, err = json.Marshal(b.about); err != nil {
			return nil, err
		}
		if err := os.WriteFile(known, kept, 0o644); err != nil {
			return nil, err
		}
	}
	if err := json.Unmarshal(kept, &b.about); err != nil {
		return nil, fmt.Errorf("%s: %w", known, err)
	}
	return b, b.open(ctx)
}

// open opens the bucket as a process does that comes to ask.
func (b *bucket) open(ctx context.Context) error {
	s, err := store.Open(ctx, "file://"+b.dir)
	if err != nil {
		return err
	}
	b.log = commitlog.Open(s)
	view, err := b.log.Pin(ctx, b.name)
	if err != nil {
		return err
	}
	b.table, err = view.Files(ctx, event.MinTime, event.MaxTime)
	return err
}

// fill appends the set's events to an empty folder and compacts them.
func (b *bucket) fill(ctx context.Context) error {
	if err := os.RemoveAll(b.dir); err != nil {
		return err
	}
	if err := os.MkdirAll(b.dir, 0o755); err != nil {
		return err
	}
	s, err := store.Open(ctx, "file://"+b.dir)
	if err != nil {
		return err
	}
	log := commitlog.Open(s)
	if _, err := log.CreateInstance(ctx, catalog.Instance{ID: b.name}); err != nil {
		return err
	}
	if err := b.appendAll(ctx, log); err != nil {
		return err
	}
	before := cpuSeconds()
	_, err = (&compactor.Compactor{Log: log}).Run(ctx, b.name)
	b.Compact = cpuSeconds() - before
	return err
}

// appendAll appends the set's events, a commit at a time.
func (b *bucket) appendAll(ctx context.Context, log *commitlog.Log) error {
	var batch []event.Event
	store := func() error {
		_, err := log.Append(ctx, b.name, commitlog.Batch{Events: batch})
		batch = batch[:0]
		return err
	}
	err := b.source(func(e event.Event) error {
		if b.Events <= sampled {
			b.Stream, b.Needle = e.Stream, at(e, b.id)
		}
		b.Events++
		b.Bytes += int64(len(e.Payload) + len(e.Stream) + len(e.Type))
		batch = append(batch, e)
		if len(batch) == loadBatch {
			return store()
		}
		return nil
	})
	if err != nil || len(batch) == 0 {
		return err
	}
	return store()
}

// at returns what an event has at a path of its payload.
func at(e event.Event, path string) any {
	var v any
	_ = json.Unmarshal(e.Payload, &v) // it was valid when it was appended
	for name := range strings.SplitSeq(strings.TrimPrefix(path, "payload."), ".") {
		members, _ := v.(map[string]any)
		v = members[name]
	}
	return v
}

// files returns where the data files lie: those with a column that stands for the
// JSON at the path, and the others.
func (b *bucket) files(path string) (shredded, plain []string, err error) {
	for _, f := range b.table {
		name := filepath.Join(b.dir, filepath.FromSlash(f.Key))
		body, err := os.ReadFile(name)
		if err != nil {
			return nil, nil, err
		}
		file, err := segment.Open(bytes.NewReader(body), int64(len(body)))
		if err != nil {
			return nil, nil, fmt.Errorf("%s: %w", name, err)
		}
		if field, ok := file.Field(path); ok && field.Residual == 0 {
			shredded = append(shredded, name)
		} else {
			plain = append(plain, name)
		}
	}
	return shredded, plain, nil
}

// size returns the bytes of all data files.
func (b *bucket) size() (sum int64) {
	for _, f := range b.table {
		sum += f.Bytes
	}
	return sum
}
