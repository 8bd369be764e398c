package querier

import (
	"context"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/firnlog/firn/layout/event"
)

// BenchmarkQuery runs queries over 200,000 events in one data file.
func BenchmarkQuery(b *testing.B) {
	rng := rand.New(rand.NewPCG(1, 1))
	m := &memory{id: "log", hidden: event.MinTime, now: 99}
	events := make([]event.Event, 200_000)
	for i := range events {
		events[i] = event.Event{Stream: fmt.Sprintf("did:plc:%08d", rng.IntN(40_000)), Type: fmt.Sprintf("type-%d", rng.IntN(8)),
			Time: event.Micros(i) * 1000, Metadata: []byte("{}"), Sequence: int64(i) + 1, Place: event.Place{Position: 1 + int64(i)/100, Ordinal: int32(i % 100)},
			Payload: []byte(fmt.Sprintf(`{"did":"did:plc:%d","kind":"commit","commit":{"rev":"%016x","operation":"create","collection":"app.bsky.feed.like","rkey":"%x","record":{"text":"%x","duration":%d,"langs":["en","de"]}},"user":"u%d"}`,
				i, rng.Uint64(), rng.Uint64(), rng.Uint64(), rng.IntN(10_000), rng.IntN(1000)))}
	}
	m.addFile(b, events, 64<<10)
	m.files[0].Types = nil
	for _, c := range []struct{ name, query string }{
		{"count by type", `"reduce":{"type":"count","groupBy":["event_type"]}}`},
		{"count by stream", `"reduce":{"type":"count","groupBy":["stream_id"]}}`},
		{"first by stream", `"where":[{"field":"event_type","operator":"eq","value":"type-1"}],"reduce":{"type":"min","field":"timestamp","groupBy":["stream_id"]}}`},
		{"newest 100", `"orderBy":{"field":"timestamp","direction":"desc"},"limit":100}`},
		{"one stream", `"where":[{"field":"stream_id","operator":"eq","value":"did:plc:00000007"}]}`},
		{"sum of a path", `"reduce":{"type":"sum","field":"payload.commit.record.duration"}}`},
		{"rare text in a path", `"where":[{"field":"user","operator":"eq","value":"u7"}]}`},
		{"range of a path", `"where":[{"field":"payload.commit.record.duration","operator":"lt","value":10}]}`},
		{"group by a path", `"reduce":{"type":"count","groupBy":["payload.user"]}}`},
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
