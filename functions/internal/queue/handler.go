package queue

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"time"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/google/uuid"

	"github.com/firnlog/firn/functions/api"
	"github.com/firnlog/firn/functions/front"
	"github.com/firnlog/firn/layout/commitlog"
	"github.com/firnlog/firn/layout/event"
	"github.com/firnlog/firn/layout/fault"
)

// Sender puts a message on a queue. Errors are Invalid or Limit for what the
// queue never takes, Unavailable where it was not taken, and Unknown.
type Sender interface {
	Send(ctx context.Context, body []byte, attributes map[string]string) error
}

// Handler answers appends of the native API that prefer not to wait (RFC 7240:
// Prefer: respond-async) with 202 once they are on the queue, and hands all other
// requests on. What is wrong with a request, or with the rights of who sends it,
// is said at once.
func Handler(cfg front.Config, to Sender, next http.Handler) http.Handler {
	cfg.Log, cfg.Registry = queued{cfg.Log, to}, nil
	s := front.New(cfg)
	native := s.Handler(api.Door(s))
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodPost || !strings.HasSuffix(r.URL.Path, "/events") || !strings.HasPrefix(r.URL.Path, "/v1/instances/") || !async(r) {
			next.ServeHTTP(w, r)
			return
		}
		t := &taken{}
		answer := &held{header: w.Header()}
		native.ServeHTTP(answer, r.WithContext(context.WithValue(r.Context(), takenKey{}, t)))
		if t.key != "" {
			answer.accept(t)
		}
		w.WriteHeader(answer.status)
		_, _ = w.Write(answer.body.Bytes())
	})
}

func async(r *http.Request) bool {
	for preference := range strings.SplitSeq(strings.Join(r.Header.Values("Prefer"), ","), ",") {
		if strings.TrimSpace(preference) == "respond-async" {
			return true
		}
	}
	return false
}

// taken is what became of a request: key is "" while it is not on the queue.
type taken struct {
	key   string
	count int
}

type takenKey struct{}

// held keeps an answer.
type held struct {
	header http.Header
	status int
	body   bytes.Buffer
}

func (h *held) Header() http.Header { return h.header }

func (h *held) WriteHeader(status int) {
	if h.status == 0 {
		h.status = status
	}
}

func (h *held) Write(b []byte) (int, error) {
	h.WriteHeader(http.StatusOK)
	return h.body.Write(b)
}

// accept replaces the answer by one that says what is known: not that anything
// is stored.
func (h *held) accept(t *taken) {
	body, err := json.Marshal(map[string]any{"type": "eventLog.appendEvents", "success": true,
		"data":      map[string]any{"queued": true, "count": t.count, "idempotencyKey": t.key},
		"timestamp": time.Now().UTC().Format(time.RFC3339), "requestId": h.header.Get("X-Request-Id")})
	if err != nil {
		panic(err) // strings and numbers always encode
	}
	h.status = http.StatusAccepted
	h.body.Reset()
	h.body.Write(append(body, '\n'))
	h.header.Set("Preference-Applied", "respond-async")
}

// queued is a log whose appends go to a queue.
type queued struct {
	front.Log
	to Sender
}

// Append puts a batch on the queue. The receipt says nothing.
func (q queued) Append(ctx context.Context, instance string, b commitlog.Batch) (commitlog.Receipt, error) {
	t, ok := ctx.Value(takenKey{}).(*taken)
	if !ok { // such as the record of an instance that was made
		return q.Log.Append(ctx, instance, b)
	}
	if len(b.Expect) > 0 {
		return commitlog.Receipt{}, errExpect
	}
	body := encode(b.Events)
	if len(body) > MaxMessage {
		return commitlog.Receipt{}, fault.New(fault.Limit, "the events take %d bytes, and the queue takes %d: send fewer at once, or leave out Prefer: respond-async", len(body), MaxMessage)
	}
	attributes := map[string]string{attrInstance: instance, attrKey: b.Key, attrSent: time.Now().UTC().Format(time.RFC3339Nano)}
	if b.Key == "" {
		attributes[attrKey] = uuid.NewString()
	} else {
		attributes[attrHash] = b.Hash
	}
	err := q.to.Send(ctx, body, attributes)
	if err == nil {
		*t = taken{attributes[attrKey], len(b.Events)}
	}
	return commitlog.Receipt{}, err
}

// encode returns events as the body of an append, payloads and metadata byte for
// byte.
func encode(list []event.Event) []byte {
	b := []byte(`{"events":[`)
	for i, e := range list {
		if i > 0 {
			b = append(b, ',')
		}
		b = quoted(append(b, `{"stream_id":`...), e.Stream)
		b = quoted(append(b, `,"event_type":`...), e.Type)
		b = quoted(append(b, `,"timestamp":`...), e.Time.String())
		if e.ID != "" {
			b = quoted(append(b, `,"id":`...), e.ID)
		}
		for n, tag := range e.Tags {
			b = quoted(append(b, map[bool]string{true: `,"tags":[`, false: `,`}[n == 0]...), tag)
		}
		if len(e.Tags) > 0 {
			b = append(b, ']')
		}
		b = append(append(b, `,"payload":`...), e.Payload...)
		b = append(append(append(b, `,"metadata":`...), e.Metadata...), '}')
	}
	return append(b, `]}`...)
}

func quoted(b []byte, s string) []byte {
	b, _ = jsontext.AppendQuote(b, s) // events hold valid UTF-8
	return b
}
