package main

import (
	"context"
	"sync/atomic"
	"time"
)

// connections is how many clients send one event after the other.
const connections = 256

// single measures appends of one event a request, of many clients at once: the
// server gathers them into commits.
func (b *bench) single(ctx context.Context) error {
	const work = "append, one event a request, 256 connections"
	if !b.wanted(work) {
		return nil
	}
	events, err := ndjson(generated(min(b.Events/5, 200_000)), 1)
	if err != nil {
		return err
	}
	var rates, cpu, p50, p99, bare []float64
	for range min(b.Runs, 3) {
		syncs, err := syncTimes(b.Dir, 300)
		if err != nil {
			return err
		}
		run, waits, err := b.sendSingly(ctx, events)
		if err != nil {
			return err
		}
		rates, cpu = append(rates, run.rate), append(cpu, run.cpu)
		p50, p99, bare = append(p50, waits.at(0.5)), append(p99, waits.at(0.99)), append(bare, syncs.at(0.99))
	}
	b.report.add(row{Work: work, Unit: "events/s", Firn: figureRef(rates...)})
	b.report.add(row{Work: work + ": CPU time of the server, compaction included", Unit: "µs/event", Firn: figureRef(cpu...)})
	b.report.add(row{Work: work + ": acknowledged, median", Unit: "ms", Firn: figureRef(p50...)})
	b.report.add(row{Work: work + ": acknowledged, p99", Unit: "ms", Firn: figureRef(p99...), Peers: map[string]figure{"a bare file sync": figureOf(bare...)}})
	return nil
}

// sendSingly sends each event in a request of its own to a new server.
func (b *bench) sendSingly(ctx context.Context, events [][]byte) (run ingested, waits times, err error) {
	dir, err := b.scratch("single")
	if err != nil {
		return run, nil, err
	}
	s, err := b.serve(ctx, "file://"+dir)
	if err != nil {
		return run, nil, err
	}
	defer func() {
		if stopped := s.stop(); err == nil {
			err = stopped
		}
	}()
	if err := createInstance(ctx, s.address, "log"); err != nil {
		return run, nil, err
	}
	requests := make([]request, len(events))
	for i, e := range events {
		requests[i] = post(s.address, appendPath, "application/json", e)
	}
	var next atomic.Int64
	took := make([]times, connections)
	began := time.Now()
	err = together(connections, func(client int) error {
		w, err := dial(s.address)
		if err != nil {
			return err
		}
		defer w.Close()
		for ctx.Err() == nil {
			i := int(next.Add(1)) - 1
			if i >= len(requests) {
				return nil
			}
			sent := time.Now()
			if err := w.send(requests[i]); err != nil {
				return err
			}
			took[client] = append(took[client], time.Since(sent))
		}
		return ctx.Err()
	})
	sent := float64(len(requests))
	run = ingested{rate: sent / time.Since(began).Seconds(), peak: s.peak(), cpu: float64(s.cpu().Microseconds()) / sent}
	for _, t := range took {
		waits = append(waits, t...)
	}
	return run, waits.sorted(), err
}
