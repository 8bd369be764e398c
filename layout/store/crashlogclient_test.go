//go:build unix

package store_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/firnlog/firn/layout/commitlog"
	"github.com/firnlog/firn/layout/event"
	"github.com/firnlog/firn/layout/fault"
	"github.com/firnlog/firn/layout/segment"
)

// crashAppender appends to a log, reads it, and notes what it is told.
type crashAppender struct {
	w    *crashLog
	log  *commitlog.Log
	rng  *rand.Rand
	name string
}

func (c *crashAppender) run() {
	for n := range logOps {
		time.Sleep(time.Duration(c.rng.Int64N(int64(100 * time.Millisecond))))
		if c.rng.IntN(4) == 0 {
			c.read()
		} else {
			c.append(fmt.Sprintf("%s-%d", c.name, n))
		}
	}
}

// append appends up to three events to one stream.
func (c *crashAppender) append(id string) {
	stream := []string{"a", "b", "c"}[c.rng.IntN(3)]
	var b commitlog.Batch
	for i := range 1 + c.rng.IntN(3) {
		b.Events = append(b.Events, event.Event{Stream: stream, Type: "t", ID: fmt.Sprint(id, "-", i),
			Time: event.ToMicros(time.Now()), Payload: []byte(`{}`), Metadata: []byte(`{}`)})
	}
	ctx, cancel := context.WithTimeout(background, 10*time.Second)
	defer cancel()
	receipt, err := c.log.Append(ctx, logInstance, b)
	c.w.mu.Lock()
	defer c.w.mu.Unlock()
	for i := range b.Events {
		switch {
		case err == nil:
			c.w.acked[b.Events[i].ID] = place{stream, receipt.Events[i].Sequence}
		case !fault.Is(err, fault.Unknown):
			c.w.refused[b.Events[i].ID] = true
		}
	}
}

// read reads all events and notes where each was.
func (c *crashAppender) read() {
	events, err := readEvents(c.log)
	c.w.mu.Lock()
	defer c.w.mu.Unlock()
	if fault.Is(err, fault.Corrupt) || fault.Is(err, fault.Internal) && err != nil {
		c.w.broken = fmt.Errorf("reading: %w", err)
	}
	if err != nil {
		return
	}
	for stream, ids := range events {
		for i, id := range ids {
			c.w.seen[place{stream, int64(i + 1)}] = id
		}
	}
}

// readEvents returns the ids of each stream's events, in their order; "" where
// there is a hole.
func readEvents(log *commitlog.Log) (map[string][]string, error) {
	ctx, cancel := context.WithTimeout(background, 10*time.Second)
	defer cancel()
	v, err := log.Pin(ctx, logInstance)
	if err != nil {
		return nil, err
	}
	files, err := v.Files(ctx, event.MinTime, event.MaxTime)
	if err != nil {
		return nil, err
	}
	events := map[string][]string{}
	for _, f := range files {
		opened, err := v.Open(ctx, f)
		if err == nil {
			err = addEvents(events, opened, f.Shard)
		}
		if err != nil {
			return nil, err
		}
	}
	for _, c := range v.Tail {
		if err := addEvents(events, c.File, c.Shard); err != nil {
			return nil, err
		}
	}
	return events, nil
}

func addEvents(events map[string][]string, f *segment.File, shard int) error {
	for _, g := range f.Groups() {
		b, err := g.Read(segment.AllColumns)
		if err != nil {
			return err
		}
		for i := range b.Rows() {
			e := b.Event(i, shard)
			if missing := int(e.Sequence) - len(events[e.Stream]); missing > 0 {
				events[e.Stream] = append(events[e.Stream], make([]string, missing)...)
			}
			if at := &events[e.Stream][e.Sequence-1]; *at != "" {
				return fault.New(fault.Corrupt, "%s and %s are both event %d of %s", *at, e.ID, e.Sequence, e.Stream)
			}
			events[e.Stream][e.Sequence-1] = e.ID
		}
	}
	return nil
}
