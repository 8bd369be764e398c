package queue

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"

	"github.com/firnlog/firn/functions/api"
	"github.com/firnlog/firn/functions/front"
	"github.com/firnlog/firn/layout/catalog"
	"github.com/firnlog/firn/layout/commitlog"
	"github.com/firnlog/firn/layout/fault"
	"github.com/firnlog/firn/layout/store"
	"github.com/firnlog/firn/querier"
)

// world is a queue between a handler and a consumer over one bucket.
type world struct {
	t        *testing.T
	handler  http.Handler
	consumer *Consumer
	sent     []events.SQSMessage
	fail     error // of the next message
	denied   bool
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{t: t}
	log := commitlog.Open(store.NewMemory())
	if _, err := log.CreateInstance(t.Context(), catalog.Instance{ID: "orders"}); err != nil {
		t.Fatal(err)
	}
	cfg := front.Config{Log: log, Queries: querier.NewEngine(log), Store: log.Store(), Logger: slog.New(slog.DiscardHandler),
		Authenticate: func(*http.Request) (front.Caller, error) {
			if w.denied {
				return front.Caller{Name: "nobody"}, nil
			}
			return front.Anyone, nil
		}}
	s := front.New(cfg)
	w.handler = Handler(cfg, w, s.Handler(api.Door(s)))
	w.consumer = &Consumer{Service: s, StreamInstance: "orders", Logger: cfg.Logger}
	return w
}

// Send implements [Sender].
func (w *world) Send(_ context.Context, body []byte, attributes map[string]string) error {
	if w.fail != nil {
		return w.fail
	}
	m := message1(fmt.Sprint("m", len(w.sent)), string(body), nil)
	for name, text := range attributes {
		m.MessageAttributes[name] = events.SQSMessageAttribute{DataType: "String", StringValue: &text}
	}
	w.sent = append(w.sent, m)
	return nil
}

func message1(id, body string, attributes map[string]string) events.SQSMessage {
	m := events.SQSMessage{MessageId: id, Body: body, EventSource: "aws:sqs", MessageAttributes: map[string]events.SQSMessageAttribute{}}
	for name, text := range attributes {
		m.MessageAttributes[name] = events.SQSMessageAttribute{DataType: "String", StringValue: &text}
	}
	return m
}

func (w *world) do(method, path, body string, header ...string) (int, string) {
	w.t.Helper()
	r := httptest.NewRequestWithContext(w.t.Context(), method, path, strings.NewReader(body))
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	rec := httptest.NewRecorder()
	w.handler.ServeHTTP(rec, r)
	return rec.Code, rec.Body.String()
}

// take hands messages to the consumer and returns the ids that it reports.
func (w *world) take(messages ...events.SQSMessage) []string {
	w.t.Helper()
	payload, err := json.Marshal(events.SQSEvent{Records: messages})
	if err != nil {
		w.t.Fatal(err)
	}
	if !IsBatch(payload) {
		w.t.Fatalf("no batch: %s", payload)
	}
	out, err := w.consumer.Take(w.t.Context(), payload)
	if err != nil {
		w.t.Fatal(err)
	}
	ids := []string{}
	for _, f := range out.(events.SQSEventResponse).BatchItemFailures {
		ids = append(ids, f.ItemIdentifier)
	}
	return ids
}

func (w *world) count(want int) {
	w.t.Helper()
	_, body := w.do("GET", "/v1/instances/orders/stats", "")
	if !strings.Contains(body, fmt.Sprintf(`"eventCount":%d`, want)) && !strings.Contains(body, fmt.Sprintf(`:%d,`, want)) && !strings.Contains(body, fmt.Sprintf(`:%d}`, want)) {
		w.t.Errorf("want %d events: %s", want, body)
	}
}

const (
	path        = "/v1/instances/orders/events"
	preferAsync = "respond-async"
	order       = `{"stream_id":"s","event_type":"t","payload":{"a" : 1.0,  "b":"<\u00e9>"},"tags":["x","y:z"],"metadata":{"m":[ ]}}`
)

