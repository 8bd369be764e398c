package querier

import (
	"context"
	"errors"
	"time"

	"github.com/firnlog/firn/layout/fault"
)

// Limits bound what a query may cost. Zero is no limit, but for Memory and Page,
// where it is MaxMemory and MaxPageBytes.
type Limits struct {
	Time   time.Duration // from the call to the answer
	Memory int64         // bytes that are held for groups, collected values and the order of events
	Rows   int64         // events in the row groups and pages that are scanned
	Bytes  int64         // of columns of data files that are read, compressed
	Page   int           // bytes of a page, which ends early then; MaxPageBytes at most
}

// WithLimits returns an engine like e whose queries are bound by l. What exceeds
// a limit is answered with an error of kind Limit.
func (e *Engine) WithLimits(l Limits) *Engine {
	out := *e
	out.limits = l
	if out.memory = MaxMemory; l.Memory > 0 {
		out.memory = l.Memory
	}
	return &out
}

// errLate is why a context ends that has reached Limits.Time.
var errLate = errors.New("the query takes too long")

// bound returns a context that ends when the time is up.
func (l *Limits) bound(ctx context.Context) (context.Context, context.CancelFunc) {
	if l.Time <= 0 {
		return ctx, func() {}
	}
	return context.WithTimeoutCause(ctx, l.Time, errLate)
}

// explain returns err, or what it means where the time was up.
func (l *Limits) explain(ctx context.Context, err error) error {
	if err != nil && errors.Is(context.Cause(ctx), errLate) {
		return fault.New(fault.Limit, "the query takes longer than %v: narrow it with where, by time for one", l.Time)
	}
	return err
}

// check returns an error once more was scanned than may be.
func (l *Limits) check(c *counters) error {
	if n := c.rowsScanned.Load(); l.Rows > 0 && n > l.Rows {
		return fault.New(fault.Limit, "the query scans more than %d events: narrow it with where, by time for one", l.Rows)
	}
	if n := c.reads.Bytes.Load(); l.Bytes > 0 && n > l.Bytes {
		return fault.New(fault.Limit, "the query reads more than %d bytes: narrow it with where, by time for one", l.Bytes)
	}
	return nil
}

// left returns how many rows may still be scanned and bytes read, 0 for any, or the
// error of a limit that is reached.
func (l *Limits) left(c *counters) (rows, bytes int64, err error) {
	if err = l.check(c); err != nil {
		return 0, 0, err
	}
	if l.Rows > 0 {
		rows = max(1, l.Rows-c.rowsScanned.Load())
	}
	if l.Bytes > 0 {
		bytes = max(1, l.Bytes-c.reads.Bytes.Load())
	}
	return rows, bytes, nil
}
