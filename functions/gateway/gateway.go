// Package gateway lets one [http.Handler] answer the events by which AWS Lambda
// functions are invoked over HTTP: those of API Gateway's HTTP APIs (format 2.0)
// and REST APIs (format 1.0), and of function URLs, with the answer in one piece
// or as a stream. So the functions serve the very handler that the local server
// does.
//
// The forms of the events are those of the AWS documentation, by way of
// aws-lambda-go/events.
package gateway

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/aws/aws-lambda-go/events"

	"github.com/firnlog/firn/layout/fault"
)

// event has the members of all forms of HTTP events that matter here.
type event struct {
	Version string `json:"version"` // "2.0", or "1.0" and absent for REST APIs

	// Format 2.0.
	RawPath        string   `json:"rawPath"`
	RawQueryString string   `json:"rawQueryString"`
	Cookies        []string `json:"cookies"`

	// Format 1.0.
	HTTPMethod        string              `json:"httpMethod"`
	Path              string              `json:"path"`
	MultiValueHeaders map[string][]string `json:"multiValueHeaders"`
	MultiValueQuery   map[string][]string `json:"multiValueQueryStringParameters"`

	Headers         map[string]string `json:"headers"`
	Body            string            `json:"body"`
	IsBase64Encoded bool              `json:"isBase64Encoded"`
	RequestContext  struct {
		Stage      string `json:"stage"`
		DomainName string `json:"domainName"` // ID.lambda-url.REGION.on.aws of function URLs
		RequestID  string `json:"requestId"`
		HTTP       struct {
			Method   string `json:"method"`
			SourceIP string `json:"sourceIp"`
		} `json:"http"`
		Identity struct {
			SourceIP string `json:"sourceIp"`
		} `json:"identity"`
	} `json:"requestContext"`
}

// IsHTTP reports whether an invocation's payload is an HTTP event, and not of a
// queue, a schedule or a WebSocket.
func IsHTTP(payload json.RawMessage) bool {
	var e event
	return json.Unmarshal(payload, &e) == nil && (e.RequestContext.HTTP.Method != "" || e.HTTPMethod != "")
}

// request returns the HTTP request of an event.
func (e *event) request(ctx context.Context) (*http.Request, error) {
	body := []byte(e.Body)
	if e.IsBase64Encoded {
		var err error
		if body, err = base64.StdEncoding.DecodeString(e.Body); err != nil {
			return nil, fault.New(fault.Invalid, "the event's body is no base64: %w", err)
		}
	}
	method, target, from := e.RequestContext.HTTP.Method, e.target(), e.RequestContext.HTTP.SourceIP
	if e.Version != "2.0" {
		method, from = e.HTTPMethod, e.RequestContext.Identity.SourceIP
	}
	r, err := http.NewRequestWithContext(ctx, method, "/", bytes.NewReader(body))
	if err != nil {
		return nil, fault.New(fault.Invalid, "the event is no HTTP request: %w", err)
	}
	if r.URL, err = url.ParseRequestURI(target); err != nil {
		return nil, fault.New(fault.Invalid, "the event's path is none: %w", err)
	}
	r.RequestURI, r.RemoteAddr = target, net.JoinHostPort(from, "0")
	for name, value := range e.Headers {
		r.Header.Set(name, value)
	}
	for name, values := range e.MultiValueHeaders {
		r.Header.Del(name)
		for _, v := range values {
			r.Header.Add(name, v)
		}
	}
	if len(e.Cookies) > 0 {
		r.Header.Set("Cookie", strings.Join(e.Cookies, "; "))
	}
	r.Host = r.Header.Get("Host")
	r.Header.Del("Content-Length") // it was that of the body on the wire
	if r.Header.Get("X-Request-Id") == "" && e.RequestContext.RequestID != "" {
		r.Header.Set("X-Request-Id", e.RequestContext.RequestID)
	}
	return r, nil
}

// target returns the path and query as they were on the request line, without
// the name of the stage, which HTTP APIs put before all paths.
func (e *event) target() string {
	if e.Version != "2.0" {
		path := escaped(e.Path)
		if query := url.Values(e.MultiValueQuery).Encode(); query != "" {
			path += "?" + query
		}
		return path
	}
	path := e.RawPath
	if stage := e.RequestContext.Stage; stage != "" && stage != "$default" {
		if rest, ok := strings.CutPrefix(path, "/"+stage); ok && (rest == "" || rest[0] == '/') {
			path = "/" + strings.TrimPrefix(rest, "/")
		}
	}
	if e.fromFunctionURL() {
		path = escaped(path)
	} else { // HTTP APIs decode paths: a percent sign in one is no more than that
		path = (&url.URL{Path: path}).EscapedPath()
	}
	if e.RawQueryString != "" {
		path += "?" + e.RawQueryString
	}
	return path
}

