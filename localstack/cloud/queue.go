//go:build unix

package cloud

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/google/uuid"
)

// Queue is like one of SQS: it delivers each message at least once, and after
// MaxReceives failures puts it aside.
type Queue struct {
	Function    *Function
	Batch       int           // messages of one invocation at most
	Hidden      time.Duration // how long a message that failed stays away
	MaxReceives int

	mu      sync.Mutex
	waiting []events.SQSMessage
	counts  map[string]int // of receives
	dead    []events.SQSMessage
	busy    int // messages that are being delivered, or hidden
	arrived chan struct{}
}

func newQueue(f *Function) *Queue {
	return &Queue{Function: f, Batch: 100, Hidden: 300 * time.Millisecond, MaxReceives: 10, counts: map[string]int{}, arrived: make(chan struct{}, 1)}
}

// ServeHTTP takes messages.
func (q *Queue) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	take(w, r, func(m events.SQSMessage) { q.Put(m) })
}

// serveDead takes messages that are put aside at once.
func (q *Queue) serveDead(w http.ResponseWriter, r *http.Request) {
	take(w, r, func(m events.SQSMessage) {
		q.mu.Lock()
		defer q.mu.Unlock()
		q.dead = append(q.dead, m)
	})
}

// Redrive puts all dead letters back, each with a new id, as SQS does.
func (q *Queue) Redrive() {
	q.mu.Lock()
	dead := q.dead
	q.dead = nil
	q.mu.Unlock()
	for i := range dead {
		dead[i].MessageId = uuid.NewString()
	}
	q.Put(dead...)
}

// take is the JSON protocol of SQS, as far as sending a message.
func take(w http.ResponseWriter, r *http.Request, put func(events.SQSMessage)) {
	var in struct {
		MessageBody       string
		MessageAttributes map[string]struct{ DataType, StringValue string }
	}
	if r.Header.Get("X-Amz-Target") != "AmazonSQS.SendMessage" || json.NewDecoder(http.MaxBytesReader(w, r.Body, 2<<20)).Decode(&in) != nil || len(in.MessageBody) > 1<<20 {
		w.WriteHeader(http.StatusBadRequest)
		_, _ = w.Write([]byte(`{"__type":"com.amazonaws.sqs#InvalidParameterValue","message":"not understood"}`))
		return
	}
	m := events.SQSMessage{MessageId: uuid.NewString(), Body: in.MessageBody, EventSource: "aws:sqs", MessageAttributes: map[string]events.SQSMessageAttribute{}}
	for name, a := range in.MessageAttributes {
		m.MessageAttributes[name] = events.SQSMessageAttribute{DataType: a.DataType, StringValue: &a.StringValue}
	}
	put(m)
	_ = json.NewEncoder(w).Encode(map[string]string{"MessageId": m.MessageId})
}

// Put makes messages ones to be delivered.
func (q *Queue) Put(messages ...events.SQSMessage) {
	q.mu.Lock()
	q.waiting = append(q.waiting, messages...)
	q.mu.Unlock()
	select {
	case q.arrived <- struct{}{}:
	default:
	}
}

// Idle reports whether nothing is left to be delivered.
func (q *Queue) Idle() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(q.waiting) == 0 && q.busy == 0
}

// Dead returns the messages that were put aside.
func (q *Queue) Dead() []events.SQSMessage {
	q.mu.Lock()
	defer q.mu.Unlock()
	return append([]events.SQSMessage(nil), q.dead...)
}

// run delivers until ctx ends.
func (q *Queue) run(ctx context.Context) {
	for {
		if batch := q.receive(); len(batch) > 0 {
			q.deliver(ctx, batch)
			continue
		}
		select {
		case <-ctx.Done():
			return
		case <-q.arrived:
		}
	}
}

func (q *Queue) receive() []events.SQSMessage {
	q.mu.Lock()
	defer q.mu.Unlock()
	n := min(q.Batch, len(q.waiting))
	batch := append([]events.SQSMessage(nil), q.waiting[:n]...)
	q.waiting = q.waiting[n:]
	q.busy += n
	return batch
}

// deliver invokes the function with a batch. Those that it reports, or all when
// it fails, come again later.
func (q *Queue) deliver(ctx context.Context, batch []events.SQSMessage) {
	failed := map[string]bool{}
	var out events.SQSEventResponse
	payload, err := json.Marshal(events.SQSEvent{Records: batch})
	if err == nil {
		var a Answer
		if a, err = q.Function.Invoke(ctx, payload); err == nil {
			err = json.NewDecoder(a.Body).Decode(&out)
			a.Body.Close()
		}
	}
	for _, f := range out.BatchItemFailures {
		failed[f.ItemIdentifier] = true
	}
	var again []events.SQSMessage
	q.mu.Lock()
	for _, m := range batch {
		if err == nil && !failed[m.MessageId] {
			q.busy--
			continue
		}
		if err == nil || !strings.Contains(err.Error(), ErrThrottled.Error()) {
			q.counts[m.MessageId]++
		}
		if q.counts[m.MessageId] >= q.MaxReceives {
			q.dead = append(q.dead, m)
			q.busy--
			continue
		}
		again = append(again, m)
	}
	q.mu.Unlock()
	if len(again) == 0 {
		return
	}
	time.AfterFunc(q.Hidden, func() {
		q.Put(again...)
		q.mu.Lock()
		q.busy -= len(again)
		q.mu.Unlock()
	})
}
