//go:build unix

package cloud

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"

	"github.com/firnlog/firn/layout/catalog"
	"github.com/firnlog/firn/layout/commitlog"
	layout "github.com/firnlog/firn/layout/event"
)

// message returns one as Firn puts it on the queue.
func message(instance, key, body string, sent time.Time) events.SQSMessage {
	m := events.SQSMessage{MessageId: key, Body: body, EventSource: "aws:sqs", MessageAttributes: map[string]events.SQSMessageAttribute{}}
	for name, text := range map[string]string{"firn-instance": instance, "firn-key": key, "firn-sent": sent.UTC().Format(time.RFC3339)} {
		m.MessageAttributes[name] = events.SQSMessageAttribute{DataType: "String", StringValue: &text}
	}
	return m
}

// keys returns the idempotency keys of messages, sorted.
func keys(messages []events.SQSMessage) (out []string) {
	for _, m := range messages {
		out = append(out, *m.MessageAttributes["firn-key"].StringValue)
	}
	slices.Sort(out)
	return out
}

// wait waits until something is so.
func (w *world) wait(ctx context.Context, what string, so func() bool) {
	w.t.Helper()
	for !so() {
		if ctx.Err() != nil {
			w.t.Fatalf("%s: never", what)
		}
		time.Sleep(10 * time.Millisecond) // other processes work
	}
}

// numbers returns what the payloads of a stream hold, in its order.
func (w *world) numbers(ctx context.Context, stream string) (out []int) {
	w.t.Helper()
	for _, e := range w.read(ctx, stream) {
		out = append(out, e.Payload.N)
	}
	return out
}

func one(stream string, n int) string {
	return fmt.Sprintf(`{"stream_id":%q,"event_type":"made","payload":{"n":%d}}`, stream, n)
}

// Messages that fail again and again are put aside and no others are; once their
// cause is mended a redrive stores them once, but never those that are older than
// their keys are remembered. Records of a stream are stored in the order of their
// partition keys while environments are killed; those that can never be stored
// are put aside, and what comes behind them is stored. Last, an append that
// finds a long tail has it compacted, without any schedule.
func TestBatches(t *testing.T) {
	if testing.Short() {
		t.Skip("it runs many processes")
	}
	w := newWorld(t, 0)
	w.Queue.MaxReceives, w.Queue.Hidden = 2, 20*time.Millisecond
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	t.Run("DeadLetters", func(t *testing.T) { w.deadLetters(ctx) })
	t.Run("Stream", func(t *testing.T) { w.stream(ctx) })
	t.Run("Tail", func(t *testing.T) { w.longTail(ctx) })
}

func (w *world) deadLetters(ctx context.Context) {
	now := time.Now()
	good := message("orders", "good", one("q", 0), now)
	w.Queue.Put(good, message("orders", "broken", "{", now), message("late", "early", one("q", 1), now), message("orders", "old", one("q", 2), now.Add(-25*time.Hour)))
	w.wait(ctx, "delivered", w.Queue.Idle)
	if got := keys(w.Queue.Dead()); !slices.Equal(got, []string{"broken", "early", "old"}) {
		w.t.Errorf("put aside: %q", got)
	}
	if _, err := w.log.CreateInstance(ctx, catalog.Instance{ID: "late"}); err != nil {
		w.t.Fatal(err)
	}
	w.Queue.Put(good)
	w.wait(ctx, "redriven", func() bool { // the functions hear of the new instance some time
		if w.Queue.Idle() && len(w.Queue.Dead()) == 3 {
			w.Queue.Redrive()
		}
		return w.Queue.Idle() && len(w.Queue.Dead()) < 3
	})
	if got := keys(w.Queue.Dead()); !slices.Equal(got, []string{"broken", "old"}) {
		w.t.Errorf("put aside after the redrive: %q", got)
	}
	if got := w.numbers(ctx, "q"); !slices.Equal(got, []int{0}) {
		w.t.Errorf("stored: %v", got)
	}
	if _, answer, err := w.do(ctx, "GET", "/v1/instances/late/events", ""); err != nil || strings.Count(string(answer), `"sequence_number"`) != 1 {
		w.t.Errorf("stored in the late instance: %s %v", answer, err)
	}
}

func (w *world) stream(ctx context.Context) {
	const each = 40
	dead := len(w.Queue.Dead())
	for n := range each {
		for key := range 4 {
			w.Stream.Put(fmt.Sprint("p", key), []byte(one(fmt.Sprint("p", key), n)))
		}
		if n == each/2 {
			w.Stream.Put("p1", []byte("{"))
		}
	}
	w.wait(ctx, "a kill in the middle", func() bool { return w.Functions["ingest"].KillOne() || w.Stream.Idle() })
	w.wait(ctx, "delivered", w.Stream.Idle)
	for key := range 4 {
		got := w.numbers(ctx, fmt.Sprint("p", key))
		if len(got) != each || !slices.IsSorted(got) || slices.Compact(got)[len(slices.Compact(got))-1] != each-1 {
			w.t.Errorf("p%d: %v", key, got)
		}
	}
	aside := w.Queue.Dead()[dead:]
	if len(w.Stream.GivenUp()) > 0 || len(aside) != 1 || aside[0].Body != "{" || !strings.HasPrefix(keys(aside)[0], "kinesis:shardId-") {
		w.t.Errorf("given up: %v, put aside: %+v", w.Stream.GivenUp(), aside)
	}
}

func (w *world) longTail(ctx context.Context) {
	if n := w.Functions["compact"].Stats().Invocations; n > 0 {
		w.t.Errorf("compaction was asked for %d times too early", n)
	}
	b := commitlog.Batch{Events: []layout.Event{{Stream: "tail", Type: "made", Time: layout.ToMicros(time.Now()), Payload: []byte(`{"n":0}`), Metadata: []byte("{}")}}}
	for range 256 {
		if _, err := w.log.Append(ctx, "orders", b); err != nil {
			w.t.Fatal(err)
		}
	}
	if tries := w.persist(ctx, "tail", one("tail", 1), http.StatusCreated); tries != 1 {
		w.t.Errorf("it took %d tries", tries)
	}
	w.wait(ctx, "compacted", func() bool {
		v, err := w.log.Pin(ctx, "orders")
		return err == nil && len(v.Tail) < 256
	})
	w.persist(ctx, "tail2", one("tail", 2), http.StatusCreated)
	w.wait(ctx, "the run ends", func() bool { return w.Functions["compact"].Stats().Invocations > 0 })
	if n := w.Functions["compact"].Stats().Invocations; n != 1 {
		w.t.Errorf("compaction was asked for %d times", n)
	}
}
