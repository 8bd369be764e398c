package api

import (
	"context"
	"sync/atomic"
	"time"

	"golang.org/x/sync/semaphore"

	"github.com/firnlog/firn/layout/fault"
)

// DefaultMemory is how many bytes of requests are taken in at once.
const DefaultMemory = 256 << 20

// patience is how long a request waits for memory before it is refused.
const patience = 3 * time.Second

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

// loan is the memory that one request holds. It is not safe for concurrent use.
type loan struct {
	memory *memory
	bytes  int64
}

// grow adds n bytes to the loan and waits for them if it must. Requests that
// hold some and wait for more can block each other; patience ends that.
func (l *loan) grow(ctx context.Context, n int64) error {
	if l.bytes+n > l.memory.total {
		return fault.New(fault.Limit, "the request needs more than the %d bytes of memory that there are for all requests", l.memory.total)
	}
	wait, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	if err := l.memory.free.Acquire(wait, n); err != nil {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		return fault.New(fault.Overload, "too many requests are being taken in: try again in a moment")
	}
	l.bytes += n
	l.memory.used.Add(n)
	return nil
}

// shrink gives n bytes back.
func (l *loan) shrink(n int64) {
	l.memory.free.Release(n)
	l.memory.used.Add(-n)
	l.bytes -= n
}

// end gives everything back.
func (l *loan) end() { l.shrink(l.bytes) }
