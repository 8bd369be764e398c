package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"os"
	"time"

	"github.com/firnlog/firn/functions/client"
	"github.com/firnlog/firn/layout/event"
)

type importCmd struct {
	Instance string   `arg:"" help:"Id or name of the instance."`
	Files    []string `arg:"" name:"file" help:"Files of NDJSON, CSV or Parquet, as their names end; NDJSON and CSV also compressed as .gz or .zst."`
	Format   string   `placeholder:"FORMAT" help:"ndjson, csv or parquet, for files whose names do not tell."`
	Create   bool     `help:"Make the instance if there is none."`
}

// Help implements [kong.HelpProvider].
func (importCmd) Help() string {
	return `Files are read twice: all are checked before the first event is stored. Within 24
hours the same file is stored once, however often it is imported, so an import
that was interrupted goes on when it is run again. A file is the same as long as
its events are; what came into a file since makes it another.

    firn import my-log my-log.ndjson.zst --create
    firn import my-log november.parquet december.parquet

CSV has a header, and tags, payload and metadata in JSON. CSV and Parquet need
the columns stream_id, event_type, timestamp and payload, and may have id (or
event_id), tags and metadata; others are left out. Sequence numbers and times of
ingestion are given anew. Firn does not know an event again by its id.`
}

// Run imports and says what became of it.
func (c *importCmd) Run(ctx context.Context, a *app) error {
	files, err := c.files()
	if err != nil {
		return err
	}
	cl, err := a.client(ctx, c.Create)
	if err != nil {
		return err
	}
	r := &importRun{files: files, appendRun: appendRun{
		appendCmd: &appendCmd{Instance: c.Instance, Create: c.Create}, app: a, client: cl, began: time.Now()}}
	r.bar = newProgress(a.stderr, 2*sizeOf(c.Files))
	err = r.all(ctx)
	r.bar.finish()
	if err != nil {
		return r.explain(err)
	}
	return r.summary()
}

// importFile is a file to be imported.
type importFile struct{ name, format, identity string }

func (c *importCmd) files() ([]importFile, error) {
	var files []importFile
	for _, name := range c.Files {
		format, err := formatOf(name, c.Format)
		if err != nil {
			return nil, err
		}
		info, err := os.Stat(name)
		if err != nil {
			return nil, err
		}
		if !info.Mode().IsRegular() {
			return nil, usage("%s is no regular file, and could not be read twice: firn append takes NDJSON from elsewhere", name)
		}
		files = append(files, importFile{name: name, format: format})
	}
	return files, nil
}

// importRun is one import under way.
type importRun struct {
	appendRun
	files   []importFile
	checked bool // all files were, and events are being stored
}

// all checks all files and then stores them.
func (r *importRun) all(ctx context.Context) error {
	r.bar.describe("checking")
	for i := range r.files {
		if err := r.check(ctx, &r.files[i]); err != nil {
			return err
		}
	}
	r.checked = true
	r.bar.describe("importing")
	for _, f := range r.files {
		r.RunID, r.batches = "import-"+f.identity, 0
		if err := r.each(ctx, f, func(name string, b batch) error { return r.send(ctx, name, b) }); err != nil {
			return err
		}
	}
	return nil
}

// check reads a file as the server will, and finds its identity: the hash of its
// events, from which and from the number of the batch idempotency keys are made.
// How the file is called and compressed is no part of it, and neither is the
// instance, which keys belong to anyway, under whichever of its names.
func (r *importRun) check(ctx context.Context, f *importFile) error {
	sum := sha256.New()
	err := r.each(ctx, *f, func(name string, b batch) error {
		if ctx.Err() != nil {
			return errInterrupted
		}
		if _, err := event.DecodeNDJSON(b.ndjson, event.ToMicros(time.Now())); err != nil {
			return r.failed(name, b, client.Receipt{}, err)
		}
		_, _ = sum.Write(b.ndjson) // a hash takes everything
		r.bar.set(r.read.Load())
		return nil
	})
	f.identity = hex.EncodeToString(sum.Sum(nil)[:16])
	return err
}

// each reads a file by batches.
func (r *importRun) each(ctx context.Context, f importFile, do func(name string, b batch) error) error {
	src, err := openSource(f, r)
	if err != nil {
		return err
	}
	defer src.close()
	cut := sourceBatcher{eventSource: src}
	for {
		b, err := cut.next()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		if err := do(src.place(), b); err != nil {
			return err
		}
	}
}

// explain adds to an error what is stored and how to go on.
func (r *importRun) explain(err error) error {
	if _, wrong := errors.AsType[*usageError](err); wrong {
		return err
	}
	if !r.checked {
		return &advisedError{err, "no event was stored: files are checked before"}
	}
	return &advisedError{err, storedBefore(r.events) + "\n" +
		"to go on, run the same command again within 24 hours, with the same files: what is stored is not stored twice"}
}

// summary is the last word of an import that went well.
func (r *importRun) summary() error {
	took := time.Since(r.began).Seconds()
	rate := float64(r.events) / max(took, 1e-6)
	if r.app.json() {
		return r.app.printJSON(map[string]any{"instance": r.Instance, "files": len(r.files), "events": r.events,
			"replayed": r.replayed, "bytes": r.bytes, "seconds": took, "events_per_second": rate})
	}
	if err := r.app.printf("imported %s (%s) into %s in %.1f s: %s events/s\n",
		eventsText(r.events), bytesText(int64(r.bytes)), r.Instance, took, thousands(int(rate))); err != nil || r.replayed == 0 {
		return err
	}
	return r.app.printf("%s of them had been stored before from the same file, and were not again\n", thousands(r.replayed))
}

// describe says what the bar is about.
func (p *progress) describe(what string) {
	if p.bar != nil {
		p.bar.Describe(what)
	}
}
