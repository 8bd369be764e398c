package api

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/firnlog/firn/functions/front"
	"github.com/firnlog/firn/layout/fault"
	"github.com/firnlog/firn/querier"
)

// Times of a stream.
const (
	heartbeat     = 15 * time.Second // between two signs of life, and two looks at the caller's rights
	writePatience = 30 * time.Second // for a client that does not read
)

// tail streams events as they are appended, in the form of server-sent events
// (WHATWG HTML, section 9.2): data is an event as other reads show it, id the
// cursor behind it. Parameters:
//
//	stream  events of this stream
//	type    of this type; of any of them when it is repeated
//	tag     with this tag; with all of them when it is repeated
//	after   from this cursor on; start: from the first event; by default, what
//	        is appended from now on
//
// The header Last-Event-ID, which browsers send when they connect again, goes
// before after. An id also comes alone, where a cursor is known and no event is
// to be sent: at the beginning, so that nothing is lost between a first and a
// second connection, and beside heartbeats, so that waiting for rare events is
// gone on with where it ended. What ends a stream comes as an event "end", whose
// data is {"code":…,"error":…}.
func (a API) tail(w http.ResponseWriter, r *http.Request) {
	req, err := parseTail(r)
	var sub *front.Subscription
	if err == nil {
		sub, err = a.Tail(r.Context(), req)
	}
	if err != nil {
		a.respond(w, r, "eventLog.tail", answer{}, err)
		return
	}
	defer sub.Close()
	s := &stream{ResponseController: http.NewResponseController(w), w: w, sub: sub}
	if err := s.begin(); err != nil || r.Method == http.MethodHead {
		return
	}
	for {
		if err := s.step(r); err != nil {
			if r.Context().Err() == nil {
				s.close(fault.KindOf(err).String(), a.ErrorText(w, r, err))
			}
			return
		}
	}
}

func parseTail(r *http.Request) (req front.TailRequest, err error) {
	p, err := parseParams(r, []string{"stream", "type", "tag", "after"}, "type", "tag")
	if err != nil {
		return req, err
	}
	for name := range p.Values {
		if p.Get(name) == "" {
			return req, fault.New(fault.Invalid, "the parameter %s is empty: leave it out", name)
		}
	}
	if req.Instance, err = instanceRef(r); err != nil {
		return req, err
	}
	req.Stream, req.After = p.Get("stream"), p.Get("after")
	req.Where = texts(req.Where, querier.Type, querier.In, p.Values["type"])
	for _, tag := range p.Values["tag"] {
		req.Where = texts(req.Where, querier.Tags, querier.Contains, []string{tag})
	}
	if last := r.Header.Get("Last-Event-ID"); last != "" {
		req.After = last
	}
	return req, nil
}

// stream is an answer that goes on. It is for one goroutine.
type stream struct {
	*http.ResponseController
	w        http.ResponseWriter
	sub      *front.Subscription
	line     []byte
	id       string    // that was sent last
	alive    time.Time // when the last sign of life was sent
	deadline time.Time // of writes
}

// begin sends the header and where the stream begins. The deadlines of the
// server are for requests that end: the one for reading would be met by the
// connection's watch for the client's going.
func (s *stream) begin() error {
	if err := s.SetReadDeadline(time.Time{}); err != nil && !errors.Is(err, http.ErrNotSupported) {
		return err
	}
	h := s.w.Header()
	h.Set("Content-Type", "text/event-stream")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Accel-Buffering", "no") // for nginx and those who follow it
	h.Set("X-Content-Type-Options", "nosniff")
	s.w.WriteHeader(http.StatusOK)
	if err := s.write([]byte("retry: 1000\n")); err != nil {
		return err
	}
	return s.beat()
}

// step sends the next event, or a sign of life where none comes soon. An error
// ends the stream.
func (s *stream) step(r *http.Request) error {
	if time.Since(s.alive) >= heartbeat {
		if err := s.sub.Recheck(r); err != nil {
			return err
		}
		return s.beat()
	}
	wait, cancel := context.WithDeadline(r.Context(), s.alive.Add(heartbeat))
	defer cancel()
	item, err := s.sub.Next(wait)
	if wait.Err() != nil && r.Context().Err() == nil && errors.Is(err, wait.Err()) {
		return nil
	}
	if err != nil {
		return err
	}
	s.id = item.Cursor
	s.line = querier.AppendEvent(append(s.line[:0], "data: "...), s.sub.Instance, &item.Event)
	for i, c := range s.line {
		if c == '\n' || c == '\r' {
			s.line[i] = ' ' // between the tokens of JSON: there are none elsewhere
		}
	}
	s.line = append(append(append(s.line, "\nid: "...), item.Cursor...), "\n\n"...)
	if err := s.write(s.line); err != nil || s.sub.Ready() {
		return err
	}
	return s.Flush()
}

// beat sends a sign of life: the cursor where that has moved, else a comment.
func (s *stream) beat() error {
	s.alive = time.Now()
	text := ":\n\n"
	if id := s.sub.Cursor(); id != s.id {
		s.id, text = id, "id: "+id+"\n\n"
	}
	if err := s.write([]byte(text)); err != nil {
		return err
	}
	return s.Flush()
}

// close says why the stream ends. Who does not read it need not know.
func (s *stream) close(code, text string) {
	body := encode(map[string]string{"code": code, "error": strings.ToValidUTF8(text, "\uFFFD")})
	if s.write([]byte("event: end\ndata: "+string(body)+"\n\n")) == nil {
		_ = s.Flush()
	}
}

// write writes, and gives the client some time to read before it is dropped.
func (s *stream) write(text []byte) error {
	if now := time.Now(); s.deadline.Sub(now) < writePatience-time.Second {
		s.deadline = now.Add(writePatience)
		if err := s.SetWriteDeadline(s.deadline); err != nil && !errors.Is(err, http.ErrNotSupported) {
			return err
		}
	}
	_, err := s.w.Write(text)
	return err
}
