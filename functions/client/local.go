package client

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"runtime/debug"
	"sync"
)

// local is a transport that hands requests to a handler in this process. The
// answer is read while it is being written.
type local struct{ handler http.Handler }

// RoundTrip implements [http.RoundTripper].
func (l local) RoundTrip(r *http.Request) (*http.Response, error) {
	ctx, cancel := context.WithCancel(r.Context())
	in := r.Clone(ctx)
	if in.Body == nil {
		in.Body = http.NoBody
	}
	body, pipe := io.Pipe()
	w := &writer{header: http.Header{}, pipe: pipe, begun: make(chan struct{})}
	// A reader that waits must hear of the end, as one of a connection would.
	stop := context.AfterFunc(ctx, func() { pipe.CloseWithError(ctx.Err()) })
	failed := make(chan error, 1)
	go func() {
		err := serve(l.handler, w, in)
		failed <- err // before begun: it is looked at once that is closed
		stop()
		pipe.CloseWithError(err)
		w.WriteHeader(http.StatusOK)
	}()
	<-w.begun
	select {
	case err := <-failed:
		if err != nil {
			cancel()
			return nil, err
		}
	default:
	}
	return &http.Response{
		StatusCode: w.status, Status: fmt.Sprintf("%d %s", w.status, http.StatusText(w.status)),
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: w.sent, Body: &localBody{body, cancel}, ContentLength: -1, Request: r,
	}, nil
}

// serve calls a handler. What it panics with is returned, and where it cuts the
// answer off io.ErrUnexpectedEOF, as from a connection.
func serve(h http.Handler, w http.ResponseWriter, r *http.Request) (err error) {
	defer func() {
		switch p := recover(); p {
		case nil:
		case http.ErrAbortHandler:
			err = io.ErrUnexpectedEOF
		default:
			err = fmt.Errorf("panic: %v\n%s", p, debug.Stack())
		}
	}()
	h.ServeHTTP(w, r)
	return nil
}

// localBody is an answer's body. Closing it ends the request.
type localBody struct {
	*io.PipeReader
	cancel context.CancelFunc
}

// Close implements [io.Closer].
func (b *localBody) Close() error {
	b.cancel()
	return b.PipeReader.Close()
}

// writer is a [http.ResponseWriter] into a pipe.
type writer struct {
	header http.Header
	pipe   *io.PipeWriter

	once   sync.Once
	begun  chan struct{} // closed once the two below are set
	status int
	sent   http.Header
}

// Header implements [http.ResponseWriter].
func (w *writer) Header() http.Header { return w.header }

// WriteHeader implements [http.ResponseWriter].
func (w *writer) WriteHeader(status int) {
	w.once.Do(func() {
		w.status, w.sent = status, w.header.Clone()
		close(w.begun)
	})
}

// Write implements [http.ResponseWriter].
func (w *writer) Write(b []byte) (int, error) {
	w.WriteHeader(http.StatusOK)
	return w.pipe.Write(b)
}

// Flush implements [http.Flusher]: what is written has been read.
func (w *writer) Flush() { w.WriteHeader(http.StatusOK) }
