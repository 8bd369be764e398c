// Package fault gives every error in Firn one of a few kinds.
//
// A kind says what the caller may conclude and do, and it is what the front
// doors translate to a status code (functions/front has the one table). The two
// that must never be mixed up are [Conflict], which says that nothing was
// written, and [Unknown], which says that nobody can tell yet.
package fault

import (
	"context"
	"errors"
	"fmt"
)

// Kind classifies an error by what it lets the caller conclude.
type Kind int

const (
	// Internal is a bug or a failure that no other kind describes.
	Internal Kind = iota
	// Invalid is input that can never succeed as it is; nothing was written.
	Invalid
	// NotFound says that the thing named does not exist.
	NotFound
	// Exists says that the thing to be created is there already.
	Exists
	// Conflict is an expectation that did not hold; nothing was written.
	Conflict
	// Unknown says that a write may or may not have been applied, or may be
	// applied later. Repeating it with the same idempotency key settles it.
	Unknown
	// Limit is a documented bound that the input or the answer exceeds.
	Limit
	// Overload says that Firn is taking in all that it can; nothing was written.
	Overload
	// Unavailable says that the store or a part of Firn cannot be reached;
	// nothing was written.
	Unavailable
	// Corrupt is a stored object that does not read as what it must be.
	Corrupt
	// Gone says that the thing named was there and its time is over.
	Gone
	// Unauthenticated says that nobody, or nobody known, sent the request.
	Unauthenticated
	// Denied says that who sent the request may not do this.
	Denied
)

var names = [...]string{"internal", "invalid", "not_found", "exists", "conflict",
	"unknown_outcome", "limit", "overload", "unavailable", "corrupt", "gone", "unauthenticated", "denied"}

// String returns the kind's name on the wire, such as "unknown_outcome".
func (k Kind) String() string {
	if int(k) < len(names) {
		return names[k]
	}
	return fmt.Sprintf("kind(%d)", int(k))
}

// Error is an error with a kind.
type Error struct {
	Kind Kind
	Err  error
}

// Error returns the message, without the kind.
func (e *Error) Error() string { return e.Err.Error() }

// Unwrap returns the error that was given a kind.
func (e *Error) Unwrap() error { return e.Err }

// New returns an error of kind k. The format is that of [fmt.Errorf], so %w
// wraps a cause.
func New(k Kind, format string, args ...any) error {
	return &Error{Kind: k, Err: fmt.Errorf(format, args...)}
}

// Wrap adds what was being done to err and keeps its kind. It returns nil for
// a nil err.
func Wrap(err error, format string, args ...any) error {
	if err == nil {
		return nil
	}
	return &Error{Kind: KindOf(err), Err: fmt.Errorf(format+": %w", append(args, err)...)}
}

// KindOf returns the kind of the outermost [Error] in err's chain. A context
// that ended counts as [Unavailable]: whoever knows that a write was under way
// says [Unknown] itself. Everything else is [Internal].
func KindOf(err error) Kind {
	var e *Error
	if errors.As(err, &e) {
		return e.Kind
	}
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return Unavailable
	}
	return Internal
}

// Is reports whether err is of kind k; a nil err is of none.
func Is(err error, k Kind) bool { return err != nil && KindOf(err) == k }
