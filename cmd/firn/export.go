package main

import (
	"cmp"
	"context"
	"encoding/json"
	"io"
	"maps"
	"time"

	"github.com/schollz/progressbar/v3"

	"github.com/firnlog/firn/functions/client"
	"github.com/firnlog/firn/layout/fault"
)

type exportCmd struct {
	Instance string   `arg:"" help:"Id or name of the instance."`
	From     string   `placeholder:"T" help:"Only events whose timestamp is T or later, such as 2026-11-01, 2026-11-01T12:00:00Z or now-7d."`
	To       string   `placeholder:"T" help:"Only events whose timestamp is earlier than T."`
	Stream   string   `placeholder:"ID" help:"Only events of this stream."`
	Where    []string `sep:"none" placeholder:"'FIELD OP VALUE'" help:"A condition, as firn query takes it; all must hold when it is repeated."`
	Format   string   `placeholder:"FORMAT" help:"ndjson, csv or parquet; by default as the file's name says, else ndjson."`
	Out      string   `placeholder:"FILE" help:"File to write, by default standard output. NDJSON and CSV are compressed when its name ends in .gz or .zst."`

	Memory int `kong:"-"` // bytes that are held while sorting, 0 for exportMemory
}

// Help implements [kong.HelpProvider].
func (exportCmd) Help() string {
	return `All events are as they stand at one moment, in the order of ingested_at, then of
streams, those of each stream in their order. They are read once and sorted: what
does not fit in 64 MB of memory goes through a temporary file beside --out, or in
$TMPDIR for standard output. A file has another name until it is complete, and an
export that breaks off or is interrupted leaves nothing. A server answers for 15
minutes at most, a function with 4.4 MB, at QueryUrl with 200 MB: what is larger
is exported in parts, by --from and --to, or with --bucket, which has no bound.

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
	r := &exportRun{app: a, client: cl, query: query, bar: &progress{}, sorter: newSorter(cmp.Or(c.Memory, exportMemory), spillBeside(c.Out))}
	defer r.sorter.close()
	began := time.Now()
	err = writeOut(c.Out, a.stdout, func(w io.Writer) error {
		if err := r.read(ctx); err != nil {
			return err
		}
		return r.write(ctx, newEventWriter(format, w))
	})
	r.bar.finish()
	if err != nil {
		return err
	}
	return c.summary(a, r.events, time.Since(began))
}

// query is the query whose events are exported.
func (c *exportCmd) query() (query, error) {
	q := dsl{From: from{c.Instance, c.Stream}}
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
		return a.printf("exported %s of %s to %s in %.1f s: %s events/s\n",
			eventsText(events), c.Instance, c.Out, took.Seconds(), thousands(int64(rate)))
	}
	a.note("exported %s of %s in %.1f s", eventsText(events), c.Instance, took.Seconds())
	return nil
}

// exportRun is one export under way.
type exportRun struct {
	app    *app
	client *client.Client
	query  query
	sorter *sorter
	bar    *progress
	events int64 // read by now
}

// read reads all events of one point of the log into the sorter.
func (r *exportRun) read(ctx context.Context) error {
	err := r.count(ctx)
	if err == nil {
		err = r.client.Records(ctx, r.query.encode(), r.take)
	}
	switch {
	case ctx.Err() != nil:
		return errInterrupted
	case fault.Is(err, fault.Unavailable) && r.events > 0:
		return &advisedError{err, "nothing was exported"}
	case fault.Is(err, fault.Limit):
		return &advisedError{err, "an answer of the server is bounded: export parts by --from and --to, or straight from the bucket with --bucket"}
	}
	return err
}

func (r *exportRun) take(text []byte) error {
	var e record
	if err := e.readJSON(text); err != nil {
		return err
	}
	r.events++
	r.bar.set(r.events)
	return r.sorter.add(&e)
}

// count asks how many events there are, where someone sees the bar.
func (r *exportRun) count(ctx context.Context) error {
	if terminal(r.app.stderr) == 0 {
		return nil
	}
	q := maps.Clone(r.query)
	q.set("limit", 1)
	res, err := r.client.Query(ctx, q.encode())
	if err == nil && res.Total != nil {
		r.bar = newCounter(r.app.stderr, *res.Total)
		r.bar.describe("reading")
	}
	return err
}

// write writes all events in order.
func (r *exportRun) write(ctx context.Context, out eventWriter) error {
	r.bar.restart("writing")
	var written int64
	err := r.sorter.each(ctx, func(e *record) error {
		written++
		r.bar.set(written)
		return out.write(e)
	})
	if err != nil {
		return err
	}
	return out.close()
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
