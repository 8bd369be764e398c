package store

import (
	"context"
	"io"
	"sync/atomic"
)

// Counted is a store that counts the requests to another one, and the bytes of
// objects that go in and out. Requests are what object storage is paid by.
type Counted struct {
	store                                     Store
	gets, puts, lists, deletes, setTags, tags atomic.Int64
	bytesIn, bytesOut                         atomic.Int64
}

// Counts are the requests to a store by operation, whether they succeeded or
// not, and the bytes of the bodies given to Put and read from Get.
type Counts struct {
	Get, Put, List, Delete, SetTags, Tags int64
	BytesIn, BytesOut                     int64
}

// NewCounted returns a store that counts what goes to s.
func NewCounted(s Store) *Counted { return &Counted{store: s} }

// Counts returns the counts since the beginning.
func (c *Counted) Counts() Counts {
	return Counts{
		Get: c.gets.Load(), Put: c.puts.Load(), List: c.lists.Load(),
		Delete: c.deletes.Load(), SetTags: c.setTags.Load(), Tags: c.tags.Load(),
		BytesIn: c.bytesIn.Load(), BytesOut: c.bytesOut.Load(),
	}
}

// Sub returns what was counted between before and c.
func (c Counts) Sub(before Counts) Counts {
	return Counts{
		Get: c.Get - before.Get, Put: c.Put - before.Put, List: c.List - before.List,
		Delete: c.Delete - before.Delete, SetTags: c.SetTags - before.SetTags, Tags: c.Tags - before.Tags,
		BytesIn: c.BytesIn - before.BytesIn, BytesOut: c.BytesOut - before.BytesOut,
	}
}

// Requests returns the number of requests of all kinds.
func (c Counts) Requests() int64 {
	return c.Get + c.Put + c.List + c.Delete + c.SetTags + c.Tags
}

// Get implements [Store].
func (c *Counted) Get(ctx context.Context, key string, r Range) (*Object, error) {
	c.gets.Add(1)
	o, err := c.store.Get(ctx, key, r)
	if err != nil {
		return nil, err
	}
	counted := *o
	counted.Body = &countedBody{o.Body, &c.bytesOut}
	return &counted, nil
}

type countedBody struct {
	io.ReadCloser
	bytes *atomic.Int64
}

func (b *countedBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	b.bytes.Add(int64(n))
	return n, err
}

// Put implements [Store].
func (c *Counted) Put(ctx context.Context, key string, body Body, cond Condition) (Receipt, error) {
	c.puts.Add(1)
	c.bytesIn.Add(body.Size())
	return c.store.Put(ctx, key, body, cond)
}

// List implements [Store].
func (c *Counted) List(ctx context.Context, opts ListOptions) (Page, error) {
	c.lists.Add(1)
	return c.store.List(ctx, opts)
}

// Delete implements [Store].
func (c *Counted) Delete(ctx context.Context, key string) error {
	c.deletes.Add(1)
	return c.store.Delete(ctx, key)
}

// SetTags implements [Store].
func (c *Counted) SetTags(ctx context.Context, key string, tags map[string]string) error {
	c.setTags.Add(1)
	return c.store.SetTags(ctx, key, tags)
}

// Tags implements [Store].
func (c *Counted) Tags(ctx context.Context, key string) (map[string]string, error) {
	c.tags.Add(1)
	return c.store.Tags(ctx, key)
}
