package store

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptrace"
	"sync/atomic"
	"time"

	smithy "github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"github.com/firnlog/firn/layout/fault"
)

// watch returns a context for one request and a flag that is set once the
// request has a connection, and may have been sent.
func watch(ctx context.Context) (context.Context, *atomic.Bool) {
	sent := new(atomic.Bool)
	return httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		GotConn: func(httptrace.GotConnInfo) { sent.Store(true) },
	}), sent
}

// statusOf returns the HTTP status that err came with, 0 for none.
func statusOf(err error) int {
	if answer, ok := errors.AsType[*smithyhttp.ResponseError](err); ok && answer.Response != nil {
		return answer.HTTPStatusCode()
	}
	return 0
}

// codeOf returns S3's name for err, "" for none.
func codeOf(err error) string {
	if named, ok := errors.AsType[smithy.APIError](err); ok {
		return named.ErrorCode()
	}
	return ""
}

// readError gives the failure of a request that changes nothing its kind.
// Without S3's own word for it, a 404 may come from anything on the way: to
// take it for the absence of an object would be to lose events.
func (s *S3) readError(what string, err error) error {
	kind, hint := fault.Unavailable, ""
	switch status, code := statusOf(err), codeOf(err); {
	case code == "NoSuchKey":
		kind, err = fault.NotFound, &absence{err, dateOf(err)}
	case code == "NoSuchBucket":
		hint = "there is no such bucket: "
	case status == http.StatusRequestedRangeNotSatisfiable:
		kind = fault.Invalid
	case code == "RequestTimeTooSkewed":
		hint = "this machine's clock and the service's are too far apart: "
	case status == http.StatusForbidden:
		hint = "access denied (also the answer for an absent object without the right to list the bucket): "
	}
	return fault.New(kind, "%s in bucket %s: %s%w", what, s.bucket, hint, err)
}

// dateOf returns the Date that the answer of err bears; zero without one.
func dateOf(err error) time.Time {
	if answer, ok := errors.AsType[*smithyhttp.ResponseError](err); ok && answer.Response != nil {
		date, _ := http.ParseTime(answer.Response.Header.Get("Date"))
		return date
	}
	return time.Time{}
}

// writeError gives the failure of a put, delete or tag its kind, nil for nil.
// sent is the flag of the request's [watch].
func (s *S3) writeError(what string, err error, sent *atomic.Bool) error {
	if err == nil {
		return nil
	}
	return fault.New(writeKind(statusOf(err), codeOf(err), sent.Load()), "%s in bucket %s: %w", what, s.bucket, err)
}

// writeKind knows what an answer to a write lets one conclude: nothing, unless
// it is a refusal by the service. A gateway on the way answers 5xx to what the
// service may have done.
func writeKind(status int, code string, sent bool) fault.Kind {
	switch {
	case status == 0 && !sent:
		return fault.Unavailable
	case status == http.StatusPreconditionFailed || code == "PreconditionFailed":
		return fault.Exists
	case status == http.StatusConflict || code == "ConditionalRequestConflict":
		return fault.Conflict
	case code == "NoSuchKey":
		return fault.NotFound
	case code == "NoSuchUpload": // of a completion: someone may have completed it
		return fault.Unknown
	case status == http.StatusNotImplemented:
		return fault.Unavailable
	case 300 <= status && status < 500 && status != http.StatusRequestTimeout:
		return fault.Unavailable
	}
	return fault.Unknown
}

// answerBody gives the errors in the middle of an answer their kind.
type answerBody struct {
	body io.ReadCloser
	key  string
}

// Read implements [io.Reader].
func (b *answerBody) Read(p []byte) (int, error) {
	n, err := b.body.Read(p)
	if err != nil && err != io.EOF {
		err = fault.New(fault.Unavailable, "get %s: the answer broke off: %w", b.key, err)
	}
	return n, err
}

// Close implements [io.Closer].
func (b *answerBody) Close() error { return b.body.Close() }
