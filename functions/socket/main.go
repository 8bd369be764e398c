// Command socket is the function behind a WebSocket API: Codebolt's operations
// for clients that speak wss, and the authorizer of that API.
package main

import (
	"context"

	"github.com/firnlog/firn/functions/internal/start"
	"github.com/firnlog/firn/functions/internal/websocket"
)

func main() {
	start.Main(func(ctx context.Context) (any, error) {
		f, err := start.Serving(ctx)
		if err != nil {
			return nil, err
		}
		socket := &websocket.Function{Service: f.Service, Codebolt: f.Doors.Codebolt, Post: websocket.Manage(f.Manage), Logger: f.Logger}
		return socket.Handle, nil
	})
}
