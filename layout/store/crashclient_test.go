//go:build unix

package store_test

import (
	"math/rand/v2"
	"strings"
	"time"

	"github.com/firnlog/firn/layout/fault"
	"github.com/firnlog/firn/layout/store"
)

// crashClient uses a folder and notes what it is told.
type crashClient struct {
	w     *crashWorld
	store store.Store
	rng   *rand.Rand
}

// run carries out random operations. It begins at a moment of its own, so that
// no two clients draw from the disk's chance in an order of their own.
func (c *crashClient) run() {
	time.Sleep(time.Duration(c.rng.Int64N(int64(time.Millisecond))))
	for range operations {
		key := c.w.keys[c.rng.IntN(len(c.w.keys))]
		switch n := c.rng.IntN(20); {
		case n < 7:
			c.put(key, create, store.IfAbsent)
		case n < 9:
			c.put(key, overwrite, store.Always)
		case n < 12:
			c.get(key)
		case n < 14:
			c.list([]string{"", "log/", key}[c.rng.IntN(3)])
		case n < 17:
			c.delete(key)
		case n < 19:
			c.setTag(key)
		default:
			c.tags(key)
		}
	}
}

func (c *crashClient) put(key string, kind crashKind, cond store.Condition) {
	o, call := crashOp{key, kind, c.w.body(key)}, c.w.tick()
	err := putString(c.store, key, o.body, cond)
	c.w.mustBeFair("put "+key, err)
	c.w.note(o, call, crashAnswer{outcome: outcome(err)})
}

func (c *crashClient) delete(key string) {
	call := c.w.tick()
	err := c.store.Delete(background, key)
	c.w.mustBeFair("delete "+key, err)
	c.w.note(crashOp{key: key, kind: remove}, call, crashAnswer{outcome: outcome(err)})
}

// get returns what is at key, "" for nothing.
func (c *crashClient) get(key string) string {
	call := c.w.tick()
	data, _, err := store.ReadAll(background, c.store, key)
	c.w.mustBeFair("get "+key, err)
	if err != nil && !fault.Is(err, fault.NotFound) {
		return ""
	}
	if err == nil && c.w.whole(key, len(data)) != string(data) {
		c.w.fail("%s reads %q", key, data)
	}
	c.w.note(crashOp{key: key, kind: read}, call, crashAnswer{body: string(data)})
	return string(data)
}

// list returns what is below prefix.
func (c *crashClient) list(prefix string) map[string]string {
	call := c.w.tick()
	page, err := c.store.List(background, store.ListOptions{Prefix: prefix})
	c.w.mustBeFair("list "+prefix, err)
	if err != nil {
		return nil
	}
	found := map[string]string{}
	for _, o := range page.Objects {
		found[o.Key] = c.w.whole(o.Key, int(o.Size))
	}
	for _, key := range c.w.keys {
		if strings.HasPrefix(key, prefix) {
			c.w.note(crashOp{key: key, kind: read}, call, crashAnswer{body: found[key]})
		}
	}
	return found
}

func (c *crashClient) setTag(key string) {
	o, call := crashOp{key, tag, c.w.body(key)}, c.w.tick()
	err := c.store.SetTags(background, key, map[string]string{"t": o.body})
	c.w.mustBeFair("tag "+key, err)
	c.w.note(o, call, crashAnswer{outcome: outcome(err)})
}

// tags returns the tag of the object at key, "" for none.
func (c *crashClient) tags(key string) string {
	tags, err := c.store.Tags(background, key)
	c.w.mustBeFair("tags of "+key, err)
	if value, ok := tags["t"]; ok && c.w.whole(key, len(value)) != value {
		c.w.fail("%s has tag %q", key, value)
	}
	return tags["t"]
}
