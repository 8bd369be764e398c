package main

import (
	"context"
	"encoding/json"
	"strconv"
	"time"

	"github.com/firnlog/firn/functions/client"
)

type eraseCmd struct {
	Stream eraseStreamCmd `cmd:"" help:"Have all events of a stream forgotten, for ever."`
	Events eraseEventsCmd `cmd:"" help:"Have the payloads and metadata of single events forgotten, for ever."`
	List   eraseListCmd   `cmd:"" help:"How far erasures have come."`
}

// Help implements [kong.HelpProvider].
func (eraseCmd) Help() string {
	return `What is erased is in no answer any more at once. The compactor rewrites the
files that hold it, and its last byte is gone about a day later.

    firn erase stream my-log user-17 --yes
    firn erase events my-log --where 'payload.email eq a@example.org' --yes
    firn erase list my-log`
}

type eraseStreamCmd struct {
	Instance string `arg:"" help:"Id or name of the instance."`
	Stream   string `arg:"" help:"The stream. Its name and the number of its last event stay."`
	Yes      bool   `help:"Do it: there is no way back."`
}

// Run orders the erasure once it is confirmed.
func (c *eraseStreamCmd) Run(ctx context.Context, a *app) error {
	if !c.Yes {
		return usage("this erases all events of stream %q for ever: add --yes to do it", c.Stream)
	}
	cl, err := a.client(ctx, false)
	if err != nil {
		return err
	}
	return a.printErasure(cl.EraseStream(ctx, c.Instance, c.Stream))
}

type eraseEventsCmd struct {
	Instance string   `arg:"" help:"Id or name of the instance."`
	Where    []string `sep:"none" placeholder:"CONDITION" help:"'FIELD OPERATOR VALUE', as firn query has it. Several must all hold."`
	Stream   string   `help:"Only events of this stream."`
	Payload  string   `placeholder:"JSON" help:"What stands in the place of the payloads ({\"redacted\":true})."`
	Yes      bool     `help:"Do it: there is no way back."`
}

// Run orders the redaction once it is confirmed.
func (c *eraseEventsCmd) Run(ctx context.Context, a *app) error {
	if len(c.Where) == 0 {
		return usage("which events? Give --where, such as --where 'id eq 0-17-3'")
	}
	if c.Payload != "" && !json.Valid([]byte(c.Payload)) {
		return usage("--payload %q is no JSON", c.Payload)
	}
	if !c.Yes {
		return usage("this erases the payloads and metadata of all events that match for ever: look at them with firn query, and add --yes to do it")
	}
	conditions := make([]condition, len(c.Where))
	for i, text := range c.Where {
		var err error
		if conditions[i], err = parseCondition(text); err != nil {
			return err
		}
	}
	where, err := json.Marshal(conditions)
	if err != nil {
		return err
	}
	cl, err := a.client(ctx, false)
	if err != nil {
		return err
	}
	return a.printErasure(cl.Redact(ctx, c.Instance, client.Redaction{Stream: c.Stream, Where: where, Payload: json.RawMessage(c.Payload)}))
}

type eraseListCmd struct {
	Instance string `arg:"" help:"Id or name of the instance."`
}

// Run lists the erasures.
func (c *eraseListCmd) Run(ctx context.Context, a *app) error {
	cl, err := a.client(ctx, false)
	if err != nil {
		return err
	}
	list, err := cl.Erasures(ctx, c.Instance)
	if err != nil {
		return err
	}
	if a.json() {
		return a.printJSON(append([]client.Erasure{}, list...))
	}
	t := newTable(a.stdout, "id", "kind", "state", "ordered", "rewritten", "gone")
	for _, e := range list {
		if err := t.add(e.ID, e.Kind, e.State, timeText(e.OrderedAt), timeOrDash(e.RewrittenAt), timeOrDash(e.GoneAt)); err != nil {
			return err
		}
	}
	return t.flush()
}

func timeOrDash(t *time.Time) string {
	if t == nil {
		return orDash("")
	}
	return timeText(*t)
}

// printErasure prints an order that was taken.
func (a *app) printErasure(e client.Erasure, err error) error {
	if err != nil {
		return err
	}
	if a.json() {
		return a.printJSON(e)
	}
	if e.Warning != "" {
		a.note("%s", e.Warning)
	}
	rows := []string{"id", e.ID, "kind", e.Kind, "state", e.State, "ordered", timeText(e.OrderedAt)}
	if e.Events > 0 {
		rows = append(rows, "events", strconv.Itoa(e.Events))
	}
	return pairs(a.stdout, rows...)
}
