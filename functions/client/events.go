package client

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"time"
)

// Append is a batch of events to be stored.
type Append struct {
	Instance string
	NDJSON   []byte // one event a line
	Key      string // idempotency key, "" for none
	Expect   string // where the batch's stream must stand: a sequence number, none, exists or any; "" for any
	Create   bool   // make the instance when there is none
	Receipts bool   // ask what became of each event
}

// Receipt is the answer to an append.
type Receipt struct {
	Count    int      // events that are stored
	Replayed bool     // they had been before, under the same key
	Events   []Stored // by event, when asked for
}

// Stored is what Firn added to an event.
type Stored struct {
	ID        string    `json:"id"`
	Stream    string    `json:"stream_id"`
	Sequence  int64     `json:"sequence_number"`
	Timestamp time.Time `json:"timestamp"`
}

// Append stores a batch. Beside an error the receipt says what is known to be
// stored nevertheless: the parts of some shards.
func (c *Client) Append(ctx context.Context, a Append) (Receipt, error) {
	name, err := segment(a.Instance)
	if err != nil {
		return Receipt{}, err
	}
	params := url.Values{}
	if !a.Receipts {
		params.Set("return", "minimal")
	}
	if a.Create {
		params.Set("autoCreate", "true")
	}
	if a.Expect != "" {
		params.Set("expectedSequence", a.Expect)
	}
	header := map[string]string{"Content-Type": "application/x-ndjson"}
	if a.Key != "" {
		header["Idempotency-Key"] = a.Key
	}
	var out Receipt
	data, err := c.do(ctx, call{
		method: http.MethodPost, path: instancesPath + "/" + name + "/events?" + params.Encode(), header: header, body: a.NDJSON, writes: true})
	if data != nil {
		if bad := decode(data, &out); err == nil {
			err = bad
		}
	}
	return out, err
}

// Result is the answer to a query.
type Result struct {
	Events      []json.RawMessage
	Aggregation json.RawMessage // nil without a reduction
	Total       *int64          // nil when it was not asked for
	Cursor      string          // of the next page, "" when there is none
	Partial     []string        // why it is a part of the answer; nil for all of it
	Stats       struct {
		FilesConsidered int64   `json:"files_considered"`
		FilesRead       int64   `json:"files_read"`
		RowsScanned     int64   `json:"rows_scanned"`
		TailCommits     int64   `json:"tail_commits"`
		Milliseconds    float64 `json:"milliseconds"`

		Explain json.RawMessage `json:"explain"` // an object of numbers, where the query asks for it
	}
	Raw json.RawMessage `json:"-"` // all of it, as the server sent it
}

// Query answers a query in the JSON of the query language.
func (c *Client) Query(ctx context.Context, dsl []byte) (*Result, error) {
	data, err := c.do(ctx, call{method: http.MethodPost, path: "/v1/query", header: jsonBody, body: dsl})
	if err != nil {
		return nil, err
	}
	var answer struct{ Result json.RawMessage }
	out := &Result{}
	if err := decode(data, &answer); err != nil {
		return nil, err
	}
	out.Raw = answer.Result
	return out, decode(answer.Result, out)
}
