package gateway

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"sync"

	"github.com/aws/aws-lambda-go/events"
)

// Streamed returns a Lambda handler whose answers are streamed, for function
// URLs and REST APIs with response streaming: up to 200 MB, and as long as the
// function may run. It answers as soon as the header is there. When whoever reads
// goes away, writes fail and the request's context ends.
func Streamed(h http.Handler) func(context.Context, json.RawMessage) (*events.LambdaFunctionURLStreamingResponse, error) {
	return func(ctx context.Context, payload json.RawMessage) (*events.LambdaFunctionURLStreamingResponse, error) {
		var e event
		if err := json.Unmarshal(payload, &e); err != nil {
			return nil, fmt.Errorf("the invocation is no HTTP event: %w", err)
		}
		ctx, cancel := WithMargin(ctx)
		r, err := e.request(ctx)
		if err != nil {
			cancel()
			return nil, err
		}
		read, write := io.Pipe()
		w := &streamer{header: http.Header{}, pipe: write, began: make(chan struct{})}
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			defer func() {
				w.WriteHeader(http.StatusOK)
				if p := recover(); p != nil {
					write.CloseWithError(fmt.Errorf("panic: %v", p)) // cut off: what was sent is no whole answer
					return
				}
				write.Close()
			}()
			h.ServeHTTP(w, r)
		}()
		<-w.began
		return &events.LambdaFunctionURLStreamingResponse{StatusCode: w.status, Headers: w.sent, Body: &body{read, cancel, ended}}, nil
	}
}

// streamer hands an answer on as it is written.
type streamer struct {
	header http.Header
	pipe   *io.PipeWriter
	once   sync.Once
	began  chan struct{} // closed when status and sent are set
	status int
	sent   map[string]string
}

func (w *streamer) Header() http.Header { return w.header }

func (w *streamer) WriteHeader(status int) {
	if status < 200 {
		return
	}
	w.once.Do(func() {
		w.status, w.sent = status, joined(w.header)
		close(w.began)
	})
}

func (w *streamer) Write(b []byte) (int, error) {
	w.WriteHeader(http.StatusOK)
	return w.pipe.Write(b)
}

// Flush implements [http.Flusher]: nothing is held back.
func (w *streamer) Flush() { w.WriteHeader(http.StatusOK) }

// body is the answer's body; closing it ends the request, and waits until it has
// ended: what still ran would be frozen with the environment.
type body struct {
	io.ReadCloser
	cancel context.CancelFunc
	ended  <-chan struct{}
}

func (b *body) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if err != nil {
		b.cancel()
	}
	return n, err
}

func (b *body) Close() error {
	b.cancel()
	err := b.ReadCloser.Close()
	<-b.ended
	return err
}

// Handler returns a Lambda handler for functions that are invoked by a gateway,
// and by a function URL whose invocations stream: each is answered in its way.
func Handler(h http.Handler) func(context.Context, json.RawMessage) (any, error) {
	whole, streamed := Buffered(h), Streamed(h)
	return func(ctx context.Context, payload json.RawMessage) (any, error) {
		var e event
		if json.Unmarshal(payload, &e) == nil && e.fromFunctionURL() {
			return streamed(ctx, payload)
		}
		return whole(ctx, payload)
	}
}
