package clustercockpit

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/firnlog/firn/layout/event"
	"github.com/firnlog/firn/layout/fault"
)

// How long a pull waits for its first message, and then for further ones.
const (
	pullWait = 5 * time.Second
	moreWait = 5 * time.Millisecond
)

// stream is an open consumer of a stream.
type stream struct {
	consumer jetstream.Consumer
	// prefix of ids: it stands for this receiver and this stream. A stream that
	// was made again counts from 1 again.
	prefix string
	// highest sequence number so far. What comes again below it does, though a
	// server that was killed may say that it is for the first time.
	highest uint64
}

// follow receives from a stream until ctx ends. A message is acknowledged when
// its events are durable; until then the stream keeps it.
func (r *natsReceiver) follow(ctx context.Context, conn *nats.Conn) error {
	js, err := jetstream.New(conn)
	if err != nil {
		return fault.New(fault.Invalid, "receiver %q: %w", r.config.Name, err)
	}
	grace, stop := r.lasting(ctx)
	defer stop()
	for try := 0; ; try++ {
		s, err := r.open(ctx, js)
		if err == nil {
			try = 0
			r.trouble.Store(nil)
			r.unsure.Store(true)
			err = r.pull(ctx, grace, s)
		}
		if !r.failed(ctx, "stream "+r.config.Stream, try, err) {
			return nil
		}
	}
}

// open finds the stream and its durable consumer, and makes the consumer if it
// is not there. The stream itself is the operator's.
func (r *natsReceiver) open(ctx context.Context, js jetstream.JetStream) (*stream, error) {
	st, err := js.Stream(ctx, r.config.Stream)
	if err != nil {
		return nil, err
	}
	consumer, err := st.Consumer(ctx, r.config.Consumer)
	if errors.Is(err, jetstream.ErrConsumerNotFound) {
		consumer, err = st.CreateConsumer(ctx, jetstream.ConsumerConfig{
			Durable: r.config.Consumer, FilterSubject: r.config.Subject, Description: "Firn receiver " + r.config.Name,
			AckPolicy: jetstream.AckExplicitPolicy, AckWait: r.limits.ackWait, MaxAckPending: 4 * r.limits.batch,
		})
	}
	if err != nil {
		return nil, err
	}
	if policy := consumer.CachedInfo().Config.AckPolicy; policy != jetstream.AckExplicitPolicy {
		return nil, fmt.Errorf("consumer %s acknowledges %v: it must be explicit", r.config.Consumer, policy)
	}
	hash := sha256.Sum256(fmt.Appendf(nil, "%q %q %d", r.config.Name, r.config.Stream, st.CachedInfo().Created.UnixNano()))
	opened := &stream{consumer: consumer, prefix: "nats-" + hex.EncodeToString(hash[:8])}
	if r.last != nil && r.last.prefix == opened.prefix {
		opened.highest = r.last.highest
	}
	r.last = opened
	return opened, nil
}

// pull takes batch after batch until something fails, or ctx ends and the last
// one is stored.
func (r *natsReceiver) pull(ctx, grace context.Context, s *stream) error {
	for {
		batch, err := r.batch(ctx, s)
		if len(batch) > 0 && !r.take(grace, batch) {
			return grace.Err() // what was not acknowledged is delivered again
		}
		if err != nil {
			return err
		}
		if err := ctx.Err(); err != nil {
			return err
		}
	}
}

// batch pulls the first message there is, and what else is there at once. The
// first is of any size; the others are bounded together.
func (r *natsReceiver) batch(ctx context.Context, s *stream) ([]message, error) {
	wait, cancel := context.WithTimeout(ctx, pullWait)
	defer cancel()
	first, err := s.consumer.Fetch(1, jetstream.FetchContext(wait))
	if err != nil {
		return nil, err
	}
	batch, err := r.collect(nil, s, first)
	if err != nil || len(batch) == 0 {
		if ctx.Err() == nil && errors.Is(err, context.DeadlineExceeded) {
			err = nil
		}
		return batch, err
	}
	more, err := s.consumer.Fetch(r.limits.batch-1, jetstream.FetchMaxWait(moreWait), jetstream.FetchMaxBytes(r.limits.batchBytes))
	if err != nil {
		return batch, err
	}
	return r.collect(batch, s, more)
}

// collect adds what a pull brings to the batch.
func (r *natsReceiver) collect(batch []message, s *stream, pulled jetstream.MessageBatch) ([]message, error) {
	for m := range pulled.Messages() {
		about, err := m.Metadata()
		if err != nil {
			return batch, err
		}
		number := about.Sequence.Stream
		again := about.NumDelivered > 1 || number <= s.highest
		s.highest = max(s.highest, number)
		batch = append(batch, message{
			body: m.Data(), subject: m.Subject(), arrived: event.ToMicros(about.Timestamp), again: again,
			id:     s.prefix + "-" + strconv.FormatUint(number, 10),
			done:   func() { _ = m.Ack() }, // one that is lost costs a further delivery
			refuse: func() { _ = m.TermWithReason("not line protocol that can be stored") },
		})
	}
	return batch, pulled.Error()
}

// eventID reads the id of an event that a query selected.
func eventID(raw jsontext.Value) (string, error) {
	var e struct {
		ID string `json:"id"`
	}
	err := json.Unmarshal(raw, &e)
	return e.ID, err
}
