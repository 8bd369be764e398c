package client

import (
	"context"
	"net/http"
	"time"
)

// Instance is a container of streams with its settings.
type Instance struct {
	ID            string    `json:"id"`
	Name          string    `json:"name"`
	Description   string    `json:"description,omitempty"`
	CreatedAt     time.Time `json:"createdAt"`
	UpdatedAt     time.Time `json:"updatedAt"` // when its settings changed
	Shards        int       `json:"shards"`
	RetentionDays int       `json:"retentionDays"` // 0 for ever
	// MaxEventAgeSeconds is how old StackState's events may be, 0 for any age.
	MaxEventAgeSeconds int `json:"maxEventAgeSeconds,omitempty"`
}

// Spec describes an instance to be made; what is empty is left to the server.
type Spec struct {
	ID            string `json:"id,omitempty"`
	Name          string `json:"name,omitempty"`
	Description   string `json:"description,omitempty"`
	Shards        int    `json:"shards,omitempty"`
	RetentionDays int    `json:"retentionDays,omitempty"`
}

// Update is what changes of an instance; nil leaves a setting as it is.
type Update struct {
	Name          *string `json:"name,omitempty"`
	Description   *string `json:"description,omitempty"`
	RetentionDays *int    `json:"retentionDays,omitempty"`
}

// Stats says how much an instance holds.
type Stats struct {
	InstanceID string    `json:"instanceId"`
	Name       string    `json:"name"`
	EventCount int64     `json:"eventCount"`
	CreatedAt  time.Time `json:"createdAt"`
	UpdatedAt  time.Time `json:"updatedAt"`
}

const instancesPath = "/v1/instances"

var jsonBody = map[string]string{"Content-Type": "application/json"}

// Instances returns all instances by id.
func (c *Client) Instances(ctx context.Context) ([]Instance, error) {
	var out struct{ Instances []Instance }
	err := c.get(ctx, instancesPath, &out)
	return out.Instances, err
}

// Instance returns the instance with the id or unique name given.
func (c *Client) Instance(ctx context.Context, instance string) (Instance, error) {
	return c.one(ctx, http.MethodGet, instance, nil)
}

// CreateInstance makes an instance. Where the id or the name is taken, the
// error is Exists, and the instance that has it is returned beside it.
func (c *Client) CreateInstance(ctx context.Context, s Spec) (Instance, error) {
	return c.changed(ctx, call{method: http.MethodPost, path: instancesPath, header: jsonBody, body: encode(s), writes: true})
}

// UpdateInstance changes settings and returns the instance as it is then.
func (c *Client) UpdateInstance(ctx context.Context, instance string, u Update) (Instance, error) {
	return c.one(ctx, http.MethodPatch, instance, encode(u))
}

// DeleteInstance deletes an instance with all its events, for ever, and returns
// it as it was.
func (c *Client) DeleteInstance(ctx context.Context, instance string) (Instance, error) {
	return c.one(ctx, http.MethodDelete, instance, nil)
}

// Stats returns how much an instance holds.
func (c *Client) Stats(ctx context.Context, instance string) (Stats, error) {
	var out Stats
	name, err := segment(instance)
	if err == nil {
		err = c.get(ctx, instancesPath+"/"+name+"/stats", &out)
	}
	return out, err
}

// one sends a request about one instance.
func (c *Client) one(ctx context.Context, method, instance string, body []byte) (Instance, error) {
	name, err := segment(instance)
	if err != nil {
		return Instance{}, err
	}
	return c.changed(ctx, call{method: method, path: instancesPath + "/" + name, header: jsonBody, body: body, writes: method != http.MethodGet})
}

func (c *Client) changed(ctx context.Context, r call) (Instance, error) {
	data, err := c.do(ctx, r)
	if data == nil {
		return Instance{}, err
	}
	var out struct{ Instance Instance }
	if bad := decode(data, &out); err == nil {
		err = bad
	}
	return out.Instance, err
}
