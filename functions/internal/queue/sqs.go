package queue

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"time"

	"github.com/firnlog/firn/functions/internal/signed"
	"github.com/firnlog/firn/layout/fault"
)

// SQS is a queue of Amazon SQS, by its JSON protocol.
type SQS struct {
	url    string
	client *signed.Client
}

// NewSQS returns the queue with a URL.
func NewSQS(url string) *SQS { return &SQS{url, signed.New("sqs")} }

// Send implements [Sender]. What has no answer is sent again, which does no harm:
// the message bears its key.
func (q *SQS) Send(ctx context.Context, body []byte, attributes map[string]string) error {
	type value struct{ DataType, StringValue string }
	in := struct {
		QueueURL   string           `json:"QueueUrl"`
		Body       string           `json:"MessageBody"`
		Attributes map[string]value `json:"MessageAttributes"`
	}{q.url, string(body), map[string]value{}}
	for name, text := range attributes {
		in.Attributes[name] = value{"String", text}
	}
	request, err := json.Marshal(in)
	if err != nil {
		return err
	}
	unknown := error(nil)
	for try := range 3 {
		if try > 0 {
			select {
			case <-ctx.Done():
				return unknown
			case <-time.After(100 * time.Millisecond << try):
			}
		}
		if err = q.try(ctx, request); !fault.Is(err, fault.Unknown) && !fault.Is(err, fault.Unavailable) {
			return err
		}
		if unknown == nil || fault.Is(err, fault.Unknown) {
			unknown = err
		}
	}
	return unknown
}

func (q *SQS) try(ctx context.Context, request []byte) error {
	header := http.Header{"Content-Type": {"application/x-amz-json-1.0"}, "X-Amz-Target": {"AmazonSQS.SendMessage"}}
	status, answer, err := q.client.Post(ctx, q.url, header, request)
	if err != nil {
		return err
	}
	var said struct {
		Type    string `json:"__type"`
		Message string `json:"message"`
	}
	_ = json.Unmarshal(answer, &said) // what is no JSON says nothing
	switch {
	case status == http.StatusOK:
		return nil
	case status >= 500:
		return fault.New(fault.Unknown, "the queue answered %d", status)
	case strings.Contains(said.Type, "InvalidMessageContents"):
		return fault.New(fault.Invalid, "the events hold characters that a queue does not carry: leave out Prefer: respond-async")
	}
	return fault.New(fault.Unavailable, "the queue refused the message (%d): %s %s", status, said.Type, said.Message)
}
