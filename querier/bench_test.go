//go:build unix

package querier_test

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/klauspost/compress/gzip"

	"github.com/firnlog/firn/compactor"
	"github.com/firnlog/firn/internal/gen"
	"github.com/firnlog/firn/layout/catalog"
	"github.com/firnlog/firn/layout/commitlog"
	"github.com/firnlog/firn/layout/event"
	"github.com/firnlog/firn/layout/fault"
	"github.com/firnlog/firn/layout/store"
	"github.com/firnlog/firn/querier"
)

var (
	benchRows   = flag.Int("benchrows", 100_000, "generated events that BenchmarkQuery asks")
	benchBucket = flag.String("benchbucket", "", "folder in which BenchmarkQuery keeps its events for other runs and other engines; a temporary one without")
	benchData   = flag.String("benchdata", "", "folder of NDJSON files of real events, gzipped, that BenchmarkQuery asks too")
)

// benchStart is the time of the generator's first event.
var benchStart = time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)

// shape is one of the questions that are asked of each set of events, as text.
type shape struct{ name, text string }

// benchSets are the sets of events, and of each the same eight shapes.
var benchSets = []struct {
	name   string
	load   func(b *testing.B, add func([]event.Event))
	shapes []shape
}{
	{"gen", generated, []shape{
		{"count by type", `| count by type`},
		{"filter, group, count distinct", `payload.commit.operation=create | count, countDistinct stream by type`},
		{"by hour", `| count by 1h`},
		{"first three streams", `type=app.bsky.feed.post | min time as first by stream | sort first | limit 3`},
		{"last 100 of a stream", `stream="did:plc:%s" | sort sequence_number desc | limit 100 | nototal`},
		{"needle", `payload.commit.cid="%s"`},
		{"sum and p99", `| sum payload.time_us, p99 payload.time_us`},
		{"substring", `payload.commit.record.text contains "remembers so much" | count`},
	}},
	{"wikiticker", real("wikiticker"), []shape{
		{"count by type", `| count by type`},
		{"filter, group, count distinct", `payload.isMinor=true | count, countDistinct stream by type`},
		{"by hour", `| count by 1h`},
		{"first three streams", `type=edit | min time as first by stream | sort first | limit 3`},
		{"last 100 of a stream", `stream="en.wikipedia" | sort sequence_number desc | limit 100 | nototal`},
		{"needle", `payload.page="Apamea abruzzorum"`},
		{"sum and p99", `| sum payload.added, p99 payload.added`},
		{"substring", `payload.comment contains "spelling" | count`},
	}},
	{"gharchive", real("gharchive"), []shape{
		{"count by type", `| count by type`},
		{"filter, group, count distinct", `payload.commits>1 | count, countDistinct stream by type`},
		{"by hour", `| count by 1h`},
		{"first three streams", `type="github.push" | min time as first by stream | sort first | limit 3`},
		{"last 100 of a stream", `stream="barbalet/nobleape" | sort sequence_number desc | limit 100 | nototal`},
		{"needle", `payload.id="2598740043"`},
		{"sum and p99", `| sum payload.commits, p99 payload.commits`},
		{"substring", `payload.actor contains "shoshi" | count`},
	}},
}

// BenchmarkQuery asks sets of events that were appended and compacted as a
// server does it, each query by itself and with what the engine keeps warm. CPU
// is what the process used: on a busy machine it tells more than the clock.
func BenchmarkQuery(b *testing.B) {
	for _, set := range benchSets {
		b.Run(set.name, func(b *testing.B) {
			log := benchLog(b, set.name, set.load)
			engine := querier.NewEngine(log)
			for _, s := range set.shapes {
				text := s.text
				if set.name == "gen" {
					text = filledIn(b, engine, text)
				}
				b.Run(s.name, func(b *testing.B) { benchQuery(b, engine, "from "+set.name+" "+text) })
			}
		})
	}
}

