package main

import (
	"context"
	"encoding/json"
	"io"
	"time"

	"github.com/schollz/progressbar/v3"

	"github.com/firnlog/firn/functions/client"
	"github.com/firnlog/firn/layout/fault"
	"github.com/firnlog/firn/querier"
)

type exportCmd struct {
	Instance string   `arg:"" help:"Id or name of the instance."`
	From     string   `placeholder:"T" help:"Only events whose timestamp is T or later, such as 2026-11-01, 2026-11-01T12:00:00Z or now-7d."`
	To       string   `placeholder:"T" help:"Only events whose timestamp is earlier than T."`
	Stream   string   `placeholder:"ID" help:"Only events of this stream."`
	Where    []string `sep:"none" placeholder:"'FIELD OP VALUE'" help:"A condition, as firn query takes it; all must hold when it is repeated."`
	Format   string   `placeholder:"FORMAT" help:"ndjson, csv or parquet; by default as the file's name says, else ndjson."`
	Out      string   `placeholder:"FILE" help:"File to write, by default standard output. NDJSON and CSV are compressed when its name ends in .gz or .zst."`
}

// Help implements [kong.HelpProvider].
func (exportCmd) Help() string {
	return `All events are as they stand at one moment, those of each stream in order. A file
has another name until it is complete.

    firn export my-log --out my-log.ndjson.zst
    firn export my-log --from 2026-11-01 --to 2026-12-01 --out november.parquet
    firn export my-log --where 'event_type eq login' --format csv > logins.csv

firn import takes all three back. CSV and Parquet hold payload and metadata byte
for byte; in NDJSON, and so after every import, line breaks between the tokens of
a document are spaces.`
}

// Run exports and says how much.
func (c *exportCmd) Run(ctx context.Context, a *app) error {
	format, err := formatOf(c.Out, c.Format)
	if err != nil {
		return err
	}
	if c.Out == "" && format == formatParquet && terminal(a.stdout) > 0 {
		return usage("Parquet is nothing for a terminal: give --out FILE")
	}
	query, err := c.query()
	if err != nil {
		return err
	}
	cl, err := a.client(ctx, false)
	if err != nil {
		return err
	}
	r := &exportRun{app: a, client: cl, query: query, bar: &progress{}}
	began := time.Now()
	err = writeOut(c.Out, a.stdout, func(w io.Writer) error {
		r.out = newEventWriter(format, w)
		if err := r.pages(ctx); err != nil {
			return err
		}
		return r.out.close()
	})
	r.bar.finish()
	if err != nil {
		return err
	}
	return c.summary(a, r.events, time.Since(began))
}

// query is the query whose pages are exported.
func (c *exportCmd) query() (query, error) {
	limit := querier.MaxLimit
	q := dsl{From: from{c.Instance, c.Stream}, Limit: &limit}
	for _, bound := range []struct{ operator, value string }{{"gte", c.From}, {"lt", c.To}} {
		if bound.value != "" {
			q.Where = append(q.Where, condition{"timestamp", bound.operator, quotedJSON(bound.value)})
		}
	}
	for _, s := range c.Where {
		parsed, err := parseCondition(s)
		if err != nil {
			return nil, err
		}
		q.Where = append(q.Where, parsed)
	}
	text, err := json.Marshal(q)
	if err != nil {
		return nil, err
	}
	out := query{}
	return out, json.Unmarshal(text, &out)
}

func quotedJSON(s string) json.RawMessage {
	text, err := json.Marshal(s)
	if err != nil {
		panic(err) // every string has a JSON form
	}
	return text
}

// summary says what was exported: on standard error where the events went to
// standard output.
func (c *exportCmd) summary(a *app, events int64, took time.Duration) error {
	rate := float64(events) / max(took.Seconds(), 1e-6)
	switch {
	case c.Out != "" && a.json():
		return a.printJSON(map[string]any{"instance": c.Instance, "file": c.Out, "events": events,
			"seconds": took.Seconds(), "events_per_second": rate})
	case c.Out != "":
		return a.printf("exported %s events of %s to %s in %.1f s: %s events/s\n",
			thousands(events), c.Instance, c.Out, took.Seconds(), thousands(int64(rate)))
	}
	a.note("exported %s events of %s in %.1f s", thousands(events), c.Instance, took.Seconds())
	return nil
}

// exportRun is one export under way.
type exportRun struct {
	app    *app
	client *client.Client
	query  query
	out    eventWriter
	bar    *progress
	events int64 // written by now
}

// pages writes all pages of the query, all of which are of one point of the log.
func (r *exportRun) pages(ctx context.Context) error {
	for {
		res, err := r.page(ctx)
		if err != nil {
			return err
		}
		if r.events == 0 && res.Total != nil {
			r.bar = newCounter(r.app.stderr, *res.Total)
		}
		for _, text := range res.Events {
			var e record
			if err := json.Unmarshal(text, &e); err != nil {
				return fault.New(fault.Internal, "an event of the answer cannot be read: %w", err)
			}
			if err := r.out.write(&e); err != nil {
				return err
			}
		}
		r.events += int64(len(res.Events))
		r.bar.set(r.events)
		if res.Cursor == "" {
			return nil
		}
		r.query.set("cursor", res.Cursor)
	}
}

// page asks for a page, again where that may help: an export of many pages
// should not end with one refusal.
func (r *exportRun) page(ctx context.Context) (*client.Result, error) {
	delay := firstDelay
	for try := 1; ; try++ {
		res, err := r.client.Query(ctx, r.query.encode())
		if err == nil || ctx.Err() != nil || r.events == 0 || try == sendTries || !again(err) {
			return res, err
		}
		r.bar.clear()
		r.app.note("%v; trying again in %v", err, delay)
		select {
		case <-ctx.Done():
			return nil, errInterrupted
		case <-time.After(delay):
		}
		delay *= 2
	}
}

// newCounter returns a bar for so many events.
func newCounter(w io.Writer, total int64) *progress {
	if terminal(w) == 0 || total == 0 {
		return &progress{}
	}
	return &progress{progressbar.NewOptions64(total,
		progressbar.OptionSetWriter(w), progressbar.OptionShowCount(), progressbar.OptionShowIts(), progressbar.OptionSetItsString("events"),
		progressbar.OptionSetWidth(30), progressbar.OptionSetDescription("exporting"), progressbar.OptionClearOnFinish(),
		progressbar.OptionThrottle(100*time.Millisecond))}
}
