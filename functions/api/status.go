package api

import (
	"errors"
	"net/http"

	"github.com/firnlog/firn/layout/commitlog"
	"github.com/firnlog/firn/layout/fault"
)

// statuses is the one table from kinds of errors to HTTP.
var statuses = map[fault.Kind]int{
	fault.Internal:    http.StatusInternalServerError,
	fault.Invalid:     http.StatusBadRequest,
	fault.NotFound:    http.StatusNotFound,
	fault.Exists:      http.StatusConflict,
	fault.Conflict:    http.StatusConflict,
	fault.Unknown:     http.StatusGatewayTimeout,
	fault.Limit:       http.StatusRequestEntityTooLarge,
	fault.Overload:    http.StatusTooManyRequests,
	fault.Unavailable: http.StatusServiceUnavailable,
	fault.Corrupt:     http.StatusInternalServerError,
	fault.Gone:        http.StatusGone,
}

// Status returns the HTTP status for err, 200 for nil. Two kinds of bad input
// have statuses of their own: an idempotency key used for another request
// (422), and a form of body that Firn does not take (415).
func Status(err error) int {
	switch {
	case err == nil:
		return http.StatusOK
	case errors.Is(err, commitlog.ErrKeyReused):
		return http.StatusUnprocessableEntity
	case errors.Is(err, errMediaType):
		return http.StatusUnsupportedMediaType
	}
	if status, ok := statuses[fault.KindOf(err)]; ok {
		return status
	}
	return http.StatusInternalServerError
}
