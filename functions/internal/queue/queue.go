// Package queue stores events by way of queues.
//
// An append that need not be waited for is put on an SQS queue ([Handler]) and
// stored by a later invocation ([Consumer]); so thousands of writers cost one
// function's contention. Others may put messages there as well. A message's body
// is that of an append of the native API in JSON, without expectations, which
// nobody would hear fail; what else is needed stands in its attributes:
//
//	firn-instance   id of the instance
//	firn-key        idempotency key: chosen anew for each message, and kept when the message is sent again
//	firn-sent       when it was put on the queue first, in RFC 3339
//	firn-hash       a hash of the request; by default of the body
//
// SQS may deliver a message twice, and messages of a dead-letter queue are sent
// again by people: the key makes both harmless as long as it is remembered, which
// is 24 hours. The id and the time that SQS gives a message change on such a way,
// so they do not serve. Older messages are refused, and stay in the dead-letter
// queue.
package queue

import (
	"encoding/json"
	"time"

	"github.com/aws/aws-lambda-go/events"

	"github.com/firnlog/firn/layout/fault"
)

// The attributes of a message.
const (
	attrInstance = "firn-instance"
	attrKey      = "firn-key"
	attrSent     = "firn-sent"
	attrHash     = "firn-hash"
)

// MaxAge is how old a message may be. An idempotency key is remembered 24 hours
// and 30 minutes after the commit that it came with; the half hour is for wrong
// clocks and for the append itself.
const MaxAge = 24 * time.Hour

// MaxMessage bounds a message's body in bytes. SQS takes 1 MiB with the attributes.
const MaxMessage = 1<<20 - 8<<10

// batch has the members that tell batches apart, and those of each kind.
type batch struct {
	Records []struct {
		Source string `json:"eventSource"`
	} `json:"Records"`
}

// IsBatch reports whether an invocation's payload is a batch of SQS or Kinesis.
func IsBatch(payload json.RawMessage) bool {
	var b batch
	return json.Unmarshal(payload, &b) == nil && len(b.Records) > 0 && (b.Records[0].Source == "aws:sqs" || b.Records[0].Source == "aws:kinesis")
}

// message is one to be stored.
type message struct {
	instance, key, hash string
	sent                time.Time
	body                []byte
}

// readSQS reads a message of SQS.
func readSQS(m events.SQSMessage) (message, error) {
	text := func(name string) string {
		if v := m.MessageAttributes[name].StringValue; v != nil {
			return *v
		}
		return ""
	}
	out := message{instance: text(attrInstance), key: text(attrKey), hash: text(attrHash), body: []byte(m.Body)}
	if out.instance == "" || out.key == "" || text(attrSent) == "" {
		return out, fault.New(fault.Invalid, "the message lacks one of the attributes %s, %s and %s", attrInstance, attrKey, attrSent)
	}
	var err error
	if out.sent, err = time.Parse(time.RFC3339, text(attrSent)); err != nil {
		return out, fault.New(fault.Invalid, "the attribute %s: %w", attrSent, err)
	}
	return out, nil
}

// readKinesis reads a record of Kinesis, whose key is its place in the stream.
func readKinesis(r events.KinesisEventRecord, instance string) (message, error) {
	if instance == "" {
		return message{}, fault.New(fault.Invalid, "FIRN_STREAM_INSTANCE is not set: it names the instance for records of Kinesis")
	}
	return message{instance: instance, key: "kinesis:" + r.EventID, sent: r.Kinesis.ApproximateArrivalTimestamp.Time, body: r.Kinesis.Data}, nil
}