// What is put on the queue is stored once, however often it is delivered, byte
// for byte and with the time of the request.
func TestQueuedAppend(t *testing.T) {
	w := newWorld(t)
	began := time.Now()
	status, body := w.do("POST", path, order, "Prefer", preferAsync)
	if status != http.StatusAccepted || !strings.Contains(body, `"queued":true`) || len(w.sent) != 1 {
		t.Fatalf("%d %s, %d messages", status, body, len(w.sent))
	}
	w.count(0)
	again := w.sent[0]
	again.MessageId = "redriven" // a redrive gives a message a new id
	if failed := w.take(w.sent[0], again); len(failed) > 0 {
		t.Fatalf("failed: %q", failed)
	}
	if failed := w.take(again); len(failed) > 0 {
		t.Fatalf("failed: %q", failed)
	}
	w.count(1)
	_, body = w.do("GET", path, "")
	for _, want := range []string{`{"a" : 1.0,  "b":"<\u00e9>"}`, `{"m":[ ]}`, `"y:z"`, began.UTC().Format("2006-01-02T15:04")} {
		if !strings.Contains(body, want) {
			t.Errorf("%s is not in %s", want, body)
		}
	}
}

// A client that repeats a request under its own key, by the queue or without it,
// finds it stored once.
func TestKeyOfTheClient(t *testing.T) {
	w := newWorld(t)
	for range 2 {
		if status, body := w.do("POST", path, order, "Prefer", preferAsync, "Idempotency-Key", "k"); status != http.StatusAccepted {
			t.Fatal(status, body)
		}
	}
	if failed := w.take(w.sent...); len(failed) > 0 {
		t.Fatalf("failed: %q", failed)
	}
	if status, body := w.do("POST", path, order, "Idempotency-Key", "k"); status != http.StatusCreated || !strings.Contains(body, `"replayed":true`) {
		t.Errorf("%d %s", status, body)
	}
	w.count(1)
}

// What is wrong is said at once, and nothing is put on the queue.
func TestRefusedAtOnce(t *testing.T) {
	w := newWorld(t)
	f := func(status int, text, path, body string, header ...string) {
		t.Helper()
		got, answer := w.do("POST", path, body, append([]string{"Prefer", preferAsync}, header...)...)
		if got != status || !strings.Contains(answer, text) || len(w.sent) > 0 {
			t.Errorf("%d %s, want %d %s", got, answer, status, text)
		}
	}
	f(400, "expectedSequence", path+"?expectedSequence=0", order)
	f(400, "stream_id", path, `{"stream_id":7}`)
	f(404, "", "/v1/instances/none/events", order)
	f(413, "the queue takes", path, `{"stream_id":"s","event_type":"t","payload":"`+strings.Repeat("x", MaxMessage)+`"}`)
	w.fail = fault.New(fault.Unknown, "no answer")
	f(504, "unknown_outcome", path, order)
	w.fail = fault.New(fault.Unavailable, "no")
	f(503, "unavailable", path, order)
	w.fail, w.denied = nil, true
	f(403, "denied", path, order)
}

// Without the preference, and for everything else, nothing changes.
func TestDirect(t *testing.T) {
	w := newWorld(t)
	if status, body := w.do("POST", path, order); status != http.StatusCreated || len(w.sent) > 0 {
		t.Errorf("%d %s", status, body)
	}
	if status, _ := w.do("GET", path, "", "Prefer", preferAsync); status != http.StatusOK {
		t.Errorf("%d", status)
	}
	w.count(1)
}

// Of a batch only what failed is reported; the rest is stored.
func TestPartialFailures(t *testing.T) {
	w := newWorld(t)
	attributes := func(changes ...string) map[string]string {
		a := map[string]string{attrInstance: "orders", attrKey: "k" + strings.Join(changes, "_"), attrSent: time.Now().Format(time.RFC3339)}
		for i := 0; i < len(changes); i += 2 {
			a[changes[i]] = changes[i+1]
		}
		return a
	}
	old := time.Now().Add(-MaxAge - time.Minute).Format(time.RFC3339)
	young := time.Now().Add(-MaxAge + time.Minute).Format(time.RFC3339)
	failed := w.take(
		message1("good", order, attributes()),
		message1("no key", order, attributes(attrKey, "")),
		message1("no time", order, attributes(attrSent, "yesterday")),
		message1("old", order, attributes(attrSent, old)),
		message1("young enough", order, attributes(attrSent, young)),
		message1("no JSON", "{", attributes()),
		message1("no events", "[]", attributes()),
		message1("expects", `{"expectedSequence":0,"events":[`+order+`]}`, attributes()),
		message1("nowhere", order, attributes(attrInstance, "none")),
		message1("Firn's own", order, attributes(attrInstance, "_firn")),
		message1("other request", `[`+order+`,`+order+`]`, attributes()),
	)
	want := []string{"no key", "no time", "old", "no JSON", "no events", "expects", "nowhere", "Firn's own"}
	// Of two requests under one key one is stored, and the other refused.
	got := slices.DeleteFunc(slices.Clone(failed), func(id string) bool { return id == "good" || id == "other request" })
	if !slices.Equal(got, want) || len(failed) != len(want)+1 {
		t.Errorf("failed: %q", failed)
	}
}

