package storetest

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// Fault is one way in which a request over a wire goes wrong.
type Fault int

// The faults. A connection that is cut is closed without a further byte.
const (
	// Fine is none: the request is sent on and its answer comes back.
	Fine Fault = iota
	// Dropped cuts the connection and sends nothing on.
	Dropped
	// Unanswered sends the request on and cuts the connection once the server
	// has answered.
	Unanswered
	// Late cuts the connection, and sends the request on a moment later.
	Late
	// Delayed sends the request on a moment late, and its answer back.
	Delayed
	// CutShort cuts the connection in the middle of the answer's body, or before
	// the answer where that has none.
	CutShort
	// CutSilently ends the answer in the middle of its body as if that were all,
	// without a Content-Length that would tell.
	CutSilently
	// Conflict answers 409 ConditionalRequestConflict, and sends nothing on.
	Conflict
	// SlowDown answers 503, and sends nothing on.
	SlowDown
	// Failed answers 500, and sends nothing on.
	Failed
	// DoneSlowDown answers 503 to what the server has carried out.
	DoneSlowDown
	// DoneFailed answers 500 to what the server has carried out.
	DoneFailed
)

// Faults are all of them but Fine.
var Faults = []Fault{Dropped, Unanswered, Late, Delayed, CutShort, CutSilently, Conflict, SlowDown, Failed, DoneSlowDown, DoneFailed}

var faultNames = [...]string{"Fine", "Dropped", "Unanswered", "Late", "Delayed", "CutShort", "CutSilently", "Conflict", "SlowDown", "Failed", "DoneSlowDown", "DoneFailed"}

// String returns the fault's name.
func (f Fault) String() string { return faultNames[f] }

// Applied reports whether the server has carried out the request when the client
// learns that something went wrong.
func (f Fault) Applied() bool {
	switch f {
	case Dropped, Late, Conflict, SlowDown, Failed:
		return false
	}
	return true
}

// delay is the moment of Late and Delayed: longer than a healthy answer takes
// and a first repetition waits.
const delay = 100 * time.Millisecond

// Request is what scripts know of a request to S3, in path style.
type Request struct {
	// Op is get, put, list, delete, tag (also for reading tags), create, part,
	// complete or abort, the last four of multipart uploads; or other.
	Op string
	// Key of the object in its bucket, or the prefix that is listed.
	Key string
}

// Of returns a match for one operation on keys that contain a text.
func Of(op, text string) func(Request) bool {
	return func(r Request) bool { return r.Op == op && strings.Contains(r.Key, text) }
}

func requestOf(r *http.Request) Request {
	query := r.URL.Query()
	_, key, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
	req := Request{Op: "other", Key: key}
	switch {
	case query.Has("list-type"):
		return Request{"list", query.Get("prefix")}
	case key == "":
	case query.Has("tagging"):
		req.Op = "tag"
	case query.Has("uploads"):
		req.Op = "create"
	case query.Has("uploadId"):
		req.Op = map[string]string{http.MethodPut: "part", http.MethodPost: "complete", http.MethodDelete: "abort"}[r.Method]
	default:
		req.Op = strings.ToLower(r.Method)
	}
	return req
}

// reply is a whole answer.
type reply struct {
	status int
	header http.Header
	body   []byte
}

// refusal returns the answer that a fault makes up, nil for none.
func (f Fault) refusal() *reply {
	refuse := func(status int, code string) *reply {
		body := fmt.Sprintf(`<?xml version="1.0" encoding="UTF-8"?><Error><Code>%s</Code><Message>made up by a test</Message></Error>`, code)
		return &reply{status, http.Header{"Content-Type": {"application/xml"}}, []byte(body)}
	}
	switch f {
	case Conflict:
		return refuse(http.StatusConflict, "ConditionalRequestConflict")
	case SlowDown, DoneSlowDown:
		return refuse(http.StatusServiceUnavailable, "SlowDown")
	case Failed, DoneFailed:
		return refuse(http.StatusInternalServerError, "InternalError")
	}
	return nil
}

func (a *reply) write(w http.ResponseWriter) {
	a.head(w, true)
	_, _ = w.Write(a.body)
}

// head writes the status and the header, with the body's length or without.
func (a *reply) head(w http.ResponseWriter, length bool) {
	for name, values := range a.header {
		w.Header()[name] = values
	}
	w.Header().Del("Content-Length")
	if length && a.status != http.StatusNoContent {
		w.Header().Set("Content-Length", strconv.Itoa(len(a.body)))
	}
	w.WriteHeader(a.status)
}

// cut writes the answer as far as the fault lets it.
func (a *reply) cut(w http.ResponseWriter, f Fault) {
	switch {
	case f != CutShort && f != CutSilently:
		a.write(w)
	case len(a.body) == 0:
		panic(http.ErrAbortHandler)
	default:
		a.head(w, f == CutShort)
		_, _ = w.Write(a.body[:len(a.body)/2])
		_ = http.NewResponseController(w).Flush() // chunked, where the length is not told
		if f == CutShort {
			panic(http.ErrAbortHandler)
		}
	}
}
