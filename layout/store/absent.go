package store

import (
	"errors"
	"time"
)

// absence is the failure of a Get of what is not there, with when it was not.
type absence struct {
	error
	at time.Time
}

// Unwrap returns the error without the time.
func (a *absence) Unwrap() error { return a.error }

// AbsentAt returns the store's clock when it answered a Get that there is no
// object at the key: the zero time for any other error. What is not there was
// perhaps swept by then, which only its age can tell.
func AbsentAt(err error) time.Time {
	if a, ok := errors.AsType[*absence](err); ok {
		return a.at
	}
	return time.Time{}
}
