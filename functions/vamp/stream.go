package vamp

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/firnlog/firn/functions/front"
	"github.com/firnlog/firn/layout/fault"
	"github.com/firnlog/firn/querier"
)

// Times of a stream.
const (
	heartbeat = 15 * time.Second // between two signs of life, and two looks at the caller's rights
	writeTime = 30 * time.Second // for a client that does not read
)

// stream sends what is published from now on, or behind the event that
// Last-Event-ID names, as server-sent events: all that have the tags and the type
// asked for. Times and aggregators of the query are left aside, as Vamp does.
func (d *door) stream(w http.ResponseWriter, r *http.Request, instance string) error {
	q, _, err := d.readQuery(w, r)
	if err != nil {
		return err
	}
	f, err := d.follow(r.Context(), front.TailRequest{Instance: instance, Where: q.filter(), After: r.Header.Get("Last-Event-ID")})
	if err != nil {
		return err
	}
	defer f.close()
	out := &sse{w: w, control: http.NewResponseController(w), follower: f, instance: instance}
	_ = out.control.SetReadDeadline(time.Time{}) // the server's is for requests that end
	d.header(w, r, "text/event-stream")
	w.Header().Set("X-Accel-Buffering", "no") // for nginx and those who follow it
	w.WriteHeader(http.StatusOK)
	if r.Method == http.MethodHead || out.beat() != nil {
		return nil
	}
	for err == nil {
		err = out.step(r)
	}
	if r.Context().Err() == nil {
		d.ErrorText(w, r, err) // for the operator: the client connects again, and then reads what is wrong
	}
	return nil
}

// sse is a stream of server-sent events (WHATWG HTML, section 9.2). It is for
// one goroutine.
type sse struct {
	*follower
	w        http.ResponseWriter
	control  *http.ResponseController
	instance string
	id       string    // the cursor that was sent last
	alive    time.Time // when the last sign of life was sent
}

// step sends the next event, or a sign of life where none comes soon. An error
// ends the stream.
func (s *sse) step(r *http.Request) error {
	if time.Since(s.alive) >= heartbeat {
		if err := s.recheck(r); err != nil {
			return err
		}
		return s.beat()
	}
	wait, cancel := context.WithDeadline(r.Context(), s.alive.Add(heartbeat))
	defer cancel()
	item, err := s.next(wait)
	switch {
	case err == nil:
		s.id = item.Cursor
		return s.send(appendFrame(nil, item, s.instance))
	case wait.Err() != nil && r.Context().Err() == nil && errors.Is(err, wait.Err()):
		return nil
	}
	return err
}

// beat sends a comment, which no client takes for an event, and before it, where
// that has moved, the cursor, which clients keep for when they connect again.
func (s *sse) beat() error {
	s.alive = time.Now()
	frame := []byte(":\n\n")
	if id := s.cursor(); id != s.id {
		s.id, frame = id, []byte("id: "+id+"\n\n:\n\n")
	}
	return s.send(frame)
}

// send writes a frame, and sees that it leaves unless the next one is there.
func (s *sse) send(frame []byte) error {
	_ = s.control.SetWriteDeadline(time.Now().Add(writeTime))
	if _, err := s.w.Write(frame); err != nil || s.sub != nil && s.sub.Ready() {
		return err
	}
	return s.control.Flush()
}

// appendFrame appends an event in the form of the HTML standard. Its data are
// one line.
func appendFrame(b []byte, item front.TailItem, instance string) []byte {
	v := newView(&item.Event, instance)
	b = append(append(b, "event: "...), v.kind...)
	b = append(append(b, "\nid: "...), item.Cursor...)
	return append(append(append(b, "\ndata: "...), oneLine(v.appendJSON(nil))...), "\n\n"...)
}

// oneLine returns JSON text without line breaks, which can only be white space
// between its tokens.
func oneLine(raw jsontext.Value) jsontext.Value {
	if bytes.ContainsAny(raw, "\r\n") {
		_ = raw.Compact(jsontext.AllowDuplicateNames(true)) // raw is valid
	}
	return raw
}

// follower reads a live tail, also one of an instance that is yet to be made.
type follower struct {
	*door
	req front.TailRequest
	sub *front.Subscription // nil while there is no instance
}

// again is after how long an instance that was not there is looked for again.
const again = time.Second

// follow begins to follow an instance.
func (d *door) follow(ctx context.Context, req front.TailRequest) (*follower, error) {
	f := &follower{door: d, req: req}
	return f, f.open(ctx)
}

// open subscribes, if it can.
func (f *follower) open(ctx context.Context) error {
	sub, err := f.Tail(ctx, f.req)
	switch {
	case err == nil:
		f.sub = sub
	case !fault.Is(err, fault.NotFound):
		return err
	case f.req.After == "":
		f.req.After = querier.FromStart // all that the instance will have comes from now on
	}
	return nil
}

// next waits for an event until ctx ends.
func (f *follower) next(ctx context.Context) (front.TailItem, error) {
	for f.sub == nil {
		select {
		case <-ctx.Done():
			return front.TailItem{}, ctx.Err()
		case <-time.After(again):
		}
		if err := f.open(ctx); err != nil {
			return front.TailItem{}, err
		}
	}
	return f.sub.Next(ctx)
}

// cursor is where the follower stands, "" where there is nothing yet.
func (f *follower) cursor() string {
	if f.sub == nil {
		return ""
	}
	return f.sub.Cursor()
}

// recheck returns an error unless who sent the request may still read.
func (f *follower) recheck(r *http.Request) error {
	if f.sub == nil {
		return nil // opening looks at the rights
	}
	return f.sub.Recheck(r)
}

func (f *follower) close() {
	if f.sub != nil {
		f.sub.Close()
	}
}
