package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync/atomic"
	"time"

	"github.com/google/uuid"

	"github.com/firnlog/firn/functions/client"
	"github.com/firnlog/firn/layout/commitlog"
	"github.com/firnlog/firn/layout/event"
)

type appendCmd struct {
	Instance string   `arg:"" help:"Id or name of the instance."`
	Files    []string `arg:"" optional:"" name:"file" help:"Files of NDJSON, one event a line, also compressed as .gz or .zst; - or none for standard input."`
	Event    string   `placeholder:"JSON" help:"One event, instead of files."`
	Create   bool     `help:"Make the instance if there is none."`
	Expect   string   `placeholder:"N" help:"Append only if the events' stream stands at sequence number N; or none (no events yet), exists, any. All events must be of one stream and fit one batch."`
	Batch    int      `default:"1000" placeholder:"N" help:"Events a batch, at most (${default}). A batch is stored as a whole or not at all in each shard, and ends at 4 MiB."`
	RunID    string   `name:"run-id" placeholder:"ID" help:"Name of this run, by default a new one. Repeating a run under its id within 24 hours, with the same files and batch size, stores nothing twice."`
}

// Help implements [kong.HelpProvider].
func (appendCmd) Help() string {
	return `Events are sent in order, a batch at a time, each under an idempotency key, so
that a batch is stored once however often it must be sent again.

    firn append my-log --event '{"stream_id":"user-1","event_type":"login"}' --create
    firn append my-log events.ndjson.gz more.ndjson
    producer | firn append my-log

A line that is no event ends the run with its number; nothing of its batch is
stored, and what was stored before is said.`
}

// Run appends and says what became of it.
func (c *appendCmd) Run(ctx context.Context, a *app) error {
	if err := c.check(); err != nil {
		return err
	}
	cl, err := a.client(ctx, c.Create)
	if err != nil {
		return err
	}
	if c.RunID == "" {
		c.RunID = uuid.NewString()
	}
	r := &appendRun{appendCmd: c, app: a, client: cl, began: time.Now()}
	r.bar = newProgress(a.stderr, sizeOf(c.Files))
	err = r.all(ctx)
	r.bar.finish()
	if err != nil {
		return r.explain(err)
	}
	return r.summary()
}

func (c *appendCmd) check() error {
	switch {
	case c.Event != "" && len(c.Files) > 0:
		return usage("--event and files are both given: give one of them")
	case c.Expect != "" && len(c.Files) > 1:
		return usage("--expect needs all events in one batch, and so in one file")
	case c.Batch < 1 || c.Batch > event.MaxBatch:
		return usage("--batch is 1 to %d events, not %d", event.MaxBatch, c.Batch)
	case len(c.RunID) > 200 || strings.ContainsFunc(c.RunID, func(r rune) bool { return r <= ' ' || r > '~' }):
		return usage("--run-id is at most 200 visible ASCII characters")
	case c.Expect != "":
		if _, err := commitlog.ParseExpectation(c.Expect); err != nil {
			return usage("--expect %q: %v", c.Expect, err)
		}
	}
	if len(c.Files) == 0 && c.Event == "" {
		c.Files = []string{"-"}
	}
	return nil
}

// appendRun is one append under way.
type appendRun struct {
	*appendCmd
	app    *app
	client *client.Client
	bar    *progress
	began  time.Time

	read             atomic.Int64    // bytes of the files
	batches          int             // sent by now
	events, replayed int             // stored by now; of them, those that had been before
	bytes            int             // of the events stored
	last             []client.Stored // receipts, when there is but one event
}

// all appends everything.
func (r *appendRun) all(ctx context.Context) error {
	if r.Event != "" {
		b := newBatcher("--event", strings.NewReader(r.Event), r.Batch)
		return r.input(ctx, b)
	}
	for _, name := range r.Files {
		if name == "-" && terminal(r.app.stdin) > 0 {
			r.app.note("reading events from the terminal, one JSON object a line; Ctrl-D ends them")
		}
		in, err := openInput(name, r.app.stdin, &r.read)
		if err != nil {
			return err
		}
		err = r.input(ctx, newBatcher(in.name, in, r.Batch))
		in.close()
		if err != nil {
			return err
		}
	}
	return nil
}

// input appends the batches of one input.
func (r *appendRun) input(ctx context.Context, b *batcher) error {
	for {
		next, err := b.next()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		if r.Expect != "" {
			if _, err := b.next(); err == nil {
				return usage("--expect needs all events in one batch: raise --batch, which is %d", r.Batch)
			}
		}
		if err := r.send(ctx, b.name, next); err != nil {
			return err
		}
	}
}

// explain adds to an error what is stored and how to go on.
func (r *appendRun) explain(err error) error {
	if _, wrong := errors.AsType[*usageError](err); wrong {
		return err
	}
	advice := "no event was stored before that"
	if r.events > 0 {
		advice = storedBefore(r.events)
	}
	if again(err) || errors.Is(err, errInterrupted) {
		advice += fmt.Sprintf("\nto go on, run the same command again within 24 hours with --run-id %s: what is stored is not stored twice", r.RunID)
	}
	return &advisedError{err, advice}
}

// summary is the last word of an append that went well.
func (r *appendRun) summary() error {
	took := time.Since(r.began).Seconds()
	rate := float64(r.events) / max(took, 1e-6)
	if r.app.json() {
		return r.app.printJSON(map[string]any{
			"instance": r.Instance, "events": r.events, "replayed": r.replayed, "bytes": r.bytes,
			"seconds": took, "events_per_second": rate, "run_id": r.RunID, "stored": r.last})
	}
	if len(r.last) == 1 {
		e := r.last[0]
		if r.replayed > 0 {
			return r.app.printf("the event had been stored in %s before under this run id, and was not again: sequence number %d of stream %s, id %s\n", r.Instance, e.Sequence, shown(e.Stream), shown(e.ID))
		}
		return r.app.printf("appended 1 event to %s: sequence number %d of stream %s, id %s\n", r.Instance, e.Sequence, shown(e.Stream), shown(e.ID))
	}
	if err := r.app.printf("appended %s (%s) to %s in %.1f s: %s events/s\n",
		eventsText(r.events), bytesText(int64(r.bytes)), r.Instance, took, thousands(int(rate))); err != nil || r.replayed == 0 {
		return err
	}
	return r.app.printf("%s of them had been stored before under this run id, and were not again\n", thousands(r.replayed))
}
