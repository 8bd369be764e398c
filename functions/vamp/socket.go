package vamp

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"net/http"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/coder/websocket"

	"github.com/firnlog/firn/functions/front"
	"github.com/firnlog/firn/layout/catalog"
	"github.com/firnlog/firn/layout/fault"
)

// maxMessage bounds a message that a client sends, and maxTunnelled an answer
// to one. What is larger can be had over HTTP.
const (
	maxMessage   = front.MaxSmallBody
	maxTunnelled = 16 << 20
)

// session is a WebSocket. Its messages are answered one after another, while
// the one stream that it may have, of the last PEEK, goes on beside.
type session struct {
	*door
	conn   *websocket.Conn
	origin *http.Request
	id     string
	alive  context.Context    // until the client leaves
	stop   context.CancelFunc // of the stream, nil while there is none
	tasks  sync.WaitGroup
}

// socket serves a WebSocket until the client leaves.
func (d *door) socket(w http.ResponseWriter, r *http.Request, _ string) error {
	conn, err := websocket.Accept(w, r, &websocket.AcceptOptions{
		OriginPatterns: d.Origins, InsecureSkipVerify: slices.Contains(d.Origins, "*")})
	if err != nil {
		return nil // Accept answered
	}
	defer conn.CloseNow()
	conn.SetReadLimit(maxMessage)
	ctx, cancel := context.WithCancel(r.Context())
	s := &session{door: d, conn: conn, origin: r, id: front.RequestID(w), alive: ctx}
	defer s.tasks.Wait()
	defer cancel()
	s.begin(func() { s.ping(ctx, cancel) })
	for {
		kind, body, err := conn.Read(ctx)
		if err != nil {
			return nil
		}
		if kind != websocket.MessageText {
			_ = conn.Close(websocket.StatusUnsupportedData, "messages are texts")
			return nil
		}
		if s.reply(ctx, body) != nil {
			return nil
		}
	}
}

// begin runs a task of the session, whose panic must not end the process.
func (s *session) begin(task func()) {
	s.tasks.Go(func() {
		defer func() {
			if p := recover(); p != nil {
				s.Logger.Error("panic", "route", s.origin.Pattern, "requestId", s.id, "panic", p, "stack", string(debug.Stack()))
				s.conn.CloseNow()
			}
		}()
		task()
	})
}

// ping ends the session when the client does not answer any more, or may not
// connect any more.
func (s *session) ping(ctx context.Context, cancel context.CancelFunc) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-time.After(heartbeat):
		}
		wait, done := context.WithTimeout(ctx, writeTime)
		_, err := s.caller(wait)
		err = cmp.Or(err, s.conn.Ping(wait))
		done()
		if err != nil {
			cancel()
			return
		}
	}
}

// caller returns ctx with who sent the session's first request, and with what
// rights that is by now. Sessions last longer than keys.
func (s *session) caller(ctx context.Context) (context.Context, error) {
	if s.Authenticate == nil {
		return ctx, nil
	}
	caller, err := s.Authenticate(s.origin)
	return front.WithCaller(ctx, caller), err
}

// send writes a message. The client has a while to take it in. A write whose
// context ends closes the connection, so this must not be that of a stream.
func (s *session) send(b []byte) error {
	ctx, done := context.WithTimeout(s.alive, writeTime)
	defer done()
	return s.conn.Write(ctx, websocket.MessageText, b)
}

// reply answers a message, unless there is no answer yet.
func (s *session) reply(ctx context.Context, body []byte) error {
	ctx, end := s.WithAnswer(ctx)
	defer end()
	if answer := s.handle(ctx, body); answer != nil {
		return s.send(answer)
	}
	return nil
}

// handle answers a message; a stream that begins is no answer yet.
func (s *session) handle(ctx context.Context, body []byte) []byte {
	l := s.Borrow()
	defer l.End()
	err := l.Grow(ctx, 2*int64(len(body)))
	var m message
	if err == nil {
		m, err = parseMessage(ctx, l, body)
	}
	if err != nil {
		return append(appendText([]byte(`{"status":"ERROR","error":`), err.Error()), '}')
	}
	var answer []byte
	if ctx, err = s.caller(ctx); err == nil {
		if namespace, ok := m.streamed(); ok {
			err = s.peek(ctx, l, m, cmp.Or(namespace, s.instance))
		} else {
			answer, err = s.call(ctx, m)
		}
	}
	if err != nil {
		return m.answer("ERROR", s.message(ctx, err), nil)
	}
	return answer
}

// message is the body of an answer that says why there is none.
func (s *session) message(ctx context.Context, err error) string {
	return string(append(appendText([]byte(`{"message":`), s.Explain(ctx, s.origin.Pattern, s.id, err)), '}'))
}

