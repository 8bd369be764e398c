// Command tail is the function that streams events as they come. It answers
// function URLs and REST APIs whose invocations stream. A stream ends shortly
// before the function's time does; clients go on from their last event.
package main

import (
	"context"

	"github.com/firnlog/firn/functions/gateway"
	"github.com/firnlog/firn/functions/internal/start"
)

func main() {
	start.Main(func(ctx context.Context) (any, error) {
		f, err := start.Serving(ctx)
		if err != nil {
			return nil, err
		}
		return gateway.Streamed(f.Handler(start.Tail)), nil
	})
}
