package main

import (
	"context"
	"encoding/json"
	"io"
	"slices"
	"strings"

	"github.com/firnlog/firn/functions/client"
	"github.com/firnlog/firn/querier"
)

type queryCmd struct {
	Instance string   `arg:"" help:"Id or name of the instance."`
	Text     string   `arg:"" optional:"" help:"The query as text, such as 'type=login since 7d | count by stream'. Other flags but --all and --explain cannot be added."`
	Stream   string   `placeholder:"ID" help:"Only events of this stream."`
	Where    []string `sep:"none" placeholder:"'FIELD OP VALUE'" help:"A condition; all must hold when it is repeated. OP is eq, neq, gt, gte, lt, lte, contains, in, between, exists, startsWith, endsWith, matches or hasTag."`
	Select   []string `placeholder:"FIELD,…" help:"Fields to show."`
	OrderBy  []string `placeholder:"FIELD[:desc],…" help:"Order of the events, by default that of their appends."`
	Limit    *int     `placeholder:"N" help:"Events to show, at most 10,000 (1,000)."`
	Offset   *int     `placeholder:"N" help:"Events to skip."`
	All      bool     `help:"Show all events, page after page; as JSON, one event a line."`
	Reduce   string   `placeholder:"TYPE[:FIELD]" help:"Instead of events, count, or sum, avg, min, max, collect, countDistinct, first, last, topK or p1 … p99.9 of a field."`
	GroupBy  []string `placeholder:"FIELD,…" help:"Reduce within each group of equal values."`
	Explain  bool     `help:"Say how the answer was found: what was considered and read, and how long each step took."`
	JSON     string   `name:"json" placeholder:"DSL" help:"The query in the JSON of the query language, - to read it from standard input. Its from may be left out; other flags cannot be added."`
}

// Help implements [kong.HelpProvider].
func (queryCmd) Help() string {
	return `Fields are stream_id, event_type, timestamp, sequence_number, id, tags,
ingested_at, payload.PATH and metadata.PATH.

    firn query my-log 'type=login payload.ms>250 since 7d | sort time desc | limit 10'
    firn query my-log 'since 30d | count, p99 payload.ms by 1d, type'
    firn query my-log --where 'event_type eq login' --order-by timestamp:desc --limit 10
    firn query my-log --where 'payload.ms gt 250' --where 'timestamp gte 2026-11-01T00:00:00Z'
    firn query my-log --where 'stream_id in ["user-1","user-2"]' --select timestamp,payload.page
    firn query my-log --reduce avg:payload.ms --group-by event_type
    firn query my-log --all -o ndjson > events.ndjson
    firn query my-log '| count by payload.page' -o csv
    firn query my-log 'payload.id=x42' --explain

A value that can be read as JSON is JSON: 250 is a number and true a boolean.
For the strings write '"250"' and '"true"'.`
}

// Run asks and prints.
func (c *queryCmd) Run(ctx context.Context, a *app) error {
	query, err := c.query(a.stdin)
	if err != nil {
		return err
	}
	cl, err := a.client(ctx, false)
	if err != nil {
		return err
	}
	if c.Explain {
		query.set("explain", true)
	}
	if format := formats[a.Output]; format != "" {
		if c.Explain {
			return usage("--explain is told beside a table or JSON: leave out -o %s", a.Output)
		}
		return cl.Stream(ctx, query.encode(), format, c.All, a.stdout)
	}
	out := &printer{app: a, fields: query.fields(), all: c.All}
	for {
		res, err := cl.Query(ctx, query.encode())
		if err != nil {
			return err
		}
		if err := out.print(res); err != nil {
			return err
		}
		if !c.All || res.Cursor == "" {
			out.footer(res)
			return nil
		}
		query.set("cursor", res.Cursor)
	}
}

// formats are the outputs that are answered as a stream.
var formats = map[string]string{"ndjson": client.NDJSON, "csv": client.CSV, "arrow": client.Arrow}

// query is a query's JSON object by its members.
type query map[string]json.RawMessage

func (q query) encode() []byte {
	b, err := json.Marshal(q)
	if err != nil {
		panic(err) // the members are JSON that was parsed or encoded before
	}
	return b
}

func (q query) set(member string, v any) {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err) // only plain values are set
	}
	q[member] = b
}

// fields are those that the query selects, nil for all. What cannot be read is
// left for the querier to complain about.
func (q query) fields() []string {
	var fields []string
	if json.Unmarshal(q["select"], &fields) != nil {
		return nil
	}
	return fields
}

// query puts the flags together.
func (c *queryCmd) query(stdin io.Reader) (query, error) {
	if c.Text != "" {
		return c.text()
	}
	if strings.HasPrefix(c.Instance, "from ") {
		return nil, usage("the instance comes first, and the query behind it, without from: firn query my-log '| count by type'")
	}
	if c.All && (c.Limit != nil || c.Reduce != "") {
		return nil, usage("--all shows every event: leave out --limit and --reduce")
	}
	if len(c.GroupBy) > 0 && c.Reduce == "" {
		return nil, usage("--group-by needs --reduce, such as --reduce count")
	}
	var text []byte
	var err error
	if c.JSON != "" {
		text, err = c.given(stdin)
	} else {
		text, err = c.written()
	}
	if err != nil {
		return nil, err
	}
	q := query{}
	if err := json.Unmarshal(text, &q); err != nil {
		return nil, usage("--json: the query is no JSON object: %v", err)
	}
	if err := c.complete(q); err != nil {
		return nil, err
	}
	if c.All {
		q.set("limit", querier.MaxLimit)
	}
	return q, nil
}

