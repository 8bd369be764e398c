// Package chain implements Firn's one way to change anything: numbered
// immutable objects, each written put-if-absent. Whoever writes number n+1
// first has won; the others read it and try n+2.
//
// Put-if-absent alone leaves traps open, which the rules of chains close
// (ARCHITECTURE.md lists them). This package holds the first two: [Try] finds
// out whose object stands at a slot and never mistakes an unknown outcome for a
// success or a failure. The third, that a slot in the past must not be written
// again once it was swept, is its callers': they compare the store time of a
// write with that of the newest state they saw, by [Stale].
package chain

import (
	"bytes"
	"context"
	"errors"
	"math/rand/v2"
	"time"

	"github.com/firnlog/firn/internal/bug"
	"github.com/firnlog/firn/layout/fault"
	"github.com/firnlog/firn/layout/store"
)

// Grace is how long objects that a snapshot no longer names stay readable. It
// outlasts every query and every idempotency key.
const Grace = 24 * time.Hour

// Fresh bounds, in store time, how old the newest snapshot that a process has
// seen may be when it writes to a chain or reads from a position. It is far
// below Grace, so that nothing it relies on is swept meanwhile.
const Fresh = time.Hour

// Stale reports whether at the store time now a state seen at the store time
// seen has to be looked up again.
func Stale(seen, now time.Time) bool { return now.Sub(seen) > Fresh }

// ErrSwept says that a slot was taken and its object is gone: whoever meets it
// has slept for longer than the grace and must look up everything anew.
var ErrSwept = errors.New("the slot was written and swept before")

// Slot is one place of a chain.
type Slot struct {
	Store store.Store
	Key   string
	// WriterID returns the writer's id that an object of this chain bears. It
	// fails with kind Corrupt for anything else.
	WriterID func(body []byte) (string, error)
}

// Result says who has a slot.
type Result struct {
	Won  bool
	Body []byte // the winner's object, when it is another's
	// StoreTime is when the object was stored, or a moment later, when it is
	// ours, and when it was read when it is another's.
	StoreTime time.Time
}

// Tries after which a slot is given up, with waits between them that double
// from 20 ms to 2 s: a store that surely refused is reported soon, while an
// unknown outcome is worth some patience.
const (
	refusedTries = 4
	unknownTries = 12
)

// Try writes body, which bears the writer's id, at the slot. It repeats
// attempts whose outcome is unknown at the same slot, where the id in the
// object there tells whose it is; the id is compared on every way to read it.
//
// Errors: Unknown when the object may have been written or may yet be,
// Unavailable when it surely was not; of either kind, ErrSwept.
// A crash at any point leaves the slot either free or taken by a whole object.
func (s Slot) Try(ctx context.Context, id string, body []byte) (Result, error) {
	doubt := false
	cond := store.IfAbsent
	if bug.In(bug.PlainPut) {
		cond = store.Always
	}
	for try := 1; ; try++ {
		receipt, err := s.Store.Put(ctx, s.Key, bytes.NewReader(body), cond)
		if err == nil {
			return Result{Won: true, StoreTime: receipt.StoreTime}, nil
		}
		if res, wrong := mistaken(err); wrong {
			return res, nil
		}
		switch fault.KindOf(err) {
		case fault.Exists:
			mine := id
			if doubt && bug.In(bug.IDOnlyOn412) {
				mine = ""
			}
			res, rerr := s.owner(ctx, mine)
			switch {
			case rerr == nil:
				return res, nil
			case !retriable(rerr) && doubt: // an attempt of ours may have been what is gone
				return Result{}, s.giveUp(doubt, rerr)
			case !retriable(rerr):
				return Result{}, rerr
			}
			doubt, err = true, rerr // taken, perhaps by us: only reading it can tell
		case fault.Unknown:
			doubt = true
			if bug.In(bug.BlindRetry) {
				return Result{}, err
			}
		case fault.Conflict, fault.Unavailable:
		default:
			if doubt { // whatever this attempt met, one before may have been applied
				return Result{}, s.giveUp(doubt, err)
			}
			return Result{}, err
		}
		tries := refusedTries
		if doubt {
			tries = unknownTries
		}
		if try == tries || !pause(ctx, try) {
			return Result{}, s.giveUp(doubt, err)
		}
	}
}

// owner reads the object at the slot and compares its writer's id with ours.
func (s Slot) owner(ctx context.Context, id string) (Result, error) {
	body, o, err := store.ReadAll(ctx, s.Store, s.Key)
	for try := 1; fault.Is(err, fault.NotFound); try++ {
		// A store may refuse a put a moment before it shows what it refused it for.
		if try == refusedTries || !pause(ctx, try) {
			return Result{}, fault.New(fault.Unavailable, "%s: %w", s.Key, ErrSwept)
		}
		body, o, err = store.ReadAll(ctx, s.Store, s.Key)
	}
	if err != nil {
		return Result{}, err
	}
	writer, err := s.WriterID(body)
	if err != nil {
		return Result{}, fault.Wrap(err, "%s", s.Key)
	}
	if writer == id && !bug.In(bug.IDNotCompared) {
		return Result{Won: true, StoreTime: o.Modified}, nil
	}
	return Result{Body: body, StoreTime: o.StoreTime}, nil
}

// mistaken is how the mistakes of [bug.UnknownIsSuccess], [bug.ConflictIsSuccess]
// and [bug.ConflictIsTaken] take an answer.
func mistaken(err error) (res Result, wrong bool) {
	switch fault.KindOf(err) {
	case fault.Unknown:
		return Result{Won: true, StoreTime: time.Now()}, bug.In(bug.UnknownIsSuccess)
	case fault.Conflict:
		won := bug.In(bug.ConflictIsSuccess)
		return Result{Won: won, StoreTime: time.Now()}, won || bug.In(bug.ConflictIsTaken)
	}
	return res, false
}

func (s Slot) giveUp(doubt bool, err error) error {
	if doubt && !bug.In(bug.UnknownIsFailure) {
		return fault.New(fault.Unknown, "%s may or may not be written: %w", s.Key, err)
	}
	return fault.New(fault.Unavailable, "%s could not be written: %w", s.Key, err)
}

func retriable(err error) bool {
	return fault.Is(err, fault.Unavailable) && !errors.Is(err, ErrSwept)
}

// Jitter draws a duration below d, by which writers who collided part. The
// simulation replaces it by draws of its own.
var Jitter = rand.N[time.Duration]

// pause waits before the next try. It returns false when ctx ends first.
func pause(ctx context.Context, try int) bool {
	wait := min(20*time.Millisecond<<(try-1), 2*time.Second)
	wait = wait/2 + Jitter(wait/2)
	t := time.NewTimer(wait)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}
