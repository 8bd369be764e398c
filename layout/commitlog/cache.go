package commitlog

import (
	"container/list"
	"sync"
)

// cache keeps decoded objects of the bucket by key, the last used ones up to a
// bound in bytes. Objects never change, so what it holds is always right.
type cache struct {
	max int

	mu    sync.Mutex // guards all below
	size  int
	items map[string]*list.Element
	order *list.List // of *item, the last used first
}

type item struct {
	key   string
	value any
	size  int
}

func newCache(max int) *cache {
	return &cache{max: max, items: map[string]*list.Element{}, order: list.New()}
}

func (c *cache) get(key string) (any, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	e, ok := c.items[key]
	if !ok {
		return nil, false
	}
	c.order.MoveToFront(e)
	return e.Value.(*item).value, true
}

func (c *cache) put(key string, value any, size int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, ok := c.items[key]; ok || size > c.max {
		return
	}
	c.items[key] = c.order.PushFront(&item{key, value, size})
	c.size += size
	for c.size > c.max {
		last := c.order.Back()
		it := last.Value.(*item)
		c.order.Remove(last)
		delete(c.items, it.key)
		c.size -= it.size
	}
}

// drop forgets what is at a key.
func (c *cache) drop(key string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if e, ok := c.items[key]; ok {
		c.order.Remove(e)
		delete(c.items, key)
		c.size -= e.Value.(*item).size
	}
}
