package front

import (
	"errors"
	"net/http"

	"github.com/firnlog/firn/layout/commitlog"
	"github.com/firnlog/firn/layout/fault"
)

// statuses is the one table from kinds of errors to HTTP.
var statuses = map[fault.Kind]int{
	fault.Internal:        http.StatusInternalServerError,
	fault.Invalid:         http.StatusBadRequest,
	fault.NotFound:        http.StatusNotFound,
	fault.Exists:          http.StatusConflict,
	fault.Conflict:        http.StatusConflict,
	fault.Unknown:         http.StatusGatewayTimeout,
	fault.Limit:           http.StatusRequestEntityTooLarge,
	fault.Overload:        http.StatusTooManyRequests,
	fault.Unavailable:     http.StatusServiceUnavailable,
	fault.Corrupt:         http.StatusInternalServerError,
	fault.Gone:            http.StatusGone,
	fault.Unauthenticated: http.StatusUnauthorized,
	fault.Denied:          http.StatusForbidden,
}

// errMethod marks a method that a path does not take.
var errMethod = errors.New("method not allowed")

// errSlow marks a body that did not come to its end in time.
var errSlow = errors.New("the body did not come in time: send less at once")

// Status returns the HTTP status for err, 200 for nil. Some bad input
// has a status of its own: an idempotency key used for another request (422), a
// form of body that Firn does not take (415), a method that a path does not (405), a body that is too slow (408).
func Status(err error) int {
	switch {
	case err == nil:
		return http.StatusOK
	case errors.Is(err, commitlog.ErrKeyReused):
		return http.StatusUnprocessableEntity
	case errors.Is(err, errMediaType):
		return http.StatusUnsupportedMediaType
	case errors.Is(err, errMethod):
		return http.StatusMethodNotAllowed
	case errors.Is(err, errSlow):
		return http.StatusRequestTimeout
	}
	if status, ok := statuses[fault.KindOf(err)]; ok {
		return status
	}
	return http.StatusInternalServerError
}
