package front

import (
	"context"
	"sync/atomic"
	"time"

	"golang.org/x/sync/semaphore"

	"github.com/firnlog/firn/layout/fault"
)

// How many bytes of requests are taken in at once, and how many answers to queries
// may take until they are written, where the [Limits] do not say.
const (
	DefaultMemory  = 256 << 20
	DefaultAnswers = 256 << 20
)

// Patience is how long a request waits for memory, in all, before it is refused.
const Patience = 3 * time.Second

// memory bounds what requests hold while they are taken in, so that many large
// ones slow each other down and end in refusals instead of in a dead process.
type memory struct {
	total int64
	free  *semaphore.Weighted
	used  atomic.Int64
}

func newMemory(total int64) *memory {
	return &memory{total: total, free: semaphore.NewWeighted(total)}
}

// Borrow begins a loan of nothing; whoever begins one ends it.
func (s *Service) Borrow() *Loan { return &Loan{memory: s.memory} }

// Lent returns the bytes that all requests hold.
func (s *Service) Lent() int64 { return s.memory.used.Load() }

// Unread returns the bytes of all answers to queries that are not written yet.
func (s *Service) Unread() int64 { return s.answers.used.Load() }

// Loan is the memory that one request holds. It is not safe for concurrent use.
type Loan struct {
	memory *memory
	bytes  int64
	waited time.Duration // for memory, so far
}

// Grow adds n bytes to the loan and waits for them if it must. Requests that
// hold some and wait for more can block each other; Patience ends that.
func (l *Loan) Grow(ctx context.Context, n int64) error {
	if l.bytes+n > l.memory.total {
		return fault.New(fault.Limit, "this needs more than the %d bytes of memory that there are for all requests", l.memory.total)
	}
	if !l.memory.free.TryAcquire(n) {
		if err := l.wait(ctx, n); err != nil {
			return err
		}
	}
	l.bytes += n
	l.memory.used.Add(n)
	return nil
}

// wait takes n bytes once they are free, within what is left of the patience.
func (l *Loan) wait(ctx context.Context, n int64) error {
	began := time.Now()
	patience, cancel := context.WithTimeout(ctx, Patience-l.waited)
	defer cancel()
	err := l.memory.free.Acquire(patience, n)
	l.waited += time.Since(began)
	if err != nil && ctx.Err() == nil {
		return fault.New(fault.Overload, "too many requests are under way: try again in a moment")
	}
	return err
}

// Shrink gives n bytes back.
func (l *Loan) Shrink(n int64) {
	l.memory.free.Release(n)
	l.memory.used.Add(-n)
	l.bytes -= n
}

// End gives everything back.
func (l *Loan) End() { l.Shrink(l.bytes) }
