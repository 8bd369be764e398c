package querier

import (
	"context"
	"flag"
	"os"
	"testing"
	"time"

	"github.com/firnlog/firn/internal/gen"
	"github.com/firnlog/firn/layout/event"
	"github.com/firnlog/firn/layout/segment"
)

var (
	benchRows = flag.Int("benchrows", 100_000, "events that BenchmarkQuery asks")
	benchFile = flag.String("benchfile", "", "where BenchmarkQuery leaves its data file, for other engines to read")
)

// benchStart is the time of the generator's first event.
var benchStart = time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)

// BenchmarkQuery asks one data file of events in the shape of Bluesky's firehose.
func BenchmarkQuery(b *testing.B) {
	g := gen.New(1, benchStart, 100*time.Millisecond)
	events := make([]event.Event, *benchRows)
	for i := range events {
		events[i] = g.Next()
		events[i].Place = event.Place{Position: 1 + int64(i)/1000, Ordinal: int32(i % 1000)}
	}
	needle := refGet(events[len(events)/2], "payload.commit.cid").raw
	stream := events[len(events)/3].Stream
	m := &memory{id: "log", hidden: event.MinTime, now: 99, shred: true}
	m.addFile(b, events, segment.GroupRows)
	if *benchFile != "" {
		if err := os.WriteFile(*benchFile, m.bodies["f0"], 0o644); err != nil {
			b.Fatal(err)
		}
	}
	m.files[0].Types = nil // else the manifest answers
	events = nil
	for _, c := range []struct{ name, query string }{
		{"count by type", `"reduce":{"type":"count","groupBy":["event_type"]}}`},
		{"distinct streams by type", `"where":[{"field":"payload.commit.operation","operator":"eq","value":"create"}],"reduce":{"values":{"n":{"type":"count"},"streams":{"type":"countDistinct","field":"stream_id"}},"groupBy":["event_type"]}}`},
		{"count by hour", `"reduce":{"type":"count","groupBy":[{"field":"timestamp","bucket":"1h"}]}}`},
		{"first three streams", `"where":[{"field":"event_type","operator":"eq","value":"app.bsky.feed.post"}],"reduce":{"values":{"first":{"type":"min","field":"timestamp"}},"groupBy":["stream_id"],"orderBy":[{"field":"first"}],"limit":3}}`},
		{"last 100 of a stream", `"where":[{"field":"stream_id","operator":"eq","value":"` + stream + `"}],"orderBy":{"field":"sequence_number","direction":"desc"},"limit":100,"total":false}`},
		{"needle", `"where":[{"field":"payload.commit.cid","operator":"eq","value":` + needle + `}]}`},
		{"sum and p99", `"reduce":{"values":{"s":{"type":"sum","field":"payload.time_us"},"p":{"type":"p99","field":"payload.time_us"}}}}`},
		{"substring of a text", `"where":[{"field":"payload.commit.record.text","operator":"contains","value":"remembers so much"}],"reduce":{"type":"count"}}`},
	} {
		q, err := Parse([]byte(fromLog + c.query))
		if err != nil {
			b.Fatal(err)
		}
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := newEngine(m).Run(context.Background(), q); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
