package main

import (
	"context"
	"time"
)

// mixed compares a query's times on a quiet server with those while that takes in
// 50,000 events a second.
func (b *bench) mixed(ctx context.Context) error {
	const work = "query while ingesting 50,000 events/s, p99"
	if !b.wanted(work) {
		return nil
	}
	const rate = 50_000
	bodies, err := ndjson(generated(min(b.Events, 12*rate)), batchEvents)
	if err != nil {
		return err
	}
	dir, err := b.scratch("mixed")
	if err != nil {
		return err
	}
	s, err := b.serve(ctx, "file://"+dir)
	if err != nil {
		return err
	}
	quiet, busy, err := askWhile(ctx, s.address, bodies, rate)
	if stopped := s.stop(); err == nil {
		err = stopped
	}
	if err != nil {
		return err
	}
	b.report.add(row{Work: work, Unit: "ms", Firn: figureRef(busy.at(0.99)), Peers: map[string]figure{"quiet": figureOf(quiet.at(0.99))}})
	b.report.add(row{Work: "query while ingesting 50,000 events/s, median", Unit: "ms", Firn: figureRef(busy.at(0.5)), Peers: map[string]figure{"quiet": figureOf(quiet.at(0.5))}})
	return nil
}

// askWhile sends a third of the bodies, asks about these, and asks the same again
// while it sends the others at a rate of events a second.
func askWhile(ctx context.Context, address string, bodies [][]byte, rate int) (quiet, busy times, err error) {
	if err := createInstance(ctx, address, "log"); err != nil {
		return nil, nil, err
	}
	first := len(bodies) / 3
	if _, err := sendBodies(ctx, address, appendPath, bodies[:first]); err != nil {
		return nil, nil, err
	}
	time.Sleep(3 * time.Second) // the compactor folds what is there
	question := post(address, "/v1/query", "text/plain", []byte(`from log until 2026-11-01T02:00:00Z | count, countDistinct stream by type`))
	if quiet, err = ask(ctx, address, question, 5*time.Second); err != nil {
		return nil, nil, err
	}
	var rest []request
	for _, body := range bodies[first:] {
		rest = append(rest, post(address, appendPath, "application/x-ndjson", body))
	}
	every := time.Duration(batchEvents) * time.Second / time.Duration(rate)
	err = together(2, func(i int) (err error) {
		if i == 0 {
			_, _, err = openLoop(ctx, address, rest, every, 16)
		} else {
			busy, err = ask(ctx, address, question, every*time.Duration(len(rest)))
		}
		return err
	})
	return quiet, busy, err
}

// ask sends a request again and again, 20 ms apart, for as long as is given.
func ask(ctx context.Context, address string, r request, long time.Duration) (times, error) {
	w, err := dial(address)
	if err != nil {
		return nil, err
	}
	defer w.Close()
	var waits times
	for end := time.Now().Add(long); time.Now().Before(end) && ctx.Err() == nil; time.Sleep(20 * time.Millisecond) {
		began := time.Now()
		if err := w.send(r); err != nil {
			return nil, err
		}
		waits = append(waits, time.Since(began))
	}
	return waits.sorted(), ctx.Err()
}
