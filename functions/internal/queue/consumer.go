package queue

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"log/slog"
	"strings"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"golang.org/x/sync/errgroup"

	"github.com/firnlog/firn/functions/front"
	"github.com/firnlog/firn/functions/gateway"
	"github.com/firnlog/firn/layout/commitlog"
	"github.com/firnlog/firn/layout/event"
	"github.com/firnlog/firn/layout/fault"
)

// atOnce is how many messages of a batch are stored at once: they share commits.
const atOnce = 256

// carrier is who stores what a queue brings. Whether the sender may append was
// checked before the message was put there, by Firn or by the queue's policy.
var carrier = front.Caller{Name: "queue", Grants: []front.Grant{{Instances: "*", Rights: front.CanAppend}}}

// Consumer stores batches of messages.
type Consumer struct {
	Service        *front.Service
	StreamInstance string // for records of Kinesis
	// Aside takes records of Kinesis that can never be stored as they are; nil has
	// the stream wait for them.
	Aside  Sender
	Logger *slog.Logger
}

// Take stores a batch and returns which messages are not known to be stored, in
// the form that Lambda asks for, so that these come again and no others. What
// fails for good ends in the dead-letter queue that way.
func (c *Consumer) Take(ctx context.Context, payload json.RawMessage) (any, error) {
	ctx, cancel := gateway.WithMargin(front.WithCaller(ctx, carrier))
	defer cancel()
	var b batch
	if err := json.Unmarshal(payload, &b); err != nil {
		return nil, err
	}
	if b.Records[0].Source == "aws:kinesis" {
		var in events.KinesisEvent
		if err := json.Unmarshal(payload, &in); err != nil {
			return nil, err
		}
		return c.kinesis(ctx, in.Records), nil
	}
	var in events.SQSEvent
	if err := json.Unmarshal(payload, &in); err != nil {
		return nil, err
	}
	return c.sqs(ctx, in.Records), nil
}

func (c *Consumer) sqs(ctx context.Context, records []events.SQSMessage) events.SQSEventResponse {
	failed := c.all(len(records), func(i int) (string, error) {
		m, err := readSQS(records[i])
		if err == nil {
			err = c.store(ctx, m)
		}
		return records[i].MessageId, err
	})
	out := events.SQSEventResponse{BatchItemFailures: []events.SQSBatchItemFailure{}}
	for i, bad := range failed {
		if bad {
			out.BatchItemFailures = append(out.BatchItemFailures, events.SQSBatchItemFailure{ItemIdentifier: records[i].MessageId})
		}
	}
	return out
}

// kinesis stores records one after the other, since their order is kept: Lambda
// sends all again from the first that is reported. One that can never be stored
// would hold up its shard until Lambda gives the batch up, so it is put aside.
func (c *Consumer) kinesis(ctx context.Context, records []events.KinesisEventRecord) events.KinesisEventResponse {
	out := events.KinesisEventResponse{BatchItemFailures: []events.KinesisBatchItemFailure{}}
	for _, r := range records {
		m, err := readKinesis(r, c.StreamInstance)
		if err == nil {
			err = c.store(ctx, m)
		}
		if err != nil {
			c.refused(r.EventID, err)
			if c.aside(ctx, m, err) {
				continue
			}
			out.BatchItemFailures = append(out.BatchItemFailures, events.KinesisBatchItemFailure{ItemIdentifier: r.Kinesis.SequenceNumber})
			return out
		}
	}
	return out
}

// aside puts what can never be stored on the queue of dead letters, in the form
// of a message, and reports whether it is there.
func (c *Consumer) aside(ctx context.Context, m message, why error) bool {
	if c.Aside == nil || m.key == "" || !(fault.Is(why, fault.Invalid) || fault.Is(why, fault.Limit) || fault.Is(why, fault.Gone)) {
		return false
	}
	err := c.Aside.Send(ctx, m.body, map[string]string{attrInstance: m.instance, attrKey: m.key, attrSent: m.sent.UTC().Format(time.RFC3339Nano)})
	if err != nil {
		c.Logger.Warn("record not put aside", "record", m.key, "error", err.Error())
	}
	return err == nil
}

// all stores n messages at once and returns which failed.
func (c *Consumer) all(n int, store func(i int) (id string, err error)) []bool {
	failed := make([]bool, n)
	var work errgroup.Group
	work.SetLimit(atOnce)
	for i := range n {
		work.Go(func() error {
			if id, err := store(i); err != nil {
				c.refused(id, err)
				failed[i] = true
			}
			return nil
		})
	}
	_ = work.Wait() // failures are in failed
	return failed
}

func (c *Consumer) refused(id string, err error) {
	c.Logger.Warn("message not stored", "message", id, "kind", fault.KindOf(err).String(), "error", err.Error())
}

// store appends what a message holds. Events without a timestamp have that of
// the message. An error also stands for a part that is not known to be stored:
// when the message comes again, the parts that are stored are found by their key.
func (c *Consumer) store(ctx context.Context, m message) error {
	if age := c.Service.Now().Sub(m.sent); age > MaxAge {
		return fault.New(fault.Gone, "the message was sent %s ago: it may have been stored then, and nobody can tell after %s", age.Round(time.Minute), MaxAge)
	}
	if strings.HasPrefix(m.instance, "_") || !front.Visible(m.key, 256) {
		return fault.New(fault.Invalid, "the message's instance is Firn's own, or its key is not 1 to 256 visible ASCII characters")
	}
	in, err := event.DecodeJSON(m.body, event.ToMicros(m.sent))
	switch {
	case err != nil:
		return err
	case in.Expect != "" || in.ExpectStreams != nil:
		return errExpect
	case len(in.Events) == 0:
		return fault.New(fault.Invalid, "the message has no events")
	}
	if m.hash == "" {
		sum := sha256.Sum256(m.body)
		m.hash = hex.EncodeToString(sum[:])
	}
	receipt, err := c.Service.Append(ctx, m.instance, commitlog.Batch{Events: in.Events, Key: m.key, Hash: m.hash}, nil)
	for _, p := range receipt.Parts {
		if err == nil {
			err = p.Err
		}
	}
	return err
}

// errExpect refuses an append that expects something on the way of a queue.
var errExpect = fault.New(fault.Invalid, "expectedSequence cannot be given where an append goes by way of a queue: nobody would hear that it did not hold; leave out Prefer: respond-async")