// peek begins a stream, in the place of the one that there may be.
func (s *session) peek(ctx context.Context, l *front.Loan, m message, instance string) error {
	q, err := m.query(ctx, l)
	if err == nil {
		err = catalog.CheckID(instance)
	}
	if err != nil {
		return err
	}
	if s.stop != nil {
		s.stop()
	}
	ctx, s.stop = context.WithCancel(ctx)
	f, err := s.follow(ctx, front.TailRequest{Instance: instance, Where: q.filter()})
	if err != nil {
		return err
	}
	s.begin(func() {
		defer f.close()
		s.push(ctx, m, f, instance)
	})
	return nil
}

// push sends events until ctx ends.
func (s *session) push(ctx context.Context, m message, f *follower, instance string) {
	checked := time.Now()
	for {
		if time.Since(checked) >= heartbeat {
			checked = time.Now()
			if err := f.recheck(s.origin); err != nil {
				_ = s.send(m.answer("ERROR", s.message(ctx, err), nil))
				return
			}
		}
		wait, cancel := context.WithDeadline(ctx, checked.Add(heartbeat))
		item, err := f.next(wait)
		late := wait.Err() != nil && errors.Is(err, wait.Err())
		cancel()
		switch {
		case ctx.Err() != nil:
			return
		case late:
			continue
		case err != nil:
			_ = s.send(m.answer("ERROR", s.message(ctx, err), nil))
			return
		}
		v := newView(&item.Event, instance)
		data := v.appendJSON(nil)
		if m.accept == "YAML" {
			data = toYAML(data)
		}
		if s.send(m.answer("OK", string(data), nil)) != nil {
			return
		}
	}
}

// call answers a message with what the call over HTTP would be answered with.
func (s *session) call(ctx context.Context, m message) ([]byte, error) {
	target, err := m.target()
	if err != nil {
		return nil, err
	}
	req, err := http.NewRequestWithContext(ctx, actions[m.action], target.RequestURI(), strings.NewReader(m.data))
	if err != nil {
		return nil, invalid("Unsupported path: %s", shorten(m.path))
	}
	req.Host, req.TLS, req.RequestURI = s.origin.Host, s.origin.TLS, target.RequestURI()
	req.Header.Set("Accept", contents[m.accept])
	req.Header.Set("Content-Type", contents[m.content])
	req.Header.Set("X-Forwarded-Proto", s.origin.Header.Get("X-Forwarded-Proto"))
	if _, pattern := s.tunnel.Handler(req); pattern == "" || strings.Contains(pattern, "/events/stream") {
		return nil, fault.New(fault.NotFound, "there is nothing at this path for %s", m.action)
	}
	out := &tunnelled{header: http.Header{"X-Request-Id": {s.id}}}
	if err := out.take(&s.tunnel, req); err != nil {
		return nil, err
	}
	return m.answer(out.word(), out.body.String(), out.params()), nil
}

// tunnelled takes the answer to a call.
type tunnelled struct {
	header http.Header
	status int
	body   bytes.Buffer
	full   bool
}

// take makes the call. A list that grows beyond what a message can hold is
// broken off.
func (t *tunnelled) take(h http.Handler, r *http.Request) (err error) {
	defer func() {
		if p := recover(); p != nil && p != http.ErrAbortHandler {
			panic(p)
		} else if p != nil || t.full {
			err = fault.New(fault.Limit, "the answer has more than %d bytes, or could not be finished: ask for fewer events, or over HTTP", maxTunnelled)
		}
	}()
	h.ServeHTTP(t, r)
	return nil
}

func (t *tunnelled) Header() http.Header { return t.header }

func (t *tunnelled) WriteHeader(status int) { t.status = cmp.Or(t.status, status) }

func (t *tunnelled) Write(b []byte) (int, error) {
	t.WriteHeader(http.StatusOK)
	if t.body.Len()+len(b) > maxTunnelled {
		t.full = true
		return 0, fault.New(fault.Limit, "the answer has more than %d bytes", maxTunnelled)
	}
	return t.body.Write(b)
}

// word is Vamp's word for the status.
func (t *tunnelled) word() string {
	switch t.status {
	case http.StatusOK, http.StatusCreated:
		return "OK"
	case http.StatusNoContent:
		return "NOCONTENT"
	}
	return "ERROR"
}

// params are the answer's headers, by name.
func (t *tunnelled) params() (list []member) {
	for name, values := range t.header {
		list = append(list, member{name, appendText(nil, strings.Join(values, ", "))})
	}
	slices.SortFunc(list, func(a, b member) int { return strings.Compare(a.name, b.name) })
	return list
}