// fromFunctionURL reports whether an event of format 2.0 is one of a function URL.
func (e *event) fromFunctionURL() bool {
	return strings.Contains(e.RequestContext.DomainName, ".lambda-url.")
}

// escaped returns a path as a request line has it. Function URLs and REST APIs hand
// it on as it was sent; one that holds what has to be encoded was decoded.
func escaped(path string) string {
	if decoded, err := url.PathUnescape(path); err == nil {
		return (&url.URL{Path: decoded, RawPath: path}).EscapedPath()
	}
	return (&url.URL{Path: path}).EscapedPath()
}

// Margin is how long before the end of the invocation's time a request's context
// ends: who is cut off by Lambda can say nothing, not even that an outcome is
// unknown.
const Margin = 500 * time.Millisecond

// WithMargin returns a context that ends [Margin] before the deadline of ctx.
func WithMargin(ctx context.Context) (context.Context, context.CancelFunc) {
	if deadline, ok := ctx.Deadline(); ok {
		return context.WithDeadline(ctx, deadline.Add(-Margin))
	}
	return context.WithCancel(ctx)
}

// MaxAnswer is how large a buffered answer may be, in bytes: Lambda takes 6 MB of
// JSON, in which the body may stand in base64.
const MaxAnswer = 4_400_000

// Buffered returns a Lambda handler whose answers come in one piece. One that is
// larger than [MaxAnswer] becomes an error that says how to ask for less.
func Buffered(h http.Handler) func(context.Context, json.RawMessage) (any, error) {
	return func(ctx context.Context, payload json.RawMessage) (any, error) {
		var e event
		if err := json.Unmarshal(payload, &e); err != nil {
			return nil, fmt.Errorf("the invocation is no HTTP event: %w", err)
		}
		ctx, cancel := WithMargin(ctx)
		defer cancel()
		r, err := e.request(ctx)
		if err != nil {
			return nil, err
		}
		w := &recorder{header: http.Header{}}
		h.ServeHTTP(w, r)
		if w.body.Len() > MaxAnswer {
			w.tooLarge()
		}
		if e.Version == "2.0" {
			return w.format2(), nil
		}
		return w.format1(), nil
	}
}

// recorder keeps an answer.
type recorder struct {
	header http.Header
	status int
	body   bytes.Buffer
}

func (w *recorder) Header() http.Header { return w.header }

func (w *recorder) WriteHeader(status int) {
	if w.status == 0 && status >= 200 {
		w.status = status
	}
}

func (w *recorder) Write(b []byte) (int, error) {
	w.WriteHeader(http.StatusOK)
	return w.body.Write(b)
}

// tooLarge replaces an answer that Lambda would not deliver.
func (w *recorder) tooLarge() {
	text := fmt.Sprintf("the answer has %d bytes, and this function can give %d at once: ask for fewer events with limit and go on with the cursor, select fewer fields, or ask at the address of query that streams (QueryUrl)", w.body.Len(), MaxAnswer)
	body, err := json.Marshal(map[string]any{"type": "error", "success": false, "error": text, "code": fault.Limit.String(), "requestId": w.header.Get("X-Request-Id")})
	if err != nil {
		panic(err) // strings always encode
	}
	w.status = http.StatusRequestEntityTooLarge
	w.body.Reset()
	w.body.Write(body)
	w.header.Del("Content-Encoding")
	w.header.Set("Content-Type", "application/json")
}

// text returns the body as events carry it: as it is where it is text.
func (w *recorder) text() (body string, encoded bool) {
	kind := w.header.Get("Content-Type")
	plain := w.header.Get("Content-Encoding") == "" && (strings.HasPrefix(kind, "text/") || strings.Contains(kind, "json") || strings.Contains(kind, "yaml"))
	if plain || w.body.Len() == 0 {
		return w.body.String(), false
	}
	return base64.StdEncoding.EncodeToString(w.body.Bytes()), true
}

func (w *recorder) format2() events.APIGatewayV2HTTPResponse {
	w.WriteHeader(http.StatusOK)
	out := events.APIGatewayV2HTTPResponse{StatusCode: w.status, Headers: joined(w.header)}
	out.Body, out.IsBase64Encoded = w.text()
	return out
}

func (w *recorder) format1() events.APIGatewayProxyResponse {
	w.WriteHeader(http.StatusOK)
	out := events.APIGatewayProxyResponse{StatusCode: w.status, MultiValueHeaders: w.header}
	out.Body, out.IsBase64Encoded = w.text()
	return out
}

// joined returns headers with one value each, as format 2.0 has them.
func joined(h http.Header) map[string]string {
	out := make(map[string]string, len(h))
	for name, values := range h {
		out[name] = strings.Join(values, ", ")
	}
	return out
}
