// Command ingest is the function that stores events and manages instances and
// keys. It answers HTTP requests, and takes batches of SQS messages and of
// Kinesis records, whose failures it reports one by one. Its role deletes
// nothing.
package main

import (
	"context"
	"encoding/json"

	"github.com/firnlog/firn/functions/gateway"
	"github.com/firnlog/firn/functions/internal/queue"
	"github.com/firnlog/firn/functions/internal/start"
	"github.com/firnlog/firn/layout/fault"
)

func main() {
	start.Main(func(ctx context.Context) (any, error) {
		f, err := start.Serving(ctx)
		if err != nil {
			return nil, err
		}
		handler := f.Handler(start.Ingest, start.Query)
		if f.QueueURL != "" {
			handler = queue.Handler(f.Config, queue.NewSQS(f.QueueURL), handler)
		}
		http := gateway.Buffered(handler)
		in := &queue.Consumer{Service: f.Service, StreamInstance: f.StreamInstance, Logger: f.Logger}
		if f.DeadLetterURL != "" {
			in.Aside = queue.NewSQS(f.DeadLetterURL)
		}
		return func(ctx context.Context, payload json.RawMessage) (any, error) {
			switch {
			case gateway.IsHTTP(payload):
				return http(ctx, payload)
			case queue.IsBatch(payload):
				return in.Take(ctx, payload)
			}
			return nil, fault.New(fault.Invalid, "the invocation is neither an HTTP request nor a batch of SQS or Kinesis")
		}, nil
	})
}
