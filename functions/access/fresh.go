package access

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/firnlog/firn/layout/fault"
)

// fresh is a value that is kept elsewhere and read again as it grows old. Whoever
// asks for it while it is young gets it at once, without a lock, however long
// the reading takes that may be under way; who finds it too old waits for a
// reading, one for all who wait, and gets no value that is older than asked for.
type fresh[T any] struct {
	// read returns the value as it is now, given the one that is known, which it
	// MUST NOT change.
	read func(ctx context.Context, known T) (T, error)
	now  func() time.Time
	// renew is the age from which on a value is read again in the background, so
	// that nobody has to wait while the reading takes no longer than what is
	// left.
	renew time.Duration
	// pause is how long a reading that failed answers for those that would
	// follow it.
	pause time.Duration

	value   atomic.Pointer[reading[T]] // the newest that worked, nil for none
	mu      sync.Mutex                 // guards what is below; never held while anything is read
	current *reading[T]                // that was begun last
	begun   int64                      // readings
}

// patience is how long one reading may take. It is no promise to anyone: those
// who wait have their own time.
const patience = 30 * time.Second

// reading is one look at where the value is kept.
type reading[T any] struct {
	number int64
	at     time.Time     // when it began: the value is as it was then, or newer
	done   chan struct{} // closed when what is below is there
	value  T
	err    error
}

// get returns a value that was read at most that long ago, counted from the
// call. An error is that of the reading, or of ctx.
func (f *fresh[T]) get(ctx context.Context, most time.Duration) (T, error) {
	arrived := f.now()
	if v := f.value.Load(); v != nil && age(v.at, arrived) < most {
		if age(v.at, arrived) >= f.renew {
			f.join(arrived, most)
		}
		return v.value, nil
	}
	return f.join(arrived, most).wait(ctx)
}

// latest reads the value anew, whatever is under way: it holds all that was there
// when the call began.
func (f *fresh[T]) latest(ctx context.Context) (T, error) {
	f.mu.Lock()
	r := f.begin()
	f.mu.Unlock()
	return r.wait(ctx)
}

// join returns a reading that began at most that long before a time: the one
// that is under way, the one that failed just now, or a new one.
func (f *fresh[T]) join(arrived time.Time, most time.Duration) *reading[T] {
	f.mu.Lock()
	defer f.mu.Unlock()
	if r := f.current; r != nil && age(r.at, arrived) < most {
		select {
		case <-r.done:
			if r.err != nil && age(r.at, arrived) < f.pause {
				return r
			}
		default:
			return r
		}
	}
	return f.begin()
}

// begin starts a reading. The lock is held.
func (f *fresh[T]) begin() *reading[T] {
	f.begun++
	r := &reading[T]{number: f.begun, at: f.now(), done: make(chan struct{})}
	f.current = r
	go f.carryOut(r)
	return r
}

func (f *fresh[T]) carryOut(r *reading[T]) {
	defer close(r.done)
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	var known T
	if v := f.value.Load(); v != nil {
		known = v.value
	}
	if r.value, r.err = f.read(ctx, known); r.err != nil {
		return
	}
	// A reading that hung may end behind a later one, and is older.
	for v := f.value.Load(); v == nil || v.number < r.number; v = f.value.Load() {
		if f.value.CompareAndSwap(v, r) {
			return
		}
	}
}

// wait returns what was read.
func (r *reading[T]) wait(ctx context.Context) (T, error) {
	select {
	case <-r.done:
		return r.value, r.err
	case <-ctx.Done():
		var none T
		return none, fault.New(fault.Unavailable, "credentials could not be checked in time: %w", ctx.Err())
	}
}

// age returns how long a time lies back, by the clock that says more: the
// monotonic one may stand still while a machine sleeps or a function is frozen,
// and the other may be set back.
func age(since, now time.Time) time.Duration {
	return max(now.Sub(since), now.Round(0).Sub(since.Round(0)))
}
