package main

import (
	"context"
	"encoding/json"

	"github.com/firnlog/firn/functions/client"
	"github.com/firnlog/firn/layout/fault"
)

type tailCmd struct {
	Instance  string   `arg:"" help:"Id or name of the instance."`
	Stream    string   `placeholder:"ID" help:"Only events of this stream."`
	Type      []string `sep:"none" placeholder:"TYPE" help:"Only events of this type; of any of them when it is repeated."`
	Tag       []string `sep:"none" placeholder:"TAG" help:"Only events with this tag; with all of them when it is repeated."`
	After     string   `placeholder:"CURSOR" help:"Go on from a cursor, which the output in JSON has beside each event."`
	FromStart bool     `help:"Show all events that there are, first."`
	Limit     int      `placeholder:"N" help:"End after so many events."`
}

// Help implements [kong.HelpProvider].
func (tailCmd) Help() string {
	return `Shows events as they are appended, until it is interrupted. A connection that is
lost is made again, and no event is left out or shown twice.

    firn tail my-log --type login
    firn tail my-log --stream user-1 --from-start
    firn tail my-log -o json | jq -c .event.payload

As JSON, each line is {"cursor":…,"event":…}.`
}

// Run shows events until ctx ends.
func (c *tailCmd) Run(ctx context.Context, a *app) error {
	switch {
	case c.FromStart && c.After != "":
		return usage("--from-start and --after are both given: give one of them")
	case c.Limit < 0:
		return usage("--limit is a number of events, 1 or more")
	case c.FromStart:
		c.After = client.FromStart
	}
	cl, err := a.client(ctx, false)
	if err != nil {
		return err
	}
	t, err := cl.Tail(ctx, client.TailRequest{Instance: c.Instance, Stream: c.Stream, Types: c.Type, Tags: c.Tag, After: c.After})
	if err != nil {
		return err
	}
	defer t.Close()
	for n := 0; c.Limit == 0 || n < c.Limit; {
		e, err := t.Next()
		switch {
		case ctx.Err() != nil:
			return nil // interrupted: the way to end it
		case fault.Is(err, fault.Unavailable) || fault.Is(err, fault.Overload):
			a.note("%s; connecting again", shownLines(err.Error()))
			continue
		case err != nil:
			return err
		}
		if err := a.printTailed(e); err != nil {
			return err
		}
		n++
	}
	return nil
}

// printTailed prints one event: a line for people or for programs.
func (a *app) printTailed(e client.TailEvent) error {
	if a.json() {
		return a.printJSON(struct {
			Cursor string          `json:"cursor"`
			Event  json.RawMessage `json:"event"`
		}{e.Cursor, e.Event})
	}
	row := eventRow(e.Event, nil)
	return a.printf("%s  %s #%s  %s  %s\n", shown(row[0]), shown(row[1]), shown(row[2]), shown(row[3]), shown(row[4]))
}
