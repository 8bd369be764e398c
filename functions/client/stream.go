package client

import (
	"context"
	"io"
	"net/http"
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
	r := call{method: http.MethodPost, path: "/v1/query", header: map[string]string{"Accept": format}, body: dsl}
	for name, value := range jsonBody {
		r.header[name] = value
	}
	if all {
		r.path += "?all=true"
	}
	resp, sent, err := c.send(ctx, r)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		_, err := answered(r, resp, sent)
		return err
	}
	if resp.Header.Get("Content-Type") != format {
		return foreign(r, resp)
	}
	if _, err := io.Copy(w, resp.Body); err != nil {
		return lost(r, sent, err)
	}
	return nil
}
