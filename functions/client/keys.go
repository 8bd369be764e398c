package client

import (
	"context"
	"net/http"
	"net/url"
	"time"
)

// Key is an API key. Secret is the key in full, which only the answer that made
// it has.
type Key struct {
	ID      string    `json:"id"`
	Name    string    `json:"name"`
	Grants  []string  `json:"grants"` // such as orders-*:append,query
	Created time.Time `json:"created"`
	Expires time.Time `json:"expires,omitzero"` // zero: never
	Revoked time.Time `json:"revoked,omitzero"`
	Used    time.Time `json:"used,omitzero"` // last, to the day
	Secret  string    `json:"key,omitempty"`
}

// KeySpec describes a key to be made.
type KeySpec struct {
	Name    string   `json:"name"`
	Grants  []string `json:"grants"`
	Expires string   `json:"expires,omitempty"` // a time in RFC 3339 or a duration such as 90d; "" for never
}

const keysPath = "/v1/keys"

// Keys returns all API keys, revoked ones too.
func (c *Client) Keys(ctx context.Context) ([]Key, error) {
	var out struct{ Keys []Key }
	err := c.get(ctx, keysPath, &out)
	return out.Keys, err
}

// CreateKey makes a key.
func (c *Client) CreateKey(ctx context.Context, s KeySpec) (Key, error) {
	return c.changeKey(ctx, http.MethodPost, "", encode(s))
}

// RotateKey gives a key a new secret. The former one is good for overlap longer,
// such as 24h, which is what "" stands for.
func (c *Client) RotateKey(ctx context.Context, id, overlap string) (Key, error) {
	body := map[string]string{}
	if overlap != "" {
		body["overlap"] = overlap
	}
	return c.changeKey(ctx, http.MethodPost, "/"+url.PathEscape(id)+"/rotate", encode(body))
}

// RevokeKey ends a key, everywhere within seconds.
func (c *Client) RevokeKey(ctx context.Context, id string) (Key, error) {
	return c.changeKey(ctx, http.MethodDelete, "/"+url.PathEscape(id), nil)
}

// changeKey sends a request that changes a key and returns what it is like then.
func (c *Client) changeKey(ctx context.Context, method, path string, body []byte) (Key, error) {
	data, err := c.do(ctx, call{method: method, path: keysPath + path, header: jsonBody, body: body, writes: true})
	if err != nil {
		return Key{}, err
	}
	var out struct{ Key Key }
	err = decode(data, &out)
	return out.Key, err
}
