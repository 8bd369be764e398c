package client

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net/http"
	"net/url"
	"time"

	"github.com/firnlog/firn/layout/fault"
)

// silence is how long a server that gives no sign of life is taken for alive: it
// gives one every 15 seconds.
const silence = 45 * time.Second

// Waits before a tail connects again.
const (
	minWait = time.Second
	maxWait = 30 * time.Second
)

// FromStart as TailRequest.After asks for everything that there is, first.
const FromStart = "start"

// TailRequest asks for events as they are appended.
type TailRequest struct {
	Instance string
	Stream   string   // only events of this stream; "" for all
	Types    []string // only of one of these types; none for all
	Tags     []string // only with all of these tags
	After    string   // a TailEvent's cursor; FromStart; "" for what is appended from now on
}

// TailEvent is an event, and the cursor behind it.
type TailEvent struct {
	Event  json.RawMessage
	Cursor string
}

// Tail reads events as they come. It is for one goroutine.
type Tail struct {
	client *Client
	ctx    context.Context
	call   call
	cursor string
	wait   time.Duration // before the next connection

	body  io.ReadCloser // nil without a connection
	watch *time.Timer   // ends a connection that is silent
	lines *eventReader
}

// Tail begins to follow an instance, until ctx ends or the tail is closed. It
// returns once the server follows: every event that is appended from then on
// comes.
func (c *Client) Tail(ctx context.Context, req TailRequest) (*Tail, error) {
	name, err := segment(req.Instance)
	if err != nil {
		return nil, err
	}
	params := url.Values{"type": req.Types, "tag": req.Tags}
	if req.Stream != "" {
		params.Set("stream", req.Stream)
	}
	if req.After != "" {
		params.Set("after", req.After)
	}
	path := instancesPath + "/" + name + "/tail"
	if len(params.Encode()) > 0 {
		path += "?" + params.Encode()
	}
	t := &Tail{client: c, ctx: ctx, call: call{method: http.MethodGet, path: path, header: map[string]string{"Accept": "text/event-stream"}}, wait: minWait}
	return t, t.connect()
}

// Next returns the next event: each once, in append order within each shard. An
// error of kind Unavailable or Overload says that the connection was lost, or
// could not be made again; the next call tries that, after a wait, and goes on
// where the tail ended. All others are final, such as Gone when the instance was
// deleted.
func (t *Tail) Next() (TailEvent, error) {
	if t.body == nil {
		if err := t.pause(); err != nil {
			return TailEvent{}, err
		}
		if err := t.connect(); err != nil {
			return TailEvent{}, err
		}
	}
	for {
		e, err := t.lines.next()
		if err != nil {
			t.drop()
			if t.ctx.Err() != nil {
				err = t.ctx.Err()
			}
			return TailEvent{}, fault.New(fault.Unavailable, "the connection was lost: %w", err)
		}
		t.watch.Reset(silence)
		if e.id != "" {
			t.cursor, t.wait = e.id, minWait
		}
		switch {
		case e.name == "end":
			t.drop()
			return TailEvent{}, ending(e.data)
		case len(e.data) > 0:
			return TailEvent{Event: e.data, Cursor: t.cursor}, nil
		}
	}
}

// Cursor returns the cursor behind all that was read.
func (t *Tail) Cursor() string { return t.cursor }

// Close ends the tail. A Next that waits in another goroutine ends with its
// context alone.
func (t *Tail) Close() { t.drop() }

// connect asks the server for what comes behind the cursor.
func (t *Tail) connect() error {
	if t.cursor != "" {
		t.call.header["Last-Event-ID"] = t.cursor
	}
	ctx, cancel := context.WithCancelCause(t.ctx)
	resp, sent, err := t.client.send(ctx, t.call)
	if err != nil {
		cancel(nil)
		return err
	}
	if media, _, _ := mime.ParseMediaType(resp.Header.Get("Content-Type")); resp.StatusCode != http.StatusOK || media != "text/event-stream" {
		defer cancel(nil)
		defer resp.Body.Close()
		if _, err = answered(t.call, resp, sent); err == nil {
			err = foreign(t.call, resp)
		}
		return err
	}
	t.watch = time.AfterFunc(silence, func() { cancel(errSilent) })
	t.body = &tailBody{resp.Body, cancel}
	t.lines = newEventReader(t.body)
	return nil
}

var errSilent = errors.New("the server has been silent for too long")

// tailBody ends its request when it is closed.
type tailBody struct {
	io.ReadCloser
	cancel context.CancelCauseFunc
}

// Close implements [io.Closer].
func (b *tailBody) Close() error {
	b.cancel(nil)
	return b.ReadCloser.Close()
}

// drop ends the connection if there is one.
func (t *Tail) drop() {
	if t.body != nil {
		t.watch.Stop()
		t.body.Close()
		t.body = nil
	}
}

// pause waits before a connection, each time for longer until one holds.
func (t *Tail) pause() error {
	timer := time.NewTimer(t.wait)
	defer timer.Stop()
	t.wait = min(2*t.wait, maxWait)
	select {
	case <-timer.C:
		return nil
	case <-t.ctx.Done():
		return t.ctx.Err()
	}
}

// ending is the error that a server ends a stream with.
func ending(data []byte) error {
	var e struct{ Code, Error string }
	if err := decode(data, &e); err != nil {
		return err
	}
	return fault.New(kinds[e.Code], "%s", e.Error)
}
