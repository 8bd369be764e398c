package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"regexp"
	"strconv"
	"time"

	"github.com/firnlog/firn/functions/client"
	"github.com/firnlog/firn/layout/fault"
)

// errInterrupted ends an append between two batches.
var errInterrupted = errors.New("interrupted")

const (
	sendTries   = 6
	firstDelay  = 250 * time.Millisecond // doubled with each further try
	sendTimeout = 2 * time.Minute        // for one try
)

// send appends one batch under its own key, again and again as long as that may
// help. An interruption is heeded before a batch and while waiting, not while
// an answer is under way: that would leave the outcome unknown.
func (r *appendRun) send(ctx context.Context, name string, b batch) error {
	req := client.Append{
		Instance: r.Instance, NDJSON: b.ndjson, Key: fmt.Sprintf("%s-%d", r.RunID, r.batches+1),
		Expect: r.Expect, Create: r.Create, Receipts: len(b.lines) == 1}
	doubt := false
	for try := 1; ; try++ {
		if ctx.Err() != nil {
			return errInterrupted
		}
		receipt, err := r.try(ctx, req)
		if err == nil {
			r.stored(b, receipt)
			return nil
		}
		if doubt = doubt || fault.Is(err, fault.Unknown); doubt && again(err) {
			err = unknown(err)
		}
		// At the very beginning a server that is not there is a wrong address.
		hopeless := r.events == 0 && fault.Is(err, fault.Unavailable)
		if try == sendTries || hopeless || !again(err) {
			return r.failed(name, b, receipt, err)
		}
		delay := time.Duration(float64(firstDelay) * float64(int(1)<<(try-1)) * (0.75 + rand.Float64()/2))
		r.bar.clear()
		r.app.note("%v; trying again in %v", err, delay.Round(10*time.Millisecond))
		select {
		case <-ctx.Done():
			if fault.Is(err, fault.Unknown) {
				return r.failed(name, b, receipt, err)
			}
			return errInterrupted
		case <-time.After(delay):
		}
	}
}

func (r *appendRun) try(ctx context.Context, req client.Append) (client.Receipt, error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), sendTimeout)
	defer cancel()
	return r.client.Append(ctx, req)
}

// again reports whether the same batch may be stored by another try. With its
// key that does no harm.
func again(err error) bool {
	switch fault.KindOf(err) {
	case fault.Unavailable, fault.Overload, fault.Unknown:
		return true
	}
	return false
}

// unknown returns the error of a try as one of kind Unknown: that this try stored
// nothing says nothing of those before.
func unknown(err error) error {
	if fault.Is(err, fault.Unknown) {
		return err
	}
	return fault.New(fault.Unknown, "an earlier try may have stored the events: %w", err)
}

// stored notes that a batch is stored.
func (r *appendRun) stored(b batch, receipt client.Receipt) {
	r.batches++
	r.events += len(b.lines)
	r.bytes += len(b.ndjson)
	if receipt.Replayed {
		r.replayed += len(b.lines)
	}
	r.last = nil
	if r.events == 1 {
		r.last = receipt.Events
	}
	r.bar.set(r.read.Load())
}

// inLine is how the API begins an error about one line of a body.
var inLine = regexp.MustCompile(`^line ([0-9]+): `)

// failed says where in the input an error belongs: to a line or to a batch.
func (r *appendRun) failed(name string, b batch, receipt client.Receipt, err error) error {
	if m := inLine.FindStringSubmatch(err.Error()); m != nil {
		if n, convErr := strconv.Atoi(m[1]); convErr == nil && n >= 1 && n <= len(b.lines) {
			return fault.New(fault.KindOf(err), "%s:%d: %s", name, b.lines[n-1], err.Error()[len(m[0]):])
		}
	}
	if receipt.Count > 0 {
		return fault.Wrap(err, "%s: %d of %d events of this batch are stored", b.place(name), receipt.Count, len(b.lines))
	}
	return fault.Wrap(err, "%s", b.place(name))
}
