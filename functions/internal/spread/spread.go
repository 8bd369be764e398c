// Package spread has a query function spread large queries over invocations of
// itself.
package spread

import (
	"context"
	"encoding/json"
	"net/http"
	"time"

	"github.com/firnlog/firn/functions/front"
	"github.com/firnlog/firn/functions/gateway"
	"github.com/firnlog/firn/functions/internal/signed"
	"github.com/firnlog/firn/functions/shares"
	"github.com/firnlog/firn/layout/fault"
)

// Lambda takes 6 MB of JSON and gives as much, in which shares and answers stand in
// base64.
const (
	maxPayload = 6 << 20
	maxAnswer  = gateway.MaxAnswer
)

// patience bounds an invocation, which no function outlasts.
const patience = 15 * time.Minute

// invocation is the payload of an invocation with a share, and answer what comes
// back.
type invocation struct {
	Ticket *shares.Ticket `json:"firn_share"`
	Share  []byte         `json:"share"`
}

type answer struct {
	Answer []byte `json:"answer"`
	Seal   string `json:"seal"`
}

// Lambda is a [shares.Carrier] that invokes a function.
type Lambda struct {
	url    string
	client *signed.Client
}

// NewLambda returns a carrier to the function with the URL of invocations
// (https://lambda.REGION.amazonaws.com/2015-03-31/functions/NAME/invocations).
func NewLambda(url string) *Lambda {
	return &Lambda{url, signed.New("lambda").For(patience, maxPayload+1)}
}

// Carry implements [shares.Carrier]. An invocation under way goes on when ctx ends;
// the share itself says for how long.
func (l *Lambda) Carry(ctx context.Context, t shares.Ticket, share []byte) ([]byte, string, error) {
	payload, err := json.Marshal(invocation{&t, share})
	if err != nil {
		return nil, "", err
	}
	if len(payload) > maxPayload {
		return nil, "", fault.New(fault.Limit, "the share has %d bytes, and an invocation takes %d", len(payload), maxPayload)
	}
	status, body, err := l.client.Post(ctx, l.url, http.Header{"Content-Type": {"application/json"}}, payload)
	if err != nil {
		return nil, "", err
	}
	var a answer
	if status != http.StatusOK || json.Unmarshal(body, &a) != nil || a.Seal == "" {
		return nil, "", fault.New(fault.Unavailable, "the function's invocation was answered %d: %s", status, body[:min(len(body), 200)])
	}
	return a.Answer, a.Seal, nil
}

// Handler returns a Lambda handler that does the shares which it is invoked with,
// and leaves all else to next.
func Handler(s *front.Service, next func(context.Context, json.RawMessage) (any, error)) func(context.Context, json.RawMessage) (any, error) {
	w := shares.NewWorker(s)
	return func(ctx context.Context, payload json.RawMessage) (any, error) {
		var in invocation
		if gateway.IsHTTP(payload) || json.Unmarshal(payload, &in) != nil || in.Ticket == nil {
			return next(ctx, payload)
		}
		ctx, cancel := gateway.WithMargin(ctx)
		defer cancel()
		inst, err := w.Check(ctx, in.Ticket)
		if err != nil {
			return nil, err
		}
		var a answer
		a.Answer, a.Seal, err = w.Do(ctx, inst, in.Ticket, in.Share, maxAnswer)
		return a, err
	}
}
