package main

import (
	"context"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/firnlog/firn/compactor"
	"github.com/firnlog/firn/functions/api"
	"github.com/firnlog/firn/functions/front"
	"github.com/firnlog/firn/internal/cold"
	"github.com/firnlog/firn/layout/commitlog"
	"github.com/firnlog/firn/layout/store"
	"github.com/firnlog/firn/querier"
)

// latency is how long each request to a remote store takes: a round trip, as S3
// has it in the same region.
const latency = 30 * time.Millisecond

// remote is a store whose every request takes latency.
type remote struct{ store.Store }

// Get implements [store.Store].
func (r remote) Get(ctx context.Context, key string, part store.Range) (*store.Object, error) {
	time.Sleep(latency)
	return r.Store.Get(ctx, key, part)
}

// Put implements [store.Store].
func (r remote) Put(ctx context.Context, key string, body store.Body, cond store.Condition) (store.Receipt, error) {
	time.Sleep(latency)
	return r.Store.Put(ctx, key, body, cond)
}

// List implements [store.Store].
func (r remote) List(ctx context.Context, opts store.ListOptions) (store.Page, error) {
	time.Sleep(latency)
	return r.Store.List(ctx, opts)
}

// Delete implements [store.Store].
func (r remote) Delete(ctx context.Context, key string) error {
	time.Sleep(latency)
	return r.Store.Delete(ctx, key)
}

// appendRemotely offers 100,000 events a second to a server over a remote store,
// in batches, without waiting for answers.
func (b *bench) appendRemotely(ctx context.Context) error {
	const work = "append to a store 30 ms away, 100,000 events/s offered"
	if !b.wanted(work) {
		return nil
	}
	const rate = 100_000
	bodies, err := ndjson(generated(min(b.Events, 10*rate)), batchEvents)
	if err != nil {
		return err
	}
	var taken, p50, p99 []float64
	for range min(b.Runs, 3) {
		waits, took, err := appendOpenLoop(ctx, bodies, rate)
		if err != nil {
			return err
		}
		taken = append(taken, float64(len(waits)*batchEvents)/took.Seconds())
		p50, p99 = append(p50, waits.at(0.5)/30), append(p99, waits.at(0.99)/30)
	}
	b.report.add(row{Work: work, Unit: "events/s", Firn: figureRef(taken...), Note: "one shard, all acknowledged; the store is memory"})
	b.report.add(row{Work: work + ": acknowledged, median", Unit: "round trips", Firn: figureRef(p50...)})
	b.report.add(row{Work: work + ": acknowledged, p99", Unit: "round trips", Firn: figureRef(p99...)})
	return nil
}

// appendOpenLoop serves an empty remote store within this process, with compaction,
// and offers it bodies at a rate of events a second.
func appendOpenLoop(ctx context.Context, bodies [][]byte, rate int) (times, time.Duration, error) {
	s := remote{store.NewMemory()}
	log := commitlog.Open(s)
	working, stop := context.WithCancel(ctx)
	defer stop()
	go (&compactor.Compactor{Log: log}).Serve(working, slog.New(slog.DiscardHandler))
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, 0, err
	}
	srv := &http.Server{Handler: api.New(front.Config{Log: log, Queries: querier.NewEngine(log), Store: s})}
	go srv.Serve(l)
	defer srv.Close()
	address := l.Addr().String()
	if err := createInstance(ctx, address, "log"); err != nil {
		return nil, 0, err
	}
	var requests []request
	for _, body := range bodies {
		requests = append(requests, post(address, appendPath, "application/x-ndjson", body))
	}
	return openLoop(ctx, address, requests, time.Duration(batchEvents)*time.Second/time.Duration(rate), 64)
}

// askCold asks a question about one hour of one day of a bucket of 1,000 files, with
// 16 commits behind them, that is 30 ms away, with nothing in memory.
func (b *bench) askCold(ctx context.Context) error {
	const work = "one hour of 1,000 files, cold, 30 ms away"
	if !b.wanted(work) {
		return nil
	}
	memory := store.NewMemory()
	if err := cold.Fill(ctx, memory, 16); err != nil {
		return err
	}
	q, err := querier.ParseText(cold.Question("| count, sum n by stream"))
	if err != nil {
		return err
	}
	var trips []float64
	var requests int64
	for range b.Runs {
		counted := store.NewCounted(remote{memory})
		engine := querier.NewEngine(commitlog.Open(counted))
		took := milliseconds(func() { _, err = engine.Run(ctx, q) })
		if err != nil {
			return err
		}
		trips, requests = append(trips, took/30), counted.Counts().Requests()
	}
	b.report.add(row{Work: work, Unit: "round trips", Firn: figureRef(trips...),
		Detail: map[string]int64{"requests": requests, "files": cold.Days * cold.FilesADay}, Note: "time ÷ 30 ms, computing included"})
	return nil
}
