package vamp

import (
	"fmt"
	"mime"
	"net/http"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/firnlog/firn/functions/front"
	"github.com/firnlog/firn/layout/fault"
)

// The media types of bodies and answers.
const (
	typeJSON = "application/json"
	typeYAML = "application/x-yaml"
)

const onlyTypes = "Only the following media types are supported: application/json, application/x-yaml"

// wantsYAML reads the header Accept: whether the answer is to be YAML. A request
// without one takes JSON.
func wantsYAML(r *http.Request) (bool, error) {
	given := strings.Join(r.Header.Values("Accept"), ",")
	yaml, best := false, 0.0
	for part := range strings.SplitSeq(given, ",") {
		name, params, err := mime.ParseMediaType(part)
		if err != nil || name != typeJSON && name != typeYAML && name != "*/*" && name != "application/*" {
			continue
		}
		weight := 1.0
		if q, err := strconv.ParseFloat(params["q"], 64); err == nil {
			weight = q
		}
		if weight > best {
			yaml, best = name == typeYAML, weight
		}
	}
	if best <= 0 && strings.TrimSpace(given) != "" {
		return false, fault.New(fault.Invalid, "%s, but not: %s", onlyTypes, shorten(given))
	}
	return yaml, nil
}

// header sets what all answers have.
func (d *door) header(w http.ResponseWriter, r *http.Request, contentType string) {
	d.allow(w, r)
	h := w.Header()
	h.Set("Content-Type", contentType)
	h.Set("Cache-Control", "no-store")
	h.Set("Pragma", "no-cache")
	h.Set("X-Content-Type-Options", "nosniff")
}

// respond writes a JSON text in the form that the client wants.
func (d *door) respond(w http.ResponseWriter, r *http.Request, status int, body []byte) {
	contentType := typeJSON
	if yaml, err := wantsYAML(r); err == nil && yaml {
		contentType, body = typeYAML, toYAML(body)
	}
	d.header(w, r, contentType)
	w.WriteHeader(status)
	_, _ = w.Write(body) // that the client may be gone is no concern
}

// fail answers with {"message": …}, and with nothing where nothing is there.
func (d *door) fail(w http.ResponseWriter, r *http.Request, err error) {
	status, text := front.Status(err), d.ErrorText(w, r, err)
	switch status {
	case http.StatusNotFound:
		d.header(w, r, typeJSON)
		w.WriteHeader(status)
		return
	case http.StatusInternalServerError:
		text = "Internal server error."
	case http.StatusTooManyRequests, http.StatusServiceUnavailable:
		w.Header().Set("Retry-After", "1")
	}
	d.respond(w, r, status, append(appendText([]byte(`{"message":`), text), '}'))
}

// invalid returns an error whose text is the client's to read.
func invalid(format string, args ...any) error {
	return fault.New(fault.Invalid, "%w", fmt.Errorf(format, args...))
}

// appendText appends s as a JSON string; bytes that are not UTF-8 are replaced.
func appendText(b []byte, s string) []byte {
	b, _ = jsontext.AppendQuote(b, s)
	return b
}

// shorten cuts outside text for use in a message.
func shorten(s string) string {
	if len(s) > 256 {
		return strings.ToValidUTF8(s[:256], "") + "…"
	}
	return s
}
