package querier

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/firnlog/firn/layout/fault"
)

// Limits bound what a query may cost. Zero is no limit, but for Memory, Groups and
// Page, where it is MaxMemory, MaxGroups and MaxPageBytes. What exceeds one is
// answered with an error of kind Limit, or with a part of the answer where the
// query asks for that.
type Limits struct {
	Time   time.Duration // from the call to the answer
	Memory int64         // bytes that are held for groups, collected values and the order of events
	Groups int           // that a reduction makes
	Rows   int64         // events in the row groups and pages that are scanned
	Bytes  int64         // of data files that are read, compressed
	Page   int           // bytes of a page, which ends early then; MaxPageBytes at most
}

// WithLimits returns an engine like e whose queries are bound by l. A query may ask
// for lower limits.
func (e *Engine) WithLimits(l Limits) *Engine {
	out := *e
	out.limits = l
	if out.memory = MaxMemory; l.Memory > 0 {
		out.memory = l.Memory
	}
	return &out
}

// within returns the limits of a query that asks for lower ones.
func (l Limits) within(asked Limits) Limits {
	l.Time = lower(l.Time, asked.Time)
	l.Memory = lower(l.Memory, asked.Memory)
	l.Groups = lower(cmp.Or(l.Groups, MaxGroups), asked.Groups)
	l.Rows = lower(l.Rows, asked.Rows)
	l.Bytes = lower(l.Bytes, asked.Bytes)
	return l
}

// lower returns the lower one of two limits, of which 0 is none.
func lower[T int | int64 | time.Duration](a, b T) T {
	if a == 0 || b == 0 {
		return a + b
	}
	return min(a, b)
}

// reached is the limit of a scan that a query has come to.
type reached struct{ message string }

func (r *reached) Error() string { return r.message }

func limitReached(format string, args ...any) error {
	return fault.New(fault.Limit, "%w", &reached{fmt.Sprintf(format, args...) + ": narrow it with where, by time for one"})
}

// errLate is why a context ends that has reached Limits.Time.
var errLate = errors.New("the query takes too long")

// bound returns a context that ends when the time is up. That of a query which
// takes a part for an answer is looked at in [run.check], as what was found must
// be put together and rendered still: it has twice the time for all.
func (l *Limits) bound(ctx context.Context, partial bool) (context.Context, context.CancelFunc) {
	if l.Time <= 0 {
		return ctx, func() {}
	}
	if partial {
		return context.WithTimeoutCause(ctx, 2*l.Time, errLate)
	}
	return context.WithTimeoutCause(ctx, l.Time, errLate)
}

// explain returns err, or what it means where the time was up.
func (l *Limits) explain(ctx context.Context, err error) error {
	if err != nil && errors.Is(context.Cause(ctx), errLate) {
		return l.late()
	}
	return err
}

func (l *Limits) late() error { return limitReached("the query takes longer than %v", l.Time) }

// check returns an error once the query has done more than it may.
func (r *run) check() error {
	if r.q.Partial && r.limits.Time > 0 && time.Since(r.began) > r.limits.Time {
		return r.limits.late()
	}
	return r.limits.check(&r.stats)
}

// check returns an error once more was scanned than may be.
func (l *Limits) check(c *counters) error {
	if n := c.rowsScanned.Load(); l.Rows > 0 && n > l.Rows {
		return limitReached("the query scans more than %d events", l.Rows)
	}
	if n := c.reads.Bytes.Load(); l.Bytes > 0 && n > l.Bytes {
		return limitReached("the query reads more than %d bytes", l.Bytes)
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

// cut takes the limit that ended a scan for the reason why the answer is a part, if
// the query takes one, and returns the error otherwise.
func (r *run) cut(err error) error {
	var limit *reached
	if !r.q.Partial || !errors.As(err, &limit) {
		return err
	}
	r.partial = append(r.partial, limit.message)
	return nil
}
