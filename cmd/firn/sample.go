package main

import (
	"bytes"
	"context"
	_ "embed"
	"fmt"
	"io"

	"github.com/klauspost/compress/gzip"

	"github.com/firnlog/firn/functions/client"
	"github.com/firnlog/firn/layout/fault"
)

// sampleData are real events as gzipped NDJSON; sample/NOTICE says whose.
//
//go:embed sample/wikiticker.ndjson.gz
var sampleData []byte

// sampleSpec is the sample's instance. It has one shard, so that one append
// stores all events or none.
var sampleSpec = client.Spec{
	ID:          "wikipedia",
	Description: "Sample: edits of Wikipedia pages on 12 September 2015, from the tutorial data of Apache Druid (wikiticker)",
	Shards:      1,
}

// sampleKey is the idempotency key of the sample's one append: servers that
// start on one bucket at the same time load it once.
const sampleKey = "firn-sample-1"

// loadSample makes the sample's instance and fills it. An instance of that id
// that is another's, or that has events, is left as it is. A crash in between
// leaves an empty instance, which the next start fills.
func loadSample(ctx context.Context, c *client.Client) error {
	inst, err := c.CreateInstance(ctx, sampleSpec)
	if fault.Is(err, fault.Exists) {
		if inst.ID != sampleSpec.ID || inst.Description != sampleSpec.Description {
			return nil
		}
		stats, err := c.Stats(ctx, inst.ID)
		if err != nil || stats.EventCount > 0 {
			return fault.Wrap(err, "looking at the sample")
		}
	} else if err != nil {
		return fault.Wrap(err, "making the sample's instance")
	}
	zip, err := gzip.NewReader(bytes.NewReader(sampleData))
	if err != nil {
		return fault.Wrap(err, "reading the sample")
	}
	events, err := io.ReadAll(zip)
	if err != nil {
		return fault.Wrap(err, "reading the sample")
	}
	_, err = c.Append(ctx, client.Append{Instance: inst.ID, NDJSON: events, Key: sampleKey})
	return fault.Wrap(err, "loading the sample")
}

// sampleCommands returns an append and a query to paste into a shell.
func sampleCommands(url string) string {
	return fmt.Sprintf(`
Append an event:

  curl -sS %[1]s/v1/instances/wikipedia/events -H 'Content-Type: application/json' \
    -d '{"stream_id":"en.wikipedia","event_type":"edit","payload":{"page":"Firn","added":42}}'

Count the edits of each kind in the English Wikipedia:

  curl -sS %[1]s/v1/query -H 'Content-Type: application/json' \
    -d '{"from":{"instance":"wikipedia","stream":"en.wikipedia"},"reduce":{"type":"count","groupBy":["event_type"]}}'

Ctrl-C stops the server; the events stay in the bucket.
`, url)
}
