package api

import (
	"bytes"
	"encoding/json"
	"net/http"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/firnlog/firn/functions/front"
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
func (a API) respond(w http.ResponseWriter, r *http.Request, operation string, ans answer, err error) {
	status := ans.status
	if status == 0 {
		status = front.Status(err)
	}
	b := a.envelope(w, r, operation, ans, err)
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

// envelope returns what respond writes, with a line feed at its end.
func (a API) envelope(w http.ResponseWriter, r *http.Request, operation string, ans answer, err error) []byte {
	b := make([]byte, 0, len(ans.data)+len(ans.details)+512)
	b = appendText(append(b, `{"type":`...), operation)
	if err == nil {
		b = append(b, `,"success":true`...)
	} else {
		b = append(b, `,"success":false,"error":`...)
		b = appendText(b, a.ErrorText(w, r, err))
		b = appendText(append(b, `,"code":`...), fault.KindOf(err).String())
	}
	if ans.data != nil {
		b = append(append(b, `,"data":`...), ans.data...)
	}
	if ans.details != nil {
		b = append(append(b, `,"details":`...), ans.details...)
	}
	b = appendText(append(b, `,"timestamp":`...), a.Now().UTC().Format("2006-01-02T15:04:05.000Z"))
	b = appendText(append(b, `,"requestId":`...), front.RequestID(w))
	return append(b, "}\n"...)
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