// text reads the query that is text.
func (c *queryCmd) text() (query, error) {
	if c.JSON != "" || c.flags() {
		return nil, usage("the text is the whole query: put the other flags' meaning into it")
	}
	parsed, err := querier.ParseText(c.Text)
	switch {
	case err != nil:
		return nil, usage("%v", err)
	case parsed.Instance != "" && parsed.Instance != c.Instance:
		return nil, usage("the query is from instance %q, the command line says %q", parsed.Instance, c.Instance)
	case c.All && parsed.Reduce != nil:
		return nil, usage("--all shows every event: leave out the reduction")
	case c.All:
		parsed.Limit = querier.MaxLimit
	}
	parsed.Instance = c.Instance
	q := query{}
	return q, json.Unmarshal([]byte(parsed.String()), &q)
}

// flags reports whether any flag is given that makes the query.
func (c *queryCmd) flags() bool {
	return c.Stream != "" || c.Where != nil || c.Select != nil || c.OrderBy != nil || c.Limit != nil || c.Offset != nil || c.Reduce != ""
}

// complete adds the instance to a query that does not name it.
func (c *queryCmd) complete(q query) error {
	if _, ok := q["from"]; !ok {
		q.set("from", from{Instance: c.Instance})
		return nil
	}
	var named from
	if json.Unmarshal(q["from"], &named) == nil && named.Instance != c.Instance {
		return usage("--json: the query is from instance %q, the command line says %q", named.Instance, c.Instance)
	}
	return nil
}

// given returns the query of --json.
func (c *queryCmd) given(stdin io.Reader) ([]byte, error) {
	if c.flags() {
		return nil, usage("--json is the whole query: put the other flags' meaning into it")
	}
	if c.JSON == "-" {
		return io.ReadAll(io.LimitReader(stdin, querier.MaxQueryBytes+1))
	}
	return []byte(c.JSON), nil
}

// written returns the query that the flags write.
func (c *queryCmd) written() ([]byte, error) {
	q := dsl{From: from{c.Instance, c.Stream}, Select: c.Select, Limit: c.Limit, Offset: c.Offset}
	for _, s := range c.Where {
		condition, err := parseCondition(s)
		if err != nil {
			return nil, err
		}
		q.Where = append(q.Where, condition)
	}
	for _, s := range c.OrderBy {
		q.OrderBy = append(q.OrderBy, parseOrder(s))
	}
	if c.Reduce != "" {
		q.Reduce = parseReduce(c.Reduce, c.GroupBy)
	}
	return json.Marshal(q)
}

// printer prints a query's answer, page after page.
type printer struct {
	app    *app
	fields []string // that are selected, nil for the usual ones
	all    bool
	table  *table
}

func (p *printer) print(res *client.Result) error {
	switch {
	case p.app.json() && p.all:
		for _, e := range res.Events {
			if err := p.app.printf("%s\n", e); err != nil {
				return err
			}
		}
		return nil
	case p.app.json():
		return p.app.printf("%s\n", res.Raw)
	case res.Aggregation != nil:
		return printAggregation(p.app, listed(res.Aggregation))
	}
	if p.table == nil {
		p.table = eventTable(p.app, p.fields)
	}
	for _, e := range res.Events {
		if err := p.table.add(eventRow(e, p.fields)...); err != nil {
			return err
		}
	}
	return p.table.flush()
}

// listed makes a list of several values, so that they are shown as a table.
func listed(result json.RawMessage) json.RawMessage {
	if len(result) > 0 && result[0] == '{' {
		return slices.Concat(json.RawMessage("["), result, json.RawMessage("]"))
	}
	return result
}

// footer tells people what the answer is out of, and how to see more.
func (p *printer) footer(res *client.Result) {
	if p.app.json() {
		return
	}
	s := res.Stats
	for _, why := range res.Partial {
		p.app.note("this is a part of the answer only: %s", why)
	}
	if res.Total != nil {
		match := " match"
		if *res.Total == 1 {
			match = " matches"
		}
		p.app.note("%s; %d of %d files read, %s rows scanned, %d commits of the tail, %.1f ms",
			eventsText(*res.Total)+match, s.FilesRead, s.FilesConsidered, thousands(s.RowsScanned), s.TailCommits, s.Milliseconds)
	}
	if s.Explain != nil {
		p.app.note("%s", spread(s.Explain))
	}
	if res.Cursor != "" {
		p.app.note("%s are shown: --all shows all, --limit and --offset others", thousands(len(res.Events)))
	}
}

// spread writes an object of numbers, one a line, for people.
func spread(object json.RawMessage) string {
	text := strings.NewReplacer("{", " ", "}", "", `"`, "", ":", " ", ",", "\n ").Replace(string(object))
	return strings.ReplaceAll(text, "_", " ")
}
