package client

import (
	"context"
	"io"
	"net/http"

	"github.com/firnlog/firn/layout/fault"
)

// The formats of streams, as [Client.Stream] takes them.
const (
	NDJSON = "application/x-ndjson"
	CSV    = "text/csv"
	Arrow  = "application/vnd.apache.arrow.stream"
)

// Stream writes the answer to a query in the JSON of the query language to w, in
// one of the formats: up to the query's limit, or with all everything. After an
// error what was written is not all.
func (c *Client) Stream(ctx context.Context, dsl []byte, format string, all bool, w io.Writer) error {
	body, err := c.open(ctx, dsl, format, all)
	if err != nil {
		return err
	}
	defer body.Close()
	if _, err := io.Copy(w, body); err != nil {
		return brokenOff(err)
	}
	return nil
}

// open asks for a stream, whose body the caller closes.
func (c *Client) open(ctx context.Context, dsl []byte, format string, all bool) (io.ReadCloser, error) {
	r := call{method: http.MethodPost, path: "/v1/query", header: map[string]string{"Accept": format}, body: dsl}
	for name, value := range jsonBody {
		r.header[name] = value
	}
	if all {
		r.path += "?all=true"
	}
	resp, sent, err := c.send(ctx, r)
	if err != nil {
		return nil, err
	}
	if resp.StatusCode == http.StatusOK && resp.Header.Get("Content-Type") == format {
		return resp.Body, nil
	}
	defer resp.Body.Close()
	if resp.StatusCode == http.StatusOK {
		return nil, foreign(r, resp)
	}
	_, err = answered(r, resp, sent)
	return nil, err
}

// brokenOff is the error of a stream whose end did not come.
func brokenOff(err error) error {
	return fault.New(fault.Unavailable, "the answer broke off: %w", err)
}
