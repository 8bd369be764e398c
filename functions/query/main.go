// Command query is the function that answers all reads that end: by a gateway in
// one piece, and by its function URL as a stream, for large answers. It spreads
// large queries over invocations of itself. Its role can read and list the bucket,
// invoke this function, and nothing else.
package main

import (
	"context"

	"github.com/firnlog/firn/functions/gateway"
	"github.com/firnlog/firn/functions/internal/spread"
	"github.com/firnlog/firn/functions/internal/start"
)

func main() {
	start.Main(func(ctx context.Context) (any, error) {
		f, err := start.Serving(ctx)
		if err != nil {
			return nil, err
		}
		return spread.Handler(f.Service, gateway.Handler(f.Handler(start.Query))), nil
	})
}
