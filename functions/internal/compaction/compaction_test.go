package compaction

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/firnlog/firn/layout/catalog"
	"github.com/firnlog/firn/layout/commitlog"
	"github.com/firnlog/firn/layout/event"
	"github.com/firnlog/firn/layout/fault"
	"github.com/firnlog/firn/layout/store"
)

// world is a log of one instance whose tail is as long as it says.
type world struct {
	*Log
	t           *testing.T
	seen, fresh int64 // commits by what is known, and by a look
	invoked     []string
	blind, mute error // what a look, and an invocation, fail with
	time        time.Time
}

func newWorld(t *testing.T) *world {
	t.Helper()
	log := commitlog.Open(store.NewMemory())
	if _, err := log.CreateInstance(t.Context(), catalog.Instance{ID: "orders"}); err != nil {
		t.Fatal(err)
	}
	w := &world{t: t, Log: New(log, "", slog.New(slog.DiscardHandler)), time: time.Now()}
	w.now = func() time.Time { return w.time }
	w.unfolded = func(_ context.Context, _ string, maxAge time.Duration) (int64, error) {
		if maxAge > time.Second {
			return w.seen, nil
		}
		return w.fresh, w.blind
	}
	w.invoke = func(_ context.Context, instance string) error {
		w.invoked = append(w.invoked, instance)
		return w.mute
	}
	return w
}

func (w *world) append(want int) {
	w.t.Helper()
	_, err := w.Append(w.t.Context(), "orders", commitlog.Batch{Events: []event.Event{
		{Stream: "s", Type: "t", Time: event.ToMicros(time.Now()), Payload: []byte("1"), Metadata: []byte("{}")}}})
	if err != nil {
		w.t.Errorf("the append: %v", err)
	}
	if len(w.invoked) != want {
		w.t.Errorf("asked %d times, want %d", len(w.invoked), want)
	}
}

func TestAsksWhenTheTailIsLong(t *testing.T) {
	w := newWorld(t)
	w.seen, w.fresh = Tail-1, Tail-1
	w.append(0)
	w.seen = Tail // by an old snapshot
	w.append(0)
	w.fresh = Tail
	w.append(0) // the last look was just now
	w.time = w.time.Add(Interval)
	w.append(1)
	w.append(1)
	w.time = w.time.Add(Interval - 1)
	w.append(1)
	w.time = w.time.Add(1)
	w.append(2)
	if !slices.Equal(w.invoked, []string{"orders", "orders"}) {
		t.Errorf("asked for %q", w.invoked)
	}
}

// An append is answered as ever when nobody can be asked.
func TestFailureChangesNoAnswer(t *testing.T) {
	w := newWorld(t)
	w.seen, w.fresh, w.blind, w.mute = Tail, Tail, errors.New("no"), errors.New("no")
	w.append(0)
	w.blind, w.time = nil, w.time.Add(Interval)
	w.append(1)
}

// The answer to an append that was refused is kept, too, and a run asked for.
func TestAsksWhenNothingIsTaken(t *testing.T) {
	w := newWorld(t)
	w.seen, w.fresh = commitlog.MaxTail, commitlog.MaxTail
	if _, err := w.Append(t.Context(), "none", commitlog.Batch{}); !fault.Is(err, fault.Invalid) || len(w.invoked) != 1 {
		t.Errorf("%v, asked for %q", err, w.invoked)
	}
}

func TestInvocation(t *testing.T) {
	t.Setenv("AWS_ACCESS_KEY_ID", "a")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "b")
	t.Setenv("AWS_REGION", "us-east-1")
	for status, fails := range map[int]bool{202: false, 200: true, 403: true, 429: true, 500: true} {
		srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			body, _ := io.ReadAll(r.Body)
			if string(body) != `{"instances":["orders"]}` || r.Header.Get("X-Amz-Invocation-Type") != "Event" || !strings.Contains(r.Header.Get("Authorization"), "/us-east-1/lambda/aws4_request") {
				t.Errorf("%s %v", body, r.Header)
			}
			w.WriteHeader(status)
		}))
		if err := invoker(srv.URL)(t.Context(), "orders"); (err != nil) != fails {
			t.Errorf("%d: %v", status, err)
		}
		srv.Close()
	}
}
