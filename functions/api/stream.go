package api

import (
	"errors"
	"io"
	"mime"
	"net/http"
	"strings"
	"time"

	"github.com/firnlog/firn/functions/front"
	"github.com/firnlog/firn/querier"
)

// formats are the media types in which answers to queries are streamed.
var formats = map[string]func(io.Writer) querier.BatchWriter{
	"application/x-ndjson":                querier.NewNDJSON,
	"text/csv":                            querier.NewCSV,
	"application/vnd.apache.arrow.stream": querier.NewArrow,
	typeSequence:                          newSequence,
}

// queryOrStream answers a query in the envelope, or in the format of a stream
// that the header Accept asks for.
func (a API) queryOrStream(w http.ResponseWriter, r *http.Request) {
	if format := streamed(r); format != "" {
		a.streamQuery(w, r, format)
		return
	}
	ans, err := a.query(w, r)
	a.respond(w, r, "eventLog.queryEvents", ans, err)
}

// streamed returns the first format of a stream that a request accepts, "" for
// none, or where JSON is named before.
func streamed(r *http.Request) string {
	for part := range strings.SplitSeq(r.Header.Get("Accept"), ",") {
		media, _, err := mime.ParseMediaType(part)
		if err != nil {
			continue
		}
		if formats[media] != nil {
			return media
		}
		if media == front.TypeJSON {
			return ""
		}
	}
	return ""
}

// streamQuery answers a query by a stream: of as many events as its limit says,
// or with the parameter all=true of all. An error before the first byte is
// answered as ever; later the connection is cut, so that nobody takes a part for
// the whole. A sequence ends with the envelope, which tells of the error too.
func (a API) streamQuery(w http.ResponseWriter, r *http.Request, format string) {
	out := &streamWriter{ResponseController: http.NewResponseController(w), w: w, format: format}
	to := formats[format](out)
	q, all, err := a.streamParams(w, r)
	if err == nil {
		most := int64(q.Limit)
		if all {
			most = -1
		}
		if err = a.Stream(r.Context(), q, most, to.Write); err == nil {
			err = to.Close()
		}
	}
	if s, ok := to.(*sequence); ok && (err == nil || out.begun) {
		err = errors.Join(err, s.end(a.envelope(w, r, "eventLog.queryEvents", answer{data: s.data()}, err)))
	}
	switch {
	case err == nil && !out.begun:
		out.begin() // an answer of no bytes
	case err != nil && !out.begun:
		a.respond(w, r, "eventLog.queryEvents", answer{}, err)
	case err != nil:
		_ = out.Flush() // what was said of the error; the client may be gone
		panic(http.ErrAbortHandler)
	}
}

func (a API) streamParams(w http.ResponseWriter, r *http.Request) (q *querier.Query, all bool, err error) {
	p, err := parseParams(r, []string{"all"})
	if err != nil {
		return nil, false, err
	}
	if all, err = p.flag("all"); err != nil {
		return nil, false, err
	}
	q, err = a.readQuery(w, r)
	return q, all, err
}

// streamWriter begins the answer with its first byte, and gives the client some
// time to read each part before it is dropped.
type streamWriter struct {
	*http.ResponseController
	w        http.ResponseWriter
	format   string
	begun    bool
	deadline time.Time // of writes
}

func (s *streamWriter) begin() {
	s.begun = true
	h := s.w.Header()
	h.Set("Content-Type", s.format)
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	s.w.WriteHeader(http.StatusOK)
}

// Write implements [io.Writer].
func (s *streamWriter) Write(part []byte) (int, error) {
	if len(part) == 0 {
		return 0, nil
	}
	if !s.begun {
		s.begin()
	}
	if now := time.Now(); s.deadline.Sub(now) < writePatience-time.Second {
		s.deadline = now.Add(writePatience)
		if err := s.SetWriteDeadline(s.deadline); err != nil && !errors.Is(err, http.ErrNotSupported) {
			return 0, err
		}
	}
	return s.w.Write(part)
}
