// Package compaction lets functions that append ask for a run of the compact
// function when the log grows faster than the schedule folds it.
//
// To ask is a help and no duty: it is done after the append is settled, takes a
// short time at most, and its failure changes no answer. The schedule comes
// anyway.
package compaction

import (
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"github.com/firnlog/firn/functions/front"
	"github.com/firnlog/firn/functions/internal/signed"
	"github.com/firnlog/firn/layout/chain"
	"github.com/firnlog/firn/layout/commitlog"
	"github.com/firnlog/firn/layout/fault"
)

// Tail is how many commits of a shard may wait before a run is asked for.
const Tail = 256

// Interval is the least time between two questions about an instance, in each
// environment: one costs a LIST, a GET where there is a newer snapshot, and an
// invocation where that has not folded the tail.
const Interval = 30 * time.Second

// patience bounds how long an append's answer waits for a question.
const patience = 2 * time.Second

// Log is a log that asks for compaction. It is safe for concurrent use.
type Log struct {
	front.Log
	unfolded func(ctx context.Context, instance string, maxAge time.Duration) (int64, error)
	invoke   func(ctx context.Context, instance string) error
	now      func() time.Time
	logger   *slog.Logger

	mu    sync.Mutex
	asked map[string]time.Time // by instance: when last, by the process's clock
}

// New returns a log over log that asks the function with the URL of invocations
// (https://lambda.REGION.amazonaws.com/2015-03-31/functions/NAME/invocations).
func New(log *commitlog.Log, url string, logger *slog.Logger) *Log {
	return &Log{Log: log, unfolded: log.Unfolded, invoke: invoker(url), now: time.Now, logger: logger, asked: map[string]time.Time{}}
}

// Append implements [front.Log]: it appends as the log below does, and then asks
// for compaction where that is due, also where the tail was too long to append.
func (l *Log) Append(ctx context.Context, instance string, b commitlog.Batch) (commitlog.Receipt, error) {
	receipt, err := l.Log.Append(ctx, instance, b)
	if asked, failed := l.ask(ctx, instance); failed != nil {
		l.logger.Warn("compaction was not asked for", "instance", instance, "error", failed.Error())
	} else if asked {
		l.logger.Info("asked for compaction", "instance", instance)
	}
	return receipt, err
}

// ask asks for a run over an instance if its tail is long by a snapshot that is
// fresh, and nothing was asked within the interval. It reports whether it did.
func (l *Log) ask(ctx context.Context, instance string) (bool, error) {
	// What is known may be an hour old, but a tail that seems short is short.
	if n, err := l.unfolded(ctx, instance, chain.Fresh); err != nil || n < Tail || !l.due(instance) {
		return false, nil // an error is the append's own, which has said so
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	if n, err := l.unfolded(ctx, instance, time.Second); err != nil || n < Tail {
		return false, err
	}
	return true, l.invoke(ctx, instance)
}

// due reports whether a question is due, and notes it.
func (l *Log) due(instance string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.now()
	if at, ok := l.asked[instance]; ok && chain.Elapsed(at, now) < Interval {
		return false
	}
	l.asked[instance] = now
	return true
}

// invoker returns the way to the function, whose answer nobody waits for.
func invoker(url string) func(ctx context.Context, instance string) error {
	client := signed.New("lambda")
	return func(ctx context.Context, instance string) error {
		payload, err := json.Marshal(map[string]any{"instances": []string{instance}})
		if err != nil {
			return err
		}
		status, answer, err := client.Post(ctx, url, http.Header{"Content-Type": {"application/json"}, "X-Amz-Invocation-Type": {"Event"}}, payload)
		if err == nil && status != http.StatusAccepted {
			err = fault.New(fault.Unavailable, "the function's invocation was answered %d: %s", status, answer[:min(len(answer), 200)])
		}
		return err
	}
}
