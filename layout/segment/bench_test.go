package segment

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/apache/arrow-go/v18/arrow/array"

	"github.com/firnlog/firn/layout/event"
)

// socialEvents returns events as a social network sends them out, of about 450
// bytes of payload, sorted by stream and sequence.
func socialEvents(n int) []event.Event {
	rng := rand.New(rand.NewPCG(42, 42))
	id := func(n int) string {
		b := make([]byte, n)
		for i := range b {
			b[i] = "abcdefghijklmnopqrstuvwxyz234567"[rng.IntN(32)]
		}
		return string(b)
	}
	users := make([]string, max(n/5, 1))
	for i := range users {
		users[i] = "did:plc:" + id(24)
	}
	words := strings.Fields("snow falls on the glacier and is compacted layer by layer into ice that lies there for as long as it is wanted by anyone")
	kinds := []string{"app.bsky.feed.like", "app.bsky.feed.post", "app.bsky.graph.follow", "app.bsky.feed.repost"}
	out := make([]event.Event, n)
	for i := range out {
		user := users[min(rng.IntN(len(users)), rng.IntN(len(users)))]
		kind := kinds[min(rng.IntN(4), rng.IntN(4))]
		op := []string{"create", "create", "create", "delete", "update"}[rng.IntN(5)]
		micros := 1732206349000000 + int64(i)*37
		created := event.Micros(micros).Time().Format("2006-01-02T15:04:05.000Z")
		var record string
		switch subject := users[rng.IntN(len(users))]; {
		case op == "delete":
		case kind == "app.bsky.feed.post":
			var text []string
			for range 5 + rng.IntN(20) {
				text = append(text, words[rng.IntN(len(words))])
			}
			record = fmt.Sprintf(`,"record":{"$type":%q,"createdAt":%q,"langs":["en"],"text":%q}`, kind, created, strings.Join(text, " "))
		case kind == "app.bsky.graph.follow":
			record = fmt.Sprintf(`,"record":{"$type":%q,"createdAt":%q,"subject":%q}`, kind, created, subject)
		default:
			record = fmt.Sprintf(`,"record":{"$type":%q,"createdAt":%q,"subject":{"cid":"bafyrei%s","uri":"at://%s/app.bsky.feed.post/%s"}}`, kind, created, id(52), subject, id(13))
		}
		if record != "" {
			record += fmt.Sprintf(`,"cid":"bafyrei%s"`, id(52))
		}
		out[i] = event.Event{Stream: user, Type: kind, Time: event.Micros(micros), Ingested: event.Micros(micros + 1000),
			Metadata: []byte(`{"source":"jetstream"}`),
			Payload: fmt.Appendf(nil, `{"did":%q,"time_us":%d,"kind":"commit","commit":{"rev":%q,"operation":%q,"collection":%q,"rkey":%q%s}}`,
				user, micros, id(13), op, kind, id(13), record)}
	}
	slices.SortStableFunc(out, func(a, b event.Event) int { return strings.Compare(a.Stream, b.Stream) })
	for i := range out {
		out[i].Sequence, out[i].Place = int64(i)+1, event.Place{Position: 1, Ordinal: int32(i)}
		if i > 0 && out[i].Stream != out[i-1].Stream {
			out[i].Sequence = 1
		}
	}
	return out
}

func plan(events []event.Event) Plan {
	var c Chooser
	c.Add(events)
	return c.Plan()
}

func writeData(tb testing.TB, events []event.Event, p Plan) []byte {
	tb.Helper()
	var buf bytes.Buffer
	w := NewDataWriter(&buf, p, nil)
	if err := w.Write(events); err != nil {
		tb.Fatal(err)
	}
	if err := w.Close(); err != nil {
		tb.Fatal(err)
	}
	return buf.Bytes()
}

// Writing a data file as text only, and choosing and shredding fields as well.
func BenchmarkWrite(b *testing.B) {
	events := socialEvents(200_000)
	run := func(name string, f func() int) {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			size := 0
			for b.Loop() {
				size = f()
			}
			b.ReportMetric(float64(len(events)*b.N)/b.Elapsed().Seconds(), "events/s")
			b.ReportMetric(float64(size)/float64(len(events)), "B/event")
		})
	}
	run("text", func() int { return len(writeData(b, events, Plan{})) })
	run("choose", func() int { return len(plan(events).Fields) })
	run("shredded", func() int { return len(writeData(b, events, plan(events))) })
}

// What shredding alone costs, without writing.
func BenchmarkShred(b *testing.B) {
	events := socialEvents(20_000)
	p := plan(events)
	s := newShredder(&p, dataSchema(&p))
	for b.Loop() {
		for i := range events {
			s.shred(i%chunkRows, &events[i])
		}
	}
	b.ReportMetric(float64(len(events)*b.N)/b.Elapsed().Seconds(), "events/s")
}

// Counting the values of a path by its column, and by going through the JSON.
func BenchmarkRead(b *testing.B) {
	events := socialEvents(200_000)
	data := writeData(b, events, plan(events))
	f, err := Open(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		b.Fatal(err)
	}
	run := func(name string, count func(g *Group) int) {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				n := 0
				for _, g := range f.Groups() {
					n += count(g)
				}
				if n == 0 {
					b.Fatal("nothing was counted")
				}
			}
			b.ReportMetric(float64(len(events)*b.N)/b.Elapsed().Seconds(), "events/s")
		})
	}
	const path = "payload.commit.operation"
	run("column", func(g *Group) int {
		batch, err := g.ReadFields(0, []string{path})
		if err != nil {
			b.Fatal(err)
		}
		a := batch.Field(path).(*array.Dictionary)
		return a.Len() - a.NullN()
	})
	run("json", func(g *Group) int {
		batch, err := g.Read(Set(Payload))
		if err != nil {
			b.Fatal(err)
		}
		p := Plan{Fields: []Field{{Path: path, Type: String}}}
		s := newShredder(&p, dataSchema(&p))
		for i := range batch.Rows() {
			s.shred(0, &event.Event{Payload: bytesIn(batch.Text(Payload, i))})
		}
		return int(s.fields[0].Values)
	})
}

func BenchmarkEncode(b *testing.B) {
	events := socialEvents(1000)
	for _, n := range []int{1, 1000} {
		b.Run(fmt.Sprint("events=", n), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := Encode(events[:n], n, map[string]string{"firn.id": "abc"}); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(n*b.N)/b.Elapsed().Seconds(), "events/s")
		})
	}
}
