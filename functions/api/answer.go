package api

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"net/http"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/firnlog/firn/layout/fault"
)

// answer is what an operation says. data and details are JSON text that is
// sent as it stands, since events are to be seen byte for byte.
type answer struct {
	status  int // 0 means 200, or what the error says
	data    []byte
	details []byte
}

// respond writes the envelope. That the client may be gone is no concern.
func (a *API) respond(w http.ResponseWriter, r *http.Request, operation string, ans answer, err error) {
	status, id := ans.status, w.Header().Get(requestIDHeader)
	if status == 0 {
		status = Status(err)
	}
	b := make([]byte, 0, len(ans.data)+len(ans.details)+512)
	b = appendText(append(b, `{"type":`...), operation)
	if err == nil {
		b = append(b, `,"success":true`...)
	} else {
		b = append(b, `,"success":false,"error":`...)
		b = appendText(b, a.errorText(r, id, err))
		b = appendText(append(b, `,"code":`...), fault.KindOf(err).String())
	}
	if ans.data != nil {
		b = append(append(b, `,"data":`...), ans.data...)
	}
	if ans.details != nil {
		b = append(append(b, `,"details":`...), ans.details...)
	}
	b = appendText(append(b, `,"timestamp":`...), a.Now().UTC().Format("2006-01-02T15:04:05.000Z"))
	b = appendText(append(b, `,"requestId":`...), id)
	b = append(b, "}\n"...)

	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Cache-Control", "no-store")
	if status == http.StatusTooManyRequests || status == http.StatusServiceUnavailable {
		h.Set("Retry-After", "1")
	}
	w.WriteHeader(status)
	_, _ = w.Write(b)
}

// errorText is what the client reads. What is wrong inside Firn goes to the
// operator's log, under the request's id.
func (a *API) errorText(r *http.Request, id string, err error) string {
	kind := fault.KindOf(err)
	level := slog.LevelError
	switch kind {
	case fault.Unavailable, fault.Unknown:
		level = slog.LevelWarn
	case fault.Internal, fault.Corrupt:
	default:
		return err.Error()
	}
	if r.Context().Err() != nil {
		level = slog.LevelDebug // the client has gone, which is no failure of ours
	}
	a.Logger.Log(r.Context(), level, "request failed", "route", r.Pattern, "requestId", id, "kind", kind.String(), "error", err.Error())
	return publicText(err)
}

// publicText is an error's text without what only the operator should read.
func publicText(err error) string {
	switch fault.KindOf(err) {
	case fault.Internal:
		return "internal error: the operator finds the reason in the log, by the request's id"
	case fault.Corrupt:
		return "stored data cannot be read: the operator finds the reason in the log, by the request's id"
	}
	return err.Error()
}

// appendText appends s as a JSON string; bytes that are not UTF-8 are replaced.
func appendText(b []byte, s string) []byte {
	b, _ = jsontext.AppendQuote(b, strings.ToValidUTF8(s, "\uFFFD"))
	return b
}

// encode returns v as JSON. It is for values of this package that always encode.
func encode(v any) []byte {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		panic(err)
	}
	return bytes.TrimSpace(b.Bytes())
}

// shorten cuts outside text for use in a message.
func shorten(s string) string {
	if len(s) > 64 {
		return strings.ToValidUTF8(s[:64], "") + "…"
	}
	return s
}

// recorder remembers the status of an answer, 0 while there is none.
type recorder struct {
	http.ResponseWriter
	status int
}

func (w *recorder) WriteHeader(status int) {
	if w.status == 0 {
		w.status = status
	}
	w.ResponseWriter.WriteHeader(status)
}

func (w *recorder) Write(b []byte) (int, error) {
	if w.status == 0 {
		w.status = http.StatusOK
	}
	return w.ResponseWriter.Write(b)
}

// Unwrap is for [http.ResponseController].
func (w *recorder) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// blank is a ResponseWriter that keeps nothing but headers.
type blank struct{ header http.Header }

func (b blank) Header() http.Header       { return b.header }
func (blank) Write(b []byte) (int, error) { return len(b), nil }
func (blank) WriteHeader(int)             {}
