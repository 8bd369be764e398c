// Package client speaks Firn's native HTTP API (package functions/api): with a
// server over the network, or with a handler in the same process. To whoever
// calls it the two are the same, down to the errors, which are of the kinds of
// package fault.
//
//	c, err := client.New("http://127.0.0.1:7480")
//	receipt, err := c.Append(ctx, client.Append{Instance: "my-log", NDJSON: lines, Key: key})
//	result, err := c.Query(ctx, []byte(`{"from":{"instance":"my-log"},"limit":10}`))
//	tail, err := c.Tail(ctx, client.TailRequest{Instance: "my-log"})
//
// An append whose answer was lost has kind Unknown. Sent again with the same key
// it is stored once.
package client

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"strings"
	"sync/atomic"
	"time"

	"github.com/firnlog/firn/layout/fault"
)

// maxAnswer bounds the bytes of an answer that are read: well above what the
// largest page of a query and the receipts of the largest batch need.
const maxAnswer = 512 << 20

// Client sends requests to one server. It is safe for concurrent use.
type Client struct {
	base  string // URL of the server, without a slash at its end
	http  http.Client
	local bool // the server is in this process: there is no connection to it
	key   string
}

// New returns a client of the server at a URL such as http://127.0.0.1:7480.
// It sends nothing yet.
func New(server string) (*Client, error) {
	u, err := url.Parse(server)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.RawQuery != "" || u.Fragment != "" {
		return nil, fault.New(fault.Invalid, "server %q: write http://HOST:PORT or https://HOST", server)
	}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.ResponseHeaderTimeout = 10 * time.Minute // a server that went silent is not waited for for ever
	return &Client{base: strings.TrimRight(server, "/"), http: http.Client{Transport: transport}}, nil
}

// WithKey returns a client that shows the server an API key or a token with each
// request, "" for none.
func (c *Client) WithKey(key string) *Client {
	out := *c
	out.key = key
	return &out
}

// Local returns a client of a handler in this process.
func Local(h http.Handler) *Client {
	return &Client{base: "http://local", http: http.Client{Transport: local{h}}, local: true}
}

// call is one request.
type call struct {
	method, path string
	header       map[string]string
	body         []byte
	writes       bool // whether a lost answer leaves open what happened
}

// envelope is what every answer comes in.
type envelope struct {
	Success   *bool
	Data      json.RawMessage
	Error     string
	Code      string
	RequestID string
}

// do sends a request and returns the data of the answer, which may be there
// beside an error too.
func (c *Client) do(ctx context.Context, r call) (json.RawMessage, error) {
	resp, sent, err := c.send(ctx, r)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	return answered(r, resp, sent)
}

// send sends a request. Sent reports whether there was a connection to send it
// on. The caller closes the answer's body.
func (c *Client) send(ctx context.Context, r call) (resp *http.Response, sent bool, err error) {
	var connected atomic.Bool
	connected.Store(c.local)
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{GotConn: func(httptrace.GotConnInfo) { connected.Store(true) }})
	req, err := http.NewRequestWithContext(ctx, r.method, c.base+r.path, bytes.NewReader(r.body))
	if err != nil {
		return nil, false, fault.New(fault.Invalid, "%w", err)
	}
	for name, value := range r.header {
		req.Header.Set(name, value)
	}
	if c.key != "" {
		req.Header.Set("Authorization", "Bearer "+c.key)
	}
	if resp, err = c.http.Do(req); err != nil {
		err = lost(r, connected.Load(), err)
	}
	return resp, connected.Load(), err
}

// answered reads an answer in the envelope.
func answered(r call, resp *http.Response, sent bool) (json.RawMessage, error) {
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		return nil, lost(r, sent, err)
	}
	var e envelope
	if json.Unmarshal(body, &e) != nil || e.Success == nil {
		return nil, foreign(r, resp)
	}
	return e.Data, e.failure()
}

// failure is the error that an answer tells of, nil for none.
func (e *envelope) failure() error {
	if *e.Success {
		return nil
	}
	kind := kinds[e.Code]
	if kind == fault.Internal || kind == fault.Corrupt {
		return fault.New(kind, "%s (request %s)", e.Error, e.RequestID)
	}
	return fault.New(kind, "%s", e.Error)
}

// kinds are the kinds of errors by their names on the wire. An unknown name is
// Internal.
var kinds = func() map[string]fault.Kind {
	m := map[string]fault.Kind{}
	for k := fault.Internal; k <= fault.Denied; k++ {
		m[k.String()] = k
	}
	return m
}()

// lost is the error of a request that has no whole answer. What a request was
// to write may be written, unless there never was a connection to send it on.
func lost(r call, sent bool, err error) error {
	if u, ok := errors.AsType[*url.Error](err); ok {
		err = u.Err // without the URL, which the user knows
	}
	if r.writes && sent {
		return fault.New(fault.Unknown, "the server's answer was lost: %w", err)
	}
	return fault.New(fault.Unavailable, "the server cannot be reached: %w", err)
}

// foreign is the error of an answer that is not Firn's, such as one of a proxy
// in between. Its status is all there is to go by.
func foreign(r call, resp *http.Response) error {
	kind := fault.Internal
	switch resp.StatusCode {
	case http.StatusTooManyRequests:
		kind = fault.Overload
	case http.StatusServiceUnavailable:
		kind = fault.Unavailable
	default:
		if r.writes && (resp.StatusCode < 300 || resp.StatusCode >= 500) {
			kind = fault.Unknown
		}
	}
	media, _, _ := mime.ParseMediaType(resp.Header.Get("Content-Type"))
	return fault.New(kind, "the answer is not that of a Firn server: status %s, %s", resp.Status, orNothing(media))
}

func orNothing(media string) string {
	if media == "" {
		return "of no known form"
	}
	return media
}

// segment returns what names an instance as a segment of a path.
func segment(instance string) (string, error) {
	if strings.Trim(instance, ".") == "" || strings.ContainsAny(instance, `/\`) {
		return "", fault.New(fault.Invalid, "%q is no instance: give the id or the name of one", instance)
	}
	return url.PathEscape(instance), nil
}

// get reads what is below an instance's path into out.
func (c *Client) get(ctx context.Context, path string, out any) error {
	data, err := c.do(ctx, call{method: http.MethodGet, path: path})
	if err != nil {
		return err
	}
	return decode(data, out)
}

func decode(data []byte, out any) error {
	if err := json.Unmarshal(data, out); err != nil {
		return fault.New(fault.Internal, "the server's answer cannot be read: %w", err)
	}
	return nil
}

// encode returns v as a JSON body.
func encode(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		panic(fmt.Sprintf("client: %v", err)) // the package's own types always encode
	}
	return b
}