func TestKinesis(t *testing.T) {
	w := newWorld(t)
	record := func(n int, data string) events.KinesisEventRecord {
		r := events.KinesisEventRecord{EventID: fmt.Sprint("shard:", n), EventSource: "aws:kinesis"}
		r.Kinesis.SequenceNumber, r.Kinesis.Data = fmt.Sprint(n), []byte(data)
		r.Kinesis.ApproximateArrivalTimestamp = events.SecondsEpochTime{Time: time.Now()}
		return r
	}
	take := func(want string, records ...events.KinesisEventRecord) {
		t.Helper()
		payload, err := json.Marshal(events.KinesisEvent{Records: records})
		if err != nil {
			t.Fatal(err)
		}
		out, err := w.consumer.Take(t.Context(), payload)
		got := ""
		for _, f := range out.(events.KinesisEventResponse).BatchItemFailures {
			got += f.ItemIdentifier
		}
		if err != nil || got != want {
			t.Errorf("%v, failed %q, want %q", err, got, want)
		}
	}
	take("2", record(1, order), record(2, "{"), record(3, order)) // nothing behind the first failure is stored
	w.count(1)
	take("", record(1, order), record(3, order))
	w.count(2)
	// What can never be stored is put aside where there is a place, and holds up
	// nothing; what may be stored some time waits.
	w.consumer.Aside = w
	take("", record(1, order), record(2, "{"), record(4, order))
	w.count(3)
	if m := w.sent[0]; len(w.sent) != 1 || m.Body != "{" || *m.MessageAttributes[attrKey].StringValue != "kinesis:shard:2" {
		t.Errorf("put aside: %+v", w.sent)
	}
	w.consumer.StreamInstance = "none"
	take("5", record(5, order))
	w.consumer.StreamInstance, w.fail = "orders", fault.New(fault.Unavailable, "no")
	take("6", record(6, "{"))
}

// The queue's answers become what may be concluded from them.
func TestSQS(t *testing.T) {
	t.Setenv("AWS_ACCESS_KEY_ID", "a")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "b")
	t.Setenv("AWS_REGION", "us-east-1")
	f := func(kind fault.Kind, fails bool, tries int, answers ...string) {
		t.Helper()
		n := 0
		srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			body, _ := io.ReadAll(r.Body)
			var in struct {
				MessageBody       string
				MessageAttributes map[string]struct{ DataType, StringValue string }
			}
			if err := json.Unmarshal(body, &in); err != nil || in.MessageBody != "body" || in.MessageAttributes["a"].StringValue != "b" ||
				r.Header.Get("X-Amz-Target") != "AmazonSQS.SendMessage" || !strings.Contains(r.Header.Get("Authorization"), "/us-east-1/sqs/aws4_request") {
				t.Errorf("%v %s %v", err, body, r.Header)
			}
			answer := answers[min(n, len(answers)-1)]
			n++
			if answer == "hang up" {
				panic(http.ErrAbortHandler)
			}
			status, text, _ := strings.Cut(answer, " ")
			w.WriteHeader(map[string]int{"200": 200, "400": 400, "500": 500}[status])
			io.WriteString(w, text)
		}))
		defer srv.Close()
		err := NewSQS(srv.URL).Send(t.Context(), []byte("body"), map[string]string{"a": "b"})
		if fails != (err != nil) || fails && fault.KindOf(err) != kind || n != tries {
			t.Errorf("%q: %v after %d tries", answers, err, n)
		}
	}
	f(0, false, 1, "200 {}")
	f(0, false, 2, "500 ", "200 {}")
	f(0, false, 3, "hang up", "hang up", "200 {}")
	f(fault.Unknown, true, 3, "500 ", `400 {"__type":"RequestThrottled"}`)
	f(fault.Unavailable, true, 3, `400 {"__type":"com.amazonaws.sqs#RequestThrottled"}`)
	f(fault.Invalid, true, 1, `400 {"__type":"com.amazonaws.sqs#InvalidMessageContents"}`)
}
