package front

import (
	"context"
	"sync"

	"golang.org/x/sync/semaphore"

	"github.com/firnlog/firn/layout/fault"
	"github.com/firnlog/firn/querier"
)

// MaxQueries is how many queries run at once where the [Limits] do not say.
const MaxQueries = 64

// slots bound the queries that run at once. Those that find none free wait for
// Patience, so that nobody waits long for what will not come.
type slots struct{ free *semaphore.Weighted }

// take waits for a slot; release gives it back.
func (s slots) take(ctx context.Context) (release func(), err error) {
	wait, cancel := context.WithTimeout(ctx, Patience)
	defer cancel()
	if err := s.free.Acquire(wait, 1); err != nil {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		return nil, fault.New(fault.Overload, "too many queries are under way: try again in a moment")
	}
	return func() { s.free.Release(1) }, nil
}

// answer is the memory that the answer to a request takes until it is written,
// which is up to its client: it is not that of appends, so that clients which do
// not read hold up nobody who writes.
type answer struct {
	mu   sync.Mutex // guards loan
	loan *Loan
}

type answerKey struct{}

// WithAnswer returns a context for one request, whose answers to queries are held
// on a loan until end is called: when the answer is written.
func (s *Service) WithAnswer(ctx context.Context) (_ context.Context, end func()) {
	a := &answer{loan: &Loan{memory: s.answers}}
	return context.WithValue(ctx, answerKey{}, a), func() {
		a.mu.Lock()
		defer a.mu.Unlock()
		a.loan.End()
	}
}

// hold borrows what the result of a query takes, in the place of the one before
// of the same request.
func hold(ctx context.Context, res *querier.Result) error {
	a, ok := ctx.Value(answerKey{}).(*answer)
	if !ok {
		return nil
	}
	size := int64(len(res.Aggregation))
	for _, e := range res.Events {
		size += int64(len(e))
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if size <= a.loan.bytes {
		a.loan.Shrink(a.loan.bytes - size)
		return nil
	}
	return a.loan.Grow(ctx, size-a.loan.bytes)
}
