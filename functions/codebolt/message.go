package codebolt

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/firnlog/firn/functions/front"
	"github.com/firnlog/firn/layout/fault"
)

// request is a message as the client sends it.
type request struct {
	operation string         // its type; "error" when it cannot be known
	id        jsontext.Value // its requestId as JSON, nil for none
	params    jsontext.Value // nil for none
}

// parseRequest reads a message. What stands before an error is read all the
// same, since an answer must bear the request's id. Text that is no UTF-8 is let
// through here: what is read of params is read strictly.
func parseRequest(message []byte) (request, error) {
	var r request
	dec := jsontext.NewDecoder(bytes.NewBuffer(message), jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true))
	err := r.read(dec)
	// No push to the client may have the type messageResponse.
	if err == nil && (r.operation == "" || r.operation == "messageResponse") {
		err = fault.New(fault.Invalid, "a request has a type, such as \"eventLog.queryEvents\"")
		r.operation = ""
	}
	// The client takes a reply without an id for that of another request of its type.
	if r.operation == "" || err != nil && r.id == nil {
		r.operation = "error"
	}
	return r, err
}

func (r *request) read(dec *jsontext.Decoder) error {
	if kind := dec.PeekKind(); kind != '{' && kind != 0 {
		return fault.New(fault.Invalid, "a request is a JSON object with type, requestId and params")
	}
	if _, err := dec.ReadToken(); err != nil {
		return badJSON("the message", err)
	}
	for dec.PeekKind() != '}' {
		name, err := dec.ReadToken()
		if err != nil {
			return badJSON("the message", err)
		}
		member := name.String()
		value, err := dec.ReadValue()
		if err != nil {
			return badJSON("the message", err)
		}
		r.set(member, value)
	}
	if _, err := dec.ReadToken(); err != nil {
		return badJSON("the message", err)
	}
	if _, err := dec.ReadToken(); err != io.EOF {
		return fault.New(fault.Invalid, "more follows the request's JSON object: one message holds one request")
	}
	return nil
}

// set takes in a member. Of those that come twice the last one counts, as in
// JavaScript. An id may be of any type that can be compared.
func (r *request) set(member string, value jsontext.Value) {
	kind := value.Kind()
	switch {
	case member == "type" && kind == '"':
		r.operation = unquote(value)
	case member == "requestId" && kind == '"':
		r.id = appendText(nil, unquote(value))
	case member == "requestId" && (kind == '0' || kind == 't' || kind == 'f'):
		r.id = value
	case member == "params":
		r.params = value
	}
}

// badJSON says where a part of a message stops being JSON.
func badJSON(part string, err error) error {
	var bad *jsontext.SyntacticError
	switch {
	case err == io.EOF:
		return fault.New(fault.Invalid, "%s is empty: a request is a JSON object", part)
	case !errors.As(err, &bad):
		return fault.New(fault.Invalid, "%s is not valid JSON: %w", part, err)
	}
	what := strings.TrimPrefix(bad.Err.Error(), "jsontext: ")
	if bad.Err == io.ErrUnexpectedEOF {
		what = "it ends too early"
	}
	return fault.New(fault.Invalid, "%s is not valid JSON at its byte %d: %s", part, bad.ByteOffset, what)
}

// answer is what an operation says. data is JSON that is sent as it stands.
type answer struct {
	data []byte
	note string // for people
}

// reply counts the request and returns the message that answers it.
func (d *Server) reply(ctx context.Context, r request, ans answer, err error) []byte {
	label := r.operation
	if _, known := operations[label]; !known {
		label = "other"
	}
	d.requests.WithLabelValues(label, strconv.FormatBool(err == nil)).Inc()
	if err == nil {
		return d.envelope(r, ans, fault.Internal, "")
	}
	return d.envelope(r, ans, fault.KindOf(err), d.Explain(ctx, "codebolt "+label, r.logID(), err))
}

// envelope writes a reply: a failure if there is a text of what failed.
func (d *Server) envelope(r request, ans answer, kind fault.Kind, failed string) []byte {
	b := make([]byte, 0, len(ans.data)+len(failed)+len(r.id)+512)
	b = appendText(append(b, `{"type":`...), r.operation)
	b = strconv.AppendBool(append(b, `,"success":`...), failed == "")
	if ans.data != nil {
		b = append(append(b, `,"data":`...), ans.data...)
	}
	if ans.note != "" {
		b = appendText(append(b, `,"message":`...), ans.note)
	}
	if failed != "" {
		b = appendText(append(b, `,"error":`...), failed)
		b = appendText(append(b, `,"code":`...), kind.String())
	}
	b = appendText(append(b, `,"timestamp":`...), d.Now().UTC().Format("2006-01-02T15:04:05.000Z"))
	if r.id != nil {
		b = append(append(b, `,"requestId":`...), r.id...)
	}
	return append(b, '}')
}

// logID returns the request's id as logs may show it.
func (r request) logID() string {
	if id := strings.Trim(string(r.id), `"`); front.Visible(id, 128) {
		return id
	}
	return ""
}

// appendText appends s as a JSON string; bytes that are not UTF-8 are replaced.
func appendText(b []byte, s string) []byte {
	b, _ = jsontext.AppendQuote(b, strings.ToValidUTF8(s, "\uFFFD"))
	return b
}

// unquote returns the content of a JSON string; what is no text in it is
// replaced.
func unquote(raw jsontext.Value) string {
	text, _ := jsontext.AppendUnquote(nil, raw)
	return strings.ToValidUTF8(string(text), "\uFFFD")
}

// shorten cuts outside text for use in a message.
func shorten(s string) string {
	if len(s) > 64 {
		return strings.ToValidUTF8(s[:64], "") + "…"
	}
	return s
}

// ignored are members of a request that nobody knows. The client hears of them,
// so that a slip of the pen does not pass in silence.
type ignored []string

const maxIgnored = 10 // that are named

func (g *ignored) add(at string) {
	for _, known := range *g {
		if known == at {
			return
		}
	}
	if len(*g) < maxIgnored {
		*g = append(*g, at)
	}
}

func (g ignored) note() string {
	if len(g) == 0 {
		return ""
	}
	return fmt.Sprintf("not known here and ignored: %s", strings.Join(g, ", "))
}