func benchQuery(b *testing.B, engine *querier.Engine, text string) {
	q, err := querier.ParseText(text)
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	var res *querier.Result
	before := cpuTime()
	for b.Loop() {
		if res, err = engine.Run(context.Background(), q); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64((cpuTime()-before).Microseconds())/1000/float64(b.N), "cpu-ms/op")
	b.ReportMetric(float64(res.Stats.BytesRead), "read-B/op")
	b.ReportMetric(float64(res.Stats.RowsScanned), "rows-scanned/op")
}

// cpuTime returns what the process used so far, on all its threads.
func cpuTime() time.Duration {
	var u syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &u) != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// filledIn puts a stream or a content id that the events have into a query.
func filledIn(b *testing.B, engine *querier.Engine, text string) string {
	if !bytes.Contains([]byte(text), []byte("%s")) {
		return text
	}
	q, err := querier.ParseText(fmt.Sprintf("from gen | offset %d | limit 1 | nototal", min(*benchRows/2, 5_000)))
	if err != nil {
		b.Fatal(err)
	}
	res, err := engine.Run(context.Background(), q)
	if err != nil || len(res.Events) == 0 {
		b.Fatal(err)
	}
	part := func(before string) string {
		_, rest, _ := bytes.Cut(res.Events[0], []byte(before))
		value, _, _ := bytes.Cut(rest, []byte(`"`))
		return string(value)
	}
	if text[:6] == "stream" {
		return fmt.Sprintf(text, part(`"stream_id":"did:plc:`))
	}
	return fmt.Sprintf(text, part(`"cid":"`))
}

// benchLog returns a log that holds a set of events, folded and merged.
func benchLog(b *testing.B, name string, load func(*testing.B, func([]event.Event))) *commitlog.Log {
	dir := *benchBucket
	if dir == "" {
		dir = b.TempDir()
	}
	s, err := store.OpenFolder(filepath.Join(dir, name))
	if err != nil {
		b.Fatal(err)
	}
	ctx, log := context.Background(), commitlog.Open(s)
	if _, err := log.CreateInstance(ctx, catalog.Instance{ID: name, Shards: 1}); fault.Is(err, fault.Exists) {
		return log
	} else if err != nil {
		b.Fatal(err)
	}
	load(b, func(events []event.Event) {
		if _, err := log.Append(ctx, name, commitlog.Batch{Events: events}); err != nil {
			b.Fatal(err)
		}
	})
	if _, err := (&compactor.Compactor{Log: log}).Run(ctx, name); err != nil {
		b.Fatal(err)
	}
	return log
}

// benchBatch is how many events are appended at once.
const benchBatch = 5_000

func generated(_ *testing.B, add func([]event.Event)) {
	g := gen.New(1, benchStart, 100*time.Millisecond)
	for left := *benchRows; left > 0; left -= benchBatch {
		events := make([]event.Event, min(left, benchBatch))
		for i := range events {
			events[i] = g.Next()
		}
		add(events)
	}
}

// real returns a loader of the events of a file in benchData.
func real(name string) func(*testing.B, func([]event.Event)) {
	return func(b *testing.B, add func([]event.Event)) {
		if *benchData == "" {
			b.Skip("for real events give -benchdata")
		}
		f, err := os.Open(filepath.Join(*benchData, name+".ndjson.gz"))
		if err != nil {
			b.Fatal(err)
		}
		defer f.Close()
		z, err := gzip.NewReader(f)
		if err != nil {
			b.Fatal(err)
		}
		body, err := io.ReadAll(z)
		if err != nil {
			b.Fatal(err)
		}
		lines := bytes.SplitAfter(body, []byte("\n"))
		for len(lines) > 0 {
			n := min(len(lines), benchBatch)
			events, err := event.DecodeNDJSON(bytes.Join(lines[:n], nil), event.ToMicros(time.Now()))
			if err != nil {
				b.Fatal(err)
			}
			if lines = lines[n:]; len(events) > 0 {
				add(events)
			}
		}
	}
}
