// Command query is the function that answers all reads that end: by a gateway in
// one piece, and by its function URL as a stream, for large answers. Its role can
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
		return gateway.Handler(f.Handler(start.Query)), nil
	})
}
