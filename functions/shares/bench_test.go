package shares_test

import (
	"context"
	"flag"
	"strings"
	"testing"
	"time"

	"github.com/firnlog/firn/compactor"
	"github.com/firnlog/firn/functions/shares"
	"github.com/firnlog/firn/internal/gen"
	"github.com/firnlog/firn/layout/catalog"
	"github.com/firnlog/firn/layout/commitlog"
	"github.com/firnlog/firn/layout/store"
	"github.com/firnlog/firn/querier"
)

var (
	benchRows    = flag.Int("benchrows", 100_000, "events that BenchmarkSpread asks")
	benchFolder  = flag.String("benchfolder", "", "folder of BenchmarkSpread's bucket, kept and used again; servers can be started on it")
	benchWorkers = flag.String("benchworkers", "", "URLs of servers on that folder, with commas between")
)

// filled returns a log over a folder with events in the shape of Bluesky's, all of
// them in data files.
func filled(b *testing.B) *commitlog.Log {
	dir := *benchFolder
	if dir == "" {
		dir = b.TempDir()
	}
	s, err := store.Open(b.Context(), "file://"+dir)
	if err != nil {
		b.Fatal(err)
	}
	log := commitlog.Open(s)
	if _, err := log.Instance(b.Context(), "sky"); err == nil {
		return log
	}
	if _, err := log.CreateInstance(b.Context(), catalog.Instance{ID: "sky"}); err != nil {
		b.Fatal(err)
	}
	g := gen.New(1, time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC), 500*time.Millisecond)
	for n := 0; n < *benchRows; n += 10_000 {
		var batch commitlog.Batch
		for range 10_000 {
			batch.Events = append(batch.Events, g.Next())
		}
		if _, err := log.Append(b.Context(), "sky", batch); err != nil {
			b.Fatal(err)
		}
	}
	if _, err := (&compactor.Compactor{Log: log}).Run(b.Context(), "sky"); err != nil {
		b.Fatal(err)
	}
	return log
}

// BenchmarkSpread asks the same in one process, with two workers in it, and with
// servers where they are named.
func BenchmarkSpread(b *testing.B) {
	log := filled(b)
	engine := querier.NewEngine(log)
	spread := func(t querier.Transport, n int) *querier.Engine {
		return engine.WithFanOut(querier.FanOut{Transport: t, Workers: n, MinBytes: 1, ShareBytes: 4 << 20})
	}
	ways := map[string]*querier.Engine{"alone": engine, "two workers in the process": spread(querier.Local{Engine: querier.NewEngine(log)}, 2)}
	if *benchWorkers != "" {
		h, err := shares.NewHTTP(strings.Split(*benchWorkers, ","))
		if err != nil {
			b.Fatal(err)
		}
		ways["servers"] = spread(shares.Transport(log, h), 2)
	}
	for name, text := range map[string]string{
		"substring": `"where":[{"field":"payload.commit.record.text","operator":"contains","value":"remembers so much"}],"reduce":{"type":"count"}}`,
		"distinct":  `"reduce":{"values":{"n":{"type":"count"},"streams":{"type":"countDistinct","field":"stream_id"}},"groupBy":["event_type"]}}`,
		"newest":    `"where":[{"field":"payload.commit.operation","operator":"eq","value":"delete"}],"orderBy":{"field":"timestamp","direction":"desc"},"limit":100}`,
	} {
		q, err := querier.Parse([]byte(`{"from":{"instance":"sky"},` + text))
		if err != nil {
			b.Fatal(err)
		}
		for way, e := range ways {
			b.Run(name+"/"+way, func(b *testing.B) {
				var s querier.Stats
				for b.Loop() {
					res, err := e.Run(context.Background(), q)
					if err != nil {
						b.Fatal(err)
					}
					s = res.Stats
				}
				b.ReportMetric(float64(s.BytesRead)/1e6, "MB-read/op")
				b.ReportMetric(float64(s.Shares), "shares/op")
				b.ReportMetric(float64(s.SharesHere), "here/op")
			})
		}
	}
}
