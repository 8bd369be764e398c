package main

import (
	"context"
	"time"
)

// openLoop sends prepared requests at a steady rate, whether or not those before
// were answered, over as many connections as that takes, up to most. It returns
// how long each waited for its answer from when it was due, and how long all took.
func openLoop(ctx context.Context, address string, requests []request, every time.Duration, most int) (times, time.Duration, error) {
	type due struct {
		request
		at time.Time
	}
	queue := make(chan due, len(requests))
	waits := make([]times, most)
	began := time.Now()
	go func() {
		defer close(queue)
		for i, r := range requests {
			at := began.Add(time.Duration(i) * every)
			time.Sleep(time.Until(at))
			if ctx.Err() != nil {
				return
			}
			queue <- due{r, at}
		}
	}()
	err := together(most, func(i int) error {
		w, err := dial(address)
		if err != nil {
			return err
		}
		defer w.Close()
		for d := range queue {
			if err := w.send(d.request); err != nil {
				return err
			}
			waits[i] = append(waits[i], time.Since(d.at))
		}
		return ctx.Err()
	})
	took := time.Since(began)
	var all times
	for _, t := range waits {
		all = append(all, t...)
	}
	return all.sorted(), took, err
}
