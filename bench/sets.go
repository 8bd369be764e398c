package main

import (
	"bufio"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/klauspost/compress/gzip"

	"github.com/firnlog/firn/internal/gen"
	"github.com/firnlog/firn/layout/event"
)

// set is a set of events and what the queries ask of it.
type set struct {
	name   string
	events int // 0 for all that the file has
	source func(each func(event.Event) error) error

	filter    condition // what most events have
	kind      string    // an event type, for the first three streams
	number    string    // path of a number
	id        string    // path of text that nearly every event has another of
	text      string    // path of text
	substring string    // that is looked for in it
}

// condition is a path and the value that it is to have: a string or a boolean.
type condition struct {
	path  string
	value any
}

// bluesky is the time of the first of the generated events, which come 100 ms
// apart.
var bluesky = time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)

// generated returns n events in the shape of Bluesky's firehose, always the same.
func generated(n int) set {
	return set{
		name: "bluesky", events: n,
		source: func(each func(event.Event) error) error {
			g := gen.New(1, bluesky, 100*time.Millisecond)
			for range n {
				if err := each(g.Next()); err != nil {
					return err
				}
			}
			return nil
		},
		filter: condition{"payload.commit.operation", "create"}, kind: "app.bsky.feed.post",
		number: "payload.time_us", id: "payload.commit.cid", text: "payload.commit.record.text", substring: "remembers so much",
	}
}

// realSets are the real events in a folder, as far as they are there.
func realSets(dir string) []set {
	known := []set{
		{name: "wikiticker", filter: condition{"payload.isRobot", false}, kind: "edit",
			number: "payload.delta", id: "payload.page", text: "payload.comment", substring: "categor"},
		{name: "gharchive", filter: condition{"payload.action", "opened"}, kind: "github.push",
			number: "payload.commits", id: "payload.id", text: "payload.actor", substring: "bot"},
	}
	var found []set
	for _, s := range known {
		path := filepath.Join(dir, s.name+".ndjson.gz")
		if _, err := os.Stat(path); err == nil {
			s.source = func(each func(event.Event) error) error { return readGzip(path, each) }
			found = append(found, s)
		}
	}
	return found
}

// readGzip reads events from gzipped NDJSON.
func readGzip(path string, each func(event.Event) error) error {
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	defer file.Close()
	zip, err := gzip.NewReader(bufio.NewReader(file))
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	now := event.ToMicros(time.Now())
	lines := bufio.NewScanner(zip)
	lines.Buffer(nil, event.MaxEventBytes)
	for lines.Scan() {
		decoded, err := event.DecodeNDJSON(append([]byte(nil), lines.Bytes()...), now)
		if err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
		for _, e := range decoded {
			if err := each(e); err != nil {
				return err
			}
		}
	}
	return lines.Err()
}
