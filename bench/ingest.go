package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/firnlog/firn/layout/event"
)

// batchEvents is how many events a request of the batch rows has, and clients
// how many of these are under way at once.
const (
	batchEvents = 1_000
	clients     = 8
)

// ndjson returns a set's events as bodies of so many lines.
func ndjson(s set, lines int) (bodies [][]byte, err error) {
	var body []byte
	n := 0
	err = s.source(func(e event.Event) error {
		body = appendLine(body, &e)
		if n++; n%lines == 0 {
			bodies, body = append(bodies, body), make([]byte, 0, len(body)+len(body)/8)
		}
		return nil
	})
	if len(body) > 0 {
		bodies = append(bodies, body)
	}
	return bodies, err
}

// appendLine appends an event as the native API takes it, with a line's end.
func appendLine(b []byte, e *event.Event) []byte {
	stream, _ := json.Marshal(e.Stream)
	kind, _ := json.Marshal(e.Type)
	return fmt.Appendf(b, `{"stream_id":%s,"event_type":%s,"timestamp":%q,"payload":%s,"metadata":%s}`+"\n", stream, kind, e.Time, e.Payload, e.Metadata)
}

// ingest measures appends of generated events, by Firn's server and its peers in
// turns.
func (b *bench) ingest(ctx context.Context) error {
	const work = "append, NDJSON over HTTP, 1,000 events a request"
	if !b.wanted(work) {
		return nil
	}
	bodies, err := ndjson(generated(b.Events), batchEvents)
	if err != nil {
		return err
	}
	peers := []peer{{"DuckDB, NDJSON to Parquet", appendToDuckDB}, {"SQLite", appendToSQLite}}
	if os.Getenv("VICTORIA_LOGS") != "" {
		peers = append(peers, peer{"VictoriaLogs", appendToVictoria})
	} else {
		b.report.Absent = append(b.report.Absent, "VictoriaLogs is not measured: VICTORIA_LOGS names neither a program nor an address.")
	}
	var firn, peak, cpu, tail []float64
	theirs := map[string][]float64{}
	for range min(b.Runs, 3) {
		run, err := b.appendToFirn(ctx, bodies)
		if err != nil {
			return err
		}
		firn, peak, cpu = append(firn, run.rate), append(peak, float64(run.peak)/(1<<20)), append(cpu, run.cpu)
		tail = append(tail, float64(run.tail))
		for _, p := range peers {
			rate, err := b.appendToPeer(ctx, p, bodies)
			if err != nil {
				return fmt.Errorf("%s: %w", p.name, err)
			}
			theirs[p.name] = append(theirs[p.name], rate)
		}
	}
	peerFigures := map[string]figure{}
	for name, rates := range theirs {
		peerFigures[name] = figureOf(rates...)
	}
	b.report.add(row{Work: work, Unit: "events/s", Firn: figureRef(firn...), Peers: peerFigures})
	b.report.add(row{Work: "server while ingesting: memory at its peak", Unit: "MB", Firn: figureRef(peak...)})
	b.report.add(row{Work: "server while ingesting: the log's tail at its longest", Unit: "commits", Firn: figureRef(tail...)})
	all := row{Work: "server: CPU time until all is compacted", Unit: "µs/event", Firn: figureRef(cpu...)}
	if b.Events >= 5_000_000 { // else a tenth is little beside a server's start
		small, err := b.appendToFirn(ctx, bodies[:len(bodies)/10])
		if err != nil {
			return err
		}
		all.Peers = map[string]figure{tenth: figureOf(small.cpu)}
	}
	b.report.add(all)
	return nil
}

// peer is another program that takes the same events in.
type peer struct {
	name string
	run  func(ctx context.Context, dir string, bodies [][]byte, events int) (rate float64, err error)
}

func (b *bench) appendToPeer(ctx context.Context, p peer, bodies [][]byte) (float64, error) {
	dir, err := b.scratch("peer")
	if err != nil {
		return 0, err
	}
	return p.run(ctx, dir, bodies, b.Events)
}

// ingested is what one run of appends came to.
type ingested struct {
	rate float64 // events a second, acknowledged
	peak int64   // bytes of memory of the server
	tail int64   // commits at most, of the samples, that no data file held yet
	cpu  float64 // microseconds of the server's CPU time, an event
}

// appendToFirn sends all bodies to a new server on a new bucket.
func (b *bench) appendToFirn(ctx context.Context, bodies [][]byte) (ingested, error) {
	dir, err := b.scratch("ingest")
	if err != nil {
		return ingested{}, err
	}
	s, err := b.serve(ctx, "file://"+dir)
	if err != nil {
		return ingested{}, err
	}
	var got ingested
	took := time.Duration(0)
	if err = createInstance(ctx, s.address, "log"); err == nil {
		sampled := s.longestTail(ctx)
		took, err = sendBodies(ctx, s.address, appendPath, bodies)
		got.tail, got.peak = sampled(), s.peak()
		s.rest(ctx) // what comes last is compacted behind it
	}
	events := float64(len(bodies) * batchEvents)
	got.rate, got.cpu = events/took.Seconds(), float64(s.cpu().Microseconds())/events
	if stopped := s.stop(); err == nil {
		err = stopped
	}
	return got, err
}

// appendPath is where the instance log takes events.
const appendPath = "/v1/instances/log/events?return=minimal"

// sendBodies sends each body as one request.
func sendBodies(ctx context.Context, address, path string, bodies [][]byte) (time.Duration, error) {
	var next atomic.Int64
	began := time.Now()
	err := together(clients, func(int) error {
		w, err := dial(address)
		if err != nil {
			return err
		}
		defer w.Close()
		for ctx.Err() == nil {
			i := int(next.Add(1)) - 1
			if i >= len(bodies) {
				return nil
			}
			if err := w.send(post(address, path, "application/x-ndjson", bodies[i])); err != nil {
				return err
			}
		}
		return ctx.Err()
	})
	return time.Since(began), err
}

// together runs n clients at once and returns an error of one of them.
func together(n int, client func(i int) error) error {
	var wg sync.WaitGroup
	errs := make(chan error, n)
	for i := range n {
		wg.Go(func() { errs <- client(i) })
	}
	wg.Wait()
	close(errs)
	for err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}
