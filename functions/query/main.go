// Command query is the function that answers all reads that end. Its role can
// read and list the bucket, and nothing else.
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
		return gateway.Buffered(f.Handler(start.Query)), nil
	})
}
