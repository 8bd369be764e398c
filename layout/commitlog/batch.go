package commitlog

import (
	"fmt"
	"strconv"

	"github.com/firnlog/firn/layout/event"
	"github.com/firnlog/firn/layout/fault"
)

// Batch is what one append brings.
type Batch struct {
	// Events in the order in which they are to be numbered, without the fields
	// that Firn adds. At least one.
	Events []event.Event
	// Expect makes the append conditional on where streams stand before it.
	// The batch must then fall into one shard.
	Expect map[string]Expectation
	// Key is the idempotency key, "" for none, and Hash a hash of the request
	// that it stands for.
	Key  string
	Hash string
}

// Expectation says where a stream must stand for an append to go ahead.
// Non-negative values are the exact sequence number of its last event, 0 for no
// event at all.
type Expectation int64

// Expectations that are not exact.
const (
	Any    Expectation = -1 // whatever
	Exists Expectation = -2 // at least one event
)

// ParseExpectation reads the text form: a sequence number, "none" (the same as
// 0), "exists" or "any".
func ParseExpectation(s string) (Expectation, error) {
	switch s {
	case "any":
		return Any, nil
	case "exists":
		return Exists, nil
	case "none":
		return 0, nil
	}
	if n, err := strconv.ParseInt(s, 10, 64); err == nil && n >= 0 {
		return Expectation(n), nil
	}
	return 0, fault.New(fault.Invalid, "an expected sequence is the number of the stream's last event, or \"none\", \"exists\" or \"any\"")
}

// String returns the text form.
func (x Expectation) String() string {
	switch x {
	case Any:
		return "any"
	case Exists:
		return "exists"
	case 0:
		return "none"
	}
	return strconv.FormatInt(int64(x), 10)
}

// Receipt is the answer to an append.
type Receipt struct {
	// Events are the batch's events in their order, with all that Firn added.
	// Those of a shard that refused its part have no sequence number.
	Events []event.Event
	// Parts says what became of each shard's part, by shard.
	Parts []Part
	// Replayed is true when every part had been stored before under the same
	// idempotency key: this is the answer of then.
	Replayed bool
}

// Part is the outcome of one shard's part of a batch.
type Part struct {
	Shard    int
	Count    int   // events of the batch in this shard
	Position int64 // of the commit that holds them, 0 with Err
	Err      error // nil when they are stored
}

// ConflictError says which expectation did not hold. Its kind is Conflict.
type ConflictError struct {
	Stream   string
	Expected Expectation
	Actual   int64 // sequence number of the stream's last event
}

func (e *ConflictError) Error() string {
	return fmt.Sprintf("stream %q is at sequence %d, expected %s", e.Stream, e.Actual, e.Expected)
}

// conflict wraps a ConflictError with its kind.
func conflict(stream string, want Expectation, actual int64) error {
	return fault.New(fault.Conflict, "%w", &ConflictError{stream, want, actual})
}

// holds reports whether a stream at the sequence number actual meets x.
func (x Expectation) holds(actual int64) bool {
	switch x {
	case Any:
		return true
	case Exists:
		return actual > 0
	}
	return actual == int64(x)
}
