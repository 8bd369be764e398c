package client

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"time"
)

// Erasure is an order to forget events, and how far it has come.
type Erasure struct {
	ID           string     `json:"id"`
	Kind         string     `json:"kind"`                   // stream or redaction
	State        string     `json:"state"`                  // pending, rewritten or gone
	StreamSHA256 string     `json:"streamSha256,omitempty"` // of the stream's name
	Events       int        `json:"events,omitempty"`       // of a redaction, when it is ordered
	Shards       int        `json:"shards"`
	OrderedAt    time.Time  `json:"orderedAt"`
	RewrittenAt  *time.Time `json:"rewrittenAt,omitempty"`
	GoneAt       *time.Time `json:"goneAt,omitempty"`
	Warning      string     `json:"warning,omitempty"`
}

// Redaction says which events are to be redacted.
type Redaction struct {
	Stream  string          `json:"stream,omitempty"`
	Where   json.RawMessage `json:"where,omitempty"`   // conditions of the query language
	Payload json.RawMessage `json:"payload,omitempty"` // stands in the place of theirs
}

// EraseStream orders that all events of a stream are forgotten.
func (c *Client) EraseStream(ctx context.Context, instance, stream string) (Erasure, error) {
	name, err := segment(instance)
	if err != nil {
		return Erasure{}, err
	}
	return c.erasure(ctx, call{method: http.MethodDelete, path: instancesPath + "/" + name + "/streams?stream=" + url.QueryEscape(stream), writes: true})
}

// Redact orders that payloads and metadata of events are forgotten.
func (c *Client) Redact(ctx context.Context, instance string, r Redaction) (Erasure, error) {
	name, err := segment(instance)
	if err != nil {
		return Erasure{}, err
	}
	return c.erasure(ctx, call{method: http.MethodPost, path: instancesPath + "/" + name + "/redactions", header: jsonBody, body: encode(r), writes: true})
}

// Erasures returns the erasures of an instance that are under way, and those of
// the last weeks.
func (c *Client) Erasures(ctx context.Context, instance string) ([]Erasure, error) {
	var out struct{ Erasures []Erasure }
	name, err := segment(instance)
	if err == nil {
		err = c.get(ctx, instancesPath+"/"+name+"/erasures", &out)
	}
	return out.Erasures, err
}

func (c *Client) erasure(ctx context.Context, r call) (Erasure, error) {
	data, err := c.do(ctx, r)
	if err != nil {
		return Erasure{}, err
	}
	var out struct{ Erasure Erasure }
	return out.Erasure, decode(data, &out)
}
