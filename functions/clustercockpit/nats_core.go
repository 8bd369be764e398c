package clustercockpit

import (
	"context"
	"errors"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/firnlog/firn/layout/event"
	"github.com/firnlog/firn/layout/fault"
)

// subscribe receives a core subscription until ctx ends. Nobody acknowledges
// anything there: what the client or the server drops is lost, so that all that
// can be done is to hold much, and to count.
func (r *natsReceiver) subscribe(ctx context.Context, conn *nats.Conn) error {
	sub, err := conn.QueueSubscribeSync(r.config.Subject, r.config.Queue)
	if err == nil {
		err = sub.SetPendingLimits(r.limits.messages, r.limits.bytes)
	}
	if err != nil {
		return fault.New(fault.Invalid, "receiver %q: subject %q: %w", r.config.Name, r.config.Subject, err)
	}
	waiting := func() int64 { n, _, _ := sub.Pending(); return int64(max(n, 0)) } // -1 once it is closed
	r.waiting.Store(&waiting)

	grace, stop := r.lasting(ctx)
	defer stop()
	defer context.AfterFunc(ctx, func() { _ = sub.Drain() })() // what has come is stored still
	for {
		batch := r.next(ctx, grace, sub)
		switch {
		case len(batch) == 0 && ctx.Err() == nil:
			return fault.New(fault.Unavailable, "receiver %q: the subscription has ended", r.config.Name)
		case len(batch) == 0 || !r.take(grace, batch):
			r.lose(int64(len(batch)) + waiting())
			return nil
		}
		r.countDropped(sub)
	}
}

// lose counts messages that could not be stored before the end.
func (r *natsReceiver) lose(n int64) {
	if n > 0 {
		r.dropped.Add(n)
		r.Logger.Error("NATS messages could not be stored before the end and are lost", "receiver", r.config.Name, "messages", n)
	}
}

// next returns the next batch: the first message there is, and what else has
// come. It returns nothing at the end.
func (r *natsReceiver) next(ctx, grace context.Context, sub *nats.Subscription) []message {
	first := r.first(ctx, grace, sub)
	if first == nil {
		return nil
	}
	batch := []message{r.fromCore(first)}
	for size := len(first.Data); len(batch) < r.limits.batch && size < r.limits.batchBytes; {
		m, err := sub.NextMsg(time.Nanosecond)
		if errors.Is(err, nats.ErrSlowConsumer) {
			continue // the error handler counts it
		}
		if err != nil {
			break
		}
		batch = append(batch, r.fromCore(m))
		size += len(m.Data)
	}
	return batch
}

// first waits for a message. When ctx has ended it returns those that are left,
// and then nil.
func (r *natsReceiver) first(ctx, grace context.Context, sub *nats.Subscription) *nats.Msg {
	for ctx.Err() == nil {
		m, err := sub.NextMsgWithContext(ctx)
		switch {
		case err == nil:
			return m
		case errors.Is(err, nats.ErrConnectionClosed) || errors.Is(err, nats.ErrBadSubscription):
			return nil
		case ctx.Err() == nil && !errors.Is(err, nats.ErrSlowConsumer):
			r.failed(ctx, "receiving", 0, err)
		}
	}
	for grace.Err() == nil {
		m, err := sub.NextMsg(100 * time.Millisecond)
		if err == nil {
			return m
		}
		if !errors.Is(err, nats.ErrSlowConsumer) {
			return nil
		}
	}
	return nil
}

func (r *natsReceiver) fromCore(m *nats.Msg) message {
	return message{body: m.Data, subject: m.Subject, arrived: event.ToMicros(r.Now())}
}
