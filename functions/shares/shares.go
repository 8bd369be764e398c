// Package shares carries shares of queries between the processes of one bucket.
//
// The process that was asked checks that the caller may query the instance. Then
// it seals each share: with a MAC by the instance's secret, which only those have
// who can read the bucket, so that nobody else can make one up or change one. Who
// does the share asks for no other credentials, and seals the answer to that very
// share in the same way.
package shares

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"runtime"

	"golang.org/x/sync/semaphore"

	"github.com/firnlog/firn/functions/front"
	"github.com/firnlog/firn/layout/catalog"
	"github.com/firnlog/firn/layout/fault"
	"github.com/firnlog/firn/querier"
)

// Ticket says of which instance a share is, and proves that a process of the same
// bucket sent it.
type Ticket struct {
	Instance string `json:"instance"` // its id
	Digest   string `json:"digest"`   // SHA-256 of the share, 64 hex digits
	Seal     string `json:"seal"`     // HMAC-SHA-256 of both, 64 hex digits
}

// Carrier brings sealed shares to where a [Worker] does them.
type Carrier interface {
	// Carry returns the answer and its seal. It MUST be safe for concurrent use, and
	// MUST return soon once ctx has ended. An error means that there is no answer,
	// whatever was done.
	Carry(ctx context.Context, t Ticket, share []byte) (answer []byte, seal string, err error)
}

// Transport returns the transport that seals shares and has them carried.
func Transport(log front.Log, c Carrier) querier.Transport { return transport{log, c} }

type transport struct {
	log     front.Log
	carrier Carrier
}

// Send implements [querier.Transport].
func (t transport) Send(ctx context.Context, instance string, share []byte) ([]byte, error) {
	inst, err := t.log.Instance(ctx, instance)
	if err != nil {
		return nil, err
	}
	ticket := Ticket{Instance: inst.ID, Digest: digest(share)}
	ticket.Seal = ticket.seal(&inst)
	answer, seal, err := t.carrier.Carry(ctx, ticket, share)
	if err == nil && !hmac.Equal([]byte(seal), []byte(ticket.sealAnswer(&inst, answer))) {
		err = fault.New(fault.Unavailable, "the answer to a share does not bear the seal of a process of this bucket")
	}
	return answer, err
}

func digest(body []byte) string {
	sum := sha256.Sum256(body)
	return hex.EncodeToString(sum[:])
}

func (t *Ticket) seal(inst *catalog.Instance) string {
	return mac(inst, "share\n"+t.Instance+"\n"+t.Digest)
}

func (t *Ticket) sealAnswer(inst *catalog.Instance, answer []byte) string {
	return mac(inst, "answer\n"+t.Seal+"\n"+digest(answer))
}

func mac(inst *catalog.Instance, text string) string {
	m := hmac.New(sha256.New, []byte(inst.Secret))
	m.Write([]byte(text))
	return hex.EncodeToString(m.Sum(nil))
}

// Worker does shares.
type Worker struct {
	service *front.Service
	free    *semaphore.Weighted
}

// NewWorker returns a worker that does a few shares at once, as many as there are
// processors, and one more; others wait.
func NewWorker(s *front.Service) *Worker {
	return &Worker{s, semaphore.NewWeighted(int64(runtime.GOMAXPROCS(0) + 1))}
}

// Check returns the instance of a ticket. Unauthenticated for one that no process
// of this bucket sealed. It costs no request that others could cause at will.
func (w *Worker) Check(ctx context.Context, t *Ticket) (*catalog.Instance, error) {
	all, err := w.service.Log.Instances(ctx)
	if err != nil {
		return nil, err
	}
	for i := range all {
		if all[i].ID == t.Instance && all[i].Secret != "" && hmac.Equal([]byte(t.Seal), []byte(t.seal(&all[i]))) {
			return &all[i], nil
		}
	}
	return nil, fault.New(fault.Unauthenticated, "shares of queries are taken from processes of the same bucket, which seal them")
}

// Do does the share of a ticket that was checked, and returns an answer of at most
// room bytes, with its seal. Errors: Unauthenticated for a share of another ticket,
// and that of ctx.
func (w *Worker) Do(ctx context.Context, inst *catalog.Instance, t *Ticket, share []byte, room int) (answer []byte, seal string, err error) {
	if digest(share) != t.Digest {
		return nil, "", fault.New(fault.Unauthenticated, "the share is not the one that was sealed")
	}
	if err := w.free.Acquire(ctx, 1); err != nil {
		return nil, "", err
	}
	defer w.free.Release(1)
	answer = w.service.Queries.Work(ctx, share, room)
	return answer, t.sealAnswer(inst, answer), ctx.Err()
}
